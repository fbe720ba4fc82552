"""Work of a hub that may be long, done a few milliseconds in each reactor turn."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

IsOver = Callable[[], bool]
"""Whether it is somebody else's turn."""

Work = Callable[[Any, IsOver], bool]
"""Does some of a job, named by its key, until it is over, but at least a little; whether all of it is done."""

# Reading, pings and health wait so long at most, in seconds; a shorter slice would join fewer events in one send.
SLICE_S = 0.004


def never() -> bool:
    """For work that is to be done to its end."""
    return False


class Slices:
    """Jobs that take turns: after a slice of time the reactor looks after everything else, then the next goes on."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        """No job yet."""
        self._clock = clock
        self._jobs: OrderedDict[Hashable, Work] = OrderedDict()
        self._is_planned = False
        self._is_gathering = False

    def add(self, key: Hashable, work: Work) -> None:
        """A job, from the next reactor turn on; one that is there already stays where it is."""
        if key not in self._jobs:
            self._jobs[key] = work
            if not self._is_gathering:
                self._plan()

    def gather(self, *, is_on: bool) -> None:
        """Jobs that come while it is on begin when it is off, without another turn of the reactor: 8 µs less."""
        self._is_gathering = is_on
        if not is_on and self._jobs and not self._is_planned:
            self._turn()

    def discard(self, key: Hashable) -> None:
        """A job is not wanted any more."""
        self._jobs.pop(key, None)

    def finish(self) -> None:
        """Does all of it, now."""
        while self._jobs:
            self._do(never)

    def _plan(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._is_planned = False
        until = self._clock.seconds() + SLICE_S

        def is_over() -> bool:
            return self._clock.seconds() >= until

        for _ in range(len(self._jobs)):
            self._do(is_over)
            if is_over():
                break
        if self._jobs:
            self._plan()

    def _do(self, is_over: IsOver) -> None:
        """The job that has waited longest."""
        if not self._jobs:
            return
        key, work = self._jobs.popitem(last=False)
        try:
            is_done = work(key, is_over)
        except Exception:  # noqa: BLE001 -- the others have to go on
            # Not by a failureHandler: it makes a logger each time, which costs as much as a small job.
            self._log.failure("A job of the hub failed")
        else:
            if not is_done:
                self._jobs.setdefault(key, work)
