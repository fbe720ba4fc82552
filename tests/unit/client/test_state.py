"""What a client does, held against the vectors that ``client.js`` keeps, too."""

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.client.effects import Tell
from pulsetw.client.state import ClientOptions, ClientState
from pulsetw.commands import Gap
from pulsetw.model import Event, Notice, Position, Publication
from tests.unit.client.vectors import Case

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "client.json").read_text())


class VectorTests(SynchronousTestCase):
    def test_cases(self):
        """Each step of each case gives exactly what it should, then waits for the right time, at the right place."""
        for vector in VECTORS["cases"]:
            case = Case(vector)
            for number, step in enumerate(vector["steps"]):
                expected = {"gives": step["gives"], "due": step["due"], "positions": step.get("positions", {})}
                self.assertEqual(case.take(step), expected, f"{vector['name']}, step {number}: {step['do']}")


class ValueTests(SynchronousTestCase):
    def setUp(self):
        self.state = ClientState(ClientOptions(max_channels=1), lambda: 0.5)
        self.state.subscribe(0, "a")
        self.state.start(0)
        self.state.opened(0)
        self.state.message(0, {"op": "subscribed", "id": 2, "channel": "a"})

    def test_a_publication_has_what_the_wire_had(self):
        """In the words of `pulsetw.model`."""
        members = {"type": "t", "channel": "a", "timestamp": 7, "serverId": "s", "id": "e", "data": {"n": 1}}
        (effect,) = self.state.message(
            0, {**members, "tags": {"k": "v"}, "offset": 3, "epoch": "k.b", "degraded": True}
        )
        event = Event("t", {"n": 1}, 7, "s", "e", {"k": "v"})
        self.assertEqual(effect.publication, Publication("a", event, Position(3, "k", "b"), degraded=True))

    def test_a_gap_has_what_the_wire_had(self):
        """Places that are missing are None."""
        (effect,) = self.state.message(
            0, {"op": "gap", "channel": "a", "reason": "slow", "to": {"offset": 3, "epoch": "k"}, "reloadAfterMs": 5}
        )
        self.assertEqual(effect.gap, Gap("a", Notice("slow", None, Position(3, "k")), 5))

    def test_an_event_that_cannot_be_read_is_a_gap(self):
        """For its channel, once; for every live one where nothing is known of it."""
        gap = Tell(Gap("a", Notice("dropped")))
        self.assertEqual(self.state.unread(0, {"channel": "a", "id": "e"}), [gap])
        self.assertEqual(self.state.unread(0, {"channel": "a", "id": "e"}), [])
        self.assertEqual(self.state.unread(0, {"channel": "other"}), [])
        self.assertEqual(self.state.unread(0, {}), [gap])
        self.state.stop(0)
        self.assertEqual(self.state.unread(0, {}), [])

    def test_subscriptions_are_counted(self):
        """One of a channel, and not more than the options say."""
        for channel in ("a", "b"):
            with self.assertRaises(ValueError):
                self.state.subscribe(0, channel)
        self.assertEqual(list(self.state.channels), ["a"])
