"""Thousands of cheap WebSocket clients in one process: a bare socket each, one epoll for all."""

import json
import re
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from attrs import define, field

_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
# RFC 6455 5.3: a frame of a client is masked; with the key 0 it stays as it is.
_MASK = b"\0\0\0\0"
_GOING = 1000
_RECEIVE_BYTES = 262_144
_AT_ONCE = 100

_place = re.compile(rb'"offset":(\d+),"epoch":"([^"]*)"')
_id = re.compile(rb'"id":"(\d+)"')
_channel = re.compile(rb'"channel":"([^"]*)"')


@define
class Place:
    """How far a client is on one channel.

    Attributes:
        offset: of the last event; -1 = not subscribed yet.
        standing: whether the subscription was answered on the present connection.
    """

    offset: int = -1
    epoch: str = ""
    standing: bool = False


@define(eq=False)
class Client:
    """One client, which keeps its places and says what is wrong with what it gets.

    Attributes:
        places: by channel.
        faults: a hole, a repeat, or a connection that ended by itself.
        gaps: notices that something may be missing.
        came: called with each event's number and the time.
        subscribing: called when the handshake is done, before it subscribes.
    """

    port: int
    channels: tuple[str, ...]
    receive_buffer: int = 0
    came: Callable[["Client", int, float], None] | None = None
    subscribing: Callable[["Client"], None] | None = None
    places: dict[str, Place] = field(factory=dict)
    faults: list[str] = field(factory=list)
    gaps: list[dict[str, Any]] = field(factory=list)
    is_open: bool = False
    _is_leaving: bool = False
    _socket: socket.socket | None = None
    _data: bytearray = field(factory=bytearray)

    @property
    def is_standing(self) -> bool:
        return len(self.places) == len(self.channels) and all(place.standing for place in self.places.values())

    def connect(self) -> int:
        """Begins to connect; the file descriptor."""
        self._data.clear()
        self._is_leaving = False
        for place in self.places.values():
            place.standing = False
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if self.receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        with suppress(BlockingIOError):
            self._socket.connect(("127.0.0.1", self.port))
        return self._socket.fileno()

    def abort(self) -> None:
        """Cuts the connection without a word."""
        assert self._socket is not None
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        self.is_open = False

    def leave(self) -> None:
        """Says good-bye; the connection ends when that was answered."""
        self._is_leaving = True
        self._send(masked(CLOSE, _GOING.to_bytes(2, "big")))

    def connected(self) -> None:
        """The socket can be written to for the first time."""
        self._send(_HANDSHAKE % self.port)

    def readable(self) -> bool:
        """Takes what is there; False = the connection has ended."""
        assert self._socket is not None
        try:
            received = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return True
        except OSError as error:
            received = b""
            self.faults.append(str(error))
        if not received:
            if not self._is_leaving:
                self.faults.append("the connection ended")
            return False
        self._data += received
        if not self.is_open:
            self._opened()
        if self.is_open:
            now = monotonic()
            for kind, payload in self._frames():
                self._frame(kind, payload, now)
        return True

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        try:
            sent = self._socket.send(data)
        except OSError as error:
            self.faults.append(str(error))
        else:
            assert sent == len(data)

    def _opened(self) -> None:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        assert head.startswith(b"HTTP/1.1 101 "), bytes(head)
        self._data, self.is_open = rest, True
        if self.subscribing is not None:
            self.subscribing(self)
        commands = []
        for channel in self.channels:
            command: dict[str, Any] = {"op": "subscribe", "channel": channel}
            place = self.places.get(channel)
            if place is not None:
                command["since"] = {"offset": place.offset, "epoch": place.epoch}
            commands.append(masked(TEXT, json.dumps(command).encode()))
        self._send(b"".join(commands))

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        data, at = bytes(self._data), 0
        while len(data) - at >= 2:
            kind, length, start = data[at], data[at + 1], at + 2
            if length >= 126:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : start], "big")
            if start > len(data) or start + length > len(data):
                break
            at = start + length
            yield kind, data[start:at]
        del self._data[:at]

    def _frame(self, kind: int, payload: bytes, now: float) -> None:
        if kind == PING:
            self._send(masked(PONG, payload))
        elif kind == CLOSE and not self._is_leaving:
            self.faults.append(f"closed: {payload!r}")
        elif kind == CLOSE:
            pass
        elif payload.startswith(b'{"op"'):
            self._told(json.loads(payload))
        else:
            self._event(payload, now)

    def _told(self, message: dict[str, Any]) -> None:
        if message["op"] == "subscribed":
            if message.get("recovered") is False:
                self.gaps.append(message)
            place = self.places.setdefault(message["channel"], Place())
            # Events come after it, from the place that it names.
            if place.offset < 0 or message.get("recovered") is False:
                place.offset = message["offset"]
            elif message["offset"] != place.offset:
                self.faults.append(f"asked for {place.offset}, answered {message}")
            place.epoch, place.standing = message["epoch"], True
        elif message["op"] == "gap":
            self.gaps.append(message)
            start, end = message["from"]["offset"], message["to"]["offset"]
            place = self.places[message["channel"]]
            if start > place.offset:
                self.faults.append(f"a gap begins at {start}, last was {place.offset}")
            place.offset = end
        else:
            self.faults.append(str(message))

    def _event(self, payload: bytes, now: float) -> None:
        # The place stands at the end: a search from the front would go through all of the data.
        found = _place.search(payload, max(0, len(payload) - 120)) or _place.search(payload)
        number, channel = _id.search(payload), _channel.search(payload)
        assert found, payload
        assert number, payload
        assert channel, payload
        place, offset = self.places[channel[1].decode()], int(found[1])
        if offset != place.offset + 1:
            self.faults.append(f"{offset} after {place.offset} on {channel[1].decode()}")
        place.offset, place.epoch = offset, found[2].decode()
        if self.came is not None:
            self.came(self, int(number[1]), now)


class Crowd:
    """Lets clients and a publisher run.

    Attributes:
        each_turn: called again and again.
    """

    def __init__(self) -> None:
        self.each_turn: Callable[[], object] = int
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._connecting: set[int] = set()

    def connect(self, client: Client) -> None:
        descriptor = client.connect()
        self._clients[descriptor] = client
        self._connecting.add(descriptor)
        self._epoll.register(descriptor, select.EPOLLOUT)

    def gather(self, clients: list[Client]) -> None:
        """Connects many; returns when all are subscribed."""
        for start in range(0, len(clients), _AT_ONCE):
            some = clients[start : start + _AT_ONCE]
            for client in some:
                self.connect(client)
            self.run(partial(_all_stand, some), "all are subscribed")

    def drop(self, client: Client) -> None:
        """Aborts one connection."""
        self._clients = {number: each for number, each in self._clients.items() if each is not client}
        client.abort()

    def cut(self) -> None:
        """Aborts all connections."""
        for client in self._clients.values():
            client.abort()
        self._clients.clear()

    def read(self, client: Client, *, wanted: bool) -> None:
        """Whether a client reads."""
        descriptor = next(number for number, each in self._clients.items() if each is client)
        self._epoll.modify(descriptor, select.EPOLLIN if wanted else 0)

    def run(self, until: Callable[[], object], what: str, limit_s: float = 60) -> None:
        """Lets all run until the condition holds; fails after `limit_s` seconds."""
        end = monotonic() + limit_s
        while not until():
            assert monotonic() < end, f"not within {limit_s} s: {what}"
            self.each_turn()
            for descriptor, _ in self._epoll.poll(0.002, 1000):
                self._ready(descriptor, self._clients[descriptor])

    def run_for(self, seconds: float) -> None:
        end = monotonic() + seconds
        self.run(lambda: monotonic() > end, "time passes", seconds + 60)

    def close(self) -> None:
        self.cut()
        self._epoll.close()

    def _ready(self, descriptor: int, client: Client) -> None:
        if descriptor in self._connecting:
            self._connecting.discard(descriptor)
            self._epoll.modify(descriptor, select.EPOLLIN)
            client.connected()
        elif not client.readable():
            self._epoll.unregister(descriptor)
            del self._clients[descriptor]
            client.abort()


def _all_stand(clients: list[Client]) -> bool:
    return all(client.is_standing for client in clients)


def masked(kind: int, payload: bytes) -> bytes:
    """A client's frame."""
    length = len(payload)
    head = bytes((kind, 0x80 | length)) if length < 126 else bytes((kind, 0xFE)) + length.to_bytes(2, "big")
    return head + _MASK + payload
