"""The face towards applications, where channels have a history or bridge an outage."""

import json

from pulsetw.catalogue.rule import History
from pulsetw.errors import BrokerAway, BrokerRefused, ChannelError, PublishError, TooManyWaiting
from pulsetw.model import Branch, Degraded, Entry, Event, Lineage, Page, Position
from tests.doubles import FakeFollower
from tests.unit.pubsub.manager_case import ManagerTests

LINE = Lineage("e", (Branch("b", 0),))


class HistoryTests(ManagerTests):
    """Channels with a history: `kept:*`."""

    def setUp(self):
        super().setUp()
        self.manager.ready(False)
        self.follower = FakeFollower()

    def entry(self, offset):
        return Entry(LINE.at(offset), f"i{offset}", json.dumps({"type": "x", "data": {}, "id": f"i{offset}"}).encode())

    def page(self, start, *offsets):
        return Page(LINE, offsets[-1] if offsets else start, start, tuple(self.entry(offset) for offset in offsets))

    def heard(self):
        return [publication.position.offset for publication in self.follower.publications]

    def test_the_rule_decides_what_is_kept(self):
        """The broker is told with each publish."""
        self.successResultOf(self.manager.publish("kept:a", Event("x")))
        self.successResultOf(self.manager.publish("news:a", Event("x")))
        self.assertEqual(self.broker.histories, [History(100, 60, "fast"), None])

    def test_following_begins_with_the_log(self):
        """It stands when the log has been read; what is pushed meanwhile comes after."""
        following = self.manager.follow("kept:a", self.follower)
        self.assertEqual(self.broker.calls[-2:], [("subscribe", "kept:a", "history"), ("sync", "kept:a", None)])
        self.manager.appended("kept:a", self.entry(3))
        self.assertNoResult(following)
        self.broker.syncs[0].callback(self.page(0, 1, 2))
        self.successResultOf(following)
        [(_, past)] = self.follower.pasts
        self.assertEqual(([each.position.offset for each in past], self.heard()), ([1, 2], [3]))
        self.assertEqual(self.follower.places, [("kept:a", LINE, 2)])

    def test_damaged_logs_have_names(self):
        """Ten of them; how many there are, and how often it was found."""
        self.broker.pages = [BrokerRefused("WRONGTYPE", temporary=False) for _ in range(12)]
        for number in range(12):
            self.manager.follow(f"kept:{number:02}", self.follower).addErrback(lambda failure: failure.trap(BrokerAway))
        health = self.manager.get_health_status()
        self.assertEqual(health["damaged_channels"], 12)
        self.assertEqual(health["damaged_names"], [f"kept:{number:02}" for number in range(10)])
        self.assertEqual(self.manager.get_subscriber_stats()["damages"], 12)
        self.assertEqual(self.manager.get_subscriber_stats()["notices"], {"dropped": 12})

    def test_an_outage_costs_nothing(self):
        """What was missed is read; clients hear of it after 5 s only, and then also of its end."""
        self.broker.pages = [self.page(0)]
        self.successResultOf(self.manager.follow("kept:a", self.follower))
        self.manager.lost("away")
        self.clock.advance(4.9)
        self.assertEqual(self.follower.states, [])
        self.clock.advance(0.1)
        self.assertEqual(self.follower.states, [1_000])
        self.manager.ready(True)
        self.assertEqual(self.broker.calls[-1], ("sync", "kept:a", LINE.at(0)))
        self.assertEqual(self.follower.states, [1_000])
        self.broker.syncs[0].callback(self.page(0, 1, 2))
        self.assertEqual((self.heard(), self.follower.notices), ([1, 2], []))
        self.assertEqual(self.follower.states, [1_000, "fresh"])

    def test_whoever_follows_later_is_told_where_the_log_stands(self):
        """A callback may have begun to read it before."""
        self.broker.pages = [self.page(0, 1, 2)]
        self.successResultOf(self.manager.subscribe("kept:a", lambda channel, event: None))
        self.manager.appended("kept:a", self.entry(3))
        self.successResultOf(self.manager.follow("kept:a", self.follower))
        self.assertEqual(self.follower.places, [("kept:a", LINE, 3)])

    def test_a_pattern_alone_gets_what_comes(self):
        """At most once: nobody reads the log of each channel that it may match."""
        heard = []
        self.successResultOf(self.manager.subscribe("kept:*", lambda channel, event: heard.append(event.id)))
        self.assertEqual(self.broker.calls[-1], ("subscribe", "kept:*", "history"))
        self.manager.appended("kept:a", self.entry(7))
        self.assertEqual(heard, ["i7"])

    def test_callbacks_are_told_of_gaps(self):
        """In order with the events, once for a channel, by a pattern too; a pattern by itself after an interruption."""
        told = []

        def heard(channel, event):
            told.append(event.id)

        def missed(name, notice):
            told.append((name, notice.reason, notice.end))

        self.broker.pages = [self.page(0, 1), self.page(2, 4)]
        for name in ("kept:*", "kept:a"):
            self.successResultOf(self.manager.subscribe(name, heard, missed=missed))
        self.manager.lost("away")
        self.manager.ready(True)
        self.assertEqual(told, [("kept:*", "broker", None), ("kept:a", "trimmed", LINE.at(3)), "i4"])
        other = Lineage("e", (*LINE.branches, Branch("c", 2)))
        self.broker.pages = [Page(other, 2, 2, ())]
        self.manager.lost("away")
        self.manager.ready(True)
        self.assertEqual(told[4:], [("kept:a", "diverged", other.at(2))])

    def test_an_idle_channel_keeps_its_epoch(self):
        """Its log is asked every 20 minutes: the broker forgets it after an hour."""
        self.broker.pages = [self.page(0, 1)]
        self.successResultOf(self.manager.follow("kept:a", self.follower))
        asked = self.broker.calls.count(("sync", "kept:a", LINE.at(1)))
        self.broker.pages = [self.page(1), BrokerAway("away"), self.page(1)]
        self.clock.pump([10] * 360)
        self.assertEqual(self.broker.calls.count(("sync", "kept:a", LINE.at(1))) - asked, 3)
        self.assertEqual(len(self.follower.places), 1)

    def test_shutting_down_ends_what_waits(self):
        """Nothing is asked any more."""
        following = self.manager.follow("kept:a", self.follower)
        self.manager.shutdown()
        self.failureResultOf(following, BrokerAway)
        self.broker.syncs[0].callback(self.page(0, 1))
        self.assertEqual(self.follower.pasts, [])
        self.manager.follow("kept:b", self.follower).addErrback(lambda failure: failure.trap(BrokerAway))
        self.assertNotIn(("sync", "kept:b", None), self.broker.calls)


class OutageTests(ManagerTests):
    """Channels with `outage = "local"`."""

    def setUp(self):
        super().setUp()
        self.follower = FakeFollower()
        self.broker.pages = [Page(LINE, 0, 0, ())] * 9
        self.manager.ready(False)
        for channel in ("here:a", "both:a"):
            self.successResultOf(self.manager.follow(channel, self.follower))

    def go_away(self):
        self.broker.is_away = True
        self.manager.lost("away")

    def come_back(self):
        self.broker.is_away = False
        self.manager.ready(True)

    def heard(self):
        return [(each.event.id, each.degraded) for each in self.follower.publications]

    def test_those_who_are_here_get_it_at_once(self):
        """Marked, in a turn of its own; it goes out with its id, in order, when the broker is back."""
        self.go_away()
        for number in (1, 2):
            self.assertEqual(
                self.successResultOf(self.manager.publish("here:a", Event("x", id=f"e{number}"))), Degraded()
            )
        self.assertEqual(self.heard(), [])
        self.clock.advance(0)
        self.assertEqual(self.heard(), [("e1", True), ("e2", True)])
        self.assertEqual(self.broker.published, [])
        self.assertEqual(self.manager.get_health_status()["outbox_events"], 2)
        self.come_back()
        self.assertEqual([event_id for _, event_id, _ in self.broker.published], ["e1", "e2"])
        self.assertEqual(self.manager.get_publisher_stats()["degraded_publishes"], 2)

    def test_they_do_not_get_it_again(self):
        """Without a history it is dropped here; with one it takes its place, and the hub knows who had it."""
        heard = []
        self.successResultOf(self.manager.subscribe("both:a", lambda _, event: heard.append(event.id), own=True))
        self.go_away()
        self.successResultOf(self.manager.publish("here:a", Event("x", id="h")))
        self.successResultOf(self.manager.publish("both:a", Event("x", id="b")))
        self.clock.advance(0)
        self.come_back()
        (_, _, here), (_, _, both) = self.broker.published
        self.manager.received("here:a", here)
        self.manager.appended("both:a", Entry(LINE.at(1), "b", both))
        self.assertEqual(self.heard(), [("h", True), ("b", True), ("b", False)])
        self.assertEqual(heard, ["b"])

    def test_a_publish_that_fails_first_is_kept_too(self):
        """The broker may be gone before anybody knows; if the event got here after all, it is not given twice."""
        self.broker.is_away = True
        published = self.manager.publish("both:a", Event("x", id="e"))
        payload = self.broker.published[0][2]
        self.manager.appended("both:a", Entry(LINE.at(1), "e", payload))
        self.clock.pump([0.1, 0.2, 0.4, 0])
        self.assertEqual(self.successResultOf(published), Degraded())
        self.assertEqual(self.heard(), [("e", False)])

    def test_what_is_published_meanwhile_waits_behind(self):
        """Until the outbox has nothing more of the channel, the order stays."""
        self.go_away()
        self.successResultOf(self.manager.publish("here:a", Event("x", id="e1")))
        self.broker.hold = True
        self.come_back()
        self.successResultOf(self.manager.publish("here:a", Event("x", id="e2")))
        self.assertEqual(len(self.broker.published), 1)
        self.broker.held[0].callback(None)
        self.assertEqual([event_id for _, event_id, _ in self.broker.published], ["e1", "e2"])
        self.broker.held[1].callback(None)

    def test_one_that_is_being_retried_is_not_overtaken(self):
        """The broker is known to be away when it is tried again; what is published meanwhile comes behind it."""
        self.broker.is_away = True
        first = self.manager.publish("here:a", Event("x", id="first"))
        self.manager.lost("away")
        second = self.manager.publish("here:a", Event("x", id="second"))
        self.clock.pump([0.1, 0.2, 0.4, 0])
        self.assertEqual([self.successResultOf(each) for each in (first, second)], [Degraded()] * 2)
        self.clock.advance(0)
        self.assertEqual(self.heard(), [("first", True), ("second", True)])
        self.broker.published.clear()
        self.come_back()
        self.assertEqual([event_id for _, event_id, _ in self.broker.published], ["first", "second"])

    def test_a_full_outbox_refuses(self):
        """With an error, and nobody gets the event."""
        self.go_away()
        for number in range(3):
            self.successResultOf(self.manager.publish("here:a", Event("x", id=f"e{number}")))
        self.failureResultOf(self.manager.publish("here:a", Event("x", id="one too many")), TooManyWaiting)
        self.clock.advance(0)
        self.assertEqual(len(self.heard()), 3)

    def test_other_channels_fail(self):
        """After their retries, as ever."""
        self.go_away()
        published = self.manager.publish("news:a", Event("x"))
        self.clock.pump([0.1, 0.2, 0.4])
        self.failureResultOf(published, PublishError)


class ReadTests(ManagerTests):
    def test_a_channels_log_is_read_for_those_who_come_back(self):
        """One sync, decoded."""
        lineage = Lineage("e", (Branch("b", 0),))
        payload = b'{"type":"headline","timestamp":1,"serverId":"s","id":"3","data":{}}'
        self.broker.pages = [Page(lineage, 3, 2, (Entry(lineage.at(3), "3", payload),))]
        excerpt = self.successResultOf(self.manager.read("kept:1", lineage.at(2), 200))
        self.assertEqual(self.broker.calls[-1], ("sync", "kept:1", lineage.at(2)))
        self.assertEqual((excerpt.start, excerpt.end, excerpt.publications[0].event.id), (2, 3, "3"))

    def test_what_cannot_be_read_fails(self):
        """No such channel; no broker."""
        self.failureResultOf(self.manager.read("nowhere", Position(1, "e"), 200), ChannelError)
        self.broker.pages = [BrokerAway("away")]
        self.failureResultOf(self.manager.read("kept:1", Position(1, "e"), 200), BrokerAway)
