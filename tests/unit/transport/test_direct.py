"""Direct sends keep the order, and leave alone whatever is not a plain connection that stands."""

import socket

from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.transport import direct
from pulsetw.transport.direct import _Deaf


class Open:
    """What sends need of a protocol."""

    state = WebSocketProtocol.STATE_OPEN

    def __init__(self, transport):
        self.transport = transport


class DirectTests(SynchronousTestCase):
    def setUp(self):
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self.transport = Server(ours, Protocol(), ("127.0.0.1", 1), None, 1, _Deaf())
        self.addCleanup(ours.close)
        self.addCleanup(self.theirs.close)

    def send(self, data, transport=None):
        """As a protocol that is open does."""
        direct.send(Open(transport or self.transport), data)

    def got(self):
        """What has come out at the other end."""
        data = b""
        try:
            while piece := self.theirs.recv(1 << 20):
                data += piece
        except BlockingIOError:
            pass
        return data

    @property
    def waits(self):
        """What the transport keeps for the reactor to send."""
        return len(self.transport.dataBuffer) + self.transport._tempDataLen

    def test_it_goes_out_at_once(self):
        """Without a turn of the reactor."""
        self.send(b"hello")
        self.assertEqual((self.got(), self.waits), (b"hello", 0))

    def test_before_and_after_nothing_is_sent(self):
        """Only an open WebSocket takes frames."""
        protocol = Open(self.transport)
        for state in (WebSocketProtocol.STATE_CONNECTING, WebSocketProtocol.STATE_CLOSING):
            protocol.state = state
            direct.send(protocol, b"hello")
        self.assertEqual((self.got(), self.waits), (b"", 0))

    def test_what_the_socket_does_not_take_is_left_to_twisted(self):
        """And what comes after it stands behind it."""
        pieces = [b"%07d\n" % number * 5000 for number in range(40)]
        for piece in pieces:
            self.send(piece)
        self.assertGreater(self.waits, 0)
        data = self.got()
        while self.waits:
            self.send(b"")
            self.transport.doWrite()
            data += self.got()
        self.assertEqual(data, b"".join(pieces))

    def test_behind_what_twisted_could_not_send_either_nothing_overtakes(self):
        """It keeps that in another place."""
        pieces = [b"%07d\n" % number * 5000 for number in range(40)]
        for piece in pieces:
            self.send(piece)
        self.transport.doWrite()
        self.assertEqual(self.transport._tempDataLen, 0)
        data = self.got()
        self.send(b"last")
        while self.waits:
            self.transport.doWrite()
            data += self.got()
        self.assertEqual(data, b"".join(pieces) + b"last")

    def test_behind_what_waits_nothing_overtakes(self):
        """Even where the socket would take it."""
        self.transport.write(b"first ")
        self.send(b"second")
        self.assertEqual(self.got(), b"")
        self.transport.doWrite()
        self.assertEqual(self.got(), b"first second")

    def test_a_lost_peer_is_no_error_here(self):
        """Twisted finds it, and tells the protocol in its own time."""
        self.theirs.close()
        self.send(b"hello")
        self.assertEqual(self.waits, 5)

    def test_leaving_transports_are_left_to_twisted(self):
        """Whatever they do with what comes now."""
        for leave in ("loseConnection", "loseWriteConnection", "abortConnection"):
            self.setUp()
            self.transport.write(b"x")
            getattr(self.transport, leave)()
            self.transport._tempDataBuffer, self.transport._tempDataLen = [], 0
            written = []
            self.transport.write = written.append
            self.send(b"hello")
            self.assertEqual((written, self.got()), ([b"hello"], b""), leave)

    def test_what_is_gone_is_left_to_twisted(self):
        """It has no socket any more, and takes what comes without a word."""
        self.transport.connectionLost(Failure(ConnectionDone()))
        self.send(b"hello")
        self.assertEqual(self.waits, 0)

    def test_tls_is_left_to_tls(self):
        """Begun on a plain connection, or put on top of one."""
        written = []
        self.transport.TLS = True
        self.transport.write = written.append
        self.send(b"secret")

        # As wrappers do, it shows all that the transport below has.
        on_top = type("OnTop", (), {"__getattr__": lambda _, name: getattr(self.transport, name)})()
        self.transport.TLS = False
        self.send(b"secret", on_top)
        self.assertEqual((written, self.got()), ([b"secret", b"secret"], b""))


class WhyNotTests(SynchronousTestCase):
    def test_this_twisted_can(self):
        """Else every relay would be slow, and all of these tests in vain."""
        self.assertEqual(direct.why_not(), "")

    def test_another_twisted_is_found_out(self):
        """By what it lacks, or does in another way."""

        class Lacking(Server):
            def __getattribute__(self, name):
                if name == "_aborting":
                    raise AttributeError(name)
                return super().__getattribute__(name)

        class Hiding(Server):
            def write(self, data):
                self.hidden = data

        class Keeping(Server):
            def doWrite(self):
                pass

        class Staying(Server):
            def abortConnection(self):
                pass

        class Half(Server):
            def loseWriteConnection(self):
                pass

        class Failing(Server):
            def write(self, data):
                raise RuntimeError("no more")

        for kind, problem in (
            (Lacking, "its transports have no _aborting"),
            (Hiding, "what waits to be sent does not show"),
            (Keeping, "what was sent still shows"),
            (Staying, "abortConnection does not show"),
            (Half, "loseWriteConnection does not show"),
            (type("Busy", (Server,), {"dataBuffer": b"x"}), "a new transport has something to send, or is leaving"),
            (Failing, "RuntimeError: no more"),
        ):
            self.assertEqual(direct.why_not(kind), problem)


class UnsentTests(DirectTests):
    def test_what_the_socket_has_not_taken_is_known(self):
        """Wherever Twisted keeps it; of another kind of transport nothing is."""
        self.assertEqual(direct.unsent(self.transport), 0)
        for _ in range(40):
            self.send(b"x" * 40_000)
        before = direct.unsent(self.transport)
        self.got()
        self.transport.doWrite()
        self.assertLess(direct.unsent(self.transport), before)
        self.assertGreater(direct.unsent(self.transport), 0)
        self.assertEqual(direct.unsent(object()), 0)
