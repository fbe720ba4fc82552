"""What can go wrong, and the codes by which clients are told.

::

    PulsetwError
    ├── ConfigError           a setting; names its key
    ├── EventError            an event that is not what its type declares; names the field
    │   ├── UnknownEventType  a type that its channel's declaration lacks
    │   └── OversizedEvent    too many bytes
    ├── ChannelError          a channel that is not in the catalogue, or whose name no channel may have
    ├── BrokerError           one try to publish through the broker
    │   ├── BrokerAway        not sent: there is no connection, or its outbox is full
    │   ├── BrokerRefused     the broker answered with an error
    │   └── OutcomeUnknown    sent, and no answer came
    ├── PublishError          publishing failed for good, after its retries
    │   └── TooManyWaiting    not even tried: too many wait for a retry already
    ├── TokenError            a token that is not believed
    ├── KeysError             keys for tokens that could not be fetched
    ├── CommandError          answers one command of a client; the session lives
    └── Disconnect            ends a session

The codes are the field's (Centrifugo's, where it has one), the same in every dialect. Error codes are
100-199. Disconnect codes 3000-3499 invite the client back, 3500-3999 tell it to stay away.
"""

from enum import IntEnum
from typing import Literal

Outcome = Literal["refused", "not sent", "unknown"]
TokenReason = Literal[
    "malformed",
    "algorithm",
    "unknown key",
    "signature",
    "expired",
    "not yet",
    "audience",
    "issuer",
    "kind",
    "claims",
]

# RFC 6455 5.5: a control frame's payload is 125 bytes, two of which are the code.
MAX_REASON_BYTES = 123


class ErrorCode(IntEnum):
    """Codes of errors that answer a command."""

    INTERNAL = 100
    UNAUTHORIZED = 101
    UNKNOWN_CHANNEL = 102
    PERMISSION_DENIED = 103
    ALREADY_SUBSCRIBED = 105
    LIMIT_EXCEEDED = 106
    BAD_REQUEST = 107
    NOT_AVAILABLE = 108


ERROR_TEXTS: dict[ErrorCode, str] = {
    ErrorCode.INTERNAL: "internal error",
    ErrorCode.UNAUTHORIZED: "unauthorized",
    ErrorCode.UNKNOWN_CHANNEL: "unknown channel",
    ErrorCode.PERMISSION_DENIED: "permission denied",
    ErrorCode.ALREADY_SUBSCRIBED: "already subscribed",
    ErrorCode.LIMIT_EXCEEDED: "limit exceeded",
    ErrorCode.BAD_REQUEST: "bad request",
    ErrorCode.NOT_AVAILABLE: "not available",
}

TEMPORARY_ERRORS = frozenset({ErrorCode.INTERNAL, ErrorCode.NOT_AVAILABLE})


class DisconnectCode(IntEnum):
    """Codes of the close frame that ends a session; below 3500 the client may come back."""

    DRAINING = 3001
    INTERNAL = 3004
    SLOW = 3008
    NO_PONG = 3012
    KICKED = 3500
    BAD_REQUEST = 3501
    UNAUTHORIZED = 3507


DISCONNECT_TEXTS: dict[DisconnectCode, str] = {
    DisconnectCode.DRAINING: "draining",
    DisconnectCode.INTERNAL: "internal error",
    DisconnectCode.SLOW: "slow",
    DisconnectCode.NO_PONG: "no pong",
    DisconnectCode.KICKED: "disconnected by the application",
    DisconnectCode.BAD_REQUEST: "bad request",
    DisconnectCode.UNAUTHORIZED: "unauthorized",
}


class PulsetwError(Exception):
    """The root of all errors that this package raises on purpose."""


class ConfigError(PulsetwError):
    """A setting that cannot be used.

    Attributes:
        key: the setting's full name, such as ``limits.ping_s``; a file's path where a file is at fault.
        problem: what was found and what was expected.
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(key, problem)
        self.key = key
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}"


class EventError(PulsetwError):
    """An event that is not what its type declares.

    Attributes:
        event_type: the event's type, or "" where not even that could be read.
        field: the wire path of the wrong member, such as ``data.rankChanges[0].oldRank``; "" for the whole.
        problem: what was expected and what was found.
    """

    def __init__(self, event_type: str, field: str, problem: str) -> None:
        super().__init__(event_type, field, problem)
        self.event_type = event_type
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        subject = " ".join(part for part in (self.event_type, self.field) if part)
        return f"{subject}: {self.problem}" if subject else self.problem


class UnknownEventType(EventError):
    """An event whose type its channel's declaration lacks: a typing mistake, or another server is newer."""


class OversizedEvent(EventError):
    """An event that takes more bytes than events may."""


class ChannelError(PulsetwError):
    """A channel that no declaration or rule names, or a name that no channel may have.

    Attributes:
        channel: the name, as given.
        problem: what is wrong with it, as the end of a sentence about the channel.
    """

    def __init__(self, channel: str, problem: str) -> None:
        super().__init__(channel, problem)
        self.channel = channel
        self.problem = problem

    def __str__(self) -> str:
        return f"channel {self.channel[:200]!r} {self.problem}"


class BrokerError(PulsetwError):
    """One try to publish through the broker failed.

    Attributes:
        temporary: whether another try may succeed.
        outcome: what is known of the event.
    """

    temporary = True
    outcome: Outcome = "not sent"


class BrokerAway(BrokerError):
    """Nothing was sent: the broker is not connected, or too much waits for its answers already."""


class BrokerRefused(BrokerError):
    """The broker answered with an error: nothing was published.

    Attributes:
        temporary: True for states that pass, such as LOADING, OOM or READONLY.
    """

    outcome: Outcome = "refused"

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class OutcomeUnknown(BrokerError):
    """The event was sent and no answer came: it may have been published, or not."""

    outcome: Outcome = "unknown"


class PublishError(PulsetwError):
    """Publishing failed for good.

    Attributes:
        channel: where the event was meant to go.
        event_id: its id; publishing again with it can never make a second event of it.
        outcome: what is known: after ``refused`` and ``not sent`` nobody got it, after ``unknown`` somebody may have.
        cause: why, in words.
        attempts: how often it was tried; 0 where it was refused before a first try.
        temporary: whether the same publish may succeed later.
    """

    def __init__(
        self, channel: str, event_id: str, outcome: Outcome, cause: str, attempts: int, *, temporary: bool = True
    ) -> None:
        super().__init__(channel, event_id, outcome, cause, attempts)
        self.temporary = temporary
        self.channel = channel
        self.event_id = event_id
        self.outcome: Outcome = outcome
        self.cause = cause
        self.attempts = attempts

    def __str__(self) -> str:
        tries = f" after {self.attempts} tries" if self.attempts > 1 else ""
        return f"event {self.event_id} to {self.channel}: {self.outcome}{tries}: {self.cause}"


class TooManyWaiting(PublishError):
    """So many publishes wait already, for a retry or in the outbox, that no more are taken; nothing was sent."""

    def __init__(self, channel: str, event_id: str, waiting: int, where: str = "") -> None:
        super().__init__(channel, event_id, "not sent", f"{waiting} publishes wait{where} already", 0)


class TokenError(PulsetwError):
    """A token that is not believed.

    Attributes:
        reason: which check it failed, for counts. ``malformed``: no signed JWT that we read. ``algorithm``: not the
            key's. ``kind``: a subscription token in place of a connection token, or the other way round. ``claims``:
            one that is missing, or of a wrong type or size. The others say it themselves.
        problem: in words, without the token.
    """

    def __init__(self, reason: TokenReason, problem: str) -> None:
        super().__init__(reason, problem)
        self.reason: TokenReason = reason
        self.problem = problem

    def __str__(self) -> str:
        return f"token refused ({self.reason}): {self.problem}"


class KeysError(PulsetwError):
    """Keys for tokens that could not be fetched; those that are known stay good for a while.

    Attributes:
        url: where they are published.
        problem: what came instead.
    """

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url = url
        self.problem = problem

    def __str__(self) -> str:
        return f"keys of {self.url}: {self.problem}"


class CommandError(PulsetwError):
    """Answers one command of a client; the session lives.

    Attributes:
        code: what went wrong.
        message: in words; the table's text where none is given.
    """

    def __init__(self, code: ErrorCode, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or ERROR_TEXTS[code]

    @property
    def temporary(self) -> bool:
        """Whether the same command may succeed a little later."""
        return self.code in TEMPORARY_ERRORS

    def __str__(self) -> str:
        return f"{int(self.code)} {self.message}"


class Disconnect(PulsetwError):
    """Ends a session.

    Attributes:
        code: why, and whether the client may come back.
        reason: in words, at most 123 bytes of UTF-8, so that it fits a close frame.
    """

    def __init__(self, code: DisconnectCode, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason or DISCONNECT_TEXTS[code]
        if len(self.reason.encode()) > MAX_REASON_BYTES:
            raise ValueError(f"a close reason takes at most {MAX_REASON_BYTES} bytes: {self.reason!r}")

    @property
    def reconnect(self) -> bool:
        """Whether the client may come back."""
        return self.code < 3500

    def __str__(self) -> str:
        return f"{int(self.code)} {self.reason}"
