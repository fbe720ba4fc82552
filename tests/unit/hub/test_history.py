"""Channels with a history: coming back, forks, what came again."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.commands import Gap
from pulsetw.hub.channel import Channel
from pulsetw.interfaces import Wire
from pulsetw.model import Branch, Event, Lineage, Notice, Position, Publication
from tests.unit.hub.test_channel import CountingDialect

ONE = Lineage("e", (Branch("b1", 0),))


class Client:
    """Chokes after `room` messages; a gap is its reason and its offsets."""

    def __init__(self, name, wire, room=10**9):
        self.client, self.wire, self.transport, self.room = name, wire, self, room
        self.got, self.behind, self.ends = [], set(), []

    @property
    def is_choked(self):
        return self.room <= 0

    def send(self, data):
        for message in data.decode().split():
            if message.startswith("~"):
                self.tell(self.wire.dialect.told[int(message[1:])])
            else:
                self.got.append(message)
                self.room -= 1

    def tell(self, message):
        assert isinstance(message, Gap)
        notice = message.notice
        offsets = [place.offset if place else None for place in (notice.start, notice.end)]
        self.got.append((notice.reason, *offsets))
        self.room -= 1

    def end(self, disconnect):
        self.ends.append(int(disconnect.code))


class HistoryTests(SynchronousTestCase):
    def setUp(self):
        self.wire = Wire(CountingDialect(), lambda text: text + b" ")
        self.lineage = ONE
        self.make()

    def make(self, top=0, max_bytes=10**6, **options):
        self.channel = Channel("c", max_bytes, has_history=True, **options)
        self.channel.placed(self.lineage, top)

    def publish(self, *offsets, ids="", exclude=""):
        """One flush for each; an id is the offset unless it is given."""
        for offset in offsets:
            event = Event("t", Raw(b"{}"), id=ids or str(offset))
            self.channel.append(Publication("c", event, self.lineage.at(offset), exclude))
            self.channel.flush()

    def join(self, since=None, last=0, room=10**9, name="x"):
        """Whoever comes, how it begins, and what it gets at once."""
        client = Client(name, self.wire, room)
        begins = self.channel.add(client, since, last)
        self.channel.catch_up(client)
        return client, begins

    def begins(self, since, number=None):
        """The offset after which events come, and the gap."""
        client, begins = self.join(since)
        gap = begins.gap and (begins.gap.reason, begins.gap.start, begins.gap.end)
        return begins.position and begins.position.offset, gap, client.got

    def fork(self, offset, name="b2"):
        """The log continues after `offset` on another branch."""
        here = self.channel.position
        self.lineage = Lineage(self.lineage.epoch, (*self.lineage.branches, Branch(name, offset)))
        self.channel.cut(Notice("diverged", here, self.lineage.at(offset)))
        self.channel.placed(self.lineage, offset)


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
        self.make(max_bytes=1250)
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
        self.assertEqual(self.channel._ahead, {})

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
        self.make(max_bytes=1250)
        client, _ = self.join()
        self.publish(1, ids="a")
        self.publish(*range(2, 9))
        self.publish(9, ids="a")
        self.assertEqual(client.got[-1], "a")
        self.assertEqual(len(self.channel._ring._numbers), len(self.channel._ring))

    def test_after_a_fork_that_the_ring_does_not_reach_it_begins_there(self):
        """What comes next is all that there is."""
        self.make(max_bytes=1250)
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
        self.make(max_bytes=1250)
        slow = self.late(1, *range(1, 10))
        self.assertEqual(slow.got, ["1", ("slow", 1, 6), "7", "8", "9"])

    def test_those_behind_keep_their_place_at_a_notice(self):
        """They get what the ring has, then the gap; the others at once."""
        fast, _ = self.join(name="fast")
        slow, _ = self.join(room=1)
        self.publish(1, 2)
        self.assertEqual(self.channel.noticed(Notice("failover", ONE.at(2), ONE.at(2))), 1)
        self.publish(3)
        slow.room = 99
        self.assertEqual(self.channel.catch_up(slow), (2, 1))
        self.assertEqual(slow.got, ["1", "2", ("failover", 2, 2), "3"])
        self.assertEqual(fast.got, slow.got)

    def test_a_notice_waits_for_one_that_does_not_read(self):
        """It may have been up to date until then; the place after it is where it stands."""
        self.make(max_bytes=1250)
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
        self.assertEqual(len(self.channel._ring), 1)
        slow.room = 99
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["1", ("slow", None, None), "5"])

    def test_disconnect_is_for_those_whose_events_the_ring_has_lost(self):
        """Nobody else."""
        self.make(slow="disconnect", max_bytes=1250)
        slow, _ = self.join(room=1, name="slow")
        less, _ = self.join(room=4, name="less")
        self.publish(1, 2, 3)
        self.assertEqual(slow.ends, [])
        self.publish(4, 5, 6)
        self.assertEqual((set(slow.ends), less.ends), ({3008}, []))


class RestoreTests(HistoryTests):
    def log(self, *offsets, ids=""):
        """What the broker's log has."""
        return [Publication("c", Event("t", Raw(b"{}"), id=ids or str(n)), self.lineage.at(n)) for n in offsets]

    def forget(self, keep=0):
        self.channel._ring.trim(self.channel._ring.end - keep, 10**6)

    def test_it_reaches_back_before_the_relays_first_event(self):
        """Numbers are negative there."""
        self.make(top=5)
        self.publish(6)
        self.channel.restore(self.log(3, 4, 5, 6), 2, is_all=False)
        self.assertEqual(self.begins(ONE.at(2)), (2, None, ["3", "4", "5", "6"]))
        self.assertEqual([each.event.id for each in self.channel.history(None, 3)], ["4", "5", "6"])
        self.fork(3)
        self.assertEqual(self.begins(ONE.at(2))[2], ["3"])

    def test_a_ring_with_a_log_that_is_no_more_is_left_alone(self):
        """What came before would stand behind it."""
        self.publish(1, 2)
        other = Lineage("f", (Branch("b1", 0),))
        self.channel.noticed(Notice("epoch", ONE.at(2), other.at(3)))
        self.lineage = other
        self.channel.placed(other, 3)
        self.publish(4)
        self.channel.restore(self.log(1, 2, 3), 0, is_all=False)
        self.assertEqual(self.begins(other.at(1)), (3, ("trimmed", other.at(1), other.at(3)), ["4"]))

    def test_a_first_copy_that_is_forgotten_is_not_mistaken_for_what_is_restored(self):
        """Under its number stands another event now; who was sent that one has not had the first."""
        self.publish(1, 2, 3, 4)
        self.fork(2)
        self.publish(3, ids="4")
        self.publish(4, ids="5")
        self.forget(keep=2)
        self.channel.restore(self.log(1, 2), 0, is_all=False)
        self.forget(keep=1)
        self.channel.restore([*self.log(1, 2), *self.log(3, ids="4")], 0, is_all=False)
        self.assertEqual(self.begins(ONE.at(0))[2], ["1", "2", "4", "5"])

    def test_a_copy_whose_first_is_forgotten_goes_to_who_comes_back(self):
        """The first was on a dead branch, and its number is used again."""
        self.publish(1, 2, 3, 4)
        self.fork(1)
        self.publish(2, ids="3")
        self.forget(keep=1)
        ring = self.channel._ring
        self.assertEqual([ring[number].firsts for number in range(ring.first, ring.end)], [(2,)])
        older = self.log(1)
        self.channel._ring.floor = self.lineage.at(1)
        self.channel.restore([*older, *older, *older], 0, is_all=False)
        self.assertEqual(self.begins(self.lineage.at(0))[2][-1], "3")

    def test_who_is_behind_and_lost_something_is_told_all_the_same(self):
        """Its numbers mean others now; it is sent rather twice than never."""
        slow, _ = self.join(room=1)
        self.publish(1, 2, 3, 4)
        self.forget(keep=1)
        self.channel.restore(self.log(1, 2, 3), 0, is_all=False)
        self.publish(5, ids="2")
        slow.room = 10
        self.channel.catch_up(slow)
        self.assertEqual(slow.got, ["1", ("slow", 1, 3), "4", "2"])

    @given(st.lists(st.sampled_from("pppprfbbcd"), max_size=60), st.integers(0, 3), st.integers(0, 3))
    @settings(max_examples=300, derandomize=True, deadline=None)
    def test_nobody_loses_anything_in_silence(self, steps, depth, keep):
        """However often the ring forgets, and is given back what the broker has."""
        self.lineage = ONE
        self.make()
        slow = self.join()[0]
        clients, log, dead, number, forks = [slow], [], [], 0, 0
        for step in steps:
            if step == "p":
                number += 1
                log.append(str(number))
                self.publish(len(log), ids=log[-1])
            elif step == "r" and dead:
                log.append(dead.pop(0))
                self.publish(len(log), ids=log[-1])
            elif step == "f" and log:
                fork, forks = max(0, len(log) - 1 - depth), forks + 1
                dead, log = log[fork:], log[:fork]
                self.fork(fork, f"f{forks}")
            elif step == "b":
                self.forget(keep)
                whole = [self.log(offset, ids=name)[0] for offset, name in enumerate(log, 1)]
                self.channel.restore(whole, 0, is_all=False)
                clients.append(self.join(self.lineage.at(0))[0])
            elif step in "cd":
                slow.room = 2 if step == "c" else 9
                self.channel.catch_up(slow)
        for client in clients:
            client.room = 10**9
            self.channel.catch_up(client)
            if not any(isinstance(item, tuple) and item[0] == "slow" for item in client.got):
                self.assertEqual([], [event for event in log if event not in client.got], client.got)


class ModelTests(HistoryTests):
    @given(st.lists(st.sampled_from("pppfcdrn"), max_size=60), st.integers(0, 3))
    @settings(max_examples=300, derandomize=True, deadline=None)
    def test_nobody_loses_anything_in_silence_or_has_it_twice(self, steps, depth):
        """Published, choked, drained, forked and published again, in any order; with a fork only `diverged` excuses."""
        self.lineage = ONE
        self.make()
        clients = [self.join(name=name)[0] for name in ("fast", "slow")]
        slow = clients[1]
        top, number, dead, forks = 0, 0, [], 0
        log = []
        for step in steps:
            if step == "p":
                top, number = top + 1, number + 1
                log.append(str(number))
                self.publish(top, ids=str(number))
            elif step == "r" and dead:
                top += 1
                log.append(dead.pop(0))
                self.publish(top, ids=log[-1])
            elif step == "f" and top:
                fork, forks = max(0, top - 1 - depth), forks + 1
                dead = log[fork:]
                log = log[:fork]
                top = fork
                self.fork(fork, f"f{forks}")
            elif step in "cd":
                slow.room = 2 if step == "c" else 9
                self.channel.catch_up(slow)
            elif step == "n":
                clients.append(self.join(self.lineage.at(max(0, top - 1)))[0])
        for client in clients:
            client.room = 10**9
            self.channel.catch_up(client)
        for client in clients[:2]:
            events = [item for item in client.got if isinstance(item, str)]
            self.assertEqual(len(events), len(set(events)), client.got)
            self.assertEqual([], [event for event in log if event not in events])
            if not any(isinstance(item, tuple) for item in client.got):
                self.assertEqual(events, log)
