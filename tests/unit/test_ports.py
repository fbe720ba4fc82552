"""Ports that are opened and closed together."""

import socket

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from pulsetw.errors import ConfigError
from pulsetw.ports import Ports

LOOPBACK = "tcp:0:interface=127.0.0.1"


class PortTests(TestCase):
    timeout = 30

    def ports(self, opened):
        def endpoint(description):
            inner = serverFromString(reactor, description)
            listen = inner.listen
            inner.listen = lambda factory: listen(factory).addCallback(lambda port: opened.append(port) or port)
            return inner

        return Ports("server.listen", "clients", endpoint, reactor)

    async def test_each_is_tuned_for_many_clients(self):
        """The kernel buffers little for one that does not read; Linux doubles what it is told."""
        opened = []
        ports = self.ports(opened)
        await ports.open([LOOPBACK, LOOPBACK], Factory())
        sizes = [port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) for port in opened]
        self.assertEqual(sizes, [2 * 65536] * 2)
        await ports.close()

    async def test_one_that_cannot_be_opened_is_named_and_those_before_it_can_be_closed(self):
        """With its place in the setting."""
        opened = []
        ports = self.ports(opened)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            busy = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            with self.assertRaisesRegex(ConfigError, r"server.listen\[1\]: cannot listen: .*in use"):
                await ports.open([LOOPBACK, busy], Factory())
        self.assertTrue(opened[0].connected)
        await ports.close()
        self.assertFalse(opened[0].connected)
        await ports.close()

    def test_one_that_does_not_close_is_waited_for_a_second(self):
        """And one that is none of Twisted's own is left as it is."""

        class Stuck:
            def getHost(self):
                return None

            def stopListening(self):
                return Deferred()

        class Endpoint:
            def listen(self, factory):
                return succeed(Stuck())

        clock = Clock()
        ports = Ports("server.admin", "operators", lambda _: Endpoint(), clock)
        self.successResultOf(Deferred.fromCoroutine(ports.open(["x"], Factory())))
        closing = ports.close()
        self.assertNoResult(closing)
        clock.advance(1)
        self.failureResultOf(closing)
