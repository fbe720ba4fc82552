"""How much of its own core the load tool takes, and how late it comes: what its figures are worth."""

from collections.abc import Callable

from attrs import frozen

from pulsetw.cli.load.histogram import Histogram, Percentiles


@frozen
class Strain:
    """Of the tool's own process, in one part of a run.

    Attributes:
        cpu_share: of one core, 0 to about 1.
        lag_ms: how late its event loop came to what was due; latencies have some of it.
    """

    cpu_share: float
    lag_ms: Percentiles


class Gauge:
    """Measures the process between two moments."""

    def __init__(self, now_us: Callable[[], int], cpu_s: Callable[[], float]) -> None:
        """Begins.

        Args:
            now_us: a clock that never goes back, in microseconds.
            cpu_s: seconds of a core that this process has had.
        """
        self._now_us = now_us
        self._cpu_s = cpu_s
        self._began_us = now_us()
        self._began_cpu_s = cpu_s()
        self._lag = Histogram()

    def late(self, microseconds: int) -> None:
        """What was due so long ago is done now."""
        self._lag.add(microseconds)

    def read(self) -> Strain:
        """From the begin to now."""
        passed_s = (self._now_us() - self._began_us) / 1_000_000
        used_s = self._cpu_s() - self._began_cpu_s
        return Strain(used_s / passed_s if passed_s else 0.0, self._lag.percentiles())
