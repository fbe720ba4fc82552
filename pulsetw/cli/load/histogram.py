"""Times by how often they came, in little memory however many there are."""

from math import exp, log

from attrs import define, field, frozen

# Of two neighbours one is 1 % above the other, so that a percentile is wrong by half of that at most.
_PER_E_FOLD = 100


@frozen
class Percentiles:
    """What a histogram tells; 0 where nothing was counted.

    Attributes:
        p50: half of the times are not above it, in milliseconds, within 0.5 %; p90 and p99 alike.
        max: the longest, exactly, in milliseconds.
    """

    p50: float
    p90: float
    p99: float
    max: float


@define(eq=False)
class Histogram:
    """Counts times in steps of 1 %; at most some 3 000 numbers are kept, for 1 µs to a year.

    Attributes:
        count: how many times there are.
        max_us: the longest, in microseconds.
    """

    count: int = 0
    max_us: int = 0
    _steps: dict[int, int] = field(factory=dict)

    def add(self, microseconds: int) -> None:
        """One more; what is below 1 µs counts as 1."""
        step = int(log(microseconds) * _PER_E_FOLD) if microseconds > 1 else 0
        self._steps[step] = self._steps.get(step, 0) + 1
        self.count += 1
        if microseconds > self.max_us:
            self.max_us = microseconds

    def percentiles(self) -> Percentiles:
        """Those that people ask for."""
        return Percentiles(
            self._percentile_ms(50), self._percentile_ms(90), self._percentile_ms(99), self.max_us / 1000
        )

    def _percentile_ms(self, percent: float) -> float:
        """The time that so many percent of all are not above."""
        left = self.count * percent / 100
        for step in sorted(self._steps):
            left -= self._steps[step]
            if left <= 0:
                # A step's middle; the last one may reach beyond the longest.
                return min(exp((step + 0.5) / _PER_E_FOLD), self.max_us) / 1000
        return 0.0
