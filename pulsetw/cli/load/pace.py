"""When the events of a run are due."""

from typing import Protocol

# In one request; more would only make the relay's answer wait for more.
MAX_BATCH = 100


class Pace(Protocol):
    """Decides; it has no clock of its own."""

    def due(self, now_us: int, in_flight: int) -> list[int]:
        """Takes the events to be published now, `MAX_BATCH` at most, oldest first.

        Args:
            now_us: the time, in microseconds.
            in_flight: events that have not come to all of their listeners.

        Returns:
            For each the time from which its latency counts.
        """

    def wait_us(self, now_us: int) -> float | None:
        """How long nothing is due, whatever happens; None = until an event has come to all."""


class Rate:
    """So many a second, also while others wait.

    An event's latency counts from when it was due: time that it waits for the relay to answer the one before is the
    relay's.
    """

    def __init__(self, per_second: float, start_us: int) -> None:
        """The first is due at `start_us`."""
        self._pause_us = 1_000_000 / per_second
        self._start_us = start_us
        self._taken = 0

    def due(self, now_us: int, in_flight: int) -> list[int]:  # noqa: ARG002 -- see `Pace`; so is the next
        """Those whose time has come."""
        passed = int((now_us - self._start_us) / self._pause_us) + 1
        first, self._taken = self._taken, min(passed, self._taken + MAX_BATCH)
        return [int(self._start_us + number * self._pause_us) for number in range(first, self._taken)]

    def wait_us(self, now_us: int) -> float | None:
        """Until the next one's time."""
        return max(0.0, self._start_us + self._taken * self._pause_us - now_us)


class Window:
    """As fast as events come to all of their listeners, so many at once on the way."""

    def __init__(self, events: int) -> None:
        """At most so many in flight."""
        self._events = events

    def due(self, now_us: int, in_flight: int) -> list[int]:
        """As many as there is room for, their latency from now on; see `Pace`, also for the next."""
        return [now_us] * min(self._events - in_flight, MAX_BATCH)

    def wait_us(self, now_us: int) -> float | None:  # noqa: ARG002
        """Nothing is due before an event has come to all."""
        return None
