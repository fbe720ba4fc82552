"""A relay in memory for the load tool: sockets that it accepts, a port that takes batches, and faults on demand."""

import json

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from tests.unit.client.test_client import Endpoint

GONE = Failure(ResponseDone())


@implementer(IResponse)
class Response:
    """An answer whose body comes at once."""

    phrase = b"OK"

    def __init__(self, code, body):
        self.code = code
        self.body = body

    def deliverBody(self, protocol):
        protocol.dataReceived(self.body)
        protocol.connectionLost(GONE)


class Consumer:
    """Takes a request's body."""

    def __init__(self):
        self.body = b""

    def write(self, data):
        self.body += data


@implementer(IAgent)
class FakeAgent:
    """Keeps requests; answers each at once with what `answering` makes of its events, or when the test says so.

    Attributes:
        requests: method, address and headers of each.
        batches: the events of each.
        held: Deferreds of requests that wait, while `hold` is set.
    """

    def __init__(self):
        self.requests = []
        self.batches = []
        self.held = []
        self.hold = False
        self.answering = accepted

    def request(self, method, uri, headers=None, bodyProducer=None):  # noqa: N803 -- Twisted's
        consumer = Consumer()
        bodyProducer.startProducing(consumer)
        assert bodyProducer.length == len(consumer.body)
        self.requests.append((method, uri, dict(headers.getAllRawHeaders())))
        self.batches.append(json.loads(consumer.body)["events"])
        if self.hold:
            self.held.append(Deferred())
            return self.held[-1]
        return succeed(self.answering(self.batches[-1]))

    def answer(self):
        """The request that has waited longest."""
        self.held.pop(0).callback(self.answering(self.batches[-1]))


def accepted(events):
    """All are published."""
    return Response(200, json.dumps({"results": [{} for _ in events]}).encode())


def refused(status, **error):
    """None is."""
    return Response(status, json.dumps({"error": error}).encode())


class FakeRelay(FakeAgent):
    """Both ports. Every listener gets every event, unless `faults` has something else for it.

    Attributes:
        sockets: of all listeners.
        faults: called with a listener's number and an event's; gives how often it comes. None = once.
    """

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.endpoint = Endpoint()
        self.sockets = []
        self.faults = None

    def accept(self):
        """The listener that tried last is connected, and subscribed to all that it asked for."""
        socket = self.endpoint.accept()
        self.sockets.append(socket)
        socket.answer()
        for command in socket.commands():
            socket.says(op="subscribed", channel=command["channel"])
        return socket

    def request(self, *arguments, **more):
        answered = super().request(*arguments, **more)
        self.clock.callLater(0, self._deliver, self.batches[-1])
        return answered

    def _deliver(self, events):
        for event in events:
            number = int(event["data"]["bench"].split(".")[1])
            for listener, socket in enumerate(self.sockets):
                if socket.connected:
                    for _ in range(1 if self.faults is None else self.faults(listener, number)):
                        socket.frame(1, json.dumps(event, separators=(",", ":")).encode())

    def lose(self, socket, code):
        """A connection ends with a close frame."""
        socket.frame(8, code.to_bytes(2, "big"))
        self.drop(socket)

    def drop(self, socket):
        """A connection ends without one."""
        socket.connected = False
        socket.protocol.connectionLost(connectionDone)
