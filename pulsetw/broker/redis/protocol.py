"""One connection to Redis: txredisapi's protocol with its traps closed.

txredisapi installs the reactor when it is imported. So the class that stands on it is made at its first use, inside a
function, and everybody else knows it as `Connection`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.python.failure import Failure

from pulsetw.broker.redis.replies import ErrorReply, NoReply

Word = bytes | str | int

# What Redis sends of its own accord, and the acknowledgements of subscriptions, of which one command can have many.
_PUSHES = frozenset(
    {
        *(b"message", b"pmessage", b"smessage"),
        *(b"subscribe", b"psubscribe", b"ssubscribe"),
        *(b"unsubscribe", b"punsubscribe", b"sunsubscribe"),
    }
)


class Connection(Protocol):
    """A connection that stands, until its owner is told that it is lost."""

    def ask(self, *words: Word) -> Deferred[object]:
        """Sends a command. Fires with the reply; fails with `ErrorReply`, or `NoReply` when the connection ends first.

        Cancelling only stops waiting: the command has been sent.
        """

    def tell(self, *words: Word) -> None:
        """Sends a command that is answered by pushes: SUBSCRIBE and its kin."""

    def abort(self) -> None:
        """Ends it at once, whatever is unsent or unanswered; the owner is told in a later turn."""


class Owner(Protocol):
    """Who is told what a connection goes through."""

    def pushed(self, push: list[Any]) -> None:
        """Something that answers no `ask`: a message, or the acknowledgement of a subscription."""

    def gathering(self, *, is_on: bool) -> None:
        """Around what came together and was not asked for: True before the first push, False after the last."""

    def broken(self, connection: Connection, reason: str) -> None:
        """What came in cannot be understood any more; the owner aborts the connection."""

    def lost(self, connection: Connection, why: Failure) -> None:
        """The connection is gone. Called once, before what was asked fails."""


class _Ours:
    """What our connections do in their own way; `connection_class` puts it before txredisapi's class."""

    connected: int
    transport: Any
    execute_command: Callable[..., Deferred[object]]
    _build_command: Callable[..., bytes]
    _reader: Any
    _owner: "Owner"
    replyReceived: Callable[[object], None]  # noqa: N815

    def ask(self, *words: Word) -> Deferred[object]:
        if not self.connected:
            return fail(NoReply("not connected"))
        return self.execute_command(*words).addErrback(_translated)

    def tell(self, *words: Word) -> None:
        self.transport.write(self._build_command(*words))

    def abort(self) -> None:
        self.transport.abortConnection()

    def _hear(self, data: bytes) -> None:
        # As txredisapi does it, without a look for transactions and numbers in each message: 0.4 µs for 1.7.
        self._reader.feed(data)
        self._owner.gathering(is_on=True)
        try:
            gets, received = self._reader.gets, self.replyReceived
            while (reply := gets()) is not False:
                received(reply)
        finally:
            self._owner.gathering(is_on=False)


@cache
def connection_class() -> Callable[[IReactorTime, Owner, bool], Connection]:
    """The class of connections; called with the clock, the owner, and whether the connection subscribes."""
    import txredisapi

    class RedisConnection(_Ours, txredisapi.SubscriberProtocol):  # type: ignore[misc]
        """Counts nothing and waits for nothing itself: that is its owner's."""

        def __init__(self, clock: IReactorTime, owner: Owner, subscribes: bool) -> None:
            # Otherwise the payload 007 becomes 7 and the channel 42 a number.
            super().__init__(charset=None, convertNumbers=False)
            self.callLater = clock.callLater
            self._owner = owner
            self._subscribes = subscribes

        def connectionMade(self) -> object:  # noqa: N802
            if ITCPTransport.providedBy(self.transport):
                self.transport.setTcpNoDelay(True)
                self.transport.setTcpKeepAlive(True)
            return super().connectionMade()

        def dataReceived(self, data: bytes, unpause: bool = False) -> None:  # noqa: N802
            try:
                if self._subscribes:
                    self._hear(data)
                else:
                    super().dataReceived(data, unpause)
            except txredisapi.InvalidData:
                self._owner.broken(self, "what answers there does not speak Redis's protocol")

        def connectionLost(self, why: Failure) -> None:  # noqa: N802
            self._owner.lost(self, why)
            super().connectionLost(why)

        def replyReceived(self, reply: object) -> None:  # noqa: N802
            # Not SubscriberProtocol's own: it lets the first of several acknowledgements answer the next command.
            if self._subscribes and isinstance(reply, list) and reply and reply[0] in _PUSHES:
                self._owner.pushed(reply)
            elif self.replyQueue.waiting:
                txredisapi.BaseRedisProtocol.replyReceived(self, reply)
            elif isinstance(reply, Exception):
                self._owner.broken(self, f"Redis refused a subscription: {_text(reply)}")
            else:
                self._owner.broken(self, "Redis answered more often than it was asked")

    return RedisConnection


def _translated(failure: Failure) -> None:
    """Fails with this package's errors instead of txredisapi's."""
    import txredisapi

    failure.trap(txredisapi.RedisError)
    if isinstance(failure.value, txredisapi.ResponseError):
        raise ErrorReply(_text(failure.value))
    raise NoReply(str(failure.value))


def _text(error: BaseException) -> str:
    """What Redis said, without the number of the script and the line in it."""
    return str(error).partition(" script: ")[0]
