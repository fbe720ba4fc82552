"""What clients see of histories, of notices, and of a broker that is away."""

from msgspec import Raw

from pulsetw.catalogue import Rule
from pulsetw.model import Branch, Event, Lineage, Notice, Publication
from tests.unit.hub.test_hub import HubTests

RULES = {"kept:*": Rule(history_size=100), "open:*": Rule()}
ONE = Lineage("e", (Branch("b1", 0),))


class KeptTests(HubTests):
    rules = RULES

    def placed(self, channel="kept:1", top=0):
        self.hub.placed(channel, ONE, top)

    def append(self, *offsets, channel="kept:1"):
        for offset in offsets:
            event = Event("t", Raw(b"{}"), 1, "s", str(offset))
            self.hub.publication(Publication(channel, event, ONE.at(offset)))

    def subscribe(self, client, **members):
        self.command(client, op="subscribe", id=1, channel="kept:1", **members)

    def seen(self, client):
        return [m.get("op") or m["offset"] for m in self.told(client)]


class ComingBackTests(KeptTests):
    def setUp(self):
        super().setUp()
        self.first = self.open()
        self.subscribe(self.first)
        self.placed()
        self.append(1, 2, 3)
        self.told(self.first)

    def test_the_answer_comes_first_and_then_what_was_missed(self):
        """With the place as it was sent out; each event once."""
        client = self.open()
        self.append(4)
        self.subscribe(client, since={"offset": 1, "epoch": "e.b1"})
        self.append(5)
        answer, *events = self.told(client)
        self.assertEqual(
            answer,
            {"op": "subscribed", "id": 1, "channel": "kept:1", "offset": 1, "epoch": "e.b1", "recovered": True},
        )
        self.assertEqual([(event["offset"], event["epoch"]) for event in events], [(n, "e.b1") for n in (2, 3, 4, 5)])
        self.assertEqual(self.seen(self.first), [4, 5])

    def test_a_client_that_does_not_read_gets_it_later_and_in_the_same_order(self):
        """Nothing comes before the answer."""
        self.source.hold = True
        client = self.open()
        self.command(client, op="subscribe", id=1, channel="kept:2", last=2)
        self.placed("kept:2")
        self.append(1, 2, 3, channel="kept:2")
        self.told(client)
        client.connection.choked()
        self.source.waiting["kept:2"].callback(None)
        self.append(4, channel="kept:2")
        self.hub.cut("kept:2", Notice("diverged", ONE.at(4), ONE.at(3)))
        self.assertEqual(self.told(client), [])
        client.connection.drained()
        self.assertEqual(self.seen(client), ["subscribed", 2, 3, "gap"])

    def test_a_gap_does_not_come_before_the_answer_either(self):
        """The client would know no such channel."""
        self.source.hold = True
        for channel in ("kept:2", "open:1"):
            client = self.open()
            self.command(client, op="subscribe", id=1, channel=channel)
            self.placed("kept:2", 4)
            client.connection.choked()
            self.source.waiting[channel].callback(None)
            for offset in (3, 2):
                self.hub.cut("kept:2", Notice("diverged", ONE.at(4), ONE.at(offset)))
            self.hub.noticed("open:1", Notice("broker"))
            self.assertEqual(self.told(client), [])
            client.connection.drained()
            answer, gap = self.told(client)
            self.assertEqual((answer["op"], gap["op"], gap["channel"]), ("subscribed", "gap", channel))
            if channel == "kept:2":
                self.assertEqual((gap["from"]["offset"], gap["to"]["offset"]), (4, 2))

    def test_where_it_cannot_be_recovered_the_answer_is_the_gap(self):
        """Spread over the time that all of a fleet may take, where all are concerned."""
        client = self.open()
        self.subscribe(client, since={"offset": 2, "epoch": "other"})
        self.assertEqual(
            self.told(client),
            [
                {
                    "op": "subscribed",
                    "id": 1,
                    "channel": "kept:1",
                    "offset": 3,
                    "epoch": "e.b1",
                    "recovered": False,
                    "reason": "epoch",
                    "from": {"offset": 2, "epoch": "other"},
                    "to": {"offset": 3, "epoch": "e.b1"},
                    "reloadAfterMs": 10_000,
                }
            ],
        )

    def test_without_a_history_there_is_nothing_to_come_back_to(self):
        """The answer says so."""
        client = self.open()
        self.command(client, op="subscribe", id=1, channel="open:1", since={"offset": 2, "epoch": "e"})
        [answer] = self.told(client)
        self.assertEqual((answer["recovered"], answer["reason"], "offset" in answer), (False, "trimmed", False))

    def test_history_needs_no_subscription(self):
        """The newest, or those after a place; a channel that nobody else wants is followed no longer than needed."""
        client = self.open()
        self.command(client, op="history", id=7, channel="kept:1", limit=2)
        self.command(client, op="history", id=8, channel="kept:1", since={"offset": 0, "epoch": "e.b1"}, limit=1)
        self.command(client, op="history", id=9, channel="open:1")
        newest, first, refused = self.told(client)
        self.assertEqual([each["offset"] for each in newest["publications"]], [2, 3])
        self.assertEqual([each["offset"] for each in first["publications"]], [1])
        self.assertEqual((newest["offset"], newest["epoch"], refused["code"]), (3, "e.b1", 107))
        self.command(client, op="history", id=7, channel="kept:2")
        self.assertEqual(self.source.calls[-2:], [("follow", "kept:2"), ("unfollow", "kept:2")])

    def test_what_the_log_had_before_is_taken_while_the_subscription_is_made(self):
        """Also by a source that gives it at once."""
        follow = self.source.follow

        def following(channel, follower):
            event = Event("t", Raw(b"{}"), 1, "s", "5")
            follower.past(channel, [Publication(channel, event, ONE.at(5))])
            follower.placed(channel, ONE, 5)
            return follow(channel, follower)

        self.source.follow = following
        client = self.open()
        self.command(client, op="subscribe", id=1, channel="kept:2", since={"offset": 4, "epoch": "e.b1"})
        self.assertEqual(self.seen(client), ["subscribed", 5])

    def test_a_cut_and_a_notice_come_in_order_with_the_events(self):
        """What had waited for the flush is sent before."""
        two = Lineage("e", (*ONE.branches, Branch("b2", 3)))
        self.append(4)
        self.hub.cut("kept:1", Notice("diverged", ONE.at(4), two.at(3)))
        self.placed()
        gap = {"op": "gap", "channel": "kept:1", "reason": "diverged", "reloadAfterMs": 10_000}
        places = {"from": {"offset": 4, "epoch": "e.b1"}, "to": {"offset": 3, "epoch": "e.b2"}}
        event, told = self.told(self.first)
        self.assertEqual((event["offset"], told), (4, {**gap, **places}))
        self.hub.noticed("kept:1", Notice("trimmed", two.at(3), two.at(7)))
        self.hub.cut("nowhere", Notice("diverged", ONE.at(4), two.at(3)))
        self.hub.placed("nowhere", ONE, 3)
        self.hub.past("nowhere", [])
        [told] = self.told(self.first)
        self.assertEqual((told["reason"], told["reloadAfterMs"]), ("trimmed", 0))
        self.assertEqual(self.hub.stats()["gaps"], 2)


class StaleTests(KeptTests):
    def test_everybody_is_told_that_the_broker_is_away_and_when_it_is_back(self):
        """Also who comes meanwhile, and who did not read until later."""
        early, slow, slower = self.open(), self.open(), self.open()
        slow.connection.choked()
        slower.connection.choked()
        self.hub.stale(1234)
        late = self.open(None, "open:1")
        stale, fresh = {"op": "stale", "since": 1234}, {"op": "fresh"}
        self.assertEqual([self.told(client) for client in (early, slow, late)], [[stale], [], [stale]])
        slow.connection.drained()
        self.hub.fresh()
        slower.connection.drained()
        self.assertEqual(
            [self.told(client) for client in (early, slow, slower, late)], [[fresh], [stale, fresh], [], [fresh]]
        )
        self.assertEqual(self.told(self.open()), [])
