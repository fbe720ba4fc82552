"""How relays speak to each other."""

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.errors import BrokerAway
from pulsetw.pubsub.manager import PubSubManager
from pulsetw.pubsub.options import PubSubOptions
from pulsetw.servers import Servers
from pulsetw.version import __version__
from tests.doubles import FakeBroker, ids


class FakeHub:
    def __init__(self):
        self.disconnected = []

    def stats(self):
        return {"connections": 3}

    def disconnect_user(self, user, disconnect):
        self.disconnected.append((user, int(disconnect.code), disconnect.reason))
        return 1


class ServersTests(SynchronousTestCase):
    def setUp(self):
        self.clock, self.broker, self.hub = Clock(), FakeBroker(), FakeHub()
        catalogue = Catalogue(builtin_channels(), {})
        self.pubsub = PubSubManager(self.broker, catalogue, self.clock, "me", PubSubOptions(), ids(), lambda: 1)
        self.servers = Servers(self.pubsub, self.hub, self.clock)
        self.successResultOf(self.servers.listen())

    def said(self):
        return [(e["type"], e["data"]) for e in (json.loads(payload) for _, _, payload in self.broker.published)]

    def hear(self, **data):
        envelope = {"type": "disconnect_player", "serverId": "other", "data": data}
        self.pubsub.received("system:events", json.dumps(envelope).encode())

    def test_a_server_says_that_it_came_lives_and_leaves(self):
        """With its name, its version, its age in seconds and its clients."""
        self.servers.start()
        self.clock.advance(10)
        self.successResultOf(self.servers.stop())
        self.clock.advance(30)
        self.assertEqual(
            self.said(),
            [
                ("server_started", {"name": "me", "version": __version__}),
                ("server_heartbeat", {"name": "me", "version": __version__, "uptimeS": 10, "connections": 3}),
                ("server_stopping", {"name": "me"}),
            ],
        )

    def test_leaving_does_not_depend_on_the_broker(self):
        """What could not be said is not an error."""
        self.broker.answers = [BrokerAway("x")] * 4
        gone = self.servers.stop()
        self.clock.pump([0.1, 0.2, 0.4])
        self.assertIsNone(self.successResultOf(gone))

    def test_a_player_is_disconnected_on_every_server(self):
        """With the application's reason, cut to what a close frame holds."""
        self.hear(playerId="ann", reason="cheating")
        self.hear(playerId="bob")
        self.hear(playerId="eve", reason="é" * 100)
        self.assertEqual(
            self.hub.disconnected,
            [("ann", 3500, "cheating"), ("bob", 3500, "disconnected by the application"), ("eve", 3500, "é" * 61)],
        )
