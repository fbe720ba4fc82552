"""When what is new in channels goes out."""

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pulsetw.hub.channel import Channel
from pulsetw.hub.slices import IsOver, Slices
from pulsetw.policy.memory import Memory

# A large channel that is busy waits before its next send, in seconds for each subscriber: a twentieth of what the send
# takes. What comes until then goes out with it, and costs a send less for each of them.
_WAIT_S = 0.2e-6
# It is busy if its last send ended not longer ago than so many times that.
_BUSY = 20
# One with fewer subscribers than this waits for nothing.
_MANY = 500


class Flushing:
    """Small channels are flushed when all that came together is there; large ones a little later, and in slices."""

    def __init__(self, clock: IReactorTime, slices: Slices, rings: Memory[Channel]) -> None:
        """Nothing is new.

        Args:
            clock: for what waits.
            slices: gives the turns.
            rings: what the rings of all channels take.
        """
        self._clock = clock
        self._slices = slices
        self._rings = rings
        self._waiting: dict[Channel, IDelayedCall] = {}
        self._sent: dict[Channel, float] = {}  # when a large one was sent to last
        self._is_stopped = False

    def due(self, channel: Channel) -> None:
        """Something is new in a channel, and nothing is on its way in it unless it was due before."""
        if channel.is_full:
            channel.flush()
            self._rings.used(channel)
        elif channel.subscribers_at_end < _MANY or self._is_stopped:
            self._slices.add(channel, self._send)
        elif not channel.is_sending and channel not in self._waiting:
            wait_s = channel.subscribers_at_end * _WAIT_S
            if self._clock.seconds() - self._sent.get(channel, -_BUSY) < _BUSY * wait_s:
                self._waiting[channel] = self._clock.callLater(wait_s, self._begin, channel)
            else:
                self._slices.add(channel, self._send)

    def discard(self, channel: Channel) -> None:
        """The channel is no more."""
        waiting = self._waiting.pop(channel, None)
        if waiting is not None:
            waiting.cancel()
        self._sent.pop(channel, None)
        self._slices.discard(channel)

    def finish(self) -> None:
        """Sends all that waits anywhere, now."""
        for channel in tuple(self._waiting):
            self.discard(channel)
            self._slices.add(channel, self._send)
        self._slices.finish()

    def stop(self) -> None:
        """Nothing waits any more: the end is near."""
        self._is_stopped = True
        for channel in tuple(self._waiting):
            self.discard(channel)
            self._slices.add(channel, self._send)

    def _begin(self, channel: Channel) -> None:
        del self._waiting[channel]
        self._slices.add(channel, self._send)

    def _send(self, channel: Channel, is_over: IsOver) -> bool:
        is_done = channel.send_some(is_over)
        if channel.has_history or channel.kept_bytes:
            self._rings.used(channel)
        if not is_done:
            return False
        if channel.subscribers_at_end >= _MANY:
            self._sent[channel] = self._clock.seconds()
        if not channel.is_flushed:
            self.due(channel)
        return True
