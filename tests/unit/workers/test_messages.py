"""What the supervisor and a worker say to each other."""

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Rule
from pulsetw.config import AuthSettings, BrokerSettings, Config, Limits, ServerSettings
from pulsetw.web.status import Readiness
from pulsetw.workers.messages import Ask, Channel, Drain, Failed, Hurry, Report, Said, Start

CONFIG = Config(
    server=ServerSettings(listen=("tcp:1", "unix:/x"), admin=(), drain_s=0.5, workers=3),
    broker=BrokerSettings(url="redis://:p%40ss@db", prefix="a"),
    auth=AuthSettings(anonymous="named", api_keys=("key",), origins=("https://a.example",)),
    channels={"kept:*": Rule(history_size=3, ack="window")},
    limits=Limits(publish_retry_ms=(1, 2)),
)


class ChannelTests(SynchronousTestCase):
    def test_what_one_end_sends_the_other_receives(self):
        """Settings whole, the secrets among them; numbers of any depth; however the bytes are cut."""
        messages = [
            Start(CONFIG, "server.1", 0),
            Ask(),
            Drain(),
            Hurry(),
            Report(Readiness(False, ["why"], {"ageMs": None}), {"hub": {"errors": {"100": 1}, "deliveries": 2**40}}),
            Failed("a {problem}"),
            Said("info", "pulsetw.x", "two\nlines: \u2028 \U0001f600"),
        ]
        received, transport = [], StringTransport()
        here, there = Channel(None), Channel(received.append)
        here.makeConnection(transport)
        there.makeConnection(StringTransport())
        for message in messages:
            here.send(message)
        sent = transport.value()
        for start in range(0, len(sent), 7):
            there.dataReceived(sent[start : start + 7])
        self.assertEqual(received, messages)
