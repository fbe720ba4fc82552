"""The plug points, each with the contract that its implementers keep."""

from collections.abc import Callable, Sequence
from itertools import count

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from pulsetw.catalogue.rule import History
from pulsetw.commands import Command, Message
from pulsetw.errors import Disconnect
from pulsetw.model import Entry, Event, Lineage, Notice, Page, Position, Publication, Receipt

PAGE_BYTES = 262_144
"""What ids and payloads take at most in one page of a log; an entry that is longer comes alone."""


@frozen
class BrokerStatus:
    """What a broker knows of itself.

    Attributes:
        url: where it is, without a password.
        publisher_ready: publishing can be tried.
        subscriber_ready: all subscriptions stand, and a message has come round since they do.
        reason: why it is not ready, in words; "" when it is.
        reconnect_attempts: tries to connect that failed since the last success, the higher of both connections.
        gave_up: it reached `max_reconnect_attempts` and does not try any more.
        round_trip_ms: how long the last message took out and back; None = none came back yet.
        last_round_trip: when that was, in seconds of the clock; None = never.
        window_events: publications with ``ack = "window"`` that no replica has yet.
        window_full: so many that more are refused.
        copies: how many copies of entries of a log came since the start, and were dropped: they are for strangers
            (`History.mirror`).
        unreadable: how many messages came since the start where entries of logs are pushed, and were none; dropped.
    """

    url: str
    publisher_ready: bool
    subscriber_ready: bool
    reason: str = ""
    reconnect_attempts: int = 0
    gave_up: bool = False
    round_trip_ms: float | None = None
    last_round_trip: float | None = None
    window_events: int = 0
    window_full: bool = False
    copies: int = 0
    unreadable: int = 0

    @property
    def ready(self) -> bool:
        """Whether events go out and come in."""
        return self.publisher_ready and self.subscriber_ready


class IReceiver(Interface):
    """Takes what a broker brings. Its methods return nothing, do not raise, and may call the broker back."""

    def received(channel: str, payload: bytes) -> None:
        """One publication without a place in a log, of a channel that is subscribed.

        It comes once, however many names and patterns match it.
        """

    def appended(channel: str, entry: Entry) -> None:
        """One publication that has just got its place in the log of a channel that is subscribed; once.

        In the order of the log as long as the connection lives; what is missing between two of them, or was appended
        while the broker was not ready, is to be asked for with `IBroker.sync`.
        """

    def gathering(is_on: bool) -> None:
        """Around publications that came together, in one reactor turn: True before the first, False after the last.

        What is done once for all of them may wait until then. Never nested; who brings them one by one leaves it out.
        """

    def ready(interrupted: bool) -> None:
        """The broker became ready: publishing can be tried and every subscription stands (again).

        Args:
            interrupted: whether publications may have been missed since the last `ready`: the connection that brings
                them was renewed. False the first time, and when only publishing was away.
        """

    def lost(reason: str) -> None:
        """The broker is no longer ready. What was published elsewhere until `ready` may be missing for good."""


class IBroker(Interface):
    """Carries publications between servers.

    Order: what one broker object publishes to one channel arrives in the order of the `publish` calls, as long as
    nothing fails. Every receiver sees a channel's publications in the same order. Delivery: at most once; what is
    published while a receiver's broker is not ready is lost to it, unless the channel has a history: then `sync` has
    it. A receiver gets what its own server publishes, too, and never from inside its own call of `publish` or
    `subscribe`.

    Names are checked by the caller (`pulsetw.catalogue.names`); a pattern is a name in which ``*`` stands for any
    characters.
    """

    url = Attribute("Where it is, without a password: for people.")

    def start(receiver: IReceiver) -> None:
        """Begins to connect, and keeps connected until `stop`. Once only."""

    def stop() -> Deferred[None]:
        """Ends all connections; fires when they are gone, and never fails. Nothing is received any more at once."""

    def publish(
        channel: str, event_id: str, payload: bytes, history: History | None = None
    ) -> Deferred[Position | None]:
        """Sends a publication to all servers; with a history, appends it to the channel's log in the same step.

        Args:
            channel: a channel's name.
            event_id: the event's id; the same id again is the same event.
            payload: the envelope (`pulsetw.codec.encode_envelope`).
            history: what the channel keeps; None = nothing. An id that the log has had within the last minutes is
                not appended again: the answer is its first place. With `History.mirror` strangers get a copy; it is
                never `received`.

        Returns:
            Fires with the position, None on a channel without history, when the broker has taken it in the sense of
            `History.ack`. Fails with `BrokerAway` (at once, where nothing can be sent), `BrokerRefused` or
            `OutcomeUnknown`. Cancelling it does not call the publication back.
        """

    def sync(channel: str, position: Position | None, limit: int, *, begins: bool = True) -> Deferred[Page]:
        """Reads the log of a channel with a history.

        A page is short where `limit` entries take more than `PAGE_BYTES`, or less where many are asked for at once. One
        entry it has, if there is any; a reader asks on from where it is then, until it is at `Page.top`.

        Args:
            channel: a channel's name.
            position: how far the reader has read; None = the newest entries up to the top, and `Page.start` is the
                offset before them.
            limit: entries in one page, 1 or more.
            begins: a channel that never had a publication has an epoch from now on, kept for an hour. False = nothing
                is written, and the next to ask is told another epoch.

        Returns:
            Fires with the page. Fails as `publish` does; with a `BrokerRefused` that is not temporary where the log is
            damaged: somebody else has written to it.
        """

    def subscribe(name: str, *, history: bool = False) -> Deferred[None]:
        """Asks for a channel, or for all channels that match a pattern.

        Args:
            name: the channel or pattern.
            history: whether it has a log, or a channel that the pattern matches may have one: without, nothing is
                `appended`. Always the same for the same name.

        Returns:
            Fires when the subscription stands: from then on nothing is missed while the broker is ready. It waits as
            long as the broker is away, and fails with `BrokerAway` only when the broker stops before. Subscribing to
            what is subscribed fires when it stands.
        """

    def unsubscribe(name: str) -> None:
        """Takes a subscription back: nothing that only this one asked for is received any more, at once.

        A `subscribe` of the same name that still waits fires: there is nothing left to wait for.
        """

    def status() -> BrokerStatus:
        """How it is now; cheap enough for every request."""


class IFollower(Interface):
    """Takes the publications of channels, in their order. Its methods return nothing and do not raise."""

    def publication(publication: Publication) -> None:
        """One publication, checked, its data JSON text.

        With a position it comes at the end of the log: after the newest one before it, or after the end of a notice,
        or after a cut. It may be one that came before, with the same id: before a cut, at another place.
        """

    def past(channel: str, publications: Sequence[Publication]) -> None:
        """What the log of a channel that is new here had already, oldest first, without a hole up to its end."""

    def noticed(channel: str, notice: Notice) -> None:
        """Publications of the channel may have been missed here, by everybody; what comes next is after the notice."""

    def cut(channel: str, notice: Notice) -> None:
        """The log's end was on a dead branch: what comes next is after `notice.end`, the fork.

        Whoever has got more than the fork is to be told, and nobody else.
        """

    def placed(channel: str, lineage: Lineage, top: int) -> None:
        """The channel's log stands here, up to `top`, with this epoch and these branches; again after each change."""

    def gathering(is_on: bool) -> None:
        """As `IReceiver.gathering`, for the publications of all channels."""

    def stale(since_ms: int) -> None:
        """The broker is away, since so many milliseconds after 1970: nothing that happens elsewhere comes in."""

    def fresh() -> None:
        """It is back, and what was missed has been given or told, but on channels whose log is damaged."""


@frozen
class Excerpt:
    """Some of a channel's log, as it was at one moment; positions on the current branch.

    Attributes:
        lineage: epoch and branches.
        start: the offset after which it begins: the one asked for; later, where the entries between are no more;
            the log's end, where the one asked for is beyond it.
        end: every event after `start`, up to this offset, is in `publications`.
        publications: oldest first.
    """

    lineage: Lineage
    start: int
    end: int
    publications: tuple[Publication, ...]


class IChannels(Interface):
    """What the hub needs of the publishing side; `PubSubManager` is it."""

    def follow(channel: str, follower: IFollower) -> Deferred[None]:
        """Gives the follower every publication of the channel, this server's own too.

        Returns:
            Fires when nothing is missed any more. Fails with `ChannelError` where there is no such channel, with
            `BrokerAway` where the broker stops before it answers.
        """

    def unfollow(channel: str, follower: IFollower) -> None:
        """Ends it at once."""

    def publish(channel: str, event: Event, *, id: str | None = None, exclude: str | None = None) -> Deferred[Receipt]:
        """See `pulsetw.pubsub.manager.PubSubManager.publish`."""

    def read(channel: str, position: Position, limit: int) -> Deferred[Excerpt]:
        """Reads what the broker's log of a channel with a history has after a position, for those who come back.

        Args:
            channel: a channel's name.
            position: a place of the current log, or one beyond its end.
            limit: entries, 1 to 1000.

        Returns:
            Fires with the first entries after the position. Where there are none, at the end or beyond it, `start` and
            `end` are both the end, the offset of the log's newest entry. Fails with `ChannelError`, and as
            `IBroker.sync` does.
        """


class ITransport(Interface):
    """Carries one client's messages: a WebSocket, later an event stream.

    What is sent leaves in the order of the calls. After `close` or a loss, `send` and `ping` do nothing.
    """

    peer = Attribute("The client's address, for people and logs.")

    def send(data: bytes) -> None:
        """Sends finished bytes: what `frame` gave, one or many joined."""

    def ping() -> None:
        """Asks for a sign of life; whatever comes back reaches `IConnection.heard`."""

    def unsent() -> int:
        """How many bytes wait here for the client to read; 0 where that is not known."""

    def pause() -> None:
        """Stops reading: the client's next messages stay where they are."""

    def resume() -> None:
        """Reads on."""

    def close(disconnect: Disconnect) -> None:
        """Says good-bye with code and reason; ends the connection when the client agrees, a little later at worst."""

    def abort() -> None:
        """Ends the connection now; what is unsent is dropped."""


class IConnection(Interface):
    """What a transport calls: one client's side of the hub. None of these raises."""

    def received(message: bytes) -> None:
        """One whole message of text."""

    def heard() -> None:
        """A sign of life that is no message."""

    def choked() -> None:
        """The transport has too much unsent: `send` still works, but should wait for `drained`."""

    def drained() -> None:
        """The transport can take more."""

    def lost(reason: str) -> None:
        """The connection is gone; the last call."""


@frozen(eq=False)
class Wire:
    """How publications look on a kind of connection: its dialect, in its transport's frames.

    Connections of one kind share one object, so that a publication is encoded once for all of them; it is told apart
    from others by what it is.

    Attributes:
        dialect: decodes commands, encodes all that a client is told.
        frame: wraps one text message into the bytes that the transport sends.
        number: no other has it. (A dict with keys that are objects costs the garbage collector time.)
        smaller: does the same, compressed where that is smaller; None = these connections take nothing compressed.
    """

    dialect: "IDialect"
    frame: Callable[[bytes], bytes] = field(repr=False)
    smaller: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    number: int = field(factory=count().__next__, init=False)

    def message(self, message: Message) -> bytes:
        """The finished bytes of anything that a client is told, but publications."""
        return self.frame(self.dialect.encode(message))

    def publication(self, publication: Publication, *, compress: bool = False) -> bytes:
        """The finished bytes of a publication, compressed where it is wanted and they can take it."""
        frame = self.smaller if compress and self.smaller is not None else self.frame
        return frame(self.dialect.encode_publication(publication))


class IDialect(Interface):
    """A wire language: translates, decides nothing, keeps nothing."""

    name = Attribute("The WebSocket subprotocol, such as pulse.v1.")

    def decode(message: bytes) -> Command:
        """The command that a message asks for.

        Raises:
            MalformedCommand: what was wrong and what was expected, with the id to answer to.
        """

    def encode(message: Message) -> bytes:
        """The text of anything that a client is told, but publications."""

    def encode_publication(publication: Publication) -> bytes:
        """The text of a publication."""
