"""When clients that have missed something should load their state again."""

from collections.abc import Callable

# These come to a whole fleet at once; all others to few.
_FLEET_REASONS = frozenset({"failover", "epoch", "branch", "diverged"})


def at_once(reason: str) -> int:  # noqa: ARG001 -- `Reloading` looks at it
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

    def after_ms(self, reason: str) -> int:
        """When the next client should, in milliseconds from now, by the reason of its notice."""
        return int(self._dice() * self._spread_s * 1000) if reason in _FLEET_REASONS else 0
