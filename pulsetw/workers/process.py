# ruff: noqa: N802, N803 -- Twisted calls us by its names
"""One worker's process, as the supervisor sees it."""

import signal
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from pulsetw.workers.messages import ANSWERS_FD, Channel, Failed, Message, Report, Said


class WorkerProcess(ProcessProtocol):
    """Speaks to one process until it has ended, and passes its log on."""

    _log = Logger()
    transport: Any

    def __init__(
        self,
        number: int,
        answered: Callable[[Report | Failed], None],
        ended: Callable[[str], None],
    ) -> None:
        """Is nothing yet; a reactor's `spawnProcess` gives it its process.

        Args:
            number: the worker's, for the log.
            answered: called with all that the worker says but the lines of its log.
            ended: called once, when the process is gone, with how it ended in words.
        """
        self._number = number
        self._answered = answered
        self._ended = ended
        self._channel = Channel(self._received)
        self._raw = {1: LogLevel.info, 2: LogLevel.warn}

    @property
    def pid(self) -> int:
        """The process's id."""
        return int(self.transport.pid)

    def send(self, message: Message) -> None:
        """Says something to the worker, if it is still there."""
        self._channel.send(message)

    def kill(self) -> None:
        """Ends it, whatever it does."""
        try:
            self.transport.signalProcess(signal.SIGKILL)
        except ProcessExitedAlready:
            return

    def connectionMade(self) -> None:
        """See `IProcessProtocol`."""
        self._channel.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """See `IProcessProtocol`; what is no message was printed by somebody's code, or by a dying interpreter."""
        if childFD == ANSWERS_FD:
            self._channel.dataReceived(data)  # type: ignore[no-untyped-call]
        else:
            text = data.decode(errors="replace").rstrip()
            self._log.emit(self._raw[childFD], "worker {number} wrote: {text}", number=self._number, text=text)

    def processEnded(self, reason: Failure) -> None:
        """See `IProcessProtocol`."""
        status: Any = reason.value
        if status.signal is not None:
            self._ended(f"signal {signal.Signals(status.signal).name}")
        else:
            self._ended(f"exit status {status.exitCode or 0}")

    def _received(self, message: Message) -> None:
        if isinstance(message, Said):
            level = LogLevel.lookupByName(message.level)
            Logger(message.system).emit(level, "worker {number}: {text}", number=self._number, text=message.text)
        elif isinstance(message, Report | Failed):
            self._answered(message)
