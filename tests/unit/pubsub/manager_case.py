"""A manager on a broker that is none."""

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue, Rule
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.pubsub.manager import PubSubManager
from pulsetw.pubsub.options import PubSubOptions
from pulsetw.pubsub.outbox import OutboxOptions
from tests.doubles import FakeBroker, ids

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
