"""How Autobahn is set: every option by name, none left to a default."""

from typing import Any

from attrs import field, frozen
from attrs.validators import ge

from pulsetw.transport.deflate import acceptance


@frozen
class WebSocketLimits:
    """What a client's WebSocket may cost.

    Attributes:
        message_bytes: of a message, and of a frame; more closes with 1009. 0 = no limit.
        message_frames: fragments of a message, empty ones too; more closes with 1008. 0 = no limit.
        unsent_bytes: above which a connection is choked, 1 or more: it is not read any more, either. A read brings at
            most so many bytes, too.
        close_timeout_s: from our close frame to the end of the connection; then it is cut off.
    """

    message_bytes: int = 65536
    message_frames: int = 1000
    unsent_bytes: int = field(default=65536, validator=ge(1))
    close_timeout_s: float = 2.0


class Silence:
    """The log of Autobahn's classes: they write of traffic, and repeat what peers sent (tokens in URLs among it)."""

    def debug(self, *arguments: object, **fields: object) -> None:
        """Says nothing."""

    trace = info = warn = error = critical = failure = debug


def protocol_options(message_bytes: int, *, compress: bool = False) -> dict[str, Any]:
    """Attributes for a class of protocols, so that no connection carries copies of its own.

    Args:
        message_bytes: of a client's message, inflated; 0 = no limit.
        compress: whether compression is agreed to.
    """
    return {
        "log": Silence(),
        "logOctets": False,
        "logFrames": False,
        "trackTimings": False,
        "versions": [13],
        "webStatus": False,
        "serveFlashSocketPolicy": False,
        "flashSocketPolicy": "",
        "tcpNoDelay": True,
        # The front has checked the origin, and counts connections.
        "allowedOrigins": ["*"],
        "allowedOriginsPatterns": _anything(),
        "allowNullOrigin": False,
        "maxConnections": 0,
        "trustXForwardedFor": 0,
        # A validator is kept for each connection; the text is looked at when it is whole.
        "utf8validateIncoming": False,
        "requireMaskedClientFrames": True,
        "maskServerFrames": False,
        "applyMask": True,
        "maxFramePayloadSize": message_bytes,
        "maxMessagePayloadSize": message_bytes,
        "autoFragmentSize": 0,
        "perMessageCompressionAccept": staticmethod(acceptance(is_on=compress)),
        # A client whose message is refused is told why (RFC 6455 7.1.7) before it is let go.
        "failByDrop": False,
        "echoCloseCodeReason": True,
        # Autobahn's timers cost one each and follow another reactor: a whole head is answered at once, a closing
        # connection has its watchdog, and silent clients are the hub's business.
        "openHandshakeTimeout": 0,
        "closeHandshakeTimeout": 0,
        "autoPingInterval": 0,
        "autoPingTimeout": 0,
        "autoPingSize": 12,
        "autoPingRestartOnAnyTraffic": False,
    }


def _anything() -> list[Any]:
    from autobahn.util import wildcards2patterns

    patterns: list[Any] = wildcards2patterns(["*"])
    return patterns
