"""Prints the events of a relay's channels: ``python listen.py 'ws://127.0.0.1:8080/ws?channels=match:events'``.

A client that sends nothing and names its channels in the URL; any WebSocket library will do, this one is Autobahn.
"""

import sys

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol, connectWS
from twisted.internet import reactor


class Listener(WebSocketClientProtocol):
    """Prints each message: an event, or with an ``op`` what else the relay says."""

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: D102, N802, N803, ARG002 -- Autobahn's
        print(payload.decode(), flush=True)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: D102, N802, N803, ARG002
        print(f"closed: {code} {reason}", file=sys.stderr)
        if reactor.running:
            reactor.stop()


factory = WebSocketClientFactory(sys.argv[1])
factory.protocol = Listener
connectWS(factory)
reactor.run()
