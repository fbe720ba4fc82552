"""One timer for the signs of life of all connections."""

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.hub.connection import Connection


class Sweep:
    """Pings every connection once in `ping_s` seconds, spread evenly, and closes those that do not answer."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, ping_s: int, pong_s: int) -> None:
        """Nothing to sweep yet.

        Args:
            clock: for the timer.
            ping_s: from one ping of a connection to the next, in whole seconds, 1 or more.
            pong_s: how long an answer may take, in whole seconds, at most `ping_s`.
        """
        self._ping_s = ping_s
        self._pong_s = pong_s
        self._groups: list[dict[Connection, None]] = [{} for _ in range(ping_s)]
        self._second = 0
        self._timer = LoopingCall(self._sweep)
        self._timer.clock = clock

    def start(self) -> None:
        """Sweeps once a second from now on."""
        self._timer.start(1, now=False).addErrback(lambda failure: self._log.failure("The sweep failed", failure))

    def stop(self) -> None:
        """Sweeps no more."""
        if self._timer.running:
            self._timer.stop()

    def add(self, connection: Connection) -> None:
        """Takes care of a connection."""
        self._group_of(connection)[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forgets it."""
        self._group_of(connection).pop(connection, None)

    def _group_of(self, connection: Connection) -> dict[Connection, None]:
        return self._groups[hash(connection.client) % self._ping_s]

    def _reads(self, connection: Connection) -> bool:
        """Whether a choked one has read something since it was looked at last."""
        before, connection.unsent = connection.unsent, connection.transport.unsent()
        return connection.unsent < before

    def _sweep(self) -> None:
        self._second += 1
        for connection in tuple(self._groups[(self._second - self._pong_s) % self._ping_s]):
            # A choked one is not read, so its pong cannot be seen; what it reads shows that it lives.
            if not connection.was_heard and not connection.is_choked:
                connection.end(Disconnect(DisconnectCode.NO_PONG))
        for connection in tuple(self._groups[self._second % self._ping_s]):
            if connection.is_choked and not connection.was_heard and not self._reads(connection):
                connection.end(Disconnect(DisconnectCode.NO_PONG))
                continue
            connection.was_heard = False
            connection.transport.ping()
