# ruff: noqa: N802 -- Twisted calls us by its names
"""What the supervisor and a worker say to each other, over two pipes.

A worker answers what it is asked, so that neither fills a pipe that the other does not read; what it says by itself are
lines of its log, and those it drops when the pipe is full.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.protocols.basic import NetstringReceiver

from pulsetw import codec
from pulsetw.config import Config
from pulsetw.web.status import Readiness

ORDERS_FD = 0
ANSWERS_FD = 3
COUNTS_FD = 4
FIRST_SOCKET_FD = 5
"""The clients' sockets stand from here on in a worker, one for each of `server.listen`, in that order."""

_MAX_BYTES = 16 * 1024 * 1024


@frozen
class Start:
    """To a worker, first of all: be a relay.

    Attributes:
        config: the settings.
        server_id: what the worker is called.
        place: its place among the workers, from 0.
    """

    config: Config
    server_id: str
    place: int


@frozen
class Ask:
    """To a worker: say how you are. Answered by one `Report`."""


@frozen
class Drain:
    """To a worker: leave, without dropping anyone in the cold."""


@frozen
class Hurry:
    """To a worker that leaves: wait for no client's good-bye any more."""


@frozen
class Report:
    """From a worker: how it is.

    Attributes:
        readiness: as its operator's port would say.
        stats: from the name of each part to its numbers.
    """

    readiness: Readiness
    stats: Mapping[str, Mapping[str, Any]]


@frozen
class Failed:
    """From a worker: it cannot start, and leaves.

    Attributes:
        problem: why, in words.
    """

    problem: str


@frozen
class Said:
    """From a worker: a line of its log.

    Attributes:
        level: the name of a `LogLevel`.
        system: who said it.
        text: may have more than one line.
    """

    level: str
    system: str
    text: str


Message = Start | Ask | Drain | Hurry | Report | Failed | Said

_KINDS = {kind.__name__: kind for kind in (Start, Ask, Drain, Hurry, Report, Failed, Said)}


class Channel(NetstringReceiver):
    """One end of the two pipes."""

    MAX_LENGTH = _MAX_BYTES

    def __init__(self, received: Callable[[Any], None]) -> None:
        """Calls `received` with each `Message` that comes."""
        super().__init__()
        self._received = received

    def send(self, message: Message) -> None:
        """Says something; lost without a word when the other end has gone."""
        self.sendString(codec.encode([type(message).__name__, message]))  # type: ignore[no-untyped-call]

    def stringReceived(self, string: bytes) -> None:
        """See `NetstringReceiver`."""
        name, document = codec.decode(string)
        self._received(codec.convert(document, _KINDS[name]))
