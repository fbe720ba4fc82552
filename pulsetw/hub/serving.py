"""Serves connections that are behind, when their transports have drained, in their turn."""

from collections.abc import Callable, Mapping

from pulsetw.hub.channel import Channel
from pulsetw.hub.connection import Connection
from pulsetw.hub.following import Following
from pulsetw.hub.reading import Reading
from pulsetw.hub.slices import IsOver, Slices

# As for those who join: the log may have been read from a later place, for somebody else, when one came.
_READS = 2


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
        self._reaching: dict[tuple[Connection, Channel], int] = {}  # how many reads may follow

    def drained(self, connection: Connection) -> None:
        """The connection can take more: it is served in its turn."""
        self._slices.add(connection, self._serve, is_patient=True)

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
        self._reach_back(connection, channel, _READS)

    def _reach_back(self, connection: Connection, channel: Channel, reads: int) -> None:
        """Reads what is lacking, so many times at most, then sends what there is."""
        start = channel.reach_back(connection) if reads else None
        if start is None:
            self._send(connection, channel)
        else:
            key = connection, channel
            self._reaching[key] = reads - 1
            read = self._reading.read(channel, start)
            read.addCallback(lambda _: self._slices.add(key, self._read, is_patient=True))

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
        reads = self._reaching.pop(key)
        connection, channel = key
        if channel.name in connection.behind and not connection.is_choked:
            self._reach_back(connection, channel, reads)
            self._served(connection)
        return True
