# ruff: noqa: ASYNC240 -- a look at a path blocks nobody here
"""One socket, many processes: here with both sides in one."""

import os
import socket
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pulsetw.errors import ConfigError
from pulsetw.workers.sockets import Inherited, bind
from pulsetw.workers.turns import Counts, Turns

ALONE = Turns(Counts(1), 0, lambda: 0)


class Greeter(Protocol):
    def connectionMade(self):
        self.transport.write(self.factory.word)
        self.transport.loseConnection()


def greeting(word):
    factory = Factory.forProtocol(Greeter)
    factory.word = word
    return factory


def read(family, address):
    with socket.socket(family) as connection:
        connection.settimeout(10)
        connection.connect(address)
        return connection.makefile("rb").read()


class SocketTests(TestCase):
    timeout = 30

    async def bound(self, *descriptions):
        bound = []
        await bind(descriptions, bound)
        for each in bound:
            self.addCleanup(lambda each=each: each.socket.fileno() < 0 or each.close())
        return bound

    async def listen(self, bound, description, word, turns=ALONE):
        """As a worker does: on a descriptor of its own, and with the backlog that `Ports` asks for."""
        inherited = Inherited(reactor, os.dup(bound.socket.fileno()), turns)
        port = await inherited.endpoint(description).listen(greeting(word))
        port.socket.listen(10)
        return port

    async def test_nobody_is_let_in_before_a_worker_listens_and_the_others_stay_when_one_leaves(self):
        """TCP, of both families; a unix socket, whose path keeps its mode and outlives the worker."""
        path = self.mktemp()
        for description, family in (
            ("tcp:0:interface=127.0.0.1", socket.AF_INET),
            ("tcp6:0:interface=\\:\\:1", socket.AF_INET6),
            (f"unix:{path}:mode=600", socket.AF_UNIX),
        ):
            (bound,) = await self.bound(description)
            address = bound.socket.getsockname()
            with self.assertRaises(ConnectionRefusedError):
                await deferToThread(read, family, address)
            first = await self.listen(bound, description, b"first")
            second = await self.listen(bound, description, b"second")
            await first.stopListening()
            self.assertEqual(await deferToThread(read, family, address), b"second")
            if family == socket.AF_UNIX:
                self.assertEqual(Path(path).stat().st_mode & 0o777, 0o600)
            bound.close()
            await second.stopListening()
            with self.assertRaises(OSError):
                await deferToThread(read, family, address)
        self.assertFalse(Path(path).exists())
        self.assertFalse(Path(f"{path}.lock").is_symlink())

    async def test_one_that_has_more_than_others_leaves_connections_to_them(self):
        """And takes them all the same, in a moment, when nobody else does."""
        (bound,) = await self.bound("tcp:0:interface=127.0.0.1")
        address = bound.socket.getsockname()
        counts = Counts(2)
        # Who comes last is woken first.
        few = await self.listen(bound, "tcp:0", b"few", Turns(counts, 1, lambda: 0))
        many = await self.listen(bound, "tcp:0", b"many", Turns(counts, 0, lambda: 100))
        counts.set(1, 0)
        self.assertEqual(await deferToThread(read, socket.AF_INET, address), b"few")
        few.stopReading()
        self.assertEqual(await deferToThread(read, socket.AF_INET, address), b"many")
        await many.stopListening()
        await few.stopListening()

    async def test_what_is_around_the_socket_is_the_workers(self):
        """PROXY protocol, say: the client's word about itself comes first."""
        description = "haproxy:tcp:0:interface=127.0.0.1"
        (bound,) = await self.bound(description)
        port = await self.listen(bound, description, b"hello")
        address = bound.socket.getsockname()

        def speak():
            with socket.create_connection(address, 10) as connection:
                connection.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
                return connection.makefile("rb").read()

        self.assertEqual(await deferToThread(speak), b"hello")
        await port.stopListening()

    async def test_a_path_of_one_who_has_died_is_taken_over(self):
        """One that somebody listens on is not; nor is what is no socket."""
        path = Path(self.mktemp())
        (first,) = await self.bound(f"unix:{path}")
        with self.assertRaisesRegex(ConfigError, r"server.listen\[0\]: cannot listen: .*another process"):
            await self.bound(f"unix:{path}")
        # What a killed process leaves: the path, and a lock with the number of a process that there is not.
        first.close()
        with socket.socket(socket.AF_UNIX) as died:
            died.bind(str(path))
        Path(f"{path}.lock").symlink_to("999999999")
        await self.bound(f"unix:{path}")
        file = Path(self.mktemp())
        file.write_text("precious")
        Path(f"{file}.lock").symlink_to("999999999")
        with self.assertRaises(ConfigError):
            await self.bound(f"unix:{file}")
        self.assertEqual(file.read_text(), "precious")

    async def test_a_socket_of_systemd(self):
        """It listens already. Only the supervisor knows its name; nothing is removed when it is let go."""
        with socket.create_server(("127.0.0.1", 0)) as given:
            given.setblocking(False)
            inherited = Inherited(reactor, os.dup(given.fileno()), ALONE)
            endpoint = inherited.endpoint("systemd:domain=INET:index=0")
            port = await endpoint.listen(greeting(b"hello"))
            self.assertEqual(await deferToThread(read, socket.AF_INET, given.getsockname()), b"hello")
            await port.stopListening()

    async def test_a_taken_port(self):
        """The error names the setting, the address and the cause."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            with self.assertRaisesRegex(ConfigError, rf"listen\[1\]: cannot listen: .*127.0.0.1:{number}.* in use"):
                await self.bound("tcp:0:interface=127.0.0.1", f"tcp:{number}:interface=127.0.0.1")
