"""A whole run against a relay in memory: what it finds, and that it finds what is wrong."""

import gc
import json

import txaio
from twisted.internet.error import ConnectError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.cli.load.crowd import OPENING_S
from pulsetw.cli.load.run import SILENCE_S, Clocks, Load, Run
from pulsetw.transport.frame import text_frame
from tests.unit.cli.load.relay import FakeRelay, refused
from tests.unit.client.test_client import NoClock

# Sums of it are exact.
STEP_S = 1 / 128
DEFAULTS = {
    "url": "ws://relay.example/ws",
    "publish_to": "http://relay.example:8081",
    "channels": ("bench:a", "bench:b"),
    "key": "",
    "clients": 3,
    "connect_rate": 8,
    "window": 0,
    "rate": 8,
    "seconds": 1,
    "size": 100,
}


class RunTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.patch(txaio.config, "loop", NoClock())
        self.addCleanup(gc.unfreeze)
        self.relay = FakeRelay(self.clock)
        self.cpu_s = 0.0
        self.told = []

    def start(self, **more):
        clocks = Clocks(lambda: round(self.clock.seconds() * 1_000_000), lambda: self.cpu_s)
        load = Load(**{**DEFAULTS, **more})
        self.run = Run(self.clock, clocks, load, "r", self.relay.endpoint, self.relay, self.told.append)
        self.done = self.run.start()

    def gather(self, clients=3):
        """One connects every 125 ms, and is subscribed."""
        for _ in range(clients):
            self.relay.accept()
            self.pass_time(0.125)

    def pass_time(self, seconds):
        self.clock.pump([STEP_S] * round(seconds / STEP_S))

    def report(self):
        """The relay closes what says good-bye; nothing is left behind."""
        for socket in self.relay.sockets:
            if socket.connected:
                self.relay.lose(socket, 1000)
        report = self.successResultOf(self.done)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return report

    def whole(self, **more):
        self.start(**more)
        self.gather()
        self.pass_time(1.5 + SILENCE_S)
        return self.report()

    def test_all_is_well(self):
        """Every event to every listener; the report says so in numbers."""
        report = self.whole()
        self.assertEqual((report.faults, report.warnings, report.interrupted), ([], [], False))
        connections, publishing, deliveries = report.connections, report.publishing, report.deliveries
        self.assertEqual((connections.asked, connections.made, connections.subscribed), (3, 3, 3))
        self.assertEqual((publishing.rate, publishing.window), (8, 0))
        self.assertIn(publishing.published, (8, 9))
        self.assertEqual(deliveries.expected, publishing.published * 3)
        self.assertEqual(deliveries.arrived, deliveries.expected)
        self.assertLessEqual(deliveries.latency_ms.max, 10.1)

    def test_it_ends_as_soon_as_all_has_come(self):
        """It waits only for what lacks."""
        self.start()
        self.gather()
        self.pass_time(1.2)
        self.assertEqual(self.report().faults, [])

    def test_clients_connect_at_their_rate(self):
        """And only when all are there events are published."""
        self.start()
        self.assertEqual(len(self.relay.endpoint.tries), 1)
        self.pass_time(0.125)
        self.assertEqual(len(self.relay.endpoint.tries), 2)
        for factory_and_waited in list(self.relay.endpoint.tries):
            factory_and_waited[1].errback(ConnectError())
        self.pass_time(0.2)
        self.assertEqual(self.relay.batches, [])
        self.relay.accept()
        self.assertNotEqual(self.relay.batches, [])
        self.pass_time(1.5)
        report = self.report()
        self.assertEqual((report.connections.subscribed, report.deliveries.lost), (1, 0))
        self.assertIn("2 connections failed: ", report.faults[0])

    def test_nobody_can_connect(self):
        """It ends at once, with the reason, and publishes nothing."""
        self.start(clients=1)
        self.relay.endpoint.tries[0][1].errback(ConnectError(string="nobody"))
        report = self.report()
        self.assertEqual((report.connections.made, report.publishing.published, report.delivering), (0, 0, None))
        self.assertEqual(len(report.faults), 1)

    def test_a_loss_is_found(self):
        """One event of one listener."""
        self.relay.faults = lambda listener, number: (listener, number) != (1, 4)
        report = self.whole()
        self.assertEqual((report.deliveries.lost, report.faults), (1, ["1 deliveries were lost"]))

    def test_a_duplicate_is_found(self):
        """The same."""
        self.relay.faults = lambda listener, number: 2 if (listener, number) == (1, 4) else 1
        report = self.whole()
        self.assertEqual((report.deliveries.duplicates, report.deliveries.lost), (1, 0))
        self.assertEqual(report.faults, ["1 deliveries came twice"])

    def test_an_event_may_come_in_pieces(self):
        """As sockets give it, with a ping in between the frames."""
        self.relay.faults = lambda listener, number: (listener, number) != (0, 0)
        self.start()
        self.gather()
        event = self.relay.batches[0][0]
        frame = text_frame(json.dumps(event, separators=(",", ":")).encode())
        socket = self.relay.sockets[0]
        socket.clear()
        for piece in (frame[:1], frame[1:50], frame[50:] + b"\x89\x01p"):
            socket.protocol.dataReceived(piece)
        self.assertEqual(socket.heard(), [(0x0A, b"p")])
        self.pass_time(1.5)
        self.assertEqual(self.report().faults, [])

    def test_a_gap_is_found(self):
        """With its reason; what others publish is no fault."""
        self.start()
        self.gather()
        self.relay.sockets[0].says(op="gap", channel="bench:a", reason="slow")
        self.relay.sockets[1].says(type="t", channel="bench:a", data={})
        self.relay.sockets[1].says(op="stale", since=1)
        self.pass_time(1.5)
        report = self.report()
        self.assertEqual((report.faults, report.deliveries.strangers), (["1 gaps were told: slow"], 1))

    def test_an_end_is_found(self):
        """By its code; what came later is not expected, and nothing else is lost."""
        self.start()
        self.gather()
        self.pass_time(0.5)
        self.relay.lose(self.relay.sockets[0], 3008)
        self.relay.drop(self.relay.sockets[1])
        self.pass_time(1)
        report = self.report()
        self.assertEqual(report.connections.disconnects, {"3008": 1, "1006": 1})
        self.assertEqual(report.deliveries.lost, 0)
        self.assertEqual(report.deliveries.arrived, report.deliveries.expected)

    def test_when_all_are_gone_it_ends(self):
        """Nobody could tell what comes of the rest."""
        self.start(seconds=60)
        self.gather()
        for socket in self.relay.sockets:
            self.relay.lose(socket, 3001)
        self.pass_time(0.125)
        report = self.report()
        self.assertEqual(report.faults, ["3 listeners were disconnected: 3001"])
        self.assertLess(report.publishing.seconds, 1)

    def test_a_refusal_is_found(self):
        """A listener without all of its subscriptions is none; its connection is given up."""
        self.start(clients=1)
        socket = self.relay.endpoint.accept()
        socket.answer()
        socket.says(op="subscribed", channel="bench:a")
        socket.says(op="error", channel="bench:b", code=102, message="unknown channel")
        self.assertTrue(socket.was_aborted)
        self.relay.drop(socket)
        report = self.report()
        self.assertEqual((report.connections.made, report.connections.subscribed), (1, 0))
        self.assertEqual(report.faults, ["1 subscriptions were refused or ended: 102 unknown channel (bench:b)"])

    def test_a_subscription_that_ends_later_is_found(self):
        """The relay says so by itself."""
        self.start()
        self.gather()
        self.relay.sockets[0].says(op="unsubscribed", channel="bench:b", code=103, reason="permission denied")
        self.pass_time(1.5)
        self.assertEqual(list(self.report().connections.refusals), ["103 permission denied (bench:b)"])

    def test_no_answer_is_not_waited_for_without_end(self):
        """Neither the endpoint's, nor the handshake's, nor the subscription's; the run goes on with who is there."""
        self.start(clients=4)
        self.relay.accept()
        self.pass_time(0.125)
        mute = [self.relay.endpoint.accept()]
        self.pass_time(0.125)
        mute.append(self.relay.endpoint.accept())
        mute[1].answer()
        self.pass_time(0.125)
        self.pass_time(OPENING_S)
        self.assertTrue(all(socket.was_aborted for socket in mute))
        for socket in mute:
            self.relay.drop(socket)
        self.pass_time(1.5)
        report = self.report()
        self.assertEqual(report.connections.failures, {"not subscribed within 10 s": 3})
        self.assertEqual((report.connections.subscribed, report.deliveries.lost), (1, 0))

    def test_a_handshake_may_fail(self):
        """With the relay's status."""
        self.start(clients=1)
        socket = self.relay.endpoint.accept()
        socket.protocol.dataReceived(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        self.relay.drop(socket)
        self.assertIn("403", self.report().faults[0])

    def test_publishing_that_is_refused_ends_it(self):
        """With the relay's words."""
        self.relay.answering = lambda _: refused(401, code=101, message="unauthorized")
        self.relay.faults = lambda listener, number: 0
        self.start()
        self.gather()
        self.pass_time(0.1)
        report = self.report()
        self.assertEqual(report.publishing.error, "101 unauthorized")
        self.assertEqual(report.faults[-1], "publishing ended early: 101 unauthorized")

    def test_a_window_goes_on_as_events_arrive(self):
        """As fast as they do."""
        self.relay.faults = lambda listener, number: number < 250
        self.start(window=2, rate=1)
        self.gather()
        self.pass_time(1.5 + SILENCE_S)
        report = self.report()
        self.assertEqual(
            (report.publishing.published, report.publishing.window, report.publishing.rate), (252, 2, None)
        )
        self.assertEqual(report.deliveries.lost, 6)

    def test_an_interrupted_run_tells_what_there_is(self):
        """What was on its way is not lost; a second time does nothing."""
        self.relay.hold = True
        self.relay.faults = lambda listener, number: 0
        self.start()
        self.gather()
        self.pass_time(0.5)
        self.run.interrupt()
        self.run.interrupt()
        self.relay.answer()
        report = self.report()
        self.assertEqual((report.interrupted, report.faults), (True, []))

    def test_it_is_interrupted_while_it_connects(self):
        """Those who are there leave, the others are not waited for."""
        self.start()
        self.relay.accept()
        self.pass_time(0.125)
        self.run.interrupt()
        report = self.report()
        self.assertEqual((report.connections.subscribed, report.faults), (1, []))

    def test_a_relay_that_does_not_close_is_cut_off(self):
        """After 2 s."""
        self.start()
        self.gather()
        self.pass_time(1.5)
        self.assertNoResult(self.done)
        self.clock.advance(2)
        self.assertTrue(all(socket.was_aborted for socket in self.relay.sockets))
        self.report()

    def test_its_own_limits_are_told(self):
        """A tool that uses its core up, or comes late, has measured itself."""
        self.start()
        self.gather()
        self.cpu_s += 1.0
        self.pass_time(1.2)
        self.assertRegex(
            self.report().warnings[0],
            r"the load tool used \d+ % of its core while events flowed: .* its limit, not the relay's",
        )
        self.relay = FakeRelay(self.clock)
        self.start()
        self.gather()
        for _ in range(6):
            self.clock.advance(0.25)
        self.assertIn("ms (p99) while events flowed", self.report().warnings[0])

    def test_it_tells_how_far_it_is(self):
        """Phase by phase."""
        self.relay.faults = lambda listener, number: number < 5
        self.whole()
        phases = [each.phase for each in self.told]
        self.assertEqual(list(dict.fromkeys(phases)), ["connecting", "publishing", "waiting"])
        shares = [each.share for each in self.told if each.phase == "publishing"]
        self.assertEqual(shares, sorted(shares))
        self.assertLess(shares[0], shares[-1])
