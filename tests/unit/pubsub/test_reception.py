"""What comes from the broker."""

import json

from attrs import frozen
from twisted.internet.defer import fail
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue, Channel
from pulsetw.catalogue.builtin import MatchCreated, builtin_channels
from pulsetw.model import Branch, Entry, Lineage, Notice, Page, Position
from pulsetw.pubsub.listeners import Listeners
from pulsetw.pubsub.options import PubSubOptions
from pulsetw.pubsub.reception import Reception
from tests.doubles import FakeFollower, ids

MATCH = {"matchId": "m", "player1Id": "a", "player2Id": "b"}


@frozen
class Broken:
    pass


def explode(event):
    raise RuntimeError("bug of an application")


def envelope(type="match_created", data=MATCH, **members):
    return json.dumps({"type": type, "timestamp": 5, "serverId": "other", "data": data, **members}).encode()


class ReceptionTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.listeners = Listeners()
        channels = [*builtin_channels(), Channel("broken", events=[Broken], derive=explode)]
        options = PubSubOptions(1000, windows_bytes=20_000)
        self.reception = Reception(
            Catalogue(channels, {}), self.listeners, "me", options, ids(), self.clock.seconds, lambda: 1_000
        )
        self.stats = self.reception.stats
        self.follower = FakeFollower()
        self.listeners.add_follower("match:events", self.follower)
        self.logged = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)

    def test_ids_are_remembered_within_their_memory(self):
        """A repeat is known as long as there is room for its id."""
        for number in (1, 1, *range(2, 60), 1):
            self.receive(
                b'{"type":"match_updated","id":"%d","data":{"matchId":"m","player1Id":"a","player2Id":"b"}}' % number
            )
        self.assertEqual((len(self.follower.publications), self.stats.repeated), (60, 1))

    def receive(self, payload, channel="match:events", position=None):
        if position is None:
            self.reception.received(channel, payload)
        else:
            self.reception.entry(channel, Entry(position, "id", payload), again=False)

    def warnings(self):
        return [event for event in self.logged if event["log_level"] >= LogLevel.warn]

    def assert_dropped(self, cause, times, words):
        self.assertEqual(self.follower.publications, [])
        self.assertEqual((self.stats.failures[cause], self.stats.failed_events), (times, times))
        [line] = self.warnings()
        self.assertIn(words, line["log_format"].format(**line))

    def test_an_event_reaches_followers_and_callbacks(self):
        """The one as JSON text, the others with its data typed."""
        called = []
        self.listeners.add_callback("match:*", lambda channel, event: called.append((channel, event)), own=False)
        self.receive(envelope(id="7"))
        [publication] = self.follower.publications
        self.assertEqual((publication.channel, publication.event.id), ("match:events", "7"))
        [(channel, event)] = called
        self.assertEqual((channel, event.data, event.timestamp), ("match:events", MatchCreated("m", "a", "b"), 5))
        self.assertEqual((self.stats.total_received, self.stats.processed_events), (1, 1))

    def test_invalid_json_is_logged_and_skipped(self):
        """Once per cause, however often it comes."""
        for _ in range(3):
            self.receive(b"{")
        self.assert_dropped("invalid", 3, "truncated")
        self.receive(envelope())
        self.assertEqual(len(self.follower.publications), 1)

    def test_wrong_fields_are_named(self):
        """The log line says which member of which type."""
        self.receive(envelope(data={**MATCH, "winnerId": 7}))
        self.assert_dropped("invalid", 1, "match_created data.winnerId: Expected str | null, got int")

    def test_an_unknown_type_is_dropped_without_a_position(self):
        """Nobody misses a place in a log."""
        self.receive(envelope(type="match_paused"))
        self.assert_dropped("unknown_type", 1, "match_paused")

    def test_an_unknown_type_with_a_position_is_relayed_and_counted(self):
        """Another server may be newer; dropping it would leave a hole."""
        self.receive(envelope(type="match_paused"), position=Position(4, "e"))
        self.assertEqual(self.follower.publications[0].event.type, "match_paused")
        self.assertEqual((self.stats.newer_types, self.stats.failed_events), (1, 0))

    def test_data_that_cannot_be_decoded_is_invalid(self):
        """Also where no class describes it: numbers out of range, endless digits."""
        for data in (b"1e999", b"1" * 500):
            self.receive(b'{"type":"x","data":{"a":' + data + b"}}", channel="system:events")
        self.assertLessEqual(self.stats.failures["invalid"], 2)
        self.receive(b'{"type":"x","data":{"a":1e999}}', channel="system:events", position=Position(1, "e"))
        self.assertEqual(self.stats.failures["invalid"], 2)

    def test_an_unknown_type_whose_data_is_unreadable_costs_no_callback(self):
        """It has a position and is relayed as it is; callbacks cannot get it, and are told."""
        called, told = [], []
        self.listeners.add_callback(
            "match:events", lambda *_: called.append(1), own=False, missed=lambda *gap: told.append(gap)
        )
        self.receive(b'{"type":"match_new","data":{"a":1e999}}', position=Position(1, "e"))
        self.assertEqual((called, len(self.follower.publications), self.stats.failures["invalid"]), ([], 1, 1))
        self.assertEqual(told, [("match:events", Notice("dropped", Position(0, "e"), Position(1, "e")))])
        self.assertEqual(self.follower.notices, [])

    def test_an_oversized_message_is_dropped(self):
        """Before it is looked at."""
        self.receive(envelope(data={**MATCH, "pad": "x" * 1000}))
        self.assert_dropped("oversized", 1, "at most 1000")

    def test_an_unknown_channel_is_dropped(self):
        """A pattern may match names that the catalogue lacks."""
        self.receive(envelope(), channel="match:nowhere")
        self.assert_dropped("unknown_channel", 1, "match:nowhere")

    def test_a_callback_that_raises_costs_nobody_else(self):
        """It is logged once, counted each time, and the next one is called all the same."""
        called = []
        self.listeners.add_callback("match:events", lambda *_: 1 / 0, own=False)
        self.listeners.add_callback("match:*", lambda *_: fail(RuntimeError("late")), own=False)
        self.listeners.add_callback("*", lambda *_: called.append(1), own=False)
        for number in range(3):
            self.receive(envelope(id=str(number)))
        self.assertEqual((len(called), len(self.follower.publications)), (3, 3))
        self.assertEqual(self.stats.failures["callback"], 6)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_function_for_what_is_missed_that_raises_costs_nobody_else(self):
        """As one for events."""
        told = []
        self.listeners.add_callback("match:events", print, own=False, missed=lambda *_: 1 / 0)
        self.listeners.add_callback("match:*", print, own=False, missed=lambda *_: fail(RuntimeError("late")))
        self.listeners.add_callback("*", print, own=False, missed=lambda *gap: told.append(gap))
        for offset in (1, 2):
            self.receive(b"{", position=Position(offset, "e"))
        notices = [
            ("match:events", Notice("dropped", Position(offset - 1, "e"), Position(offset, "e"))) for offset in (1, 2)
        ]
        self.assertEqual((told, self.follower.notices, self.stats.failures["callback"]), (notices, notices, 4))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_cause_is_told_again_after_a_minute(self):
        """Silence would look as if it had been mended."""
        self.receive(b"{")
        self.clock.advance(59)
        self.receive(b"{")
        self.assertEqual(len(self.warnings()), 1)
        self.clock.advance(1)
        self.receive(b"{")
        self.assertEqual(len(self.warnings()), 2)

    def test_braces_and_escapes_in_bad_input_break_no_log_line(self):
        """Names are escaped, formats constant."""
        self.receive(envelope(type="{x}\x1b[31m"))
        [line] = self.warnings()
        text = line["log_format"].format(**line)
        self.assertIn("{x}", text)
        self.assertNotIn("\x1b", text)

    def test_an_id_that_was_here_is_dropped(self):
        """A publisher's retry is never a second event."""
        self.receive(envelope(id="7"))
        self.receive(envelope(id="7"))
        self.assertEqual((len(self.follower.publications), self.stats.repeated), (1, 1))

    def test_a_stranger_needs_no_id(self):
        """Each such event is a new one."""
        text = json.dumps({"type": "match_created", "data": MATCH}).encode()
        self.receive(text)
        self.receive(text)
        events = [publication.event for publication in self.follower.publications]
        self.assertEqual([(event.id, event.timestamp) for event in events], [("id1", 1000), ("id2", 1000)])

    def test_a_callback_does_not_get_its_own_servers_events(self):
        """Unless it asks for them; followers always do."""
        called = []
        self.listeners.add_callback("match:events", lambda *_: called.append("others"), own=False)
        self.listeners.add_callback("match:*", lambda *_: called.append("all"), own=True)
        self.receive(envelope(serverId="me"))
        self.assertEqual(called, ["all"])
        self.assertEqual(len(self.follower.publications), 1)

    def test_a_completed_match_gives_both_players_their_result(self):
        """Made here, with an id on which all servers agree."""
        notifications = FakeFollower()
        self.listeners.add_follower("player:notifications", notifications)
        self.receive(envelope(type="match_completed", data={**MATCH, "winnerId": "a"}, id="7", tags={"k": "v"}))
        results = [publication.event for publication in notifications.publications]
        self.assertEqual([json.loads(bytes(event.data))["playerId"] for event in results], ["a", "b"])
        for event in results:
            self.assertEqual(
                (event.type, event.id, event.server_id, event.timestamp, event.tags),
                ("match_result", "7:result", "other", 5, None),
            )

    def test_a_derivation_that_raises_costs_nobody_else(self):
        """The event itself has been given on."""
        follower = FakeFollower()
        self.listeners.add_follower("broken", follower)
        self.receive(envelope(type="broken", data={}), channel="broken")
        self.assertEqual(len(follower.publications), 1)
        self.assertEqual(self.stats.failures["derived"], 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_an_entry_that_came_before_is_for_followers_only(self):
        """Callbacks have had it; of the clients some may have, some not."""
        heard = []
        self.listeners.add_callback("match:events", lambda channel, event: heard.append(event.id), own=True)
        entry = Entry(Position(1, "e", "b"), "i", envelope(id="i"))
        self.reception.entry("match:events", entry, again=False)
        self.reception.entry("match:events", entry, again=True)
        self.assertEqual((heard, len(self.follower.publications)), (["i"], 2))
        self.assertEqual(self.stats.repeated, 1)

    def test_an_entry_that_cannot_be_given_on_is_told(self):
        """It was acknowledged: too long here, or no event, it leaves a gap and not silence."""
        for payload in (envelope(data={**MATCH, "winnerId": "x" * 1000}), b"{"):
            self.reception.entry("match:events", Entry(Position(7, "e", "b"), "i", payload), again=False)
        told = Notice("dropped", Position(6, "e", "b"), Position(7, "e", "b"))
        self.assertEqual(self.follower.notices, [("match:events", told)] * 2)

    def test_a_log_that_was_there_before_goes_to_followers(self):
        """Behind the last of it that is no event; that one is counted."""
        entries = (Entry(Position(1, "e"), "b", b"{"), Entry(Position(2, "e"), "a", envelope(id="a")))
        self.reception.past("match:events", entries)
        [(channel, publications)] = self.follower.pasts
        self.assertEqual((channel, [each.event.id for each in publications]), ("match:events", ["a"]))
        self.assertEqual(self.stats.failures["invalid"], 1)

    def test_an_excerpt_is_decoded_and_given_to_nobody(self):
        """Behind the last of it that is no event; an empty page has nothing up to its end."""
        lineage = Lineage("e", (Branch("b", 0),))
        payloads = {4: envelope(id="4"), 5: b"{", 6: envelope(id="6")}
        entries = tuple(Entry(lineage.at(offset), str(offset), payload) for offset, payload in payloads.items())
        excerpt = self.reception.excerpt("match:events", Page(lineage, 9, 1, entries))
        self.assertEqual((excerpt.lineage, excerpt.start, excerpt.end), (lineage, 5, 6))
        self.assertEqual([(each.event.id, each.position.offset) for each in excerpt.publications], [("6", 6)])
        self.assertEqual((self.follower.publications, self.stats.failures["invalid"]), ([], 1))
        empty = self.reception.excerpt("match:events", Page(lineage, 9, 1, ()))
        self.assertEqual((empty.start, empty.end, empty.publications), (9, 9, ()))

    def test_an_excerpt_begins_behind_the_last_hole(self):
        """Somebody has deleted entries by hand: what stands before is not told as if nothing was missing."""
        lineage = Lineage("e", (Branch("b", 0),))
        entries = tuple(Entry(lineage.at(offset), str(offset), envelope(id=str(offset))) for offset in (2, 4, 7, 8))
        excerpt = self.reception.excerpt("match:events", Page(lineage, 9, 1, entries))
        self.assertEqual((excerpt.start, excerpt.end, len(excerpt.publications)), (6, 8, 2))

    def test_notices_go_to_followers_and_are_counted(self):
        """By reason, once for a channel."""
        lineage = Lineage("e", (Branch("b", 0),))
        self.reception.noticed("match:events", Notice("trimmed"))
        self.reception.cut("match:events", Notice("diverged", end=lineage.at(3)))
        self.reception.placed("match:events", lineage, 7)
        self.assertEqual(self.follower.notices, [("match:events", Notice("trimmed"))])
        self.assertEqual(self.follower.cuts, [("match:events", Notice("diverged", end=Position(3, "e", "b")))])
        self.assertEqual(self.follower.places, [("match:events", lineage, 7)])
        self.assertEqual(self.stats.as_dict()["notices"], {"trimmed": 1, "diverged": 1})
