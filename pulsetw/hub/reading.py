"""Reads back what rings have forgotten, from the broker's log: once for all who come back at that time.

A read goes by pages from the lowest place that somebody waits for to where the ring begins. Until 30 s after it the
ring may be longer, so that a fleet that comes back spread over some seconds is served by the same read.
"""

from collections import deque
from collections.abc import Callable, Iterable

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.codec import text_of
from pulsetw.errors import BrokerError, ChannelError
from pulsetw.hub.channel import Channel
from pulsetw.hub.ring import ITEM_BYTES
from pulsetw.hub.slices import IsOver, Slices
from pulsetw.interfaces import Excerpt, IChannels
from pulsetw.model import Lineage, Publication

PAGE_ENTRIES = 1000
# What a ring may take more for those who come back, in bytes.
MORE_BYTES = 32 * 1024 * 1024
_KEEP_S = 30.0


@define(eq=False)
class _Read:
    """One read on its way.

    Attributes:
        channel: whose log.
        waiting: who waits for it.
        lineage: the log's when it began.
        turns: see `pulsetw.hub.ring.Ring.turns`; when it began.
        wanted: the lowest offset that somebody waits for.
        start: everything after this offset, up to `end`, is in `publications`.
        end: how far it has come.
        publications: oldest first.
        bytes: what they take.
        room: what they may take: half of what the ring may, as their bytes on the wire are made when they are sent.
    """

    channel: Channel
    waiting: deque[Deferred[None]] = field(factory=deque)
    lineage: Lineage | None = None
    turns: int = 0
    wanted: int = 0
    start: int = 0
    end: int = 0
    publications: deque[Publication] = field(factory=deque)
    bytes: int = 0
    room: int = 0

    def take(self, start: int, end: int, publications: Iterable[Publication]) -> None:
        """One page more; the oldest are left out where it is too much."""
        if start > self.end:
            self.publications.clear()
            self.start, self.bytes = start, 0
        self.end = end
        for publication in publications:
            self.publications.append(publication)
            self.bytes += _size(publication)
        while self.bytes > self.room:
            oldest = self.publications.popleft()
            self.bytes -= _size(oldest)
            self.start = self.start if oldest.position is None else oldest.position.offset


class Reading:
    """The reads of all channels; at most one for each."""

    _log = Logger()

    def __init__(self, source: IChannels, clock: IReactorTime, slices: Slices, used: Callable[[Channel], None]) -> None:
        """Nothing is read.

        Args:
            source: has the log.
            clock: for what waits.
            slices: gives those who have waited their turns: there may be thousands.
            used: called when something was added to a channel's ring.
        """
        self._source = source
        self._clock = clock
        self._slices = slices
        self._used = used
        self._reads: dict[Channel, _Read] = {}
        self._lowest: dict[Channel, int] = {}  # of those whose read begins in the next reactor turn
        self._ends: dict[Channel, IDelayedCall] = {}

    def read(self, channel: Channel, start: int) -> Deferred[None]:
        """Takes back into the channel's ring what comes after an offset, as far as the broker still has it.

        Returns:
            Fires when a read has ended, whether or not it was of use. Can be cancelled alone. Never fails.
        """
        read = self._reads.get(channel)
        if read is None:
            read = self._reads[channel] = _Read(channel)
            self._lowest[channel] = start
            self._clock.callLater(0, self._begin, read)
        elif channel in self._lowest:
            self._lowest[channel] = min(start, self._lowest[channel])
        deferred: Deferred[None] = Deferred(read.waiting.remove)
        read.waiting.append(deferred)
        return deferred

    def forget(self, channel: Channel) -> None:
        """The channel is no more, or its ring is to be as short as ever."""
        self._stop(channel)
        channel.allow(0)
        if channel in self._reads:
            self._end(self._reads[channel])

    def stop(self) -> None:
        """The end is near: no ring is shortened any more."""
        for channel in tuple(self._ends):
            self._stop(channel)

    def _begin(self, read: _Read) -> None:
        channel = read.channel
        read.wanted = self._lowest.pop(channel)
        read.lineage, floor, read.turns = channel.place
        if not read.waiting or floor is None:
            self._end(read)
            return
        # Of more than these the first could not be kept anyway.
        read.room = max(0, MORE_BYTES - channel.kept_bytes) // 2
        read.start = read.end = max(read.wanted, floor.offset - read.room // ITEM_BYTES)
        self._stop(channel)
        channel.allow(MORE_BYTES)
        self._ends[channel] = self._clock.callLater(_KEEP_S, self._over, channel)
        self._ask(read)

    def _stop(self, channel: Channel) -> None:
        end = self._ends.pop(channel, None)
        if end is not None and end.active():
            end.cancel()

    def _over(self, channel: Channel) -> None:
        self.forget(channel)
        self._used(channel)

    def _ask(self, read: _Read) -> None:
        if read.lineage is None:
            self._end(read)
            return
        asked = self._source.read(read.channel.name, read.lineage.at(read.end), PAGE_ENTRIES)
        asked.addCallbacks(self._answered, self._failed, callbackArgs=(read,), errbackArgs=(read,))
        asked.addErrback(self._broken, read)

    def _answered(self, excerpt: Excerpt, read: _Read) -> None:
        channel = read.channel
        if self._reads.get(channel) is not read:
            return
        lineage, floor, turns = channel.place
        if floor is None or excerpt.lineage != lineage or turns != read.turns:
            # It is another log by now, and the hub hears of it in its turn.
            self._end(read)
            return
        before = read.end
        read.take(excerpt.start, excerpt.end, excerpt.publications)
        if read.end >= floor.offset:
            channel.restore(tuple(read.publications), read.start, is_all=read.start > read.wanted)
            self._used(channel)
            self._end(read)
        elif read.end > before:
            self._ask(read)
        else:
            self._end(read)

    def _failed(self, failure: Failure, read: _Read) -> None:
        failure.trap(BrokerError, ChannelError)
        self._end(read)

    def _broken(self, failure: Failure, read: _Read) -> None:
        self._log.failure("Reading the log of {channel} failed", failure, channel=read.channel.name)
        self._end(read)

    def _end(self, read: _Read) -> None:
        if self._reads.get(read.channel) is read:
            del self._reads[read.channel]
        self._slices.add(read, self._fire, is_patient=True)

    def _fire(self, read: _Read, is_over: IsOver) -> bool:
        while read.waiting:
            read.waiting.popleft().callback(None)
            if is_over():
                break
        return not read.waiting


def _size(publication: Publication) -> int:
    return ITEM_BYTES + len(text_of(publication.event))
