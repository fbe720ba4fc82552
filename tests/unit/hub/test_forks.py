"""Channels with a history: forks, and what came again."""

from msgspec import Raw

from pulsetw.model import Branch, Event, Lineage, Notice, Publication
from tests.unit.hub.history_case import ONE, HistoryTests
from tests.unit.hub.test_channel import kept


class ForkTests(HistoryTests):
    def test_who_comes_back_over_a_dead_branch_has_not_had_it(self):
        """What is published again is its first copy."""
        self.publish(1, 2, 3, 4)
        self.fork(2)
        client, _ = self.join(ONE.at(1))
        self.publish(3, ids="4")
        self.publish(4, ids="3")
        self.assertEqual(client.got, ["2", "4", "3"])

    def test_only_those_beyond_the_fork_are_told(self):
        """From where they stood; a slow client before it gets what the fast ones had got before it, once."""
        fast, _ = self.join(name="fast")
        slow, _ = self.join(room=1, name="slow")
        slower, _ = self.join(room=3, name="slower")
        self.publish(1, 2, 3, 4)
        self.fork(2)
        self.publish(3, ids="3b")
        for client in (slow, slower):
            client.room = 99
            self.channel.catch_up(client)
        self.publish(4, ids="4b")
        self.assertEqual(fast.got, ["1", "2", "3", "4", ("diverged", 4, 2), "3b", "4b"])
        self.assertEqual(slower.got, ["1", "2", "3", ("diverged", 3, 2), "3b", "4b"])
        self.assertEqual(slow.got, ["1", "2", "3b", "4b"])

    def test_what_comes_again_goes_to_those_who_lack_it(self):
        """Each of them has every event once, wherever it stood."""
        fast, _ = self.join(name="fast")
        slow, _ = self.join(room=1, name="slow")
        slower, _ = self.join(room=3, name="slower")
        self.publish(1, 2, 3, 4)
        late, _ = self.join(name="late")
        self.fork(2)
        self.publish(3, ids="4")
        self.publish(4, ids="3")
        for client in (slow, slower):
            client.room = 99
            self.channel.catch_up(client)
        self.assertEqual(fast.got, ["1", "2", "3", "4", ("diverged", 4, 2)])
        self.assertEqual(slower.got, ["1", "2", "3", ("diverged", 3, 2), "4"])
        self.assertEqual(slow.got, ["1", "2", "4", "3"])
        self.assertEqual(late.got, [("diverged", 4, 2), "4", "3"])

    def test_a_copy_of_a_copy_is_known(self):
        """Two failovers in a row."""
        fast, _ = self.join()
        self.publish(1, 2)
        self.fork(1)
        self.publish(2, ids="2")
        self.fork(1, "b3")
        self.publish(2, ids="2")
        self.assertEqual([item for item in fast.got if isinstance(item, str)], ["1", "2"])

    def test_a_copy_of_a_copy_is_known_also_to_one_who_was_not_sent_it(self):
        """It had the first."""
        client, _ = self.join()
        self.publish(1, 2)
        self.fork(1)
        client.room = 0
        self.publish(2, ids="2")
        self.fork(1, "b3")
        self.publish(2, ids="2")
        client.room = 99
        self.channel.catch_up(client)
        self.assertEqual(client.got, ["1", "2", ("diverged", 2, 1)])

    def test_what_was_passed_over_is_no_first_copy(self):
        """One that got the latest only was not sent the others."""
        self.make(slow="latest")
        slow, _ = self.join(room=1)
        self.publish(1, 2, 3, 4)
        slow.room = 99
        self.channel.catch_up(slow)
        self.fork(1)
        self.publish(2, ids="2")
        self.publish(3, ids="4")
        self.assertEqual(slow.got, ["1", ("slow", 1, 3), "4", ("diverged", 4, 1), "2"])

    def test_an_event_that_came_before_its_place_is_not_sent_again(self):
        """To those who had it; others get it in its place."""
        early, _ = self.join(name="early")
        slow, _ = self.join(room=0, name="slow")
        self.channel.append(Publication("c", Event("t", Raw(b"{}"), id="a"), degraded=True))
        self.channel.flush()
        late, _ = self.join(name="late")
        self.publish(1, ids="a")
        self.publish(2)
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual([client.got for client in (early, slow, late)], [["a", "2"], ["a", "2"], ["a", "2"]])
        self.assertEqual(self.begins(ONE.at(0))[2], ["a", "2"])

    def test_an_id_is_forgotten_with_its_item(self):
        """Memory is bounded; the copy is an event like others then."""
        self.make(max_bytes=2150)
        client, _ = self.join()
        self.publish(1, ids="a")
        self.publish(*range(2, 9))
        self.publish(9, ids="a")
        self.assertEqual(client.got[-1], "a")
        self.assertEqual(len(self.channel._ring._numbers), kept(self.channel))

    def test_after_a_fork_that_the_ring_does_not_reach_it_begins_there(self):
        """What comes next is all that there is."""
        self.make(max_bytes=2150)
        self.publish(*range(1, 10))
        self.fork(3)
        self.publish(4, ids="4b")
        self.assertEqual(self.begins(self.lineage.at(3)), (3, None, ["4b"]))

    def test_dead_items_are_nobodys_loss(self):
        """Who stands at the fork lacks nothing when they are forgotten; one that was told stands there, too."""
        at, _ = self.join(room=2, name="at")
        beyond, _ = self.join(room=3, name="beyond")
        self.publish(1, 2, 3, 4)
        self.fork(2)
        self.channel.forget()
        self.publish(3, ids="3b")
        for client in (at, beyond):
            client.room = 99
            self.channel.catch_up(client)
        self.assertEqual(at.got, ["1", "2", "3b"])
        self.assertEqual(beyond.got, ["1", "2", "3", ("diverged", 3, 2), "3b"])

    def test_who_was_told_of_a_fork_stands_there(self):
        """What it lacks after it is a gap, although it had read as far once."""
        beyond, _ = self.join(room=3)
        self.publish(1, 2, 3, 4)
        self.fork(2)
        self.publish(3, ids="3b")
        self.channel.forget()
        self.publish(4, ids="4b")
        beyond.room = 99
        self.channel.catch_up(beyond)
        self.assertEqual(beyond.got, ["1", "2", "3", ("diverged", 3, 2), ("slow", 2, 3), "4b"])

    def test_a_fork_takes_nothing_of_an_older_epoch(self):
        """Its offsets are others."""
        slow, _ = self.join(room=0)
        self.publish(1, 2)
        new = self.lineage = Lineage("f", (Branch("b1", 0),))
        self.channel.noticed(Notice("epoch", ONE.at(2), new.at(0)))
        self.channel.placed(new, 0)
        self.publish(1, ids="f1")
        self.fork(0)
        self.publish(1, ids="f1b")
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["1", "2", ("epoch", 2, 0), "f1b"])

    def test_a_notice_ends_at_the_fork(self):
        """Or is none any more."""
        self.publish(1, 2)
        self.channel.noticed(Notice("trimmed", ONE.at(2), ONE.at(6)))
        self.publish(7)
        self.channel.noticed(Notice("failover", ONE.at(7), ONE.at(7)))
        self.fork(4)
        self.publish(5)
        self.assertEqual(self.begins(self.lineage.at(1))[2], ["2", ("trimmed", 2, 4), "5"])
        self.assertEqual(self.begins(self.lineage.at(4))[2], ["5"])

    def test_strangers_events_survive_a_fork(self):
        """They stand on no branch."""
        slow, _ = self.join(room=1)
        self.publish(1, 2)
        self.channel.append(Publication("c", Event("t", Raw(b"{}"), id="stranger")))
        self.channel.flush()
        self.fork(1)
        self.publish(2, ids="2b")
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["1", "stranger", "2b"])


class StrictTests(HistoryTests):
    """A failover may have lost what was acknowledged: nobody reads over it without being told."""

    def setUp(self):
        super().setUp()
        self.make(strict=True)

    def fail_over(self, at, *offsets):
        """The new master has the log up to `at`, and then these."""
        here = self.channel.position
        self.lineage = Lineage("e", (Branch("b1", 0), Branch("b2", at)))
        if here.offset > at:
            self.channel.cut(Notice("diverged", here, self.lineage.at(at)))
        else:
            self.channel.noticed(Notice("failover", here, self.lineage.at(at)))
        self.channel.placed(self.lineage, at)
        self.publish(*offsets)

    def test_a_slow_client_before_the_fork_is_told_there(self):
        """It lacks what the fast ones were sent behind it, and that they are told of."""
        fast, _ = self.join(name="fast")
        slow, _ = self.join(room=1)
        self.publish(1, 2, 3, 4)
        self.fail_over(2, 3)
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["1", "2", ("failover", 2, 2), "3"])
        self.assertEqual(fast.got, ["1", "2", "3", "4", ("diverged", 4, 2)])

    def test_one_that_stood_beyond_is_told_once(self):
        """Also where it could not be told at once."""
        slow, _ = self.join(room=4)
        self.publish(1, 2, 3, 4)
        self.fail_over(2, 3)
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["1", "2", "3", "4", ("diverged", 4, 2)])

    def test_whoever_comes_back_over_it_is_told(self):
        """In its place where the ring has it, with the answer where not; and then no more."""
        self.join()
        self.publish(1, 2, 3, 4)
        self.fail_over(2, 5)
        client, begins = self.join(ONE.at(1))
        self.assertEqual((begins.gap, client.got), (None, ["2", ("failover", 2, 2), "5"]))
        client, begins = self.join(ONE.at(2))
        self.assertEqual((begins.gap, client.got), (None, [("failover", 2, 2), "5"]))
        client, begins = self.join(self.lineage.at(2))
        self.assertEqual((begins.gap, client.got), (None, ["5"]))

    def test_so_is_one_who_comes_to_a_relay_that_has_not_seen_it(self):
        """The log has all that it ever had; what the old master had acknowledged is not in it."""
        self.lineage = Lineage("e", (Branch("b1", 0), Branch("b2", 2)))
        self.make(top=0, strict=True)
        self.publish(1, 2, 3)
        client, begins = self.join(ONE.at(1))
        self.assertEqual(begins.gap, Notice("failover", ONE.at(1), self.lineage.at(1)))
        self.assertEqual(client.got, ["2", "3"])

    def test_a_replica_that_was_attached_is_no_failover(self):
        """The branch changes on a link that lived, and nobody hears of it."""
        self.join()
        self.publish(1, 2)
        self.lineage = Lineage("e", (Branch("b1", 0), Branch("b2", 2)))
        self.channel.placed(self.lineage, 2)
        self.publish(3)
        client, begins = self.join(ONE.at(1))
        self.assertEqual((begins.gap, client.got), (None, ["2", "3"]))

    def test_a_forgotten_notice_is_told_all_the_same(self):
        """The slow one stood before it, and the ring had to forget it."""
        slow, _ = self.join(room=2)
        self.publish(1, 2)
        self.fail_over(2)
        self.channel.forget()
        slow.room = 99
        self.channel.catch_up(slow)
        self.publish(3)
        self.assertEqual(slow.got, ["1", "2", ("slow", 2, 2), "3"])

    def test_one_that_was_ahead_on_a_dead_branch_gets_the_new_one(self):
        """It had read 100 on another server; the new master has no more than 98."""
        self.make(top=98, strict=False)
        ahead, _ = self.join(ONE.at(100))
        self.lineage = Lineage("e", (Branch("b1", 0), Branch("b2", 98)))
        self.channel.placed(self.lineage, 98)
        self.publish(99, 100, 101)
        self.assertEqual(ahead.got, [("diverged", 100, 98), "99", "100", "101"])

    def test_one_that_is_ahead_and_slow_gets_nothing_twice(self):
        """The end of the log passes it while it does not read."""
        self.make(top=98)
        client, _ = self.join(ONE.at(100))
        client.room = 0
        self.publish(99, 100, 101)
        client.room = 99
        self.channel.catch_up(client)
        self.assertEqual(client.got, ["101"])
