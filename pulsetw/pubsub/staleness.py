"""Whether clients should know that nothing comes in."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

STALE_S = 5.0
"""An outage that is shorter is nobody's business: what was missed is read again."""


class Staleness:
    """Says so when the broker has been away for a while, and when all has been caught up with."""

    def __init__(
        self,
        clock: IReactorTime,
        now_ms: Callable[[], int],
        stale: Callable[[int], None],
        fresh: Callable[[], None],
    ) -> None:
        """Nothing is away.

        Args:
            clock: for waiting.
            now_ms: milliseconds since 1970.
            stale: called with the time since when, once in an outage.
            fresh: called after it, if `stale` was.
        """
        self._clock = clock
        self._now_ms = now_ms
        self._stale = stale
        self._fresh = fresh
        self._since_ms: int | None = None
        self._timer: IDelayedCall | None = None
        self._is_told = False

    def away(self) -> None:
        """The broker is away, still or again."""
        if self._since_ms is None:
            self._since_ms = self._now_ms()
            self._timer = self._clock.callLater(STALE_S, self._tell)

    def caught_up(self) -> None:
        """It is back, and nothing is missing any more."""
        self.stop()
        self._since_ms = None
        if self._is_told:
            self._is_told = False
            self._fresh()

    def stop(self) -> None:
        """Says nothing more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _tell(self) -> None:
        if self._since_ms is not None:
            self._is_told = True
            self._stale(self._since_ms)
