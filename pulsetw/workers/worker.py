# ruff: noqa: N802 -- Twisted calls us by its names
"""A worker: a relay in a process that a supervisor has started, on sockets that it has bound."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.logger import LogEvent, Logger, LogLevel, eventAsText
from twisted.python.failure import Failure

from pulsetw.errors import ConfigError
from pulsetw.service import Relay
from pulsetw.workers.messages import Ask, Channel, Drain, Failed, Hurry, Message, Report, Said, Start

_MAX_CHARACTERS = 16_384
# What is said on the way out must not keep the worker from leaving.
_FAREWELL_S = 1.0


class Worker(Channel):
    """Obeys the supervisor; when that is gone, it leaves as if it had been told to.

    Attributes:
        exit_status: what the process should end with.
    """

    _log = Logger()
    transport: Any

    def __init__(self, reactor: Any, make_relay: Callable[[Start], Relay]) -> None:
        """Waits for its first order.

        Args:
            reactor: is stopped when all is over.
            make_relay: what it is told to be; raises `ConfigError`.
        """
        super().__init__(self._obey)
        self.exit_status = 0
        self._reactor = reactor
        self._make_relay = make_relay
        self._relay: Relay | None = None
        self._leaves = False
        self._is_alone = False
        self._pipe_is_full = False
        self._unsaid = 0
        self._watchdog: IDelayedCall | None = None
        self._orders: dict[type, Callable[[Any], None]] = {
            Start: self._start,
            Ask: self._report,
            Drain: lambda _: self.drain(),
            Hurry: self._hurry,
        }

    def connectionMade(self) -> None:
        """See `IProtocol`."""
        self.transport.registerProducer(self, True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 -- Twisted's
        """See `IProtocol`; the supervisor has gone, or all has been said."""
        self._is_alone = True
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._reactor.stop()
        else:
            self.drain()

    def pauseProducing(self) -> None:
        """The supervisor does not read: lines of the log are dropped from now on, and counted."""
        self._pipe_is_full = True

    def resumeProducing(self) -> None:
        """The supervisor reads again."""
        self._pipe_is_full = False
        if self._unsaid:
            unsaid, self._unsaid = self._unsaid, 0
            self._log.warn("{count} lines of the log are lost: the supervisor did not read", count=unsaid)

    def stopProducing(self) -> None:
        """Nobody reads any more."""

    def log(self, event: LogEvent) -> None:
        """Observes the log, and passes it to the supervisor's."""
        level = event.get("log_level", LogLevel.info)
        if level < LogLevel.info:
            return
        if self._pipe_is_full:
            self._unsaid += 1
            return
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        system = event.get("log_system", event.get("log_namespace", "-"))
        self.send(Said(level.name, str(system), text[:_MAX_CHARACTERS]))

    def drain(self) -> None:
        """Leaves without dropping anyone in the cold; once is enough."""
        if not self._leaves:
            self._leaves = True
            stopped = self._relay.stopService() if self._relay is not None else succeed(None)
            stopped.addBoth(lambda _: self._leave())

    def _leave(self) -> None:
        if self._is_alone:
            self._reactor.stop()
        else:
            self._watchdog = self._reactor.callLater(_FAREWELL_S, self._reactor.stop)
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def _obey(self, message: Message) -> None:
        self._orders[type(message)](message)

    def _start(self, message: Start) -> None:
        try:
            self._relay = self._make_relay(message)
        except ConfigError as error:
            self._cannot_start(str(error))
        else:
            self._relay.started.addErrback(lambda failure: self._cannot_start(str(failure.value)))
            self._relay.startService()

    def _cannot_start(self, problem: str) -> None:
        self.exit_status = 1
        self.send(Failed(problem))
        self.drain()

    def _report(self, _: Ask) -> None:
        if self._relay is not None:
            self.send(Report(self._relay.readiness(), self._relay.stats()))

    def _hurry(self, _: Hurry) -> None:
        if self._relay is not None:
            self._relay.hurry()
