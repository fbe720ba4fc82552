"""Ports that are opened and closed together, each tuned for many clients."""

import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTime, IStreamServerEndpoint
from twisted.logger import Logger

from pulsetw.errors import ConfigError

Endpoint = Callable[[str], IStreamServerEndpoint]
"""Makes an endpoint of its description."""

_BACKLOG = 1024
# The kernel would take megabytes for a client that does not read; the hub's own bound should be the one that counts.
_SEND_BUFFER_BYTES = 65536
_CLOSES_WITHIN_S = 1.0


class Ports:
    """The ports of one setting."""

    _log = Logger()

    def __init__(self, key: str, whom: str, endpoint: Endpoint, clock: IReactorTime) -> None:
        """None is open before `open`.

        Args:
            key: the setting with their descriptions, for errors.
            whom: who comes there, for the log.
            endpoint: makes an endpoint of its description.
            clock: for the limit in time when they are closed.
        """
        self._key = key
        self._whom = whom
        self._endpoint = endpoint
        self._clock = clock
        self._open: list[IListeningPort] = []

    async def open(self, descriptions: Sequence[str], factory: IProtocolFactory) -> None:
        """Opens one port for each description.

        Raises:
            ConfigError: one cannot be opened. Those before it are open.
        """
        for index, description in enumerate(descriptions):
            try:
                port = await self._endpoint(description).listen(factory)
                self._open.append(port)
                _tune(port)
            except Exception as error:  # what endpoints raise: a taken port, a missing file, a wrong key, ...
                raise ConfigError(f"{self._key}[{index}]", f"cannot listen: {error}") from error
            self._log.info("Listening for {whom} on {address}", whom=self._whom, address=_address(port))

    def close(self) -> Deferred[Any]:
        """Closes all; fires when that is done, fails when one did not close within a second."""
        closing = [maybeDeferred(port.stopListening) for port in self._open]
        self._open.clear()
        return gatherResults(closing, consumeErrors=True).addTimeout(_CLOSES_WITHIN_S, self._clock)


def _tune(port: Any) -> None:
    """A longer backlog, and a bound on what the kernel buffers for each client; accepted sockets inherit it."""
    if not hasattr(port, "socket"):
        return  # no port of Twisted's own: it looks after itself
    port.socket.listen(_BACKLOG)
    port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)


def _address(port: IListeningPort) -> str:
    match port.getHost():
        case IPv4Address(host=host, port=number):
            return f"{host}:{number}"
        case IPv6Address(host=host, port=number):
            return f"[{host}]:{number}"
        case other:
            return str(getattr(other, "name", other))
