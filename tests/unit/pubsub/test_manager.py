"""The face towards applications."""

import json

from attrs import evolve

from pulsetw.catalogue.builtin import AchievementUnlocked, MatchCreated
from pulsetw.errors import BrokerAway, ChannelError, EventError, PublishError, UnknownEventType
from pulsetw.model import Branch, Event, Lineage, Notice, Page, Position
from tests.doubles import FakeFollower
from tests.unit.pubsub.manager_case import ManagerTests


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


class MissedTests(ManagerTests):
    """Callbacks are told what they may have missed."""

    def setUp(self):
        super().setUp()
        self.manager.ready(False)
        self.told = []

    def missed(self, name, notice):
        self.told.append((name, notice))

    def interrupt(self):
        self.manager.lost("cut")
        self.manager.ready(True)

    def test_after_an_interruption_each_name_is_told(self):
        """By itself; whoever does not ask for it is not."""
        for name in ("news:today", "news:*"):
            self.manager.subscribe(name, print, missed=self.missed)
        self.manager.subscribe("news:other", print)
        self.interrupt()
        broker = Notice("broker")
        self.assertEqual(sorted(self.told), [("news:*", broker), ("news:today", broker)])
        self.assertEqual(self.manager.get_subscriber_stats()["notices"], {"broker": 3})

    def test_it_ends_with_the_subscription(self):
        """Of that name only; subscribing again without it ends it as well."""
        for name in ("news:a", "news:b", "news:c"):
            self.manager.subscribe(name, print, missed=self.missed)
        self.manager.subscribe("news:a", repr)
        self.manager.unsubscribe("news:a", print)
        self.manager.subscribe("news:b", print)
        self.interrupt()
        self.assertEqual([name for name, _ in self.told], ["news:c"])

    def test_the_broker_is_there_when_they_are_told(self):
        """What they publish then goes to all servers; what they subscribe to then is told of no fault before it."""
        receipts = []

        def missed(name, notice):
            self.manager.publish("here:a", Event("x")).addCallback(receipts.append)
            self.manager.subscribe("news:new", print, missed=self.missed)
            self.manager.subscribe("kept:new", print, missed=self.missed)

        self.broker.pages = [Page(Lineage("e", (Branch("b", 0),)), 0, 0, ())]
        self.manager.subscribe("news:a", print, missed=missed)
        self.interrupt()
        self.assertEqual((receipts, self.manager.get_publisher_stats()["degraded_publishes"]), ([None], 0))
        self.assertEqual([call for call in self.broker.calls if call[0] == "sync"], [("sync", "kept:new", None)])
        self.assertEqual(self.told, [])

    def test_of_all_channels(self):
        """Every name of the catalogue."""
        self.broker.pages = [Page(Lineage("e", (Branch("b", 0),)), 0, 0, ())] * 9
        self.manager.subscribe_all(print, missed=self.missed)
        self.interrupt()
        self.assertIn(("match:events", Notice("broker")), self.told)


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
                "window_events": 0,
                "window_full": False,
                "damaged_channels": 0,
                "damaged_names": [],
                "broker": "fake://",
            },
        )

    def test_what_the_broker_drops_is_counted_with_what_was_received(self):
        """Nobody else here sees it."""
        self.broker.state = evolve(self.broker.state, copies=3, unreadable=2)
        stats = self.manager.get_subscriber_stats()
        self.assertEqual((stats["copies"], stats["unreadable"]), (3, 2))

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
