"""Channels with a history: coming back, and being slow."""

from msgspec import Raw

from pulsetw.hub.channel import Channel
from pulsetw.model import Branch, Event, Lineage, Notice, Position, Publication
from tests.unit.hub.history_case import ONE, HistoryTests
from tests.unit.hub.test_channel import kept


class ComingBackTests(HistoryTests):
    def test_who_comes_back_gets_what_it_missed_once(self):
        """Out of the ring, which is kept with nobody there; then life goes on."""
        self.publish(1, 2, 3)
        client, begins = self.join(ONE.at(1))
        self.publish(4)
        self.assertEqual((client.got, begins.gap, begins.position), (["2", "3", "4"], None, ONE.at(1)))
        self.assertEqual(self.begins(ONE.at(4)), (4, None, []))
        self.assertEqual(self.begins(ONE.at(0)), (0, None, ["1", "2", "3", "4"]))

    def test_without_a_place_it_begins_at_the_end(self):
        """And is told where that is."""
        self.publish(1, 2)
        self.assertEqual(self.begins(None), (2, None, []))

    def test_the_newest_come_first_where_they_are_asked_for(self):
        """As many as there are."""
        self.publish(1, 2, 3)
        client, begins = self.join(last=2)
        self.assertEqual((client.got, begins.position), (["2", "3"], ONE.at(1)))
        client, begins = self.join(last=9)
        self.assertEqual((client.got, begins.position), (["1", "2", "3"], ONE.at(0)))

    def test_what_the_log_had_before_is_there_for_those_who_come_back(self):
        """As if this server had always been there."""
        self.channel = Channel("c", 10**6, has_history=True)
        past = [Publication("c", Event("t", Raw(b"{}"), id=str(n)), ONE.at(n)) for n in (5, 6)]
        self.channel.past(past)
        self.channel.placed(ONE, 6)
        self.assertEqual(self.begins(ONE.at(4)), (4, None, ["5", "6"]))
        self.assertEqual(self.begins(ONE.at(3)), (4, ("trimmed", ONE.at(3), ONE.at(4)), ["5", "6"]))

    def test_unknown_places_are_told_apart(self):
        """Events come from the end on: the client loads its state anyway."""
        self.publish(1, 2)
        for since, reason in (
            (Position(1, "other", "b1"), "epoch"),
            (Position.from_wire(1, "nobody.made.this"), "epoch"),
            (Position(1, "e", "b9"), "branch"),
        ):
            self.assertEqual(self.begins(since), (2, (reason, since, ONE.at(2)), []))

    def test_a_place_that_the_ring_does_not_reach_is_a_gap(self):
        """From there to where the ring begins."""
        self.make(max_bytes=2150)
        self.publish(*range(1, 10))
        offset, gap, got = self.begins(ONE.at(2))
        self.assertEqual((offset, gap, got), (6, ("trimmed", ONE.at(2), ONE.at(6)), ["7", "8", "9"]))
        self.assertEqual(self.begins(ONE.at(6)), (6, None, ["7", "8", "9"]))
        self.channel.forget()
        self.assertEqual(self.begins(ONE.at(8)), (9, ("trimmed", ONE.at(8), ONE.at(9)), []))
        self.assertEqual(self.begins(ONE.at(9)), (9, None, []))

    def test_a_hole_that_is_none_costs_nothing(self):
        """An event that this server could not read was not missed."""
        self.publish(1, 2, 4)
        self.assertEqual(self.begins(ONE.at(1)), (1, None, ["2", "4"]))

    def test_a_client_that_was_ahead_gets_nothing_twice(self):
        """It comes from a server that had more already."""
        self.publish(1)
        ahead, begins = self.join(ONE.at(3))
        self.publish(2, 3, 4)
        self.assertEqual((begins.position, begins.gap, ahead.got), (ONE.at(3), None, ["4"]))
        self.assertFalse(self.channel._choice.ahead.places)

    def test_a_place_on_a_dead_branch_is_recovered_from_the_fork(self):
        """What it had read after the fork may be wrong."""
        self.publish(1, 2, 3)
        self.fork(2)
        self.publish(3, ids="3b")
        self.assertEqual(self.begins(ONE.at(3)), (2, ("diverged", ONE.at(3), self.lineage.at(2)), ["3b"]))
        self.assertEqual(self.begins(ONE.at(1)), (1, None, ["2", "3b"]))
        self.assertEqual(self.begins(self.lineage.at(3)), (3, None, []))

    def test_who_comes_back_meets_the_notices_that_it_missed(self):
        """In their place; not those that it was told already."""
        self.publish(1, 2)
        self.lineage = Lineage("e", (*ONE.branches, Branch("b2", 2)))
        self.channel.noticed(Notice("failover", ONE.at(2), self.lineage.at(2)))
        self.channel.placed(self.lineage, 2)
        self.publish(3)
        self.assertEqual(self.begins(ONE.at(1))[2], ["2", ("failover", 2, 2), "3"])
        self.assertEqual(self.begins(ONE.at(2))[2], [("failover", 2, 2), "3"])
        self.assertEqual(self.begins(self.lineage.at(2))[2], ["3"])
        self.channel.noticed(Notice("trimmed", self.lineage.at(3), self.lineage.at(6)))
        self.publish(7)
        self.assertEqual(self.begins(self.lineage.at(5))[2], [("trimmed", 3, 6), "7"])
        self.assertEqual(self.begins(self.lineage.at(6))[2], ["7"])

    def test_who_comes_while_nothing_can_be_read_is_told(self):
        """Wherever it stands; after the notice that ends it nobody is told of it who did not know it."""
        self.publish(1)
        self.channel.noticed(Notice("dropped", ONE.at(1)))
        gap = ("dropped", 1, None)
        for since in (None, ONE.at(1)):
            self.assertEqual(self.begins(since), (1, None, [gap]))
        client, _ = self.join(last=3)
        self.channel.noticed(Notice("dropped", ONE.at(1), ONE.at(1)))
        self.publish(2)
        self.assertEqual(client.got, [gap, ("dropped", 1, 1), "2"])
        self.assertEqual(self.begins(None), (2, None, []))

    def test_after_a_new_epoch_nothing_of_the_old_one_is_given(self):
        """Its offsets mean something else."""
        self.publish(1, 2, 3)
        slow, _ = self.join(room=0)
        self.publish(4)
        new = Lineage("f", (Branch("b1", 0),))
        self.channel.noticed(Notice("epoch", ONE.at(4), new.at(0)))
        self.lineage = new
        self.channel.placed(new, 0)
        self.publish(1, 2)
        self.assertEqual(self.begins(new.at(0))[2], ["1", "2"])
        self.assertEqual(self.begins(ONE.at(1))[1][0], "epoch")
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["4", ("epoch", 4, 0), "1", "2"])

    def test_a_new_epoch_has_its_own_beginning(self):
        """Whatever the ring reached of the old one."""
        self.publish(5)
        new = self.lineage = Lineage("f", (Branch("b1", 0),))
        self.channel.noticed(Notice("epoch", ONE.at(5), new.at(0)))
        self.channel.placed(new, 0)
        self.publish(1)
        self.assertEqual(self.begins(new.at(0)), (0, None, ["1"]))
        newer = self.lineage = Lineage("g", (Branch("b1", 0),))
        self.channel.noticed(Notice("epoch", new.at(1), newer.at(10)))
        self.channel.placed(newer, 10)
        self.publish(11)
        self.assertEqual(self.begins(newer.at(7)), (10, ("trimmed", newer.at(7), newer.at(10)), ["11"]))

    def test_the_newest_end_at_a_notice(self):
        """Who comes late has missed nothing."""
        self.publish(1)
        self.channel.noticed(Notice("trimmed", ONE.at(1), ONE.at(6)))
        self.publish(7)
        client, begins = self.join(last=5)
        self.assertEqual((client.got, begins.position), (["7"], ONE.at(6)))

    def test_history(self):
        """The newest, or the first after a place."""
        self.publish(1, 2, 3, 4)
        for since, limit, offsets in (
            (None, 2, [3, 4]),
            (ONE.at(1), 2, [2, 3]),
            (ONE.at(4), 2, []),
            (None, 9, [1, 2, 3, 4]),
        ):
            found = self.channel.history(since, limit)
            self.assertEqual([each.position.offset for each in found], offsets)


class SlowTests(HistoryTests):
    def test_who_stands_before_a_forgotten_notice_is_told_of_it(self):
        """The ring's floor moves past what the notice says is missing."""
        self.publish(1)
        self.channel.noticed(Notice("trimmed", ONE.at(1), ONE.at(5)))
        self.publish(6)
        self.channel._ring.trim(self.channel._ring.end - 1, 10**6)
        self.assertEqual(self.begins(ONE.at(1))[:2], (5, ("trimmed", ONE.at(1), ONE.at(5))))

    def late(self, room, *offsets):
        slow, _ = self.join(room=room)
        self.publish(*offsets)
        slow.room = 99
        self.channel.catch_up(slow)
        return slow

    def test_past_the_ring_there_is_a_gap_with_its_ends(self):
        """From where the client stood, to where the ring begins."""
        self.make(max_bytes=2150)
        slow = self.late(1, *range(1, 10))
        self.assertEqual(slow.got, ["1", ("slow", 1, 6), "7", "8", "9"])

    def test_those_behind_keep_their_place_at_a_notice(self):
        """They get what the ring has, then the gap; the others at once."""
        fast, _ = self.join(name="fast")
        slow, _ = self.join(room=1)
        self.publish(1, 2)
        self.channel.noticed(Notice("failover", ONE.at(2), ONE.at(2)))
        self.assertEqual((self.counts.deliveries, self.counts.gaps), (3, 1))
        self.publish(3)
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual((self.counts.deliveries, self.counts.gaps), (6, 2))
        self.assertEqual(slow.got, ["1", "2", ("failover", 2, 2), "3"])
        self.assertEqual(fast.got, slow.got)

    def test_a_notice_waits_for_one_that_does_not_read(self):
        """It may have been up to date until then; the place after it is where it stands."""
        self.make(max_bytes=2150)
        slow, _ = self.join(room=1)
        self.publish(1)
        self.channel.noticed(Notice("trimmed", ONE.at(1), ONE.at(6)))
        self.assertEqual(slow.got, ["1"])
        self.publish(7)
        slow.room = 1
        self.channel.catch_up(slow)
        self.publish(*range(8, 15))
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["1", ("trimmed", 1, 6), ("slow", 6, 11), "12", "13", "14"])

    def test_latest_is_the_newest_and_a_gap(self):
        """No gap where nothing was passed over; who comes back is not slow."""
        self.make(slow="latest")
        self.assertEqual(self.late(1, 1, 2, 3, 4).got, ["1", ("slow", 1, 3), "4"])
        self.assertEqual(self.late(1, 5, 6).got, ["5", "6"])
        self.assertEqual(self.begins(ONE.at(4))[2], ["5", "6"])

    def test_latest_without_a_history_keeps_one(self):
        """There is nothing else to send."""
        self.channel = Channel("c", 10**6, slow="latest")
        slow, _ = self.join(room=1)
        for number in range(1, 6):
            self.channel.append(Publication("c", Event("t", Raw(b"{}"), id=str(number))))
            self.channel.flush()
        self.assertEqual(kept(self.channel), 1)
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["1", ("slow", None, None), "5"])

    def test_disconnect_is_for_those_whose_events_the_ring_has_lost(self):
        """Nobody else."""
        self.make(slow="disconnect", max_bytes=2150)
        slow, _ = self.join(room=1, name="slow")
        less, _ = self.join(room=4, name="less")
        self.publish(1, 2, 3)
        self.assertEqual(slow.ends, [])
        self.publish(4, 5, 6)
        self.assertEqual((set(slow.ends), less.ends), ({3008}, []))


class AnotherLogTests(HistoryTests):
    """What the simulator found: who stands in a log that is no more, or further on in this one."""

    def begin_anew(self, reason, lineage):
        """The log has another epoch, or its branch is not known any more."""
        self.channel.noticed(Notice(reason, self.channel.position, lineage.at(0)))
        self.channel.placed(lineage, 0)
        self.lineage = lineage

    def test_after_a_gap_nothing_comes_of_the_old_log(self):
        """Though the ring has some of it."""
        self.make(max_bytes=1500)
        slow, _ = self.join(room=0)
        self.publish(1, 2, 3)
        self.begin_anew("epoch", Lineage("f", (Branch("b1", 0),)))
        slow.room = 10
        self.channel.catch_up(slow)
        self.publish(1)
        self.assertEqual(slow.got, [("slow", 0, 0), "1"])

    def test_what_was_forgotten_before_the_new_log_began_is_told(self):
        """Offsets of the one are not those of the other."""
        self.make(max_bytes=800)
        slow, _ = self.join(room=0)
        self.publish(1, 2, 3)
        self.begin_anew("branch", Lineage("e", (Branch("b9", 0),)))
        self.assertIsNone(self.channel.reach_back(slow))
        slow.room = 10
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, [("slow", 0, 0)])

    def test_who_was_ahead_of_a_fork_that_is_still_to_come_has_read_up_to_it(self):
        """And gets nothing of that again."""
        client, _ = self.join(since=ONE.at(3))
        self.lineage = Lineage("e", (*ONE.branches, Branch("b2", 2)))
        self.channel.placed(self.lineage, 0)
        self.publish(1, 2, 3)
        self.assertEqual(client.got, [("diverged", 3, 2), "3"])
