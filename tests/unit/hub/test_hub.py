"""Connections, users, channels: who gets what."""

import json

from msgspec import Raw
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue, Rule
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.dialects.native import NativeDialect
from pulsetw.errors import BrokerAway, Disconnect, DisconnectCode, EventError, PublishError
from pulsetw.hub.arrival import Arrival
from pulsetw.hub.hub import Hub, HubOptions
from pulsetw.interfaces import Wire
from pulsetw.model import Event, Notice, Publication
from tests.doubles import FakeChannels, FakeTransport, ids

RULES = {"open:*": Rule(publish="everybody")}


class HubTests(SynchronousTestCase):
    anonymous = "named"
    rules = RULES
    ring_bytes = 65536

    def setUp(self):
        self.clock = Clock()
        self.source = FakeChannels()
        self.wire = Wire(NativeDialect(), lambda text: text)
        self.hub = Hub(
            self.source,
            Catalogue(builtin_channels(), self.rules),
            self.clock,
            HubOptions(anonymous=self.anonymous, ring_bytes=self.ring_bytes),
            ids("c"),
            lambda: 0.5,
        )
        self.successResultOf(self.hub.start())

    def tearDown(self):
        self.hub.drain(0)
        self.clock.pump([0, 0, 10])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def open(self, user=None, *channels):
        transport = FakeTransport()
        transport.connection = self.hub.open(transport, self.wire, Arrival("peer", user, channels))
        return transport

    def command(self, transport, **members):
        transport.connection.received(json.dumps(members).encode())

    def told(self, transport):
        """What the client got since the last call, with a flush."""
        self.clock.advance(0)
        sent, transport.sent = transport.sent, []
        decoder = json.JSONDecoder()
        messages = []
        for text in (data.decode() for data in sent):
            end = 0
            while end < len(text):
                message, end = decoder.raw_decode(text, end)
                messages.append(message)
        return messages

    def publish(self, channel, data=None, type="t", id="e", exclude=""):
        event = Event(type, Raw(json.dumps(data or {}).encode()), 1, "s", id)
        self.hub.publication(Publication(channel, event, exclude=exclude))


class DeliveryTests(HubTests):
    def test_a_subscriber_gets_the_channels_events(self):
        """After it was told that the subscription stands, and until it has left."""
        client = self.open()
        self.command(client, op="subscribe", id=1, channel="open:1")
        self.publish("open:1", id="first")
        self.publish("open:2", id="other")
        self.assertEqual([m.get("op") or m["id"] for m in self.told(client)], ["subscribed", "first"])
        self.publish("open:1", id="late")
        self.command(client, op="unsubscribe", id=2, channel="open:1")
        self.publish("open:1", id="later")
        self.assertEqual(self.told(client), [{"op": "unsubscribed", "id": 2, "channel": "open:1"}])

    def test_channels_of_the_url_bring_bare_events(self):
        """And errors for what is refused."""
        client = self.open(None, "open:1", "nowhere")
        self.publish("open:1")
        error, event = self.told(client)
        self.assertEqual((error["op"], error["code"], error["channel"], event["type"]), ("error", 102, "nowhere", "t"))

    def test_one_turn_one_send(self):
        """All that came in a reactor turn goes out together, for all channels one after the other."""
        client = self.open(None, "open:1")
        for number in range(5):
            self.publish("open:1", id=str(number))
        self.assertEqual(client.sent, [])
        self.clock.advance(0)
        self.assertEqual(len(client.sent), 1)
        self.assertEqual(self.hub.stats()["deliveries"], 5)

    def test_what_waits_is_bounded(self):
        """A megabyte is not put off any more."""
        client = self.open(None, "open:1")
        for number in range(10):
            self.publish("open:1", {"text": "x" * 150_000}, id=str(number))
        self.assertEqual(client.sent[0].count(b'"x'), 7)
        self.clock.advance(0)
        self.assertEqual(len(client.sent), 2)

    def test_a_player_is_reached_on_all_connections_and_nobody_else(self):
        """Without subscribing, by the index of users."""
        ann1, ann2, bob, nobody = self.open("ann"), self.open("ann"), self.open("bob"), self.open()
        self.publish("player:notifications", {"playerId": "ann", "message": "hi"})
        self.assertEqual([len(self.told(client)) for client in (ann1, ann2, bob, nobody)], [1, 1, 0, 0])
        ann1.connection.lost("gone")
        self.publish("player:notifications", {"playerId": "ann", "message": "hi"})
        self.assertEqual([len(self.told(client)) for client in (ann1, ann2, bob, nobody)], [0, 1, 0, 0])

    def test_system_events_reach_no_client(self):
        """Not even one that asks for them."""
        client = self.open("ann", "system:events")
        self.command(client, op="subscribe", id=1, channel="system:events")
        self.publish("system:events", {"playerId": "ann"})
        self.assertEqual([m["code"] for m in self.told(client)], [103, 103])

    def test_an_excluded_client_does_not_get_it(self):
        """On a channel and on its own notifications."""
        first, second = self.open("ann", "open:1"), self.open("ann", "open:1")
        self.publish("open:1", exclude=first.connection.client)
        self.publish("player:notifications", {"playerId": "ann", "message": "x"}, exclude=second.connection.client)
        self.assertEqual([m["channel"] for m in self.told(first)], ["player:notifications"])
        self.assertEqual([m["channel"] for m in self.told(second)], ["open:1"])

    def test_a_slow_client_catches_up_and_costs_nobody_else(self):
        """Its log waits for it; notifications that it could not get are a gap."""
        slow, fast = self.open("ann", "open:1"), self.open("bob", "open:1")
        slow.connection.choked()
        self.publish("open:1", id="1")
        self.publish("player:notifications", {"playerId": "ann", "message": "x"})
        self.assertEqual((self.told(slow), len(self.told(fast))), ([], 1))
        slow.connection.drained()
        self.assertEqual(
            [(m.get("op"), m.get("id"), m["channel"]) for m in self.told(slow)],
            [("gap", None, "player:notifications"), (None, "1", "open:1")],
        )
        self.publish("open:1", id="2")
        self.assertEqual(len(self.told(slow)), 1)

    def test_a_slow_client_is_not_given_what_came_before_a_gap(self):
        """It would overwrite the state that it has just loaded."""
        slow = self.open(None, "open:1")
        slow.connection.choked()
        self.publish("open:1", id="old")
        self.clock.advance(0)
        self.hub.noticed("open:1", Notice("broker"))
        self.publish("open:1", id="new")
        self.clock.advance(0)
        slow.connection.drained()
        self.assertEqual([m.get("op") or m["id"] for m in self.told(slow)], ["gap", "new"])

    def test_answers_wait_for_a_client_that_does_not_read(self):
        """Commands that were read already are not carried out before it reads on."""
        client = self.open()
        client.connection.choked()
        for number in range(20):
            self.command(client, op="ping", id=number)
        self.assertEqual((self.told(client), client.calls), ([], ["pause"]))
        client.connection.drained()
        self.assertEqual((len(self.told(client)), client.calls), (20, ["pause", "resume"]))

    def test_a_subscription_is_told_before_its_events_however_slow_the_client_is(self):
        """The answer may wait for a client that does not read; what has come meanwhile waits behind it."""
        self.source.hold = True
        client = self.open()
        self.command(client, op="subscribe", id=1, channel="open:1")
        client.connection.choked()
        self.source.waiting["open:1"].callback(None)
        self.publish("open:1", id="e")
        self.assertEqual(self.told(client), [])
        client.connection.drained()
        self.assertEqual([m.get("op") or m["id"] for m in self.told(client)], ["subscribed", "e"])

    def test_an_interruption_is_told_to_whom_it_concerns(self):
        """Subscribers of the channel; every user for notifications; in order with the events."""
        reader, ann, nobody = self.open(None, "open:1"), self.open("ann"), self.open()
        self.publish("open:1", id="before")
        self.hub.noticed("open:1", Notice("broker"))
        self.publish("open:1", id="after")
        gap = {"op": "gap", "channel": "open:1", "reason": "broker", "reloadAfterMs": 0}
        before, told, after = self.told(reader)
        self.assertEqual((before["id"], told, after["id"]), ("before", gap, "after"))
        self.hub.noticed("player:notifications", Notice("broker"))
        self.hub.noticed("system:events", Notice("broker"))
        self.hub.noticed("nowhere", Notice("broker"))
        self.assertEqual([len(self.told(client)) for client in (reader, ann, nobody)], [0, 1, 0])
        self.assertEqual(self.hub.stats()["gaps"], 2)


class CommandTests(HubTests):
    def test_commands_are_answered_in_order_while_the_broker_takes_its_time(self):
        """A pipelined ping waits behind a subscription that waits for the broker."""
        self.source.hold = True
        client = self.open()
        self.command(client, op="connect", id=1)
        self.command(client, op="subscribe", id=2, channel="open:1")
        self.command(client, op="ping", id=3)
        self.assertEqual([m["id"] for m in self.told(client)], [1])
        self.source.waiting["open:1"].callback(None)
        self.assertEqual([(m["op"], m["id"]) for m in self.told(client)], [("subscribed", 2), ("pong", 3)])

    def test_a_client_that_pipelines_too_much_is_not_read(self):
        """Until its commands are done; memory is bounded."""
        self.source.hold = True
        client = self.open()
        self.command(client, op="subscribe", id=1, channel="open:1")
        for number in range(2, 22):
            self.command(client, op="ping", id=number)
        self.assertEqual(client.calls, ["pause"])
        self.source.waiting["open:1"].callback(None)
        self.assertEqual(client.calls, ["pause", "resume"])
        self.assertEqual([m["id"] for m in self.told(client)], list(range(1, 22)))

    def test_a_subscription_that_takes_too_long_is_a_temporary_error(self):
        """A client waits 5 s; later it may try again."""
        self.source.hold = True
        client = self.open()
        self.command(client, op="subscribe", id=1, channel="open:1")
        self.clock.advance(4)
        [error] = self.told(client)
        self.assertEqual((error["code"], error["temporary"], error["channel"]), (108, True, "open:1"))
        self.assertEqual(self.source.calls[-1], ("unfollow", "open:1"))
        self.source.waiting["open:1"].errback(BrokerAway("late"))

    def test_publishing(self):
        """The answer comes when the broker has taken it; failures say what is known."""
        client = self.open()
        event = {"channel": "open:1", "type": "t", "data": {"a": 1}}
        self.command(client, op="publish", id=1, **event)
        self.assertEqual(self.told(client), [{"op": "published", "id": 1, "channel": "open:1"}])
        self.assertEqual(self.source.calls[-1], ("publish", "open:1", "t", b'{"a": 1}'))
        for failure, code, words in (
            (EventError("t", "data.a", "Expected str, got int"), 107, "t data.a: Expected str, got int"),
            (PublishError("open:1", "e", "unknown", "no answer", 4), 108, "could not be published: unknown"),
        ):
            self.source.failure = failure
            self.command(client, op="publish", id=2, **event)
            [error] = self.told(client)
            self.assertEqual((error["code"], error["id"]), (code, 2))
            self.assertIn(words, error["message"])

    def test_an_error_of_ours_costs_one_command_and_tells_nothing(self):
        """The log has the traceback, the client a code."""
        client = self.open()
        self.source.failure = RuntimeError("secret")
        self.command(client, op="publish", id=1, channel="open:1", type="t", data={})
        [error] = self.told(client)
        self.assertEqual((error["code"], error["message"]), (100, "internal error"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_malformed_commands_are_answered(self):
        """The session lives."""
        client = self.open()
        client.connection.received(b"{")
        self.command(client, op="dance", id=2)
        self.command(client, op="ping", id=3)
        self.assertEqual([m.get("code") or m["op"] for m in self.told(client)], [107, 107, "pong"])
        self.assertEqual(self.hub.stats()["errors"], {"107": 2})


class ChannelLifeTests(HubTests):
    def followed(self, name):
        return [call for call in self.source.calls if call[1] == name]

    def test_fixed_channels_are_followed_from_start_to_end(self):
        """Nobody waits for the broker to subscribe to them."""
        names = {"leaderboard:updates", "match:events", "player:notifications", "system:events"}
        self.assertEqual({call[1] for call in self.source.calls}, names)
        client = self.open(None, "match:events")
        client.connection.lost("gone")
        self.assertEqual(self.followed("match:events"), [("follow", "match:events")])

    def test_others_are_followed_while_somebody_wants_them(self):
        """The first brings them, the last takes them away."""
        first, second = self.open(None, "open:1"), self.open(None, "open:1")
        self.assertEqual(self.followed("open:1"), [("follow", "open:1")])
        first.connection.lost("gone")
        self.assertEqual(self.followed("open:1"), [("follow", "open:1")])
        self.command(second, op="unsubscribe", id=1, channel="open:1")
        self.assertEqual(self.followed("open:1"), [("follow", "open:1"), ("unfollow", "open:1")])

    def test_a_client_that_left_while_the_broker_took_its_time_is_no_subscriber(self):
        """No ghost gets anything, and the channel is not kept for it."""
        self.source.hold = True
        client = self.open(None, "open:1")
        client.connection.lost("gone")
        self.source.waiting["open:1"].callback(None)
        self.assertEqual(self.source.calls[-1], ("unfollow", "open:1"))
        self.assertEqual(self.hub.stats()["subscriptions"], 0)

    def test_the_first_of_two_that_wait_may_leave(self):
        """The second gets its channel all the same, and can leave it."""
        self.source.hold = True
        first, second = self.open(None, "open:1"), self.open(None, "open:1")
        first.connection.lost("gone")
        self.source.waiting["open:1"].callback(None)
        self.publish("open:1")
        self.assertEqual(len(self.told(second)), 1)
        second.connection.lost("gone")
        self.assertEqual(self.source.calls[-1], ("unfollow", "open:1"))
        self.successResultOf(self.hub.drain(0))

    def test_nothing_is_left_of_clients_that_are_gone(self):
        """No user, no channel, no connection."""
        clients = [self.open(f"u{number % 3}", "open:1", f"open:{number}") for number in range(9)]
        for client in clients:
            client.connection.lost("gone")
        stats = self.hub.stats()
        self.assertEqual([stats[name] for name in ("connections", "users", "subscriptions", "channels")], [0, 0, 0, 4])


class EndTests(HubTests):
    def test_draining_tells_each_when_to_come_back(self):
        """Spread over the time; with the close code that invites back; done when all are gone."""
        clients = [self.open() for _ in range(1200)]
        done = self.hub.drain(20)
        self.clock.pump([0, 0, 0])
        goodbye = {
            "op": "disconnect",
            "code": 3001,
            "reason": "draining",
            "reconnect": True,
            "reconnectAfterMs": 10_000,
        }
        for client in clients:
            self.assertEqual((self.told(client), client.calls), ([goodbye], [("close", 3001)]))
        self.assertNoResult(done)
        late = self.open(None, "open:1")
        self.assertEqual((self.told(late), late.calls), ([goodbye], [("close", 3001)]))
        for client in [*clients, late]:
            client.connection.lost("gone")
        self.successResultOf(done)

    def test_draining_an_empty_hub_is_done_at_once(self):
        """Nobody to wait for."""
        self.successResultOf(self.hub.drain(20))

    def test_a_user_can_be_disconnected(self):
        """All of its connections here, and nobody else's."""
        ann1, ann2, bob = self.open("ann"), self.open("ann"), self.open("bob")
        self.assertEqual(self.hub.disconnect_user("ann", Disconnect(DisconnectCode.KICKED, "cheating")), 2)
        self.assertEqual(self.hub.disconnect_user("nobody", Disconnect(DisconnectCode.KICKED)), 0)
        goodbye = {"op": "disconnect", "code": 3500, "reason": "cheating", "reconnect": False}
        self.assertEqual([self.told(client) for client in (ann1, ann2, bob)], [[goodbye], [goodbye], []])

    def test_nothing_is_done_for_a_client_that_was_told_to_go(self):
        """Its commands are not read any more."""
        client = self.open("ann")
        self.hub.disconnect_user("ann", Disconnect(DisconnectCode.KICKED))
        self.told(client)
        self.command(client, op="ping", id=1)
        self.hub.disconnect_user("ann", Disconnect(DisconnectCode.KICKED))
        self.assertEqual((self.told(client), client.calls), ([], [("close", 3500)]))
        self.assertEqual(self.hub.stats()["disconnects"], {"3500": 1})


class AnonymousTests(HubTests):
    anonymous = True

    def test_a_claimed_user_is_refused(self):
        """With a reason, and a code that says stay away; nothing else happens."""
        client = self.open("ann", "open:1")
        [goodbye] = self.told(client)
        self.assertEqual((goodbye["code"], goodbye["reconnect"]), (3507, False))
        self.publish("open:1")
        self.publish("player:notifications", {"playerId": "ann", "message": "x"})
        self.assertEqual(self.told(client), [])
