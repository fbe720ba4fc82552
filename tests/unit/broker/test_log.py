"""Logs in memory: how long they and what is in them live."""

import itertools

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.log import EMPTY_TTL_S, ID_TTL_S, Logs
from pulsetw.catalogue.rule import History
from pulsetw.model import Page

KEPT = History(size=3, age_s=1000)
SHORT = History(size=3, age_s=10)


class LogsTests(SynchronousTestCase):
    def setUp(self) -> None:
        numbers = itertools.count(1)
        self.logs = Logs(lambda: next(numbers) / 100)

    def append(self, event_id: str, now: float, history: History = KEPT, channel: str = "a") -> tuple[int, bool]:
        entry, is_new = self.logs.of(channel, now).append(event_id, event_id.encode(), history, now)
        return entry.position.offset, is_new

    def page(self, now: float, channel: str = "a") -> Page:
        return self.logs.of(channel, now).page(None, 100, now)

    def test_size(self) -> None:
        """The newest are kept; an id is known longer than its entry."""
        for number in range(1, 6):
            self.append(str(number), 0)
        assert [entry.id for entry in self.page(0).entries] == ["3", "4", "5"]
        assert self.append("1", 0) == (1, False)

    def test_ids_are_known_for_two_minutes_after_their_last_use(self) -> None:
        """A repeat touches it; afterwards the id is another event's."""
        self.append("1", 0)
        assert self.append("1", ID_TTL_S - 1) == (1, False)
        assert self.append("1", 2 * ID_TTL_S - 2) == (1, False)
        assert self.append("1", 3 * ID_TTL_S - 2) == (2, True)

    def test_a_touched_id_keeps_no_other(self) -> None:
        """An id that is forgotten may have stood behind one that was touched."""
        self.append("1", 0)
        self.append("2", 1)
        self.append("1", 60)
        assert self.append("2", ID_TTL_S + 1) == (3, True)

    def test_entries_age(self) -> None:
        """All go together, so long after the last; offsets go on, with a hole for the reader to see."""
        self.append("1", 0, SHORT)
        self.append("2", 9, SHORT)
        assert len(self.page(18).entries) == 2
        page = self.page(19)
        assert (page.top, page.start, page.entries) == (2, 2, ())
        assert self.append("3", 20, SHORT) == (3, True)
        assert self.page(20).start == 2

    def test_the_epoch_outlives_ids_and_readers(self) -> None:
        """It is known as long as an id or an entry is, and an hour after a reader; then the count begins anew."""
        self.append("1", 0, SHORT)
        assert self.append("1", ID_TTL_S - 1, SHORT) == (1, False)
        epoch = self.page(ID_TTL_S).lineage.epoch
        assert self.page(ID_TTL_S + EMPTY_TTL_S - 1).lineage.epoch == epoch
        assert self.append("2", 2 * EMPTY_TTL_S - 1) == (2, True)
        assert self.append("3", 4 * EMPTY_TTL_S) == (1, True)
        assert self.page(4 * EMPTY_TTL_S).lineage.epoch != epoch

    def test_what_nobody_uses_is_forgotten(self) -> None:
        """However many channels there were, memory has those of the last while."""
        for number in range(1000):
            self.append("1", number, SHORT, channel=str(number))
        assert len(self.logs) <= ID_TTL_S + 10 + 1
        self.page(1000)
        self.page(1000 + 2 * EMPTY_TTL_S, "b")
        assert len(self.logs) == 1

    def test_epochs_differ(self) -> None:
        """They come from the argument, and clients can send them back: no dot is in them."""
        epochs = {self.page(0, channel).lineage.epoch for channel in "abc"}
        assert len(epochs) == 3
        assert not any("." in epoch for epoch in epochs)
