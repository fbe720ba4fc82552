"""Who comes back from a place that the ring has forgotten is served from the broker's log."""

from msgspec import Raw

from pulsetw.errors import BrokerAway
from pulsetw.hub.reading import MORE_BYTES
from pulsetw.interfaces import Excerpt
from pulsetw.model import Branch, Event, Lineage, Notice, Publication
from tests.unit.hub.test_hub_history import ONE, KeptTests

TWO = Lineage("e", (*ONE.branches, Branch("b2", 6)))


def publication(offset, lineage=ONE, id="", size=0):
    event = Event("t", Raw(b'{"a":"' + b"x" * size + b'"}'), 1, "s", id or str(offset))
    return Publication("kept:1", event, lineage.at(offset))


class ReadTests(KeptTests):
    ring_bytes = 1624  # two events

    def setUp(self):
        super().setUp()
        self.first = self.open()
        self.subscribe(self.first)
        self.placed()
        self.append(*range(1, 11))
        self.told(self.first)
        self.source.calls.clear()

    def come(self, offset, lineage=ONE):
        client = self.open()
        self.subscribe(client, since={"offset": offset, "epoch": lineage.at(0).wire_epoch})
        return client

    def asked(self):
        """From where pages were asked for, since the last call."""
        self.clock.advance(0)
        calls, self.source.calls = self.source.calls, []
        return [position.offset for op, _, position, _ in calls if op == "read"]

    def answer(self, start, end, lineage=ONE):
        reads, self.source.reads = self.source.reads, []
        [read] = reads
        read.callback(Excerpt(lineage, start, end, tuple(publication(n, lineage) for n in range(start + 1, end + 1))))

    def recovered(self, client):
        """Whether it was, the gap's end, and the offsets that came."""
        answer, *events = self.told(client)
        return answer["recovered"], answer.get("to", {}).get("offset"), [m.get("offset", m.get("op")) for m in events]


class SharedReadTests(ReadTests):
    def test_who_comes_back_gets_what_the_ring_has_no_more_once(self):
        """By pages, up to where the ring begins; then life goes on."""
        client = self.come(2)
        self.assertEqual(self.asked(), [2])
        self.answer(2, 5)
        self.assertEqual(self.told(client), [])
        self.append(11)
        self.assertEqual(self.asked(), [5])
        self.answer(5, 11)
        self.append(12)
        self.assertEqual(self.recovered(client), (True, None, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]))
        self.assertEqual(self.seen(self.first), [11, 12])
        self.assertEqual(self.asked(), [])

    def test_all_who_come_together_share_one_read_from_the_lowest_place(self):
        """And who comes a little later needs none."""
        clients = [self.come(offset) for offset in (5, 2, 7)]
        self.assertEqual(self.asked(), [2])
        late = self.come(4)
        self.answer(2, 10)
        self.assertEqual([self.recovered(client)[2][0] for client in (*clients, late, self.come(2))], [6, 3, 8, 5, 3])
        self.assertEqual(self.asked(), [])

    def test_a_lower_place_that_comes_meanwhile_takes_one_more_read(self):
        """Only up to where the first one began."""
        first = self.come(5)
        self.assertEqual(self.asked(), [5])
        low, lower = self.come(3), self.come(1)
        self.answer(5, 10)
        self.assertEqual(self.asked(), [1])
        self.answer(1, 10)
        self.assertEqual(
            [self.recovered(client) for client in (first, low, lower)],
            [(True, None, [*range(after + 1, 11)]) for after in (5, 3, 1)],
        )
        self.assertEqual(self.asked(), [])

    def test_where_the_history_is_too_short_as_well_the_gap_ends_where_it_begins(self):
        """And nobody asks for more again."""
        client = self.come(1)
        self.asked()
        self.answer(4, 10)
        self.assertEqual(self.recovered(client), (False, 4, [*range(5, 11)]))
        self.assertEqual(self.recovered(self.come(1))[:2], (False, 4))
        self.assertEqual(self.asked(), [])

    def test_a_broker_whose_entries_have_expired_costs_one_read(self):
        """What the ring has is all there is."""
        client = self.come(1)
        self.asked()
        self.answer(10, 10)
        self.assertEqual(self.recovered(client), (False, 8, [9, 10]))
        self.assertEqual(self.recovered(self.come(1)), (False, 8, [9, 10]))
        self.assertEqual(self.asked(), [])

    def test_a_failed_read_leaves_what_the_ring_has(self):
        """Each client is answered; two tries for one."""
        client = self.come(1)
        for _ in range(2):
            self.assertEqual(self.asked(), [1])
            self.source.reads.pop().errback(BrokerAway("away"))
        self.assertEqual(self.recovered(client), (False, 8, [9, 10]))

    def test_a_bug_below_leaves_what_the_ring_has(self):
        """It is logged."""
        client = self.come(1)
        for _ in range(2):
            self.asked()
            self.source.reads.pop().errback(ZeroDivisionError())
        self.assertEqual(self.recovered(client), (False, 8, [9, 10]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_a_read_that_takes_too_long_leaves_what_the_ring_has(self):
        """Within the time that a client waits; its late answer is of no use."""
        client = self.come(1)
        self.asked()
        self.clock.advance(4)
        self.assertEqual(self.recovered(client), (False, 8, [9, 10]))
        self.answer(1, 10)
        self.assertEqual(self.recovered(self.come(9)), (True, None, [10]))

    def test_a_cut_meanwhile_throws_the_read_away(self):
        """What it brought may be on a dead branch; the next one is of the new log."""
        client = self.come(1)
        self.asked()
        self.hub.cut("kept:1", Notice("diverged", ONE.at(10), TWO.at(6)))
        self.hub.placed("kept:1", TWO, 6)
        self.answer(1, 10)
        self.assertEqual(self.asked(), [1])
        self.answer(1, 6, TWO)
        self.assertEqual(self.recovered(client), (True, None, [2, 3, 4, 5, 6, "gap"]))

    def test_a_cut_throws_it_away_before_the_new_branch_is_known(self):
        """The answer may come in between."""
        client = self.come(1)
        self.asked()
        self.hub.cut("kept:1", Notice("diverged", ONE.at(10), TWO.at(6)))
        self.answer(1, 10)
        self.hub.placed("kept:1", TWO, 6)
        self.assertEqual(self.asked(), [1])
        self.answer(1, 6, TWO)
        self.assertEqual(self.recovered(client), (True, None, [2, 3, 4, 5, 6, "gap"]))

    def test_entries_that_go_while_they_are_read_leave_no_hole(self):
        """It begins behind them."""
        client = self.come(1)
        self.asked()
        self.answer(1, 4)
        self.asked()
        self.answer(6, 10)
        self.assertEqual(self.recovered(client), (False, 6, [7, 8, 9, 10]))

    def test_a_new_epoch_meanwhile_throws_the_read_away(self):
        """Nobody is given the old one's events."""
        other = Lineage("f", (Branch("b1", 0),))
        client = self.come(1)
        self.asked()
        self.hub.noticed("kept:1", Notice("epoch", ONE.at(10), other.at(3)))
        self.hub.placed("kept:1", other, 3)
        self.answer(1, 10)
        self.assertEqual(self.recovered(client), (False, 3, []))

    def test_a_log_that_the_broker_knows_to_be_another_is_thrown_away(self):
        """The hub hears of it in its turn."""
        client = self.come(1)
        for _ in range(2):
            self.asked()
            self.answer(1, 10, TWO)
        self.assertEqual(self.recovered(client), (False, 8, [9, 10]))


class MemoryTests(ReadTests):
    def test_the_ring_is_short_again_half_a_minute_after_the_last_read(self):
        """Who comes back then takes a new read, and so does a client that reads so slowly."""
        client, slow = self.come(1), self.come(1)
        slow.connection.choked()
        self.asked()
        self.answer(1, 10)
        self.assertEqual(self.recovered(client), (True, None, [*range(2, 11)]))
        self.clock.advance(30)
        again = self.come(4)
        self.assertEqual(self.asked(), [4])
        self.answer(4, 10)
        self.assertEqual(self.recovered(again), (True, None, [*range(5, 11)]))
        slow.connection.drained()
        self.assertEqual([message["op"] for message in self.told(slow)], ["subscribed"])
        self.assertEqual(self.asked(), [1])
        self.answer(1, 4)
        self.assertEqual([event["offset"] for event in self.told(slow)], [*range(2, 11)])

    def test_of_more_than_there_is_room_for_the_newest_are_kept(self):
        """The gap says so."""
        client = self.come(1)
        self.asked()
        large = tuple(publication(n, size=MORE_BYTES // 6) for n in range(2, 11))
        self.source.reads.pop().callback(Excerpt(ONE, 1, 10, large))
        self.assertEqual(self.recovered(client), (False, 8, [9, 10]))

    def test_a_channel_that_nobody_wants_any_more_leaves_nothing(self):
        """Its read ends with its last client."""
        client = self.come(1)
        self.asked()
        for each in (client, self.first):
            each.connection.lost("gone")
        self.answer(1, 10)
        self.clock.advance(0)
        self.assertIn(("unfollow", "kept:1"), self.source.calls)
        self.assertEqual(self.hub._rings.bytes, 0)
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.getTime() >= 25], [])

    def test_what_is_read_counts_for_all_rings_together(self):
        """And no more when it is gone."""
        self.come(1)
        self.asked()
        self.answer(1, 10)
        self.assertGreater(self.hub._rings.bytes, 9 * 400)
        self.clock.advance(30)
        self.assertLessEqual(self.hub._rings.bytes, 1624)


class NewestTests(ReadTests):
    def test_history_reads_through(self):
        """After a place, and the newest."""
        client = self.open()
        self.command(client, op="history", id=7, channel="kept:1", since={"offset": 1, "epoch": "e.b1"}, limit=3)
        self.command(client, op="history", id=8, channel="kept:1", limit=5)
        self.assertEqual(self.asked(), [1])
        self.answer(1, 10)
        first, newest = self.told(client)
        self.assertEqual([each["offset"] for each in first["publications"]], [2, 3, 4])
        self.assertEqual([each["offset"] for each in newest["publications"]], [6, 7, 8, 9, 10])

    def test_the_newest_that_a_client_begins_with_are_read(self):
        """As many as it asked for."""
        client = self.open()
        self.subscribe(client, last=4)
        self.assertEqual(self.asked(), [6])
        self.answer(6, 10)
        self.assertEqual(self.seen(client), ["subscribed", 7, 8, 9, 10])


class AgainTests(ReadTests):
    def test_an_event_that_comes_again_is_sent_once_to_who_was_sent_the_first(self):
        """Who came after the first gets the second; also where the first was read back later."""
        self.hub.publication(publication(11, id="3"))
        low, high = self.come(2), self.come(4)
        self.asked()
        self.answer(2, 11)
        self.assertEqual(self.recovered(low), (True, None, [*range(3, 11)]))
        self.assertEqual(self.recovered(high), (True, None, [*range(5, 12)]))
        self.told(self.first)
        self.hub.publication(publication(12, id="5"))
        self.assertEqual([self.seen(client) for client in (low, high)], [[], []])

    def test_a_number_that_was_used_before_does_not_count_as_had(self):
        """What was sent under it was another event: a second copy is sent rather twice than never."""
        self.hub.cut("kept:1", Notice("diverged", ONE.at(10), TWO.at(6)))
        self.hub.placed("kept:1", TWO, 6)
        self.told(self.first)
        client = self.come(1)
        self.asked()
        self.answer(1, 6, TWO)
        self.assertEqual(self.recovered(client), (True, None, [*range(2, 7), "gap"]))
        self.hub.publication(publication(7, TWO, id="10"))
        self.hub.publication(publication(8, TWO, id="2"))
        self.assertEqual(self.seen(client), [7])
        self.assertEqual(self.seen(self.first), [8])


class SlowTests(ReadTests):
    """Whose transport was full while the ring moved on."""

    def setUp(self):
        super().setUp()
        self.slow = [self.open() for _ in range(3)]
        for client in self.slow:
            self.subscribe(client)
            self.told(client)
            client.connection.choked()
        self.append(*range(11, 21))
        self.told(self.slow[0])
        self.source.calls.clear()

    def drain(self):
        for client in self.slow:
            client.connection.drained()
        self.clock.advance(0)

    def test_they_get_what_the_broker_has_still(self):
        """By one read for all; and then what came meanwhile."""
        self.drain()
        self.append(21)
        self.assertEqual(self.asked(), [10])
        self.answer(10, 21)
        for client in self.slow:
            self.assertEqual(self.seen(client), [*range(11, 22)])
        self.append(22)
        self.assertEqual([self.seen(client) for client in self.slow], [[22]] * 3)
        self.assertEqual(self.asked(), [])

    def test_they_are_told_where_the_broker_has_less(self):
        """From where to where, once."""
        self.drain()
        self.asked()
        self.answer(14, 20)
        for client in self.slow:
            gap, *events = self.told(client)
            self.assertEqual((gap["reason"], gap["from"]["offset"], gap["to"]["offset"]), ("slow", 10, 14))
            self.assertEqual([event["offset"] for event in events], [*range(15, 21)])

    def test_they_are_told_where_the_broker_is_away(self):
        """Rather at once than to keep them waiting."""
        self.drain()
        self.asked()
        for _ in range(2):
            self.source.reads.pop().errback(BrokerAway("away"))
            self.clock.advance(0)
        for client in self.slow:
            gap, *events = self.told(client)
            self.assertEqual((gap["reason"], gap["from"]["offset"], gap["to"]["offset"]), ("slow", 10, 18))
            self.assertEqual([event["offset"] for event in events], [19, 20])

    def test_one_that_waited_for_a_read_from_a_later_place_has_its_own(self):
        """It is told of a gap only where the broker has less."""
        late, slow = self.come(14), self.slow[0]
        self.assertEqual(self.asked(), [14])
        slow.connection.drained()
        self.assertEqual(self.asked(), [])
        self.answer(14, 20)
        self.assertEqual(self.recovered(late), (True, None, [*range(15, 21)]))
        self.assertEqual(self.asked(), [10])
        self.answer(10, 20)
        self.assertEqual(self.seen(slow), [*range(11, 21)])

    def test_one_that_is_gone_or_full_again_when_it_was_read_is_sent_nothing(self):
        """It is served when it drains again; the ring has it then."""
        self.drain()
        gone, full, _ = self.slow
        self.asked()
        gone.connection.lost("gone")
        full.connection.choked()
        self.answer(10, 20)
        self.assertEqual((self.told(gone), self.told(full)), ([], []))
        full.connection.drained()
        self.assertEqual(self.seen(full), [*range(11, 21)])
        self.assertEqual(self.asked(), [])

    def test_one_that_is_full_again_is_told_nothing_of_a_read_that_failed(self):
        """It is tried once more when it drains."""
        self.drain()
        self.drain()
        self.assertEqual(self.asked(), [10])
        [read] = self.hub._reading._reads.values()
        self.assertEqual(len(read.waiting), 3)
        full = self.slow[0]
        full.connection.choked()
        self.source.reads.pop().errback(BrokerAway("away"))
        self.assertEqual(self.told(full), [])
        full.connection.drained()
        self.assertEqual(self.asked(), [10])
        self.answer(10, 20)
        self.assertEqual(self.seen(full), [*range(11, 21)])

    def test_stale_is_said_behind_what_was_missed(self):
        """A client that waits for the broker's log is told nothing before."""
        self.drain()
        self.asked()
        self.hub.stale(5)
        self.assertEqual(self.told(self.slow[0]), [])
        self.answer(10, 20)
        self.assertEqual([m.get("op") or m["offset"] for m in self.told(self.slow[0])], [*range(11, 21), "stale"])


class AheadTests(ReadTests):
    """Who names a place behind the log's end here."""

    def test_one_that_has_read_more_on_another_server_goes_on_there(self):
        """The broker knows that the log goes so far."""
        client = self.come(12)
        self.assertEqual(self.asked(), [12])
        self.answer(12, 13)
        self.append(11, 12, 13)
        self.assertEqual(self.recovered(client), (True, None, [13]))
        self.come(13)
        self.come(12)
        self.assertEqual(self.asked(), [])

    def test_a_made_up_place_is_a_gap(self):
        """To where the log ends: what the client claims to have is not there."""
        client, other = self.come(900), self.come(700)
        self.assertEqual(self.asked(), [900])
        for _ in range(2):
            self.answer(10, 10)
        self.append(11)
        for each, offset in ((client, 900), (other, 700)):
            answer, event = self.told(each)
            self.assertEqual((answer["recovered"], answer["reason"]), (False, "diverged"))
            self.assertEqual((answer["from"]["offset"], answer["to"]["offset"], event["offset"]), (offset, 10, 11))

    def test_how_far_a_log_went_says_nothing_of_another(self):
        """After a new epoch the broker is asked again."""
        self.come(900)
        self.asked()
        self.answer(900, 900)
        other = Lineage("f", (Branch("b1", 0),))
        self.hub.noticed("kept:1", Notice("epoch", ONE.at(10), other.at(3)))
        self.hub.placed("kept:1", other, 3)
        self.come(800, other)
        self.assertEqual(self.asked(), [800])

    def test_without_an_answer_it_is_believed(self):
        """Rather than that a client which has changed servers loads all again."""
        client = self.come(12)
        self.asked()
        for _ in range(2):
            self.source.reads.pop().errback(BrokerAway("away"))
        self.append(11, 12, 13)
        self.assertEqual(self.recovered(client), (True, None, [13]))
