"""The short form of `python -m tests.bench.comeback`."""

import pytest

from tests.bench.comeback import CHANNELS, MAX_SYNCS, RELAYS, run


@pytest.mark.parametrize("is_much", [False, True], ids=["little", "more than the relays keep"])
def test_all_come_back_at_once_and_redis_hardly_notices(is_much: bool) -> None:
    """Each client gets each event once, and a channel's log is read three times by each relay at most."""
    comeback = run(500, is_much=is_much)
    assert not comeback.faults, comeback.faults[:10]
    assert comeback.missed > (100 if is_much else 0)
    assert len(comeback.recovery_s) == 500
    assert len(comeback.by_log) == RELAYS * len(CHANNELS)
    assert comeback.most_syncs <= MAX_SYNCS, comeback.by_log
    assert sum(comeback.by_log.values()) == comeback.syncs
