"""One kept connection: made, set up, watched, and made again."""

from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.application.internet import ClientService
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogPublisher
from twisted.python.failure import Failure

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.protocol import Connection, connection_class
from pulsetw.broker.redis.replies import NoReply
from pulsetw.broker.redis.sentinel import SentinelEndpoint
from pulsetw.broker.redis.setup import SetUpFailed, set_up


@frozen
class LinkUse:
    """What the one who uses a link does with it.

    Attributes:
        up: called when the connection can be used.
        down: called with the reason when it was up and cannot be used any more.
        gave_up: called when `max_reconnect_attempts` is reached; the link has ended.
        prepare: the last step of setting up; fires when it is done, cancelled when the connection ends before.
        pushed: takes what Redis sends unasked; None = the link never subscribes.
        gathering: called around what came together: True before the first push, False after the last.
    """

    up: Callable[[], None]
    down: Callable[[str], None]
    gave_up: Callable[[], None]
    prepare: Callable[[Connection], Deferred[None]] | None = None
    pushed: Callable[[list[Any]], None] | None = None
    gathering: Callable[[bool], None] | None = None


class Link:
    """Keeps one connection.

    Twisted's ClientService connects and waits between tries. It has no `prepareConnection`: what fails in there leaks
    its socket. Instead each new connection is set up here, and one that cannot be is aborted; when it is gone and
    ClientService knows, the next is awaited. All failures count alike, whether Redis cannot be reached, refuses the
    password or falls silent.

    Attributes:
        connection: the one that can be used; None = there is none now.
        reason: why not, or what is still waited for, in words.
        failures: tries that failed since a connection last proved itself (`prove`).
        has_given_up: `max_reconnect_attempts` is reached, nothing more is tried.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        reactor: IReactorTime,
        endpoint: IStreamClientEndpoint,
        options: RedisOptions,
        client_name: str,
        random: Callable[[], float],
        use: LinkUse,
    ) -> None:
        """A link that does nothing before `start`.

        Args:
            name: in the log: publisher or subscriber.
            reactor: for all waiting.
            endpoint: where to connect to.
            options: credentials, limits and the waits between tries.
            client_name: what CLIENT LIST shows.
            random: from 0 to 1, for the jitter.
            use: what to do with it.
        """
        self.connection: Connection | None = None
        self.reason = "not started"
        self.failures = 0
        self.has_given_up = False
        self._name = name
        self._reactor = reactor
        self._options = options
        self._client_name = client_name
        self._random = random
        self._use = use
        self._socket: Connection | None = None  # from connecting until it is gone
        self._doomed = False  # whether `_socket` has been aborted
        self._proven = False
        self._stopped = False
        self._ended: bool | None = None  # None = not even ending
        self._end_waiters: list[Deferred[None]] = []
        self._turn: IDelayedCall | None = None  # until the next connection is awaited
        self._ending: IDelayedCall | None = None  # until it gives up
        self._preparing: Deferred[None] | None = None
        self._endpoint = endpoint
        self._service = _QuietClientService(
            endpoint, _Connections(reactor, self, use.pushed is not None), self._wait_s, reactor
        )

    def start(self) -> None:
        """Connects, and keeps connected until `stop`."""
        self.reason = "connecting"
        self._service.startService()
        self._await_connection()

    def stop(self) -> Deferred[None]:
        """Ends the connection at once; fires when it is gone. May be called again."""
        self._stopped = True
        if not self.has_given_up:
            self.reason = "stopped"
        self.connection = None
        for call in (self._turn, self._ending):
            if call is not None and call.active():
                call.cancel()
        self._doom()
        return self._end()

    def prove(self) -> None:
        """The connection works: what fails from now on is counted from zero, and waited for from the shortest wait."""
        self._proven = True
        self.failures = 0

    def abort(self, reason: str) -> None:
        """Gives the connection up, whatever its state; another is tried."""
        if self._socket is not None and not self._doomed:
            self._doom()
            self._failed(reason)

    # What connections tell: see `protocol.Owner`.

    def pushed(self, push: list[Any]) -> None:
        """Hands on what Redis sent unasked, as long as the connection counts."""
        if self._use.pushed is not None and not self._doomed and not self._stopped:
            self._use.pushed(push)

    def gathering(self, *, is_on: bool) -> None:
        """See `LinkUse.gathering`."""
        if self._use.gathering is not None:
            self._use.gathering(is_on)

    def broken(self, connection: Connection, reason: str) -> None:
        """Gives up a connection whose stream makes no sense any more."""
        if connection is self._socket:
            self.abort(reason)

    def lost(self, connection: Connection, why: Failure) -> None:
        """Notes the loss, and awaits the next connection."""
        if connection is not self._socket:
            return
        was_doomed, self._socket, self._doomed = self._doomed, None, False
        if self._preparing is not None:
            self._preparing.cancel()
        if self._stopped:
            return
        # ClientService hears of the loss after this call; asked now, it would hand out the dead connection again.
        self._turn = self._reactor.callLater(0, self._await_connection)
        if not was_doomed:
            self._failed(_why_lost(why))

    # One connection after the other.

    def _await_connection(self) -> None:
        connected = self._service.whenConnected(failAfterFailures=1)
        connected.addCallbacks(self._connected, self._not_connected)
        connected.addErrback(self._stumbled)

    def _not_connected(self, failure: Failure) -> None:
        if failure.check(CancelledError) or self._stopped:
            return
        self._turn = self._reactor.callLater(0, self._await_connection)
        self._failed(f"cannot connect: {_why_not_connected(failure)}")

    def _connected(self, connection: Any) -> None:
        self._socket = connection
        done = Deferred.fromCoroutine(self._set_up(connection))
        done.addCallback(self._is_up, connection)
        done.addErrback(self._not_set_up, connection)

    async def _set_up(self, connection: Connection) -> None:
        await set_up(connection, self._options, self._client_name, self._reactor)
        if self._use.prepare is not None:
            self._preparing = self._use.prepare(connection)
            try:
                await self._preparing
            finally:
                self._preparing = None

    def _is_up(self, _: None, connection: Connection) -> None:
        if connection is self._socket and not self._doomed:
            self.connection = connection
            self.reason = "no heartbeat came round yet"
            self._log.info("the {name} is connected to {url}", name=self._name, url=self._options.display_url)
            self._use.up()

    def _not_set_up(self, failure: Failure, connection: Connection) -> None:
        if not failure.check(SetUpFailed, NoReply, CancelledError):
            self._stumbled(failure)
        if failure.check(SetUpFailed) and isinstance(self._endpoint, SentinelEndpoint):
            self._endpoint.misled()
        if connection is self._socket:
            self.abort(str(failure.value) or "setting up failed")

    def _failed(self, reason: str) -> None:
        was_up, self.connection = self.connection is not None, None
        if was_up or reason != self.reason:
            self._log.warn(
                "the {name} of {url}: {reason}", name=self._name, url=self._options.display_url, reason=reason
            )
        self.reason = reason
        if was_up:
            self._use.down(reason)

    def _wait_s(self, _: int) -> float:
        """ClientService's retry policy: called once for each failed try to connect, and for each connection lost."""
        if not self._proven:
            self.failures += 1
        self._proven = False
        limit = self._options.max_reconnect_attempts
        if limit and self.failures >= limit and not self._stopped:
            # Not from in here: ClientService is in the middle of a transition.
            self._ending = self._reactor.callLater(0, self._give_up)
        return self._options.backoff.delay_s(max(1, self.failures), self._random())

    def _give_up(self) -> None:
        self._stopped = True
        self.has_given_up = True
        self.reason = f"gave up after {self.failures} failed attempts; the last: {self.reason}"
        self._log.error(
            "the {name} of {url} {reason}", name=self._name, url=self._options.display_url, reason=self.reason
        )
        self._end()
        self._use.gave_up()

    def _end(self) -> Deferred[None]:
        # ClientService is asked once: it fires in the middle of a transition, and whoever hears it may stop again.
        if self._ended is None:
            self._ended = False
            self._service.stopService().addCallback(self._has_ended)
        if self._ended:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._end_waiters.append(waiter)
        return waiter

    def _has_ended(self, _: None) -> None:
        self._ended = True
        waiters, self._end_waiters = self._end_waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def _doom(self) -> None:
        if self._socket is not None and not self._doomed:
            self._doomed = True
            self._socket.abort()

    def _stumbled(self, failure: Failure) -> None:
        self._log.failure("the {name} failed in our own code", failure, name=self._name)


class _QuietClientService(ClientService):
    """Without a log line for each try: the link says what changes, by name and with the reason."""

    _log = Logger(observer=LogPublisher())


class _Connections(Factory):
    """Makes the connections of one link."""

    noisy = False

    def __init__(self, reactor: IReactorTime, link: Link, subscribes: bool) -> None:
        self._reactor = reactor
        self._link = link
        self._subscribes = subscribes

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: ARG002, N802 -- Twisted's name
        return connection_class()(self._reactor, self._link, self._subscribes)


def _why_lost(why: Failure) -> str:
    if why.check(ConnectionDone):
        return "Redis closed the connection"
    return f"the connection was lost: {why.value}"


def _why_not_connected(failure: Failure) -> str:
    if failure.check(ConnectTimeout):
        return "no connection came about in time"
    return str(failure.value)
