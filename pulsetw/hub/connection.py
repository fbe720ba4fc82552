"""One client's side of the hub: its session with a transport; carries out what the session decides."""

from collections.abc import Iterable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pulsetw.commands import Failed, Goodbye, History, MalformedCommand, Message, Subscribe
from pulsetw.errors import (
    BrokerError,
    ChannelError,
    CommandError,
    Disconnect,
    DisconnectCode,
    ErrorCode,
    EventError,
    PublishError,
)
from pulsetw.interfaces import IConnection, ITransport, Wire
from pulsetw.model import Event, Position, Publication, Receipt
from pulsetw.session import CatchUp, Effect, Join, Leave, Read, Relay, Send, Session, Standing

# Messages that may wait while a command is done; what the transport had read already comes on top.
_MAX_WAITING_MESSAGES = 16


class Members(Protocol):
    """What a connection needs of its hub."""

    def join(self, connection: "Connection", command: Subscribe) -> Deferred[Standing]:
        """Adds a subscriber; fires when the subscription stands."""

    def catch_up(self, connection: "Connection", channel: str) -> None:
        """Sends to a new subscriber what the channel has had already."""

    def history(self, command: History) -> Deferred[tuple[tuple[Publication, ...], Position | None]]:
        """Fires with publications, and with the place where the channel's log ends."""

    def leave(self, connection: "Connection", channel: str) -> None:
        """Takes the subscriber out."""

    def relay(self, channel: str, event: Event) -> Deferred[Receipt]:
        """Publishes a client's event."""

    def refused(self, code: int) -> None:
        """Counts a code that a client was told: of an error, or of a disconnect."""

    def drained(self, connection: "Connection") -> None:
        """Sends what the connection is behind with."""

    def gone(self, connection: "Connection") -> None:
        """Forgets the connection."""


@implementer(IConnection)
class Connection:
    """A session on a transport.

    Attributes:
        client: names it, on all servers.
        user: who it is; "" = anonymous.
        wire: how it is spoken to.
        transport: carries its messages.
        is_choked: the transport has too much unsent; nothing but answers should be sent.
        behind: the channels in whose log it has a cursor that is not at the end.
        missed: the channels without a cursor of which it did not get something; it is to be told of a gap.
        stale_since: what it was told of the broker's absence, in milliseconds since 1970; None = nothing, or the end.
        unsent: what waited in the transport when it was choked, or was looked at last after that, in bytes.
        was_heard: there was a sign of life since somebody last set it to False.
    """

    # There may be a hundred thousand: a few of them make a page of memory.
    __slots__ = (
        "_effects",
        "_ended",
        "_members",
        "_messages",
        "_paused",
        "_session",
        "_waiting",
        "behind",
        "client",
        "is_choked",
        "missed",
        "stale_since",
        "transport",
        "unsent",
        "user",
        "was_heard",
        "wire",
    )

    _log = Logger()

    def __init__(self, members: Members, session: Session, transport: ITransport, wire: Wire) -> None:
        self.client = session.client
        self.user = session.user
        self.wire = wire
        self.transport = transport
        self.is_choked = False
        self.behind: dict[str, None] = {}
        self.missed: dict[str, None] = {}
        self.stale_since: int | None = None
        self.unsent = 0
        self.was_heard = True
        self._members = members
        self._session = session
        self._messages: list[bytes] = []
        self._effects: list[Effect] = []
        self._waiting: Deferred[list[Effect]] | None = None
        self._paused = False
        self._ended = False

    @property
    def channels(self) -> Iterable[str]:
        """What it is subscribed to."""
        return self._session.channels

    def begin(self, channels: Iterable[str]) -> None:
        """Starts with the channels that the client named in its URL."""
        self._effects.extend(self._session.begin(channels))
        self._go_on()

    def received(self, message: bytes) -> None:
        """See `IConnection.received`."""
        self.was_heard = True
        self._messages.append(message)
        if self._waiting is None and not self.is_choked:
            self._go_on()
        elif len(self._messages) >= _MAX_WAITING_MESSAGES and not self._paused:
            self._paused = True
            self.transport.pause()

    def heard(self) -> None:
        """See `IConnection.heard`."""
        self.was_heard = True

    def choked(self) -> None:
        """See `IConnection.choked`."""
        self.is_choked = True
        self.unsent = self.transport.unsent()

    def drained(self) -> None:
        """See `IConnection.drained`."""
        self.is_choked = False
        self.was_heard = True
        # Answers first: a `subscribed` that had to wait comes before its channel's events.
        self._go_on()
        self._members.drained(self)

    def lost(self, reason: str) -> None:  # noqa: ARG002 -- the interface's
        """See `IConnection.lost`."""
        self._stop()
        self._members.gone(self)

    def tell(self, message: Message) -> None:
        """Sends anything that is no publication."""
        if isinstance(message, Failed):
            self._members.refused(message.error.code)
        self.transport.send(self.wire.message(message))

    def push(self, channel: str, data: bytes) -> bool:
        """Sends a publication of a channel in which it has no cursor.

        Returns:
            Whether it was sent. If not, the client is told of a gap as soon as its transport can take it.
        """
        if self.is_choked:
            self.missed[channel] = None
            return False
        self.transport.send(data)
        return True

    def end(self, disconnect: Disconnect, reconnect_after_ms: int | None = None) -> None:
        """Says good-bye and closes.

        Args:
            disconnect: why, and whether the client may come back.
            reconnect_after_ms: when it should; None = as it likes.
        """
        if not self._ended:
            self._members.refused(disconnect.code)
            self.tell(Goodbye(disconnect, reconnect_after_ms))
            self._stop()
            self.transport.close(disconnect)

    def _stop(self) -> None:
        self._ended = True
        self._messages.clear()
        self._effects.clear()

    def _go_on(self) -> None:
        """Carries out effects, then commands, until one has to wait: for the broker, or for the client to read."""
        while self._waiting is None and not self._ended and not self.is_choked:
            if self._effects:
                self._carry_out(self._effects.pop(0))
            elif self._messages:
                self._effects.extend(self._decide(self._messages.pop(0)))
            else:
                break
        if self._paused and not self._messages and not self._ended:
            self._paused = False
            self.transport.resume()

    def _decide(self, message: bytes) -> list[Effect]:
        try:
            return self._session.command(self.wire.dialect.decode(message))
        except MalformedCommand as error:
            return [Send(Failed(error.id, error, error.channel))]

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send(message):
                self.tell(message)
            case Leave(channel):
                self._members.leave(self, channel)
            case CatchUp(channel):
                self._members.catch_up(self, channel)
            case Join():
                self._wait_for_join(effect)
            case Read(command):
                self._wait_for_history(command)
            case Relay():
                self._wait_for_relay(effect)

    def _wait_for_join(self, join: Join) -> None:
        def joined(standing: Standing) -> list[Effect]:
            return self._session.joined(join, standing)

        def failed(failure: Failure) -> list[Effect]:
            return self._session.join_failed(join, self._as_command_error(failure))

        self._wait(self._members.join(self, join.command).addCallbacks(joined, failed))

    def _wait_for_history(self, command: History) -> None:
        def read(found: tuple[tuple[Publication, ...], Position | None]) -> list[Effect]:
            return self._session.read(command, *found)

        def failed(failure: Failure) -> list[Effect]:
            return self._session.read_failed(command, self._as_command_error(failure))

        self._wait(self._members.history(command).addCallbacks(read, failed))

    def _wait_for_relay(self, relay: Relay) -> None:
        command = relay.command

        def relayed(receipt: Receipt) -> list[Effect]:
            return self._session.relayed(command, receipt)

        def failed(failure: Failure) -> list[Effect]:
            return self._session.relay_failed(command, self._as_command_error(failure))

        self._wait(self._members.relay(command.channel, command.event).addCallbacks(relayed, failed))

    def _wait(self, outcome: Deferred[list[Effect]]) -> None:
        """Goes on with the effects of the outcome, at once where it is there already."""

        def done(effects: list[Effect]) -> None:
            self._waiting = None
            self._effects[:0] = effects

        def crashed(failure: Failure) -> None:
            self._log.failure("A command of {client} failed", failure, client=self.client)
            self._waiting = None
            self.end(Disconnect(DisconnectCode.INTERNAL))

        self._waiting = outcome
        finished = outcome.addCallback(done).addErrback(crashed)
        if self._waiting is not None:
            finished.addCallback(lambda _: self._go_on())

    def _as_command_error(self, failure: Failure) -> CommandError:
        """What a client is told of a failure that is not its own fault, or is."""
        error = failure.value
        if isinstance(error, CommandError):
            return error
        if isinstance(error, EventError):
            return CommandError(ErrorCode.BAD_REQUEST, str(error))
        if isinstance(error, ChannelError):
            return CommandError(ErrorCode.UNKNOWN_CHANNEL, str(error))
        if isinstance(error, (PublishError, BrokerError)):
            outcome = error.outcome
            return CommandError(ErrorCode.NOT_AVAILABLE, f"the event could not be published: {outcome}")
        self._log.failure("A command of {client} failed", failure, client=self.client)
        return CommandError(ErrorCode.INTERNAL)
