"""When clients that have missed something should load their state again."""

from collections.abc import Callable

from pulsetw.model import Notice


def at_once(notice: Notice) -> int:  # noqa: ARG001 -- `Reloading` looks at it
    """For one that stands alone."""
    return 0


class Reloading:
    """Spreads the reloads of a fleet, so that they do not come down on one server at once."""

    def __init__(self, spread_s: float, dice: Callable[[], float]) -> None:
        """Nothing to load.

        Args:
            spread_s: over how many seconds.
            dice: a random number from 0 to 1.
        """
        self._spread_s = spread_s
        self._dice = dice

    def after_ms(self, notice: Notice) -> int:
        """When the next client should that is told so, in milliseconds from now."""
        return int(self._dice() * self._spread_s * 1000) if notice.is_of_the_log else 0
