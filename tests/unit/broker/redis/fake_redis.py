"""A Redis in memory, and a clock that connects to it: everything happens when the clock is advanced."""

from typing import Any

import hiredis
from attrs import define, field
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IReactorUNIX, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer


@define(eq=False)
class FakeRedis:
    """Answers as Redis does what a broker asks of it.

    Attributes:
        clients: the connections that stand, the oldest first.
        commands: all that came in, by its first word.
        is_down: connections are refused.
        frozen: commands that are not answered; "*" = none is.
        errors: the error that a command is answered with.
        hello: version and role.
        loses_probes: heartbeats are answered and not published.
    """

    clients: "list[FakeTransport]" = field(factory=list)
    commands: list[str] = field(factory=list)
    is_down: bool = False
    frozen: set[str] = field(factory=set)
    errors: dict[str, str] = field(factory=dict)
    hello: tuple[bytes, bytes] = (b"7.0.15", b"master")
    loses_probes: bool = False

    def subscribers(self) -> "list[FakeTransport]":
        return [client for client in self.clients if client.names]

    def take(self, client: "FakeTransport", words: list[bytes]) -> None:
        command = words[0].decode()
        self.commands.append(command)
        if command in self.frozen or "*" in self.frozen:
            return
        if command in self.errors:
            client.give(b"-%s\r\n" % self.errors[command].encode())
            return
        answer = getattr(self, f"do_{command.lower()}", None)
        client.give(answer(client, *words[1:]) if answer is not None else b"+OK\r\n")

    def do_hello(self, client: "FakeTransport", _: bytes) -> bytes:
        version, role = self.hello
        return _list([b"server", b"redis", b"version", version, b"role", role])

    def do_publish(self, client: "FakeTransport", channel: bytes, payload: bytes) -> bytes:
        hearers = [each for each in self.clients if channel in each.names]
        for each in hearers:
            each.give(_list([b"message", channel, payload]))
        return b":%d\r\n" % len(hearers)

    def do_eval(self, client: "FakeTransport", text: bytes, _: bytes, key: bytes, *args: bytes) -> bytes:
        token, _kept, probe = args
        if not self.loses_probes:
            self.do_publish(client, probe, token)
        return b"$%d\r\n%s\r\n" % (len(token), token)

    def do_subscribe(self, client: "FakeTransport", *names: bytes) -> bytes:
        client.names.update(names)
        return b"".join(_list([b"subscribe", name, 1]) for name in names)

    def do_psubscribe(self, client: "FakeTransport", *names: bytes) -> bytes:
        return b"".join(_list([b"psubscribe", name, 1]) for name in names)

    def do_unsubscribe(self, client: "FakeTransport", *names: bytes) -> bytes:
        client.names.difference_update(names)
        return b"".join(_list([b"unsubscribe", name, 1]) for name in names)


def _list(parts: list[bytes | int]) -> bytes:
    coded = [b":%d\r\n" % part if isinstance(part, int) else b"$%d\r\n%s\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n" % len(parts) + b"".join(coded)


@implementer(ITransport)
class FakeTransport:
    """A client's end of a connection to a fake Redis.

    Attributes:
        names: what it is subscribed to.
        silent: nothing comes back any more, and nobody is told.
    """

    disconnecting = False

    def __init__(self, clock: Clock, redis: FakeRedis, protocol: Any) -> None:
        self.names: set[bytes] = set()
        self.silent = False
        self._clock = clock
        self._redis = redis
        self._protocol = protocol
        self._reader = hiredis.Reader()
        self._gone = False
        redis.clients.append(self)
        protocol.makeConnection(self)

    def write(self, data: bytes) -> None:
        self._clock.callLater(0, self._arrive, data)

    def writeSequence(self, data: list[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.end(ConnectionDone())

    def abortConnection(self) -> None:
        self.end(ConnectionAborted())

    def getPeer(self) -> object:
        return None

    def getHost(self) -> object:
        return None

    def give(self, data: bytes) -> None:
        if not self.silent:
            self._clock.callLater(0, lambda: self._gone or self._protocol.dataReceived(data))

    def end(self, why: Exception) -> None:
        if self in self._redis.clients:
            self._redis.clients.remove(self)
            self._clock.callLater(0, self._ended, why)

    def _ended(self, why: Exception) -> None:
        self._gone = True
        self._protocol.connectionLost(Failure(why))

    def _arrive(self, data: bytes) -> None:
        self._reader.feed(data)
        while (words := self._reader.gets()) is not False:
            if not self._gone:
                self._redis.take(self, words)


@implementer(IReactorUNIX)
class RedisClock(Clock):
    """A clock on which every unix socket leads to the fake Redis."""

    def __init__(self, redis: FakeRedis) -> None:
        super().__init__()
        self._redis = redis

    def connectUNIX(self, address: str, factory: Any, **_: Any) -> Any:
        def connect() -> None:
            if self._redis.is_down:
                factory.clientConnectionFailed(None, Failure(ConnectError()))
            else:
                FakeTransport(self, self._redis, factory.buildProtocol(None))

        self.callLater(0, connect)
        return None

    def listenUNIX(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def pump(self, seconds: float = 0.0) -> None:
        """Lets so much time pass in small steps, with turns enough for all that is due."""
        end = self.seconds() + seconds
        while True:
            for _ in range(20):
                self.advance(0)
            if self.seconds() >= end - 1e-9:
                return
            self.advance(min(0.01, end - self.seconds()))
