"""Serves connections that are behind, when their transports have drained, in their turn."""

from collections.abc import Callable, Mapping

from pulsetw.hub.channel import Channel
from pulsetw.hub.connection import Connection
from pulsetw.hub.following import Following
from pulsetw.hub.reading import Reading
from pulsetw.hub.slices import IsOver, Slices


class Serving:
    """What the ring of a channel has no more is read from the broker first; one read is for all who lack it."""

    def __init__(
        self,
        channels: Mapping[str, Following],
        slices: Slices,
        reading: Reading,
        send: Callable[[Connection, Channel], None],
        served: Callable[[Connection], None],
    ) -> None:
        """Nobody is behind.

        Args:
            channels: by name.
            slices: gives the turns.
            reading: takes back what rings have forgotten.
            send: sends what the ring has.
            served: called when a connection was sent what there is for it.
        """
        self._channels = channels
        self._slices = slices
        self._reading = reading
        self._send = send
        self._served = served
        self._reaching: set[tuple[Connection, Channel]] = set()

    def drained(self, connection: Connection) -> None:
        """The connection can take more: it is served in its turn."""
        self._slices.add(connection, self._serve)

    def gone(self, connection: Connection) -> None:
        """The connection takes nothing any more."""
        self._slices.discard(connection)

    def catch_up(self, connection: Connection, name: str) -> None:
        """Sends what there is of one channel, at once where the ring has it all."""
        if name not in connection.behind:
            return
        channel = self._channels[name].channel
        key = connection, channel
        if key in self._reaching:
            return
        start = channel.reach_back(connection)
        if start is None:
            self._send(connection, channel)
        else:
            self._reaching.add(key)
            self._reading.read(channel, start).addCallback(lambda _: self._slices.add(key, self._read))

    def _serve(self, connection: Connection, is_over: IsOver) -> bool:
        for name in tuple(connection.behind):
            if connection.is_choked:
                return True
            self.catch_up(connection, name)
            if is_over():
                return False
        self._served(connection)
        return True

    def _read(self, key: tuple[Connection, Channel], is_over: IsOver) -> bool:  # noqa: ARG002 -- it is one send
        """The ring has what could be read of the log; what it lacks even so, the client is told of."""
        self._reaching.discard(key)
        connection, channel = key
        if channel.name in connection.behind and not connection.is_choked:
            self._send(connection, channel)
            self._served(connection)
        return True
