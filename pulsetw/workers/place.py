"""A worker's place: one process after another."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pulsetw.policy.backoff import Backoff
from pulsetw.web.status import Readiness
from pulsetw.workers.messages import Ask, Drain, Failed, Hurry, Message, Report, Start
from pulsetw.workers.process import WorkerProcess
from pulsetw.workers.totals import Totals
from pulsetw.workers.turns import Counts

_WAITS = Backoff(first_s=0.1, factor=2.0, max_s=30.0, jitter=0.5)
# After so long a life the next wait is the first one again.
_STEADY_S = 60.0


ASK_S = 0.5
"""So often each worker is asked how it is: statistics and health are no older than that."""

# So many times it may be looked for an answer in vain; before the first one Python starts. Looks are counted, and no
# seconds: when the supervisor itself was stopped for a while, no worker is to blame.
_LOOKS_AT_START = 120
_LOOKS = 20
# A slice of the hub, a collection of garbage, or a busy machine explain so many.
_LOOKS_IN_PEACE = 3


class Place:
    """Keeps one worker running.

    Attributes:
        number: of the worker, 1 or more.
        restarts: how many processes came after the first.
    """

    _log = Logger()

    def __init__(
        self,
        number: int,
        start: Start,
        spawn: Callable[[WorkerProcess], object],
        cannot_start: Callable[[str], None],
        counts: Counts,
        clock: IReactorTime,
        dice: Callable[[], float],
    ) -> None:
        """Empty until `fill`.

        Args:
            number: of the worker.
            start: what each process is told first.
            spawn: starts a process for its protocol.
            cannot_start: called with the problem of a process that cannot begin to serve.
            counts: tell the other workers of this one's connections.
            clock: for the waits between two processes.
            dice: a random number from 0 to 1.
        """
        self.number = number
        self.restarts = 0
        self._start = start
        self._spawn = spawn
        self._cannot_start = cannot_start
        self._counts = counts
        self._clock = clock
        self._dice = dice
        self._process: WorkerProcess | None = None
        self._report: Report | None = None
        self._ended_before = Totals()
        self._why_empty = "not started"
        self._looks = 0
        self._failures = 0
        self._filled_at = 0.0
        self._again: IDelayedCall | None = None
        self._on_left: list[Deferred[None]] = []
        self._leaves = False

    @property
    def readiness(self) -> Readiness:
        """As the worker said last; why there is none."""
        if self._process is None:
            return Readiness(False, [self._why_empty])
        if self._report is None:
            return Readiness(False, ["starting"])
        if self._looks > _LOOKS_IN_PEACE:
            return Readiness(False, [f"no answer for {self._looks * ASK_S:g} s"])
        return self._report.readiness

    @property
    def document(self) -> dict[str, Any]:
        """The worker's own numbers, of its present process."""
        stats = self._report.stats if self._report is not None else {}
        return {"pid": self._process.pid if self._process else None, "restarts": self.restarts, **stats}

    def add_to(self, totals: Totals) -> None:
        """Adds its numbers, and what processes before counted until their last report."""
        totals.add(self._ended_before.document)
        if self._report is not None:
            totals.add(self._report.stats)

    def fill(self) -> None:
        """Starts a process."""
        self._filled_at = self._clock.seconds()
        self._looks = 0
        self._process = WorkerProcess(self.number, self._answered, self._ended)
        try:
            self._spawn(self._process)
        except OSError as error:  # no memory, too many processes, too many open files
            self._ended(str(error))
            return
        self._log.info("Worker {number} is process {pid}", number=self.number, pid=self._process.pid)
        self._say(self._start)

    def ask(self) -> None:
        """Asks how the worker is, and kills it when it has not answered for long; to be called every `ASK_S`."""
        if self._process is None:
            return
        if self._looks == 0:
            self._say(Ask())
        elif self._looks == (_LOOKS if self._report is not None else _LOOKS_AT_START):
            self._log.error("Worker {number} does not answer, and is killed", number=self.number)
            self._process.kill()
        elif self._looks > _LOOKS_IN_PEACE:
            self._counts.absent(self._start.place)
        self._looks += 1

    def drain(self) -> Deferred[None]:
        """Has the worker leave, for good; fires when it has left."""
        self._leaves = True
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._process is None:
            return succeed(None)
        self._say(Drain())
        left: Deferred[None] = Deferred()
        self._on_left.append(left)
        return left

    def hurry(self) -> None:
        """While it leaves: it waits for no client's good-bye any more."""
        self._say(Hurry())

    def _say(self, message: Message) -> None:
        if self._process is not None:
            self._process.send(message)

    def _answered(self, message: Report | Failed) -> None:
        if isinstance(message, Failed):
            self._cannot_start(message.problem)
        else:
            self._looks = 0
            self._report = message
            if message.readiness.ready:
                # It counts for itself when it takes connections, but not those that it loses.
                self._counts.set(self._start.place, message.stats["front"]["connections"])

    def _ended(self, how: str) -> None:
        if self._report is not None:
            self._ended_before.add_counters(self._report.stats)
        self._process, self._report = None, None
        self._counts.absent(self._start.place)
        if self._leaves:
            self._log.info("Worker {number} has left: {how}", number=self.number, how=how)
            waiting, self._on_left = self._on_left, []
            for left in waiting:
                left.callback(None)
            return
        lived_s = self._clock.seconds() - self._filled_at
        self._failures = 1 if lived_s >= _STEADY_S else self._failures + 1
        wait_s = _WAITS.delay_s(self._failures, self._dice())
        self._why_empty = f"ended ({how}), the next one starts within {wait_s:.1f} s"
        self._log.warn("Worker {number} {what}", number=self.number, what=self._why_empty)
        self._again = self._clock.callLater(wait_s, self._refill)

    def _refill(self) -> None:
        self._again = None
        self.restarts += 1
        self.fill()
