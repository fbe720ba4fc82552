"""The account of a run: what was published, what of it came to whom, and what did not."""

from collections.abc import Callable, Sequence

from attrs import define, field

from pulsetw.cli.load.histogram import Histogram
from pulsetw.cli.load.marks import Mark

# A listener that misses something again and again remembers so many places; what comes late for others is a duplicate.
_MAX_HOLES = 100


@define(eq=False)
class Place:
    """How far one listener is on one channel, whose numbers are `next`, `next` + `step`, and so on."""

    next: int
    step: int
    _holes: list[range] = field(factory=list)

    def passes(self, number: int) -> bool:
        """Takes a number that is not `next`; whether it comes for the first time."""
        if number > self.next:
            self._holes = [*self._holes[1 - _MAX_HOLES :], range(self.next, number, self.step)]
            self.next = number + self.step
            return True
        for at, hole in enumerate(self._holes):
            if number in hole:
                parts = (range(hole.start, number, self.step), range(number + self.step, hole.stop, self.step))
                self._holes[at : at + 1] = [part for part in parts if part]
                return True
        return False

    def lacks(self, number: int) -> bool:
        """Whether it has not come."""
        return number >= self.next or any(number in hole for hole in self._holes)


class Ledger:
    """Counts deliveries: one event to one listener each.

    Events are numbered from 0, round the channels: number n is of channel n modulo their count.

    Attributes:
        expected: deliveries that are due for what was published, or may have been, less what is known to be refused.
        arrived: deliveries, each listener's first of an event.
        duplicates: deliveries of what the listener had.
        out_of_order: first deliveries after one with a higher number of the same channel.
        latency: from an event's time to its delivery.
        last_us: when the last delivery came.
        written_off: deliveries that listeners did not get before they were gone.
        awaited: by number, how many listeners an event has not come to; complete ones are not in it.
        done: called when an event has come to all of its listeners, or nobody awaits it any more.
    """

    def __init__(self, channel_count: int, done: Callable[[], object]) -> None:
        """Nobody listens."""
        self.expected = 0
        self.arrived = 0
        self.duplicates = 0
        self.out_of_order = 0
        self.written_off = 0
        self.latency = Histogram()
        self.last_us = 0
        self.awaited: dict[int, int] = {}
        self.done = done
        self._channel_count = channel_count
        self._listening = [0] * channel_count

    @property
    def lost(self) -> int:
        """Deliveries that have not come; they may still, but not to those who are gone."""
        return self.written_off + sum(self.awaited.values())

    def join(self) -> list[Place]:
        """One more listener, to all channels, from the first number on."""
        for channel in range(self._channel_count):
            self._listening[channel] += 1
        return [Place(channel, self._channel_count) for channel in range(self._channel_count)]

    def leave(self, places: Sequence[Place]) -> None:
        """A listener is gone: it misses what it has not got, and is not expected to get anything later."""
        # First of all: `done` may publish the next event.
        for channel in range(self._channel_count):
            self._listening[channel] -= 1
        for number in [each for each in self.awaited if places[each % self._channel_count].lacks(each)]:
            self.written_off += 1
            self._one_less(number)

    def published(self, number: int) -> None:
        """An event is sent: all who listen now should get it."""
        listening = self._listening[number % self._channel_count]
        self.expected += listening
        if listening:
            self.awaited[number] = listening

    def refused(self, number: int) -> None:
        """An event was not published, or perhaps not: nobody needs to get it."""
        self.expected -= self.awaited.pop(number, 0)

    def come(self, places: Sequence[Place], events: Sequence[Mark], now_us: int) -> None:
        """What one listener got at once."""
        self.last_us = now_us
        for number, sent_us in events:
            place = places[number % self._channel_count]
            if number == place.next:
                place.next += place.step
            else:
                is_late = number < place.next
                if not place.passes(number):
                    self.duplicates += 1
                    continue
                self.out_of_order += is_late
            self.arrived += 1
            self.latency.add(now_us - sent_us)
            self._one_less(number)

    def _one_less(self, number: int) -> None:
        left = self.awaited.get(number)
        if left is None:
            return
        if left > 1:
            self.awaited[number] = left - 1
        else:
            del self.awaited[number]
            self.done()
