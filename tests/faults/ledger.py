"""Who got what, and who was told: judges a run in which something was broken on purpose. Pure."""

from itertools import pairwise

from attrs import define, field, frozen


@frozen
class Got:
    """An event that a client received; `degraded` as it was marked."""

    at: float
    id: str
    offset: int | None
    epoch: str | None
    degraded: bool = False


@frozen
class Acknowledged:
    """A publish that succeeded: when, and at which place."""

    at: float
    offset: int | None = None
    epoch: str | None = None


@frozen
class Told:
    """A notice that a client received: a gap, or a subscription that was not recovered."""

    at: float
    reason: str


@define
class Listener:
    """What one client saw of one channel, in order.

    Attributes:
        name: for people.
        keeps_ids: whether it keeps a window of ids itself, as our client library does: then no id may come twice.
        saw: events and notices.
    """

    name: str
    keeps_ids: bool
    saw: list[Got | Told] = field(factory=list)

    def got(self, at: float, id: str, offset: int | None, epoch: str | None, *, degraded: bool = False) -> None:
        self.saw.append(Got(at, id, offset, epoch, degraded))

    def told(self, at: float, reason: str) -> None:
        self.saw.append(Told(at, reason))

    @property
    def marked(self) -> set[str]:
        """The ids of what came marked as degraded."""
        return {each.id for each in self.saw if isinstance(each, Got) and each.degraded}


@frozen
class Verdict:
    """A run in numbers.

    Attributes:
        acknowledged: publishes that succeeded, times listeners.
        delivered: of these, those that came.
        told: those that did not come, and a notice came after the publish had succeeded and where the event would have
            been: before any later offset of the same epoch.
        silent: those that did not come, and nobody said a word.
        duplicates: events that came twice; to a client without a window of ids a repeat after a notice is none.
        disorder: events that came behind a later one of the same epoch, without a notice between.
        longest_silence_s: the longest time between two events of one listener.
        notices: how many notices all listeners got.
    """

    acknowledged: int
    delivered: int
    told: int
    silent: int
    duplicates: int
    disorder: int
    longest_silence_s: float
    notices: int

    @property
    def is_clean(self) -> bool:
        return not (self.silent or self.duplicates or self.disorder)


def judge(acknowledged: dict[str, Acknowledged], listeners: list[Listener]) -> Verdict:
    """Looks at a whole run.

    Args:
        acknowledged: by id, all publishes that succeeded.
        listeners: all of them were subscribed before the first publish and should have got everything.
    """
    delivered = told = silent = duplicates = disorder = notices = 0
    longest = 0.0
    for listener in listeners:
        ids = {each.id for each in listener.saw if isinstance(each, Got)}
        for event_id, event in acknowledged.items():
            if event_id in ids:
                delivered += 1
            elif _is_told(listener, event):
                told += 1
            else:
                silent += 1
        duplicates += _duplicates(listener)
        disorder += _disorder(listener)
        notices += sum(isinstance(each, Told) for each in listener.saw)
        times = [each.at for each in listener.saw if isinstance(each, Got)]
        longest = max([longest, *(later - earlier for earlier, later in pairwise(times))])
    total = len(acknowledged) * len(listeners)
    return Verdict(total, delivered, told, silent, duplicates, disorder, longest, notices)


def _is_told(listener: Listener, event: Acknowledged) -> bool:
    for each in listener.saw:
        if isinstance(each, Told):
            if each.at >= event.at:
                return True
        elif event.offset is not None and each.epoch == event.epoch and (each.offset or 0) > event.offset:
            return False
    return False


def _duplicates(listener: Listener) -> int:
    count = 0
    seen: dict[str, int] = {}
    notices = 0
    for each in listener.saw:
        if isinstance(each, Told):
            notices += 1
        elif each.id in seen and (listener.keeps_ids or seen[each.id] == notices):
            count += 1
        else:
            seen[each.id] = notices
    return count


def _disorder(listener: Listener) -> int:
    count = 0
    last: Got | None = None
    for each in listener.saw:
        if isinstance(each, Told):
            last = None
        elif each.offset is not None:
            if last is not None and last.epoch == each.epoch and each.offset <= (last.offset or 0):
                count += 1
            last = each
    return count
