"""The rules by which one channel's log is read; what holds in any order of events is in `test_simulator`."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.model import UNKNOWN_BRANCH, Branch, Entry, Lineage, Notice, Page, Position
from pulsetw.policy import recovery
from pulsetw.policy.recovery import Ask, Consumer, Cut, Deliver, Past, Placed, Tell

A = Lineage("e", (Branch("a", 0),))


def forked(fork, name="b"):
    """The log after a promotion."""
    return Lineage("e", (Branch("a", 0), Branch(name, fork)))


def entry(offset, id="", lineage=A, payload=b""):
    return Entry(lineage.at(offset), id or f"id{offset}", payload)


def page(*offsets, top=None, start=0, lineage=A):
    """A page that has these offsets."""
    top = top if top is not None else offsets[-1] if offsets else start
    return Page(lineage, top, start, tuple(entry(offset, lineage=lineage) for offset in offsets))


def live(*offsets, top=None, **options):
    """A consumer that has begun with these offsets."""
    consumer = Consumer(**options)
    (ask,) = consumer.subscribed()
    consumer.answered(ask.number, page(*offsets, top=top))
    return consumer


def again(consumer):
    """The link is lost and comes back; gives what is asked."""
    consumer.lost()
    (ask,) = consumer.subscribed()
    return ask


class LiveTests(SynchronousTestCase):
    """Rule 1."""

    def test_the_next_is_delivered(self):
        """At the next offset, on the same branch."""
        consumer = live(1)
        self.assertEqual([Deliver(entry(2))], consumer.pushed(entry(2)))
        self.assertEqual(A.at(2), consumer.position)

    def test_what_was_read_is_dropped(self):
        """At or before the offset."""
        consumer = live(1, 2)
        self.assertEqual([], consumer.pushed(entry(2)))
        self.assertEqual([], consumer.pushed(entry(1)))
        self.assertTrue(consumer.is_live)

    def test_another_entry_in_the_place_of_one_that_was_read_is_told_once(self):
        """One of both is none of the log's; neither is delivered again."""
        told = [Tell(Notice("dropped", A.at(1), A.at(2)))]
        read = live(1)
        read.pushed(entry(2, "forged"))
        for consumer in (live(1, 2), read):
            self.assertEqual([told, []], [consumer.pushed(entry(2, other)) for other in ("real", "real")])
            self.assertEqual([Deliver(entry(3))], consumer.pushed(entry(3)))
            self.assertEqual([], consumer.pushed(entry(2, "late")))

    def test_where_it_is_not_known_what_was_read_nothing_is_told(self):
        """Another log's entry stood there, or none was seen."""
        self.assertEqual([], live(top=2).pushed(entry(2)))
        consumer = live(1, 2)
        consumer.answered(again(consumer).number, page(start=1, top=1))
        self.assertEqual([], consumer.pushed(entry(1, "other")))

    def test_a_hole_makes_it_ask(self):
        """The log has what is missing, and what was pushed."""
        consumer = live(1)
        self.assertEqual([Ask(2, A.at(1))], consumer.pushed(entry(3)))
        self.assertFalse(consumer.is_live)
        effects = consumer.answered(2, page(2, 3, start=1))
        self.assertEqual([Deliver(entry(2)), Deliver(entry(3)), Placed(A, 3)], effects)

    def test_another_branch_or_epoch_makes_it_ask(self):
        """Even at the next offset."""
        for position in (Position(2, "e", "b"), Position(2, "f", "a")):
            self.assertEqual([Ask(2, A.at(1))], live(1).pushed(Entry(position, "x", b"")))


class SyncingTests(SynchronousTestCase):
    """Rules 2 and 3."""

    def test_the_first_answer_is_past(self):
        """Nobody missed it."""
        consumer = Consumer()
        self.assertEqual([Ask(1, None)], consumer.subscribed())
        self.assertEqual([Past((entry(4), entry(5))), Placed(A, 5)], consumer.answered(1, page(4, 5, start=3)))
        self.assertEqual(A.at(5), consumer.position)

    def test_an_empty_log_has_a_place(self):
        """The first entry comes live."""
        self.assertEqual([Deliver(entry(1))], live().pushed(entry(1)))

    def test_what_is_pushed_meanwhile_follows(self):
        """In order, and what the page had already is dropped."""
        consumer = live(1)
        ask = again(consumer)
        for offset in (2, 3, 4):
            self.assertEqual([], consumer.pushed(entry(offset)))
        effects = consumer.answered(ask.number, page(2, 3, start=1))
        self.assertEqual([Deliver(entry(2)), Deliver(entry(3)), Placed(A, 3), Deliver(entry(4))], effects)

    def test_too_many_pushes_become_a_hole(self):
        """All that is kept is dropped, and the hole makes it ask."""
        consumer = live(1, max_kept=2)
        ask = again(consumer)
        for offset in (2, 3, 4):
            consumer.pushed(entry(offset))
        effects = consumer.answered(ask.number, page(start=1))
        self.assertEqual([Placed(A, 1), Ask(ask.number + 1, A.at(1))], effects)

    def test_too_many_bytes_become_a_hole(self):
        """One entry is kept however long it is: the newest shows that something is missing."""
        consumer = live(1)
        ask = again(consumer)
        for offset in (2, 3, 4):
            consumer.pushed(entry(offset, payload=bytes(200_000)))
        self.assertLess(consumer.kept_bytes, 201_000)
        effects = consumer.answered(ask.number, page(2, 3, start=1))
        self.assertEqual([4], [effect.entry.position.offset for effect in effects[3:]])
        ask = again(consumer)
        consumer.pushed(entry(5, payload=bytes(300_000)))
        effects = consumer.answered(ask.number, page(start=4))
        self.assertEqual([Placed(A, 4), Deliver(entry(5, payload=bytes(300_000)))], effects)
        self.assertEqual(live(1, 2, 3, 4, 5).kept_bytes, consumer.kept_bytes)

    def test_what_was_forgotten_is_read(self):
        """Nothing more may be pushed that would show it; what the page has is not asked for again."""
        for offsets, asks in (((2,), [Ask(4, A.at(2))]), ((2, 3), [])):
            consumer = live(1)
            ask = again(consumer)
            consumer.pushed(entry(2))
            consumer.pushed(entry(3))
            consumer.forget()
            effects = consumer.answered(ask.number, page(*offsets, start=1))
            self.assertEqual(asks, effects[len(offsets) + 1 :])
            self.assertEqual(not asks, consumer.is_live)

    def test_entries_of_an_older_branch_make_it_ask_once(self):
        """They were appended before a first replica came, and the page has them already."""
        consumer = live(1)
        ask = again(consumer)
        consumer.pushed(entry(2))
        consumer.pushed(entry(3))
        newer = forked(3)
        effects = consumer.answered(ask.number, page(2, 3, start=1, lineage=newer))
        self.assertEqual(Ask(ask.number + 1, newer.at(3)), effects[-1])
        self.assertEqual([Placed(newer, 3)], consumer.answered(ask.number + 1, page(start=3, lineage=newer)))
        self.assertTrue(consumer.is_live)

    def test_an_answer_from_before_a_loss_does_not_count(self):
        """It may be of a master that is gone."""
        consumer = Consumer()
        consumer.subscribed()
        ask = again(consumer)
        self.assertEqual([], consumer.answered(1, page(1)))
        self.assertIn(Placed(A, 1), consumer.answered(ask.number, page(1)))
        self.assertEqual([], consumer.answered(ask.number, page(1)))

    def test_a_failure_makes_it_ask_again(self):
        """But not one of an older question."""
        consumer = Consumer()
        consumer.subscribed()
        self.assertEqual([Ask(2, None)], consumer.failed(1))
        self.assertEqual([], consumer.failed(1))


class PageTests(SynchronousTestCase):
    """Rule 4."""

    def test_more_pages(self):
        """It asks until the top, which may move."""
        consumer = live(1)
        ask = again(consumer)
        effects = consumer.answered(ask.number, page(2, top=3, start=1))
        self.assertEqual([Deliver(entry(2)), Ask(ask.number + 1, A.at(2))], effects)
        effects = consumer.answered(ask.number + 1, page(3, top=4, start=2))
        self.assertEqual([Deliver(entry(3)), Ask(ask.number + 2, A.at(3))], effects)
        self.assertEqual([Deliver(entry(4)), Placed(A, 4)], consumer.answered(ask.number + 2, page(4, start=3)))

    def test_another_epoch_is_told(self):
        """And reading goes on from what is there."""
        consumer = live(1, 2)
        other = Lineage("f", (Branch("a", 0),))
        effects = consumer.answered(again(consumer).number, page(4, 5, start=None, lineage=other))
        told = Tell(Notice("epoch", A.at(2), other.at(3)))
        new = [Deliver(entry(offset, lineage=other)) for offset in (4, 5)]
        self.assertEqual([told, Placed(other, 3), *new, Placed(other, 5)], effects)

    def test_an_unknown_branch_is_told(self):
        """Nobody knows how far it was read."""
        consumer = live(1, 2)
        other = Lineage("e", (Branch("z", 7),))
        effects = consumer.answered(again(consumer).number, page(top=8, start=None, lineage=other))
        self.assertEqual([Tell(Notice("branch", A.at(2), other.at(8))), Placed(other, 8)], effects)

    def test_a_dead_end_is_cut(self):
        """Back to the fork; what the new branch has there is new."""
        consumer = live(1, 2, 3)
        other = forked(1)
        new = entry(2, "new", other)
        effects = consumer.answered(again(consumer).number, Page(other, 2, 1, (new,)))
        cut = Cut(Notice("diverged", A.at(3), other.at(1)))
        self.assertEqual([cut, Placed(other, 1), Deliver(new), Placed(other, 2)], effects)

    def test_what_was_there_before_is_given_behind_its_last_hole(self):
        """Whoever comes back over the hole is not told that nothing is missing."""
        consumer = Consumer()
        (ask,) = consumer.subscribed()
        effects = consumer.answered(ask.number, page(1, 3, 4, start=0))
        self.assertEqual([Past((entry(3), entry(4))), Placed(A, 4)], effects)

    def test_a_trimmed_beginning_is_told(self):
        """From where to where."""
        consumer = live(1)
        effects = consumer.answered(again(consumer).number, page(4, start=1))
        self.assertEqual([Tell(Notice("trimmed", A.at(1), A.at(3))), Deliver(entry(4)), Placed(A, 4)], effects)

    def test_a_trimmed_beginning_on_a_new_branch_is_told_behind_where_it_stands(self):
        """Whoever was ahead here is told of the fork first."""
        consumer = live(1, 2)
        other = forked(1)
        effects = consumer.answered(again(consumer).number, Page(other, 5, 1, (entry(5, lineage=other),)))
        cut, trimmed = Cut(Notice("diverged", A.at(2), other.at(1))), Tell(Notice("trimmed", other.at(1), other.at(4)))
        self.assertEqual([cut, Placed(other, 1), trimmed, Deliver(entry(5, lineage=other)), Placed(other, 5)], effects)

    def test_a_log_that_is_gone_is_told(self):
        """The count goes on where it was."""
        consumer = live(1)
        effects = consumer.answered(again(consumer).number, page(top=4, start=1))
        self.assertEqual([Tell(Notice("trimmed", A.at(1), A.at(4))), Placed(A, 4)], effects)

    def test_a_hole_inside_a_page_is_told(self):
        """An entry was deleted by hand."""
        consumer = live(1)
        effects = consumer.answered(again(consumer).number, page(2, 4, start=1))
        told = Tell(Notice("trimmed", A.at(2), A.at(3)))
        self.assertEqual([Deliver(entry(2)), told, Deliver(entry(4)), Placed(A, 4)], effects)


class IdsTests(SynchronousTestCase):
    """Rule 5."""

    def test_an_id_that_comes_again_is_marked(self):
        """Published again after a failover, at another place; the past counts, too."""
        consumer = live(1, 2)
        other = forked(1)
        copy = entry(2, "id2", other)
        effects = consumer.answered(again(consumer).number, Page(other, 2, 1, (copy,)))
        self.assertIn(Deliver(copy, again=True), effects)

    def test_the_window_is_bounded(self):
        """Old ids are forgotten."""
        self.patch(recovery, "WINDOW_IDS", 2)
        consumer = live(1, 2, 3)
        self.assertEqual([Deliver(entry(4, "id1"))], consumer.pushed(entry(4, "id1")))
        self.assertEqual([Deliver(entry(5, "id3"), again=True)], consumer.pushed(entry(5, "id3")))

    def test_the_window_takes_what_its_ids_take(self):
        """No more when it is full, none when it was forgotten; an id from before is new then."""
        self.patch(recovery, "WINDOW_IDS", 2)
        consumer = live(1, 2)
        full = consumer.kept_bytes
        self.assertGreater(full, 2 * 53)
        consumer.pushed(entry(3))
        consumer.pushed(entry(4, "id3"))
        self.assertEqual(full, consumer.kept_bytes)
        consumer.pushed(entry(5, "i" * 200))
        self.assertEqual(full + 197, consumer.kept_bytes)
        consumer.forget()
        self.assertEqual(0, consumer.kept_bytes)
        self.assertEqual([Deliver(entry(6, "id3"))], consumer.pushed(entry(6, "id3")))


class FailoverTests(SynchronousTestCase):
    """Rule 6."""

    def test_strict_tells(self):
        """What the old master had after the fork, and nobody here saw, may be gone."""
        consumer = live(1)
        other = forked(1)
        effects = consumer.answered(again(consumer).number, page(2, start=1, lineage=other))
        self.assertEqual(Tell(Notice("failover", A.at(1), other.at(1))), effects[0])
        self.assertEqual([Placed(other, 1), Deliver(entry(2, lineage=other)), Placed(other, 2)], effects[1:])

    def test_otherwise_nothing_is_told(self):
        """Where nothing acknowledged can be lost."""
        consumer = live(1, strict=False)
        effects = consumer.answered(again(consumer).number, page(2, start=1, lineage=forked(1)))
        self.assertEqual([Placed(forked(1), 1), Deliver(entry(2, lineage=forked(1)))], effects[:2])

    def test_on_a_living_link_nothing_is_told(self):
        """A replica came; the push is the first to show it."""
        consumer = live(1)
        other = forked(1)
        (ask,) = consumer.pushed(entry(2, lineage=other))
        effects = consumer.answered(ask.number, page(2, start=1, lineage=other))
        self.assertEqual([Placed(other, 1), Deliver(entry(2, lineage=other)), Placed(other, 2)], effects)

    def test_it_is_told_once(self):
        """With more pages, too, and not again when a replica comes between them."""
        consumer = live(1)
        other = forked(1)
        ask = again(consumer)
        effects = consumer.answered(ask.number, page(2, top=3, start=1, lineage=other))
        self.assertIsInstance(effects[0], Tell)
        third = Lineage("e", (*other.branches, Branch("c", 2)))
        effects = consumer.answered(ask.number + 1, page(3, start=2, lineage=third))
        self.assertEqual([Placed(third, 2), Deliver(entry(3, lineage=third)), Placed(third, 3)], effects)

    def test_without_a_name_every_loss_of_the_link_is_told(self):
        """The branch would stay the same; a hole on a living link is none."""
        nameless = Lineage("e", (Branch(UNKNOWN_BRANCH, 0),))
        consumer = Consumer()
        (ask,) = consumer.subscribed()
        consumer.answered(ask.number, page(1, lineage=nameless))
        told = Tell(Notice("failover", nameless.at(1), nameless.at(1)))
        for _ in range(2):
            effects = consumer.answered(again(consumer).number, page(start=1, lineage=nameless))
            self.assertEqual([told, Placed(nameless, 1)], effects)
        (ask,) = consumer.pushed(entry(3, lineage=nameless))
        effects = consumer.answered(ask.number, page(2, 3, start=1, lineage=nameless))
        self.assertEqual([Deliver, Deliver, Placed], [type(effect) for effect in effects])

    def test_a_failover_between_pages_is_told(self):
        """The link was lost once more."""
        consumer = live(1)
        consumer.answered(again(consumer).number, page(2, top=3, start=1))
        other = forked(2)
        effects = consumer.answered(again(consumer).number, page(3, start=2, lineage=other))
        self.assertEqual(Tell(Notice("failover", A.at(2), other.at(2))), effects[0])
