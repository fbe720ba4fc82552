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
        self._patient: OrderedDict[Hashable, Work] = OrderedDict()
        self._is_planned = False
        self._is_gathering = False

    def add(self, key: Hashable, work: Work, *, is_patient: bool = False) -> None:
        """A job, from the next reactor turn on; one that is there already stays where it is.

        Args:
            key: names it.
            work: does it.
            is_patient: the others do not wait for it: it has what they leave of each slice, one piece at least.
        """
        jobs = self._patient if is_patient else self._jobs
        if key not in jobs:
            jobs[key] = work
            if not self._is_gathering:
                self._plan()

    def gather(self, *, is_on: bool) -> None:
        """Jobs that come while it is on begin when it is off, without another turn of the reactor: 8 µs less."""
        self._is_gathering = is_on
        if not is_on and (self._jobs or self._patient) and not self._is_planned:
            self._turn()

    def discard(self, key: Hashable) -> None:
        """A job is not wanted any more."""
        self._jobs.pop(key, None)
        self._patient.pop(key, None)

    def finish(self) -> None:
        """Does all of it, now."""
        while self._jobs or self._patient:
            self._do(self._jobs or self._patient, never)

    def _plan(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._is_planned = False
        until = self._clock.seconds() + SLICE_S

        def is_over() -> bool:
            return self._clock.seconds() >= until

        for jobs in (self._jobs, self._patient):
            for _ in range(len(jobs)):
                self._do(jobs, is_over)
                if is_over():
                    break
        if self._jobs or self._patient:
            self._plan()

    def _do(self, jobs: OrderedDict[Hashable, Work], is_over: IsOver) -> None:
        """The job that has waited longest."""
        if not jobs:
            return
        key, work = jobs.popitem(last=False)
        try:
            is_done = work(key, is_over)
        except Exception:  # noqa: BLE001 -- the others have to go on
            # Not by a failureHandler: it makes a logger each time, which costs as much as a small job.
            self._log.failure("A job of the hub failed")
        else:
            if not is_done:
                jobs.setdefault(key, work)
