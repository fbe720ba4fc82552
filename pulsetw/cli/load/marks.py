"""How the events of a run are told from all others, and read from what sockets receive."""

import re
from typing import Any

from attrs import frozen

_TEXT = 0x81
# Longer frames are left to Autobahn, which refuses them.
MAX_FRAME_BYTES = 2 * 1024 * 1024
# Of an event's data, besides the mark's own text and the padding.
_FRAME_OF_DATA = len('{"bench":"","padding":""}')

Mark = tuple[int, int]
"""An event's number, and when it was sent: microseconds of the run's clock. No class: it is made for each delivery."""


@frozen
class Received:
    """What stood in a piece of a WebSocket's bytes.

    Attributes:
        events: the run's own, in order.
        others: every other whole frame as it came, for Autobahn.
        rest: the begin of a frame whose end has not come yet.
    """

    events: list[Mark]
    others: list[bytes]
    rest: bytes


class Marks:
    """Makes the data of a run's events, and finds them again."""

    def __init__(self, run: str, size: int) -> None:
        """Another run's events are not this one's.

        Args:
            run: letters and digits, no two runs the same.
            size: bytes of an event's data as JSON; some 60 at least, which the mark takes.
        """
        self._run = run
        self._size = size
        self._pattern = re.compile(rb'"bench":"%s\.(\d+)\.(\d+)"' % run.encode())
        self._last = b""
        self._last_received = Received([], [], b"")

    def data(self, mark: Mark) -> dict[str, Any]:
        """The data of an event, which any channel without declared types takes."""
        text = f"{self._run}.{mark[0]}.{mark[1]}"
        return {"bench": text, "padding": "x" * (self._size - _FRAME_OF_DATA - len(text))}

    def find(self, payload: bytes) -> Mark | None:
        """The mark of an event of this run; None = it is none."""
        found = self._pattern.search(payload)
        return (int(found[1]), int(found[2])) if found else None

    def read(self, data: bytes) -> Received:
        """Takes the run's events out of frames as a server sends them (RFC 6455 5.2), unmasked.

        A relay sends the same bytes to many clients: what was read last is not read again.
        """
        if data != self._last:
            self._last, self._last_received = data, self._read(data)
        return self._last_received

    def _read(self, data: bytes) -> Received:
        events: list[Mark] = []
        others: list[bytes] = []
        at, end = 0, len(data)
        search = self._pattern.search
        while end - at >= 2:
            length, start = data[at + 1], at + 2
            if length >= 126:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : start], "big")
            if length > MAX_FRAME_BYTES and start <= end:
                others.append(data[at:])
                return Received(events, others, b"")
            if start + length > end:
                break
            found = search(data, start, start + length) if data[at] == _TEXT else None
            if found:
                events.append((int(found[1]), int(found[2])))
            else:
                others.append(data[at : start + length])
            at = start + length
        return Received(events, others, data[at:])
