"""The short form of `python -m tests.bench.comeback`."""

from tests.bench.comeback import MAX_SYNCS, run


def test_all_come_back_at_once_and_redis_hardly_notices() -> None:
    """Each client gets each event once, and a log is read three times by each relay at most."""
    comeback = run(500)
    assert not comeback.faults, comeback.faults[:10]
    assert comeback.missed > 0
    assert len(comeback.recovery_s) == 500
    assert 0 < comeback.syncs <= MAX_SYNCS
