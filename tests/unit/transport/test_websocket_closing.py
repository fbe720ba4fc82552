"""`pulsetw.transport.websocket`: slow clients, and going out."""

from pulsetw.errors import Disconnect, DisconnectCode
from pulsetw.hub.arrival import Arrival
from pulsetw.interfaces import IConnection, ITransport, Wire
from tests.unit.transport.doubles import close_frame, frame, read_close
from tests.unit.transport.websocket_case import INTERNAL, KICKED, WebSocketTestCase


class BackpressureTests(WebSocketTestCase):
    def test_sending(self) -> None:
        """Finished bytes go as they are."""
        socket, connection = self.connect()
        connection.transport.send(b"some bytes")
        connection.transport.ping()
        self.assertEqual(socket.take(), b"some bytes\x89\x00")

    def test_choked_and_drained(self) -> None:
        """The connection is told once each time, however often Twisted says so."""
        socket, connection = self.connect()
        socket.fill()
        socket.fill()
        self.assertEqual(connection.names(), ["choked"])
        self.assertEqual(socket.producerState, "paused")
        socket.drain()
        self.assertEqual(connection.names(), ["choked", "drained"])
        self.assertEqual(socket.producerState, "producing")
        socket.fill()
        self.assertEqual(connection.names(), ["choked", "drained", "choked"])

    def test_refilled_by_draining(self) -> None:
        """What is sent on `drained` may be too much again."""
        socket, connection = self.connect()
        socket.fill()
        connection.reactions["drained"] = socket.fill
        socket.drain()
        self.assertEqual(connection.names(), ["choked", "drained", "choked"])
        self.assertEqual(socket.producerState, "paused")

    def test_choked_while_opening(self) -> None:
        """A hub that sends too much at once is told when it has opened."""

        def flood(transport: ITransport, wire: Wire, arrival: Arrival) -> IConnection:
            self.sockets[-1].fill()
            return self.open(transport, wire, arrival)

        self.factory.open = flood
        _, connection = self.connect()
        self.assertEqual(connection.names(), ["choked"])

    def test_pings_of_the_deaf(self) -> None:
        """A client that floods pings and does not read gets no more pongs than fit: nothing is parsed while choked."""
        socket, connection = self.connect()
        connection.reactions["heard"] = lambda: socket.fill() if len(connection.calls) == 3 else None
        socket.feed(frame(b"", 9) * 100)
        self.assertEqual(len(socket.take()), 3 * 2)
        self.assertEqual(socket.producerState, "paused")
        socket.drain()
        self.assertEqual(len(socket.take()), 97 * 2)
        self.assertEqual(socket.producerState, "producing")

    def test_pause_and_resume(self) -> None:
        """A paused client's messages stay where they are, those that were read already, too."""
        socket, connection = self.connect()
        connection.reactions["received"] = connection.transport.pause
        socket.feed(frame(b"1") + frame(b"2"))
        self.assertEqual(connection.calls, [("received", b"1")])
        self.assertEqual(socket.producerState, "paused")
        connection.transport.resume()
        self.assertEqual(connection.calls, [("received", b"1"), ("received", b"2")])
        self.assertEqual(socket.producerState, "paused")
        connection.transport.resume()
        connection.transport.resume()
        self.assertEqual(socket.producerState, "producing")

    def test_paused_and_choked(self) -> None:
        """It reads when there is no reason left not to."""
        socket, connection = self.connect()
        connection.transport.pause()
        socket.fill()
        socket.drain()
        self.assertEqual(socket.producerState, "paused")
        socket.fill()
        connection.transport.resume()
        self.assertEqual(socket.producerState, "paused")
        socket.drain()
        self.assertEqual(socket.producerState, "producing")

    def test_resumed_at_once(self) -> None:
        """Pausing and resuming within a message changes nothing."""
        socket, connection = self.connect()

        def blink() -> None:
            connection.transport.pause()
            connection.transport.resume()

        connection.reactions["received"] = blink
        socket.feed(frame(b"1") + frame(b"2") + frame(b"3"))
        self.assertEqual(connection.names(), ["received"] * 3)
        self.assertEqual(socket.producerState, "producing")


class ClosingTests(WebSocketTestCase):
    def test_close(self) -> None:
        """Code and reason go out; when the client agrees, the connection ends in order."""
        socket, connection = self.connect()
        connection.transport.close(KICKED)
        self.assertEqual(read_close(socket.take()), (3500, "bye"))
        self.assertEqual(socket.ends, [])
        socket.feed(close_frame(3500))
        self.assertEqual(socket.ends, ["close"])
        socket.lose()
        self.assertEqual(connection.calls, [("lost", "closed with 3500")])

    def test_every_code(self) -> None:
        """Autobahn's own way refuses some codes; all of ours go out."""
        for code in DisconnectCode:
            socket, connection = self.connect()
            connection.transport.close(Disconnect(code, "ü" * 61))
            self.assertEqual(read_close(socket.take()), (code, "ü" * 61))

    def test_nothing_after_close(self) -> None:
        """Nothing is sent, nothing is delivered, and closing again changes nothing."""
        socket, connection = self.connect()
        connection.transport.close(KICKED)
        socket.take()
        connection.transport.send(b"late")
        connection.transport.ping()
        connection.transport.close(Disconnect(DisconnectCode.NO_PONG))
        connection.transport.pause()
        socket.feed(frame(b"late") + frame(b"x", 2) + frame(b"", 9) + frame(b"", 10))
        self.assertEqual(socket.take(), b"")
        self.assertEqual(connection.calls, [])
        socket.feed(close_frame(3500))
        self.assertEqual(socket.ends, ["close"])

    def test_close_within_a_message(self) -> None:
        """The rest of the read is not delivered, but a good-bye in it is found."""
        socket, connection = self.connect()
        connection.reactions["received"] = lambda: connection.transport.close(KICKED)
        socket.feed(frame(b"1") + frame(b"2") + close_frame(3500))
        self.assertEqual(connection.names(), ["received"])
        self.assertEqual(socket.ends, ["close"])

    def test_silence_after_close(self) -> None:
        """A client that does not answer is cut off after 2 s, whatever else it sends."""
        socket, connection = self.connect()
        connection.transport.close(KICKED)
        self.clock.advance(1.99)
        socket.feed(frame(b"", 9))
        self.assertEqual(socket.ends, [])
        self.clock.advance(0.01)
        self.assertEqual(socket.ends, ["abort"])

    def test_close_timeout_is_settable(self) -> None:
        """In seconds."""
        self.make(close_timeout_s=0.5)
        socket, connection = self.connect()
        connection.transport.close(KICKED)
        self.clock.advance(0.5)
        self.assertEqual(socket.ends, ["abort"])

    def test_close_while_not_reading(self) -> None:
        """Paused or choked, the client's good-bye must be read, and what waits is not delivered."""
        for stop in ("pause", "fill"):
            socket, connection = self.connect()
            connection.transport.pause() if stop == "pause" else socket.fill()
            socket.feed(frame(b"waits") + close_frame(1000)[:3])
            connection.transport.close(KICKED)
            self.assertIsNone(socket.producer)
            self.assertEqual(socket.producerState, "producing")
            socket.feed(close_frame(1000)[3:])
            self.assertEqual(socket.ends, ["close"])
            self.assertNotIn("received", connection.names())

    def test_closed_by_the_client(self) -> None:
        """It is answered with its own code; one that then does not go is cut off."""
        socket, connection = self.connect()
        socket.feed(close_frame(1001) + frame(b"late"))
        self.assertEqual(read_close(socket.take()), (1001, ""))
        connection.transport.send(b"late")
        self.assertEqual(socket.take(), b"")
        self.assertEqual(socket.ends, ["close"])
        self.clock.advance(2)
        self.assertEqual(socket.ends, ["close", "abort"])
        socket.lose()
        self.assertEqual(connection.calls, [("lost", "the client closed with 1001")])

    def test_closed_without_a_code(self) -> None:
        """RFC 6455 5.5.1: a close frame may be empty."""
        socket, connection = self.connect()
        socket.feed(frame(b"", 8))
        self.assertEqual(socket.take(), b"\x88\x00")
        socket.lose()
        self.assertEqual(connection.calls, [("lost", "the client closed with no code")])

    def test_what_comes_after_the_end_is_not_kept(self) -> None:
        """A transport over TLS goes on reading."""
        socket, _ = self.connect()
        socket.feed(close_frame(1000))
        for _ in range(10):
            socket.feed(b"x" * 1000)
        self.assertEqual(socket.protocol.data, b"")

    def test_lost(self) -> None:
        """A client that is just gone."""
        socket, connection = self.connect()
        socket.lose()
        self.assertEqual(connection.calls, [("lost", "Connection was closed cleanly.")])

    def test_nothing_after_loss(self) -> None:
        """The hub may not know yet."""
        socket, connection = self.connect()
        transport = connection.transport
        socket.lose()
        for call in (transport.ping, transport.pause, transport.resume, transport.abort):
            call()
        transport.send(b"late")
        transport.close(KICKED)
        self.assertEqual((socket.take(), socket.ends), (b"", []))

    def test_abort(self) -> None:
        """Ends it now; nothing is sent or delivered any more."""
        socket, connection = self.connect()
        connection.reactions["received"] = connection.transport.abort
        socket.feed(frame(b"1") + frame(b"2"))
        connection.transport.send(b"late")
        connection.transport.abort()
        self.assertEqual(connection.names(), ["received"])
        self.assertEqual(socket.take(), b"")
        self.assertEqual(socket.ends[-1], "abort")

    def test_failing_connections(self) -> None:
        """An exception from any call closes this one connection, and the log has it once."""
        triggers = {
            "received": lambda socket: socket.feed(frame(b"x") + frame(b"y")),
            "heard": lambda socket: socket.feed(frame(b"", 10) + frame(b"", 10)),
            "choked": lambda socket: socket.fill(),
            "drained": lambda socket: (socket.fill(), socket.drain()),
        }
        for name, trigger in triggers.items():
            other, _ = self.connect()
            socket, connection = self.connect()
            connection.reactions[name] = lambda: 1 // 0  # type: ignore[assignment,return-value]
            trigger(socket)
            self.assertEqual(read_close(socket.take()), INTERNAL)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1, name)
            self.assertEqual((other.take(), other.ends), (b"", []))

    def test_failing_on_loss(self) -> None:
        """Nothing is counted that is gone."""
        socket, connection = self.connect()
        connection.reactions["lost"] = lambda: 1 // 0  # type: ignore[assignment,return-value]
        socket.lose()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.factory.countConnections, 0)
