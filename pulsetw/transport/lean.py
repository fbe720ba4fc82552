# ruff: noqa: N802, N815 -- Autobahn's names
"""Autobahn's server protocol, without what an open connection does not need.

As it comes, each connection keeps some 60 attributes, among them its handshake, two Deferreds, a queue and an UTF-8
validator: 9.5 KiB. Here options and first values are the class's, what concerns the handshake goes with it, and an open
connection that is idle keeps what differs: 2.6 KiB. Autobahn copies and prints its options for each connection, for a
log line that is never written: half of a handshake's time.
"""

from collections import deque
from contextlib import suppress
from typing import Any, ClassVar

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats, WebSocketProtocol
from twisted.internet.defer import Deferred

# Of the handshake, or of a message or frame that is done: nobody looks at them again.
_PAST = frozenset(
    {
        "_text",
        "control_frame_data",
        "current_frame_masker",
        "frame_data",
        "frame_length",
        "_results",
        "_transport_details",
        "_valid_events",
        "_wskey",
        "_arrival",
        "http_headers",
        "http_request_data",
        "http_request_host",
        "http_request_params",
        "http_request_path",
        "http_request_uri",
        "http_response_data",
        "http_status_line",
        "message_data_total_length",
        "peer",
        "send_queue",
        "trafficStats",
        "utf8validator",
        "websocket_extensions",
        "websocket_extensions_in_use",
        "websocket_origin",
        "websocket_protocol_in_use",
        "websocket_protocols",
        "websocket_version",
    }
)


class _Unwatched:
    """A Deferred that Autobahn makes and fires, and that nobody here waits for."""

    def __get__(self, instance: object, owner: type) -> Deferred[object]:
        return Deferred()

    def __set__(self, instance: object, value: object) -> None:
        """It is not kept."""


class LeanServerProtocol(WebSocketServerProtocol):  # type: ignore[misc]  # Autobahn has no types
    """See the module. What is set to an attribute here is its value for a connection that is open and idle.

    Options are attributes of a subclass (`pulsetw.transport.options`), all of them: none is copied from the factory.
    Text is not checked to be UTF-8.
    """

    transport: Any

    CONFIG_ATTRS = ()

    is_open = _Unwatched()
    is_closed = _Unwatched()

    connected = 1
    state = WebSocketServerProtocol.STATE_OPEN
    send_state = WebSocketServerProtocol.SEND_STATE_GROUND
    data = b""
    inside_message = False
    current_frame = None
    # They are shared: the counts are nobody's, and the queue is for sends of a kind that is not used.
    trafficStats = TrafficStats()
    trackedTimings = None
    send_queue: ClassVar[deque[object]] = deque()
    triggered = False
    websocket_version = 13
    _perMessageCompress = None
    _isMessageCompressed = False
    message_is_binary = False
    message_data_total_length = 0
    utf8validateIncomingCurrentMessage = False
    wasMaxFramePayloadSizeExceeded = False
    wasMaxMessagePayloadSizeExceeded = False
    closedByMe = False
    failedByMe = False
    droppedByMe = False
    wasClean = False
    wasNotCleanReason = None
    wasServerConnectionDropTimeout = False
    wasOpenHandshakeTimeout = False
    wasCloseHandshakeTimeout = False
    wasServingFlashSocketPolicyFile = False
    localCloseCode = None
    localCloseReason = None
    remoteCloseCode = None
    remoteCloseReason = None
    openHandshakeTimeoutCall = None
    closeHandshakeTimeoutCall = None
    autoPingTimeoutCall = None
    autoPingPending = None
    autoPingPendingCall = None
    autoPingPendingSeq = 0
    autoPingPendingSent = None

    def connectionMade(self) -> None:
        """See `IProtocol`; Autobahn would collect details of the transport that nobody reads."""
        # A UNIX socket has no such thing.
        with suppress(AttributeError, OSError):
            self.transport.setTcpNoDelay(True)
        # Not the server's own: it colours the values of a log line that is never written.
        WebSocketProtocol._connectionMade(self)
        self.factory.countConnections += 1

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: ARG002
        """Sends the handshake's answer, and frames of Autobahn's own; nothing is ever chopped."""
        self.transport.write(data)

    def _onOpen(self) -> None:
        self.onOpen()

    def trim(self) -> None:
        """Drops what an open connection does not need that is not in the middle of a message."""
        if self.inside_message or self.current_frame is not None:
            return
        if self._perMessageCompress is not None:
            # Of the message that is done; the next one begins with a new one.
            self._perMessageCompress._decompressor = None
        cls = type(self)
        self.__dict__ = {
            name: value
            for name, value in self.__dict__.items()
            if name not in _PAST and value is not getattr(cls, name, self)
        }
