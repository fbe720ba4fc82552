"""Starting and stopping a relay, in every state."""

import socket

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.internet.testing import EventLoggingObserver
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from pulsetw.config import BrokerSettings, Config, ServerSettings
from pulsetw.errors import ConfigError
from pulsetw.model import Event
from pulsetw.service import Relay
from pulsetw.transport import direct
from tests.unit.transport.doubles import frame, request

LOOPBACK = "tcp:0:interface=127.0.0.1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answer_to_ping(port):
    """What a WebSocket client gets that asks for a pong, its handshake's answer included."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request() + frame(b'{"op":"ping"}'))
        answer = b""
        while b"pong" not in answer and (data := client.recv(4096)):
            answer += data
        return answer


class RelayTests(TestCase):
    timeout = 30

    def relay(self, listen=(LOOPBACK,), admin=(), broker="memory://"):
        server = ServerSettings(listen=listen, admin=admin, drain_s=0)
        return Relay(reactor, Config(server=server, broker=BrokerSettings(url=broker)))

    async def test_clients_come_in_when_the_broker_is_ready_and_operators_before(self):
        """While Redis is away the operator's port says so, and no client is accepted."""
        port, admin = free_port(), free_port()
        relay = self.relay(
            (f"tcp:{port}:interface=127.0.0.1",),
            (f"tcp:{admin}:interface=127.0.0.1",),
            f"redis://127.0.0.1:{free_port()}",
        )
        relay.startService()
        self.addCleanup(relay.stopService)
        while "refused" not in str(relay.readiness().reasons):
            await deferLater(reactor, 0.01)
        opened = await gatherResults([deferToThread(is_open, number) for number in (port, admin)])
        self.assertEqual(opened, [False, True])
        state = relay.readiness()
        self.assertFalse(state.ready)
        self.assertEqual(state.reasons[0], "starting")
        await relay.stopService()
        opened = await gatherResults([deferToThread(is_open, number) for number in (port, admin)])
        self.assertEqual(opened, [False, False])
        self.assertFalse(relay.started.called)

    async def test_an_application_publishes_and_listens(self):
        """On the memory broker, without a port for operators."""
        relay = self.relay()
        relay.startService()
        await relay.started
        self.assertTrue(relay.readiness().ready)
        heard = []
        await relay.pubsub.subscribe("system:events", lambda _, event: heard.append(event.type), own=True)
        await relay.pubsub.publish("system:events", Event("hello", {}))
        await relay.stopService()
        self.assertIn("hello", heard)
        self.assertEqual(relay.readiness().reasons[0], "draining")

    async def test_a_twisted_that_cannot_be_sent_with_directly(self):
        """The log, health and the statistics say why, and clients get their answers the other way."""
        self.patch(direct, "why_not", lambda: "what waits to be sent does not show")
        logged = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        directly = []
        self.patch(direct, "send", lambda transport, data: directly.append(data))
        port = free_port()
        relay = self.relay((f"tcp:{port}:interface=127.0.0.1",))
        [warning] = [event for event in logged if event["log_level"] is LogLevel.warn]
        self.assertIn("Twisted's buffers: what waits to be sent does not show", formatEvent(warning))
        self.assertEqual(relay.readiness().why_not_direct, "what waits to be sent does not show")
        self.assertEqual(relay.stats()["front"]["direct_send"], "what waits to be sent does not show")
        relay.startService()
        self.addCleanup(relay.stopService)
        await relay.started
        answer = await deferToThread(answer_to_ping, port)
        self.assertIn(b'"op":"pong"', answer)
        self.assertEqual(directly, [])

    async def test_sends_are_direct(self):
        """With the Twisted of these tests; the log does not mention it."""
        logged = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        relay = self.relay()
        self.assertEqual(relay.readiness().why_not_direct, "")
        self.assertEqual(relay.stats()["front"]["direct_send"], "yes")
        self.assertEqual([event for event in logged if event["log_level"] is LogLevel.warn], [])

    async def test_a_port_that_cannot_be_opened_fails_the_start_and_leaves_none_open(self):
        """The error names the setting; stopping closes what was opened."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = free_port()
            busy = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            relay = self.relay((f"tcp:{port}:interface=127.0.0.1", busy))
            relay.startService()
            with self.assertRaisesRegex(ConfigError, r"server.listen\[1\]: cannot listen: .*in use"):
                await relay.started
            self.assertIn("start failed", relay.readiness().reasons[0])
            await relay.stopService()
            self.assertFalse(await deferToThread(is_open, port))

    async def test_a_step_that_fails_does_not_keep_it_from_leaving(self):
        """The others are taken, and the log has what failed."""
        relay = self.relay()
        relay.startService()
        await relay.started

        def broken(_):
            raise RuntimeError("bug")

        self.patch(relay._hub, "drain", broken)
        await relay.stopService()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertFalse(relay.pubsub.get_health_status()["is_healthy"])
        relay._hub._sweep.stop()
