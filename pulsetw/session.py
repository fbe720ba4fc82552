"""One client's state, without I/O: a command comes in, effects go out, the connection carries them out in order.

The outcome of an effect that needs the broker (`Join`, `Relay`, `Read`) comes back by `joined`, `relayed` or `read`, or
by the `…_failed` of the same name, before the next effect is carried out, and the next command is given when none is
left. So commands are answered in order.
"""

from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field, frozen

from pulsetw.catalogue import Catalogue, Rule
from pulsetw.commands import (
    Command,
    Connect,
    Connected,
    Failed,
    History,
    HistoryRead,
    Message,
    Ping,
    Pong,
    Publish,
    Published,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from pulsetw.errors import ChannelError, CommandError, ErrorCode
from pulsetw.model import Notice, Position, Publication, Receipt
from pulsetw.policy.permissions import check_publish, check_subscribe


@frozen
class Send:
    """Tells the client something."""

    message: Message


@frozen
class Join:
    """Adds the connection to the channel's subscribers; quiet ones are not told when it has worked."""

    command: Subscribe
    quiet: bool = False


@frozen
class Leave:
    """Takes the connection from the channel's subscribers."""

    channel: str


@frozen
class Relay:
    """Publishes the client's event."""

    command: Publish


@frozen
class CatchUp:
    """Sends what the channel has had already for this subscriber."""

    channel: str


@frozen
class Read:
    """Reads what the channel keeps."""

    command: History


Effect = Send | Join | Leave | Relay | CatchUp | Read


@frozen
class Standing:
    """How a subscription begins.

    Attributes:
        position: where its events start; None on a channel without history.
        recovered: whether nothing is missing since the place that was asked for; None = none was.
        gap: where `recovered` is False, what is missing.
        reload_after_ms: with a gap: when the client should load its state again.
    """

    position: Position | None = None
    recovered: bool | None = None
    gap: Notice | None = None
    reload_after_ms: int | None = None


@frozen
class SessionLimits:
    """Bounds of one session.

    Attributes:
        channels: subscriptions of one connection; 0 = no bound.
        ping_s: after so many seconds of silence a client should ask; told to it.
    """

    channels: int = 128
    ping_s: int = 25


@define
class Session:
    """What one client is and has.

    Attributes:
        client: names this connection, on all servers.
        user: who it is; "" = anonymous.
        catalogue: the channels and their rules.
        limits: bounds.
        channels: what it is subscribed to.
    """

    client: str
    user: str
    catalogue: Catalogue
    limits: SessionLimits
    channels: set[str] = field(factory=set, init=False)
    _began: bool = field(default=False, init=False)

    def begin(self, channels: Iterable[str]) -> list[Effect]:
        """What follows from the channels that the client named in its URL: quiet subscriptions, one after the other.

        Names beyond the limit are not looked at: one error is for all of them.
        """
        effects: list[Effect] = []
        wanted: set[str] = set()
        for number, channel in enumerate(channels):
            if 0 < self.limits.channels <= number:
                too_many = CommandError(ErrorCode.LIMIT_EXCEEDED, f"a connection takes {self.limits.channels} channels")
                return [*effects, Send(Failed(None, too_many))]
            command = Subscribe(None, channel)
            try:
                self._check_subscribe(channel, wanted)
            except CommandError as error:
                effects.append(Send(Failed(None, error, channel)))
            else:
                wanted.add(channel)
                effects.append(Join(command, quiet=True))
        return effects

    def command(self, command: Command) -> list[Effect]:
        """What follows from a command."""
        try:
            return _COMMANDS[type(command)](self, command)
        except CommandError as error:
            return [Send(Failed(command.id, error, getattr(command, "channel", "")))]
        finally:
            self._began = True

    def joined(self, join: Join, standing: Standing) -> list[Effect]:
        """What follows when a subscription stands; the channel's events come after these effects, or in the last."""
        command = join.command
        self.channels.add(command.channel)
        if join.quiet:
            return []
        told = Subscribed(
            command.id,
            command.channel,
            standing.position,
            standing.recovered,
            standing.gap,
            standing.reload_after_ms,
        )
        return [Send(told), CatchUp(command.channel)] if command.since or command.last else [Send(told)]

    def join_failed(self, join: Join, error: CommandError) -> list[Effect]:
        """What follows when a subscription could not be made."""
        return [Send(Failed(join.command.id, error, join.command.channel))]

    def relayed(self, command: Publish, receipt: Receipt) -> list[Effect]:
        """What follows when the client's event was published."""
        return [Send(Published(command.id, command.channel, receipt))]

    def relay_failed(self, command: Publish, error: CommandError) -> list[Effect]:
        """What follows when it could not be."""
        return [Send(Failed(command.id, error, command.channel))]

    def read(self, command: History, publications: tuple[Publication, ...], position: Position | None) -> list[Effect]:
        """What follows when the history was read."""
        return [Send(HistoryRead(command.id, command.channel, publications, position))]

    def read_failed(self, command: History, error: CommandError) -> list[Effect]:
        """What follows when it could not be."""
        return [Send(Failed(command.id, error, command.channel))]

    def _connect(self, command: Connect) -> list[Effect]:
        if self._began:
            raise CommandError(ErrorCode.BAD_REQUEST, "connect comes first, and once")
        return [Send(Connected(command.id, self.client, self.user, self.limits.ping_s))]

    def _subscribe(self, command: Subscribe) -> list[Effect]:
        self._check_subscribe(command.channel, self.channels)
        return [Join(command)]

    def _unsubscribe(self, command: Unsubscribe) -> list[Effect]:
        left: list[Effect] = [Leave(command.channel)] if command.channel in self.channels else []
        self.channels.discard(command.channel)
        return [*left, Send(Unsubscribed(command.id, command.channel))]

    def _publish(self, command: Publish) -> list[Effect]:
        try:
            channel, rule = self.catalogue.channel(command.channel), self.catalogue.rule(command.channel)
        except ChannelError as error:
            raise CommandError(ErrorCode.UNKNOWN_CHANNEL, str(error)) from None
        check_publish(self.user, channel, rule)
        return [Relay(command)]

    def _history(self, command: History) -> list[Effect]:
        rule = self._check_readable(command.channel)
        if rule.history is None:
            raise CommandError(ErrorCode.BAD_REQUEST, "the channel keeps no history")
        return [Read(command)]

    def _ping(self, command: Ping) -> list[Effect]:
        return [Send(Pong(command.id))]

    def _check_subscribe(self, name: str, taken: set[str]) -> None:
        if name in taken:
            raise CommandError(ErrorCode.ALREADY_SUBSCRIBED)
        self._check_readable(name)
        if self.limits.channels and len(taken) >= self.limits.channels:
            raise CommandError(ErrorCode.LIMIT_EXCEEDED, f"a connection takes {self.limits.channels} channels")

    def _check_readable(self, name: str) -> Rule:
        """The channel's rule, where this client may have its events."""
        try:
            channel, rule = self.catalogue.channel(name), self.catalogue.rule(name)
        except ChannelError as error:
            raise CommandError(ErrorCode.UNKNOWN_CHANNEL, str(error)) from None
        check_subscribe(self.user, channel, rule)
        return rule


_COMMANDS: dict[type, Callable[[Session, Any], list[Effect]]] = {
    Connect: Session._connect,
    Subscribe: Session._subscribe,
    Unsubscribe: Session._unsubscribe,
    Publish: Session._publish,
    History: Session._history,
    Ping: Session._ping,
}
