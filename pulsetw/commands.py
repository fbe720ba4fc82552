"""What a client can ask, and what it can be told. Dialects translate these from and to their wire."""

from attrs import frozen

from pulsetw.errors import CommandError, Disconnect, ErrorCode
from pulsetw.model import Event, Notice, Position, Publication, Receipt

MAX_ENTRIES = 1000
"""The most that a client can ask for of what a channel keeps."""


@frozen
class Connect:
    """Asks who the client is to the relay; optional, and first where it is used."""

    id: int | None


@frozen
class Subscribe:
    """Asks for a channel's events.

    Attributes:
        since: where the client stands: what came after it is wanted, too; None = from now on.
        last: so many of the newest events come first, 0 to 1000; 0 = none. Counts only without `since`.
    """

    id: int | None
    channel: str
    since: Position | None = None
    last: int = 0


@frozen
class Unsubscribe:
    """Wants no more of a channel."""

    id: int | None
    channel: str


@frozen
class Publish:
    """Publishes an event, where a rule allows it."""

    id: int | None
    channel: str
    event: Event


@frozen
class History:
    """Asks for what a channel keeps.

    Attributes:
        since: the first `limit` events after this place; None = the newest `limit`.
        limit: events in the answer, 1 to 1000.
    """

    id: int | None
    channel: str
    since: Position | None = None
    limit: int = 100


@frozen
class Ping:
    """Asks whether the relay is there."""

    id: int | None


Command = Connect | Subscribe | Unsubscribe | Publish | History | Ping


class MalformedCommand(CommandError):
    """A message that is no command.

    Attributes:
        id: the id to answer to, where one could be read.
        channel: the channel it was about, where one could be read.
    """

    def __init__(self, message: str, id: int | None = None, channel: str = "") -> None:
        super().__init__(ErrorCode.BAD_REQUEST, message)
        self.id = id
        self.channel = channel


@frozen
class Connected:
    """Answers `Connect`.

    Attributes:
        client: names this connection, everywhere.
        user: who it is; "" = anonymous.
        ping_s: after so many seconds of silence a client should ask with `Ping`.
    """

    id: int | None
    client: str
    user: str
    ping_s: int


@frozen
class Subscribed:
    """Answers `Subscribe`; the channel's events follow.

    Attributes:
        position: where they start; None on a channel without history.
        recovered: whether nothing is missing since the place that the client named; None = it named none.
        gap: where `recovered` is False, what is missing; the client should load its state again.
        reload_after_ms: when it should, with a gap.
    """

    id: int | None
    channel: str
    position: Position | None = None
    recovered: bool | None = None
    gap: Notice | None = None
    reload_after_ms: int | None = None


@frozen
class Unsubscribed:
    """Answers `Unsubscribe`; nothing follows on the channel. Without an id the server ended the subscription."""

    id: int | None
    channel: str


@frozen
class Published:
    """Answers `Publish`.

    Attributes:
        receipt: what the publish gave.
    """

    id: int | None
    channel: str
    receipt: Receipt = None


@frozen
class HistoryRead:
    """Answers `History`.

    Attributes:
        publications: oldest first.
        position: the channel's newest place; None = not known.
    """

    id: int | None
    channel: str
    publications: tuple[Publication, ...]
    position: Position | None = None


@frozen
class Pong:
    """Answers `Ping`."""

    id: int | None


@frozen
class Failed:
    """Answers any command that could not be done.

    Attributes:
        channel: the channel that the command was about; "" = none.
    """

    id: int | None
    error: CommandError
    channel: str = ""


@frozen
class Gap:
    """Tells a subscriber that it may have missed publications of a channel and should load its state again.

    Attributes:
        notice: why, from where, and to where.
        reload_after_ms: when it should, so that not all clients do at once; None = as it likes.
    """

    channel: str
    notice: Notice
    reload_after_ms: int | None = None


@frozen
class Stale:
    """Tells a client that the broker is away: events from elsewhere wait.

    Attributes:
        since: when it began, in milliseconds since 1970.
    """

    since: int


@frozen
class Fresh:
    """Tells a client that the broker is back; what was missed has been sent, or a gap for it."""


@frozen
class Goodbye:
    """The last message before the connection is closed.

    Attributes:
        reconnect_after_ms: when to come back; None where the client should stay away, or as it likes.
    """

    disconnect: Disconnect
    reconnect_after_ms: int | None = None


Message = (
    Connected | Subscribed | Unsubscribed | Published | HistoryRead | Pong | Failed | Gap | Stale | Fresh | Goodbye
)
