"""The table for people."""

import attrs
from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from pulsetw import codec
from pulsetw.cli.load.histogram import Percentiles
from pulsetw.cli.load.report import Connections, Deliveries, Publishing, Report
from pulsetw.cli.load.strain import Strain
from pulsetw.cli.show import table

TIMES = Percentiles(1.0, 2.0, 3.0, 4.25)
GOOD = Report(
    "ws://[::1]:8080/ws",
    False,
    Connections(3, 3, 3, 150.0, {}, {}, {}, TIMES),
    Publishing(10.0, 0, 2.0, 20, 10.0, {}, ""),
    Deliveries(60, 60, 30.0, 0, 0, 0, {}, 0, TIMES),
    Strain(0.1, TIMES),
    Strain(0.2, TIMES),
)


def changed(**parts):
    """A report with other numbers: `part={member: value}`."""
    members = {name: attrs.evolve(getattr(GOOD, name), **values) for name, values in parts.items()}
    names = ("url", "interrupted", "connections", "publishing", "deliveries", "connecting", "delivering")
    return Report(*(members.get(name, getattr(GOOD, name)) for name in names))


class TableTests(SynchronousTestCase):
    def shown(self, report):
        """Words, however the lines break."""
        with CliRunner().isolation() as streams:
            table(report)
            text = streams[0].getvalue().decode()
        return " ".join(text.split())

    def test_numbers_have_their_names(self):
        """What was not measured is left out, not 0."""
        text = self.shown(GOOD)
        for words in ("ws://[::1]:8080/ws", "connections 3 150.0 1.0 2.0 3.0 4.2", "published 20 10.0", "lost 0"):
            self.assertIn(words, text)
        empty = changed(deliveries={"arrived": 0, "per_second": 0.0})
        self.assertIn("deliveries 0 0.0 lost", self.shown(empty))

    def test_faults_and_warnings_are_said(self):
        """In words, with reasons as they came: brackets are no markup."""
        report = changed(
            connections={"refusals": {"102 unknown channel ([red]a)": 3}, "disconnects": {"3008": 1}},
            publishing={"failures": {"108 not available": 2}, "per_second": 5.0},
            deliveries={"lost": 4, "gaps": {"slow": 5}, "duplicates": 6, "out_of_order": 7},
            delivering={"cpu_share": 0.98},
        )
        text = self.shown(report)
        for words in (
            "3 subscriptions were refused or ended: 102 unknown channel ([red]a)",
            'by a line such as [channels."bench:*"]',
            "1 listeners were disconnected: 3008",
            "2 events failed to be published: 108 not available",
            "5 gaps were told: slow",
            "4 deliveries were lost",
            "6 deliveries came twice",
            "7 deliveries came out of order",
            "used 98 % of its core while events flowed: rates and latencies are its limit, not the relay's",
            "5.0 of 10 events a second were published",
        ):
            self.assertIn(words, text)

    def test_a_program_reads_the_same(self):
        """The JSON's members are the report's."""
        document = codec.decode(codec.encode(GOOD))
        self.assertEqual(document["deliveries"]["latency_ms"], {"p50": 1.0, "p90": 2.0, "p99": 3.0, "max": 4.25})
        self.assertEqual((document["faults"], document["warnings"], document["interrupted"]), ([], [], False))
