"""What the client's state wants done; the shell does it, in order."""

from collections.abc import Mapping

from attrs import frozen

from pulsetw.commands import Gap
from pulsetw.model import Publication


@frozen
class Open:
    """Opens a connection; `ClientState.opened` or `ClientState.lost` follows."""


@frozen
class Close:
    """Gives the connection up. What still comes from it is not wanted."""


@frozen
class Send:
    """Sends a command.

    Attributes:
        members: as they stand on the wire.
    """

    members: Mapping[str, object]


@frozen
class Give:
    """Gives an event to its subscription.

    Attributes:
        publication: its data in plain types.
    """

    publication: Publication


@frozen
class Tell:
    """Tells a subscription that events may be missing."""

    gap: Gap


@frozen
class Ended:
    """A subscription is over, and does not come back by itself.

    Attributes:
        code: an error code, or what the relay gave as one; 0 = it gave none.
        reason: in words.
    """

    channel: str
    code: int
    reason: str


@frozen
class State:
    """How the connection is.

    Attributes:
        state: ``connecting``; ``connected``; ``stale``, the relay is cut from its broker, and ``fresh``, it is back;
            ``waiting`` before another try; ``away``, the relay wants no other try; ``closed`` by `stop`.
        code: of the close or error that led to ``waiting`` or ``away``; 0 = none.
        reason: the same in words.
        retry_ms: how long ``waiting`` takes.
        since: when ``stale`` began, in milliseconds since 1970.
        client: names the ``connected`` connection on all servers; see ``exclude``.
        user: who the relay takes the client for; "" = nobody.
    """

    state: str
    code: int = 0
    reason: str = ""
    retry_ms: float | None = None
    since: int | None = None
    client: str = ""
    user: str = ""


Effect = Open | Close | Send | Give | Tell | Ended | State
