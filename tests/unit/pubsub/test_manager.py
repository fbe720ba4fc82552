"""The face towards applications."""

import json

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue, Rule
from pulsetw.catalogue.builtin import AchievementUnlocked, MatchCreated, builtin_channels
from pulsetw.catalogue.rule import History
from pulsetw.errors import BrokerAway, ChannelError, EventError, PublishError, TooManyWaiting, UnknownEventType
from pulsetw.model import Branch, Entry, Event, Lineage, Notice, Page, Position
from pulsetw.pubsub.manager import PubSubManager
from pulsetw.pubsub.outbox import OutboxOptions
from pulsetw.pubsub.publishing import PubSubOptions
from tests.doubles import FakeBroker, FakeFollower, ids

KEPT = Rule(history_size=100, history_age_s=60)
HERE = Rule(outage="local")
BOTH = Rule(history_size=100, outage="local")


class ManagerTests(SynchronousTestCase):
    def setUp(self):
        self.broker = FakeBroker()
        self.clock = Clock()
        self.manager = PubSubManager(
            self.broker,
            Catalogue(builtin_channels(), {"news:*": Rule(), "kept:*": KEPT, "here:*": HERE, "both:*": BOTH}),
            self.clock,
            "me",
            PubSubOptions(max_event_bytes=500, outbox=OutboxOptions(max_events=3)),
            ids(),
            lambda: 1_000,
        )
        self.up = self.manager.initialize()

    def tearDown(self):
        self.manager.shutdown()
        self.up.addErrback(lambda _: None)
        self.clock.pump([0.1, 0.2, 0.4, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def envelope(self, index=-1):
        return json.loads(self.broker.published[index][2])


class PublishTests(ManagerTests):
    def test_an_event_is_stamped_and_sent(self):
        """With time, server and a new id; the position comes back."""
        self.broker.answers = [Position(3, "e")]
        position = self.successResultOf(self.manager.publish("match:events", MatchCreated("m", "a", "b")))
        self.assertEqual(position, Position(3, "e"))
        self.assertEqual(self.broker.published[0][:2], ("match:events", "id1"))
        self.assertEqual(
            self.envelope(),
            {
                "type": "match_created",
                "timestamp": 1000,
                "serverId": "me",
                "id": "id1",
                "data": {"matchId": "m", "player1Id": "a", "player2Id": "b"},
            },
        )

    def test_what_the_application_says_stands(self):
        """Its id, time, tags, and the client to leave out."""
        event = Event("headline", {"text": "hi"}, timestamp=7, server_id="s", id="e1", tags={"k": "v"})
        self.successResultOf(self.manager.publish("news:today", event, exclude="c1"))
        told = {"type": "headline", "timestamp": 7, "serverId": "s", "id": "e1", "data": {"text": "hi"}}
        self.assertEqual(self.envelope(), {**told, "tags": {"k": "v"}, "exclude": "c1"})
        self.successResultOf(self.manager.publish("news:today", event, id="e2"))
        self.assertEqual(self.envelope()["id"], "e2")

    def test_bad_events_are_refused_before_anything_is_sent(self):
        """Each with its own kind of error."""
        for channel, event, error in (
            ("nowhere", Event("x"), ChannelError),
            ("a,b", Event("x"), ChannelError),
            ("match:events", Event("match_paused"), UnknownEventType),
            ("match:events", Event("match_created", {"matchId": 1}), EventError),
            ("news:today", Event("headline", {"text": "x" * 500}), EventError),
        ):
            self.failureResultOf(self.manager.publish(channel, event), error)
        self.assertEqual(self.broker.published, [])
        self.assertEqual(self.manager.get_publisher_stats()["failed_publishes"], 5)

    def test_what_no_receiver_could_take_is_refused(self):
        """Each member of the envelope is checked, and named."""
        for event, field in (
            (Event("x", tags={"a": 1}), "tags[...]"),
            (Event("x", timestamp="soon"), "timestamp"),
            (Event("x", timestamp=1e300), "timestamp"),
            (Event(5), "type"),
            (Event("x", id="i" * 201), "id"),
            (Event("x", id=7), "id"),
            (Event("x", server_id="s" * 201), "serverId"),
        ):
            error = self.failureResultOf(self.manager.publish("news:a", event), EventError).value
            self.assertEqual(error.field, field)
        self.assertEqual(self.broker.published, [])

    def test_statistics(self):
        """What succeeded, what failed, and when."""
        self.broker.answers = [None, *[BrokerAway("x")] * 4]
        self.successResultOf(self.manager.publish("news:a", Event("x")))
        failed = self.manager.publish("news:a", Event("x"))
        self.assertEqual(self.manager.get_health_status()["waiting_publishes"], 1)
        self.clock.pump([0.1, 0.2, 0.4])
        self.failureResultOf(failed, PublishError)
        self.assertEqual(
            self.manager.get_publisher_stats(),
            {
                "total_published": 2,
                "successful_publishes": 1,
                "failed_publishes": 1,
                "degraded_publishes": 0,
                "last_publish_time": 1000,
                "channel_stats": {"news:a": 1},
            },
        )
        self.assertEqual({event_id for _, event_id, _ in self.broker.published[1:]}, {"id2"})


class PlayerTests(ManagerTests):
    def test_a_player_is_told(self):
        """On the channel of notifications; a mapping needs not repeat the name."""
        self.successResultOf(self.manager.send_to_player("ann", AchievementUnlocked("ann", "First win")))
        self.assertEqual(self.broker.published[0][0], "player:notifications")
        self.assertEqual(self.envelope()["type"], "achievement_unlocked")
        self.successResultOf(self.manager.send_to_player("ann", Event("coins", {"message": "+5"})))
        self.assertEqual(self.envelope()["data"], {"playerId": "ann", "message": "+5"})

    def test_it_cannot_reach_another_player(self):
        """A wrong name in the event is a mistake, not a second way in."""
        for event in (AchievementUnlocked("bob", "x"), Event("coins", {"playerId": "bob", "message": "x"})):
            self.failureResultOf(self.manager.send_to_player("ann", event), EventError)
        self.assertEqual(self.broker.published, [])


class SubscribeTests(ManagerTests):
    def receive(self, channel, type="headline", data=None):
        text = json.dumps({"type": type, "data": data or {}, "serverId": "other"})
        self.broker.receiver.received(channel, text.encode())

    def test_channels_and_patterns(self):
        """A callback gets an event once, however many of its names match."""
        called = []

        def callback(channel, event):
            called.append((channel, event.type))

        self.successResultOf(self.manager.subscribe("news:today", callback))
        self.successResultOf(self.manager.subscribe("news:*", callback))
        self.receive("news:today")
        self.receive("news:other")
        self.assertEqual(called, [("news:today", "headline"), ("news:other", "headline")])

    def test_unsubscribing_ends_it_at_once(self):
        """The broker is told when nobody is left."""
        called = []

        def callback(channel, event):
            called.append(event)

        for name in ("news:today", "news:*"):
            self.manager.subscribe(name, callback)
            self.manager.subscribe(name, print)
        self.manager.unsubscribe("news:today", callback)
        self.assertNotIn(("unsubscribe", "news:today"), self.broker.calls)
        self.manager.unsubscribe("news:*")
        self.assertIn(("unsubscribe", "news:*"), self.broker.calls)
        self.manager.unsubscribe("never:subscribed")
        self.manager.unsubscribe("news:today")
        self.receive("news:today")
        self.assertEqual(called, [])
        self.assertEqual(self.manager.get_health_status()["active_subscriptions"], 0)

    def test_subscribe_all(self):
        """Every channel and namespace of the catalogue."""
        called = []
        self.successResultOf(self.manager.subscribe_all(lambda channel, event: called.append(channel)))
        self.receive("news:x")
        self.receive("system:events")
        self.assertEqual(called, ["news:x", "system:events"])

    def test_a_channel_that_does_not_exist_is_refused(self):
        """At once, and nothing is left of it."""
        for name in ("nowhere", "a b*"):
            self.failureResultOf(self.manager.subscribe(name, print), ChannelError)
        self.failureResultOf(self.manager.follow("nowhere", FakeFollower()), ChannelError)
        self.assertNotIn("subscribe", [call[0] for call in self.broker.calls])

    def test_a_subscription_waits_for_the_broker(self):
        """It stands when the broker says so."""
        self.broker.hold = True
        standing = self.manager.subscribe("news:x", print)
        self.assertNoResult(standing)
        self.assertEqual(self.manager.get_health_status()["active_subscriptions"], 0)
        self.broker.subscriptions["news:x"].callback(None)
        self.successResultOf(standing)
        self.assertEqual(self.manager.get_health_status()["active_subscriptions"], 1)


class FollowerTests(ManagerTests):
    def test_a_follower_is_told_what_it_may_have_missed(self):
        """Only if the connection that brings them was renewed; rather once too often than not at all."""
        follower = FakeFollower()
        self.manager.ready(False)
        self.manager.follow("news:old", follower)
        self.manager.lost("cut")
        self.manager.follow("news:new", follower)
        self.manager.ready(True)
        self.assertEqual(sorted(name for name, _ in follower.notices), ["news:new", "news:old"])
        self.manager.lost("only publishing")
        self.manager.ready(False)
        self.assertEqual(len(follower.notices), 2)
        self.manager.lost("cut")
        self.manager.unfollow("news:old", follower)
        self.manager.ready(True)
        self.assertEqual(follower.notices[2:], [("news:new", Notice("broker"))])

    def test_what_stood_between_two_faults_is_told_too(self):
        """First publishing was away, then the connection that brings events was cut."""
        follower = FakeFollower()
        self.manager.ready(False)
        self.manager.lost("publisher")
        self.manager.follow("news:between", follower)
        self.manager.ready(True)
        self.assertEqual(follower.notices, [("news:between", Notice("broker"))])


class LifeTests(ManagerTests):
    def test_initialize_waits_for_the_broker(self):
        """And for nothing else."""
        self.assertNoResult(self.up)
        self.manager.ready(False)
        self.successResultOf(self.up)

    def test_health(self):
        """By the names that operators know."""
        self.broker.state = evolve(
            self.broker.state,
            subscriber_ready=False,
            reason="no answer",
            reconnect_attempts=10,
            gave_up=True,
            round_trip_ms=0.5,
            last_round_trip=self.clock.seconds(),
        )
        self.clock.advance(2)
        self.assertEqual(
            self.manager.get_health_status(),
            {
                "is_healthy": False,
                "publisher_ready": True,
                "subscriber_ready": False,
                "active_subscriptions": 0,
                "reconnect_attempts": 10,
                "gave_up": True,
                "reason": "no answer",
                "round_trip_ms": 0.5,
                "round_trip_age_s": 2.0,
                "waiting_publishes": 0,
                "outbox_events": 0,
                "outbox_dropped": 0,
                "broker": "fake://",
            },
        )

    def test_shutdown_waits_for_what_is_on_its_way(self):
        """Then it disconnects; later publishes fail."""
        self.broker.answers = [BrokerAway("x")]
        outcome = self.manager.publish("news:a", Event("x"))
        down = self.manager.shutdown()
        self.failureResultOf(self.up, BrokerAway)
        self.failureResultOf(self.manager.publish("news:a", Event("x")), PublishError)
        self.assertNotIn(("stop",), self.broker.calls)
        self.clock.advance(0.1)
        self.successResultOf(outcome)
        self.successResultOf(down)
        self.assertIn(("stop",), self.broker.calls)


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
            self.assertIsNone(self.successResultOf(self.manager.publish("here:a", Event("x", id=f"e{number}"))))
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
        self.assertIsNone(self.successResultOf(published))
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
