"""What many keep, within one bound."""

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class Keeper(Protocol):
    """Keeps what can be forgotten. It is told apart from others by what it is, not by what it keeps."""

    @property
    def kept_bytes(self) -> int:
        """What it keeps, in bytes; cheap enough for every message."""

    def forget(self) -> None:
        """Gives it all back."""


K = TypeVar("K", bound=Keeper)


class Memory(Generic[K]):
    """Keeps what all keepers take within a bound; the idlest are emptied first.

    Attributes:
        bytes: what all take together, as of the last `used` of each.
    """

    def __init__(self, max_bytes: int) -> None:
        """Nobody keeps anything yet.

        Args:
            max_bytes: what all may take together.
        """
        self.bytes = 0
        self._max_bytes = max_bytes
        self._sizes: OrderedDict[K, int] = OrderedDict()

    def used(self, keeper: K) -> None:
        """A keeper has something new, or was of use."""
        size = keeper.kept_bytes
        before = self._sizes.get(keeper)
        if size != before:
            self.bytes += size - (before or 0)
            self._sizes[keeper] = size
        if before is not None:
            self._sizes.move_to_end(keeper)
        while self.bytes > self._max_bytes and self._sizes:
            idlest, size = self._sizes.popitem(last=False)
            self.bytes -= size
            idlest.forget()

    def remove(self, keeper: K) -> None:
        """The keeper is no more."""
        self.bytes -= self._sizes.pop(keeper, 0)
