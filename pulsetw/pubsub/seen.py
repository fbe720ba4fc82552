"""The ids of events that were here already, so that a publisher's retry is never a second event."""

from collections import OrderedDict

ID_BYTES = 175
"""What an id of 27 characters takes here, measured."""

# A channel looks for ids that are too old each time that it has come to a multiple of so many.
_FORGET_EACH = 64


class SeenIds:
    """A window of ids for each channel: the newest 2 000 of the last 60 s, by default."""

    def __init__(self, *, per_channel: int = 2000, age_s: float = 60.0, in_all: int = 500_000) -> None:
        """An empty window.

        Args:
            per_channel: ids that are remembered for one channel.
            age_s: how long an id is remembered, in seconds.
            in_all: ids that are remembered for all channels; past it the longest quiet channel is forgotten.
        """
        self._per_channel = per_channel
        self._age_s = age_s
        self._in_all = in_all
        self._channels: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def is_new(self, channel: str, event_id: str, now: float) -> bool:
        """Whether the id was not here yet; from now on it was.

        Args:
            channel: where the event is.
            event_id: its id.
            now: in seconds; never less than in the call before.
        """
        ids = self._channels.get(channel)
        if ids is None:
            ids = self._channels[channel] = OrderedDict()
        else:
            self._channels.move_to_end(channel)
            seen = ids.get(event_id)
            if seen is not None:
                if now - seen < self._age_s:
                    return False
                del ids[event_id]
                self._count -= 1
            if len(ids) % _FORGET_EACH == 0:
                self._forget_old(ids, now)
        ids[event_id] = now
        self._count += 1
        if len(ids) > self._per_channel:
            ids.popitem(last=False)
            self._count -= 1
        while self._count > self._in_all:
            self._drop(next(iter(self._channels)))
        return True

    def sweep(self, now: float) -> None:
        """Forgets channels that were quiet for so long that all of their ids are too old."""
        while self._channels:
            name, ids = next(iter(self._channels.items()))
            if ids and now - next(reversed(ids.values())) < self._age_s:
                break
            self._drop(name)

    def _forget_old(self, ids: OrderedDict[str, float], now: float) -> None:
        while ids and now - next(iter(ids.values())) >= self._age_s:
            ids.popitem(last=False)
            self._count -= 1

    def _drop(self, name: str) -> None:
        self._count -= len(self._channels.pop(name))
