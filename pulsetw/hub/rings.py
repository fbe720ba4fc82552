"""The memory of all rings together."""

from collections import OrderedDict

from pulsetw.hub.channel import Channel


class Rings:
    """Keeps what the rings of all channels take within a bound; the idlest are emptied first."""

    def __init__(self, max_bytes: int) -> None:
        """No ring yet.

        Args:
            max_bytes: what all rings may take together.
        """
        self._max_bytes = max_bytes
        self._sizes: OrderedDict[Channel, int] = OrderedDict()
        self.bytes = 0

    def used(self, channel: Channel) -> None:
        """Something was added to a channel's ring, or read from it."""
        self.bytes += channel.ring_bytes - self._sizes.get(channel, 0)
        self._sizes[channel] = channel.ring_bytes
        self._sizes.move_to_end(channel)
        while self.bytes > self._max_bytes and self._sizes:
            idlest, size = self._sizes.popitem(last=False)
            self.bytes -= size
            idlest.forget()

    def remove(self, channel: Channel) -> None:
        """The channel is no more."""
        self.bytes -= self._sizes.pop(channel, 0)
