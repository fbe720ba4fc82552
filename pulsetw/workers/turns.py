"""Whose turn it is to take a connection.

All workers wait on the same sockets, and the kernel wakes them in the same order each time: with nothing else to do,
the first would take everything. So each writes into memory that all of them see how many connections it has, and one
that has more than others steps back for a moment.
"""

import mmap
import os
from collections.abc import Callable

# So far one may be ahead: a few, and a sixteenth.
_FEW = 4
_PART = 16
_NOBODY = 2**62
_BYTES = 8


class Counts:
    """How many connections each worker has, in memory that is shared by a descriptor.

    Attributes:
        fd: the descriptor.
    """

    def __init__(self, workers: int, fd: int | None = None) -> None:
        """Maps the memory.

        Args:
            workers: how many there are.
            fd: of memory that another process has made; None = makes it, with nobody in it.
        """
        self.fd = os.memfd_create("pulsetw") if fd is None else fd
        if fd is None:
            os.truncate(self.fd, workers * _BYTES)
        self._numbers = memoryview(mmap.mmap(self.fd, workers * _BYTES)).cast("q")
        if fd is None:
            for place in range(workers):
                self.absent(place)

    def set(self, place: int, connections: int) -> None:
        """Says how many one worker has."""
        self._numbers[place] = connections

    def absent(self, place: int) -> None:
        """Nobody is there, or it does not answer: the others do not wait for it."""
        self._numbers[place] = _NOBODY

    def fewest(self) -> int:
        """How many the one has that has the fewest."""
        return min(self._numbers)


class Turns:
    """The turns of one worker."""

    def __init__(self, counts: Counts, place: int, connections: Callable[[], int]) -> None:
        """Has its place among the others.

        Args:
            counts: what all have.
            place: of this one, from 0.
            connections: tells how many this one has, at any time.
        """
        self._counts = counts
        self._place = place
        self._connections = connections

    def room(self) -> int:
        """How many connections this worker may take now; 0 and less = others have fewer, and go first."""
        own = self._connections()
        self._counts.set(self._place, own)
        return self._counts.fewest() - own + _FEW + own // _PART
