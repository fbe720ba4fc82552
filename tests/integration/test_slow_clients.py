"""The short form of `python -m tests.bench.slow`."""

from tests.bench.slow import Load, run


def test_clients_that_do_not_read_cost_little_and_harm_nobody() -> None:
    """The relay's memory is bounded, the others are as quick as before, and the slow ones have no hole untold."""
    slowness = run(Load(slow=40, good=160, seconds=8))
    assert not slowness.faults, slowness.faults[:10]
    assert slowness.passed_bytes >= 4_000_000
    assert slowness.grown_bytes <= slowness.max_grown_bytes
    assert max(slowness.while_s, slowness.after_s) <= slowness.max_p99_s
    assert slowness.told > 0
