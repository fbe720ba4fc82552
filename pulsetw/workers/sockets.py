# ruff: noqa: ARG002, N802, N803, N815 -- endpoints call us as they call a reactor
"""One socket, many processes: the supervisor binds it, each worker listens on it.

Both read the same endpoint descriptions, with a stand-in for the reactor. The supervisor's binds and does not listen,
so that nobody is let in before a worker can serve. The workers' takes the socket that is there already, and leaves TLS
and all else that an endpoint puts around it as it is.
"""

import re
import socket
from pathlib import Path
from typing import Any

from attrs import define
from twisted.internet import tcp, unix
from twisted.internet.abstract import isIPv6Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.lockfile import FilesystemLock

from pulsetw.errors import ConfigError
from pulsetw.workers.turns import Turns

# systemd hands its sockets to the supervisor alone; to a worker they come as all others do.
_SYSTEMD = re.compile(r"(^|:)systemd:.*", re.DOTALL)

# Others are awake within less. Who still waits then is taken: they are busy, or do not answer.
_STEP_BACK_S = 0.002
# So many are taken before clients that are here already have their turn.
_MOST = 32


@define
class Bound:
    """A socket that workers can listen on.

    Attributes:
        socket: the supervisor's own hold on it.
    """

    socket: socket.socket
    _path: Path | None = None
    _lock: FilesystemLock | None = None

    def close(self) -> None:
        """Lets go of it: nobody new comes in when the workers have done so, too."""
        self.socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.unlock()


async def bind(descriptions: tuple[str, ...], bound: list[Bound]) -> None:
    """Binds a socket for each description.

    Args:
        descriptions: endpoint strings of ``server.listen``.
        bound: gets them, also those before one that fails.

    Raises:
        ConfigError: one cannot be bound, or its kind of endpoint has no socket that processes can share.
    """
    for index, description in enumerate(descriptions):
        key = f"server.listen[{index}]"
        try:
            port: object = await serverFromString(_Binding(), description).listen(Factory())
        except AttributeError as error:
            raise ConfigError(key, f"workers cannot share what {description!r} listens on: {error}") from error
        except Exception as error:  # what endpoints raise: a taken port, a missing file, a wrong key, ...
            raise ConfigError(key, f"cannot listen: {error}") from error
        if not isinstance(port, Bound):
            raise ConfigError(key, f"workers cannot share what {description!r} listens on")
        bound.append(port)


class _Binding:
    """Takes the reactor's place when an endpoint of the supervisor's listens."""

    def listenTCP(self, port: int, factory: object, backlog: int = 50, interface: str = "") -> Bound:
        family = socket.AF_INET6 if isIPv6Address(interface) else socket.AF_INET
        shared = socket.socket(family)
        try:
            shared.setblocking(False)
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found = socket.getaddrinfo(interface or None, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
            shared.bind(found[0][4])
        except OSError as error:
            shared.close()
            raise CannotListenError(interface, port, error) from error
        return Bound(shared)

    def listenSSL(self, port: int, factory: object, contextFactory: object, **more: Any) -> Bound:
        return self.listenTCP(port, factory, **more)

    def listenUNIX(
        self,
        address: str,
        factory: object,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool = False,
    ) -> Bound:
        path, lock = Path(address), None
        if wantPID:
            lock = FilesystemLock(f"{path}.lock")
            if not lock.lock():
                raise CannotListenError(None, address, OSError("another process listens there"))
            if not lock.clean and path.is_socket():
                path.unlink()
        shared = socket.socket(socket.AF_UNIX)
        try:
            shared.setblocking(False)
            shared.bind(str(path))
            path.chmod(mode)
        except OSError as error:
            shared.close()
            if lock is not None:
                lock.unlock()
            raise CannotListenError(None, address, error) from error
        return Bound(shared, path, lock)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: object) -> Bound:
        return Bound(socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM))


class Inherited:
    """The clients' sockets in a worker."""

    def __init__(self, reactor: Any, first_fd: int, turns: Turns) -> None:
        """Has the sockets at `first_fd` and after it, and takes connections by turns."""
        self._reactor = reactor
        self._next_fd = first_fd
        self._turns = turns

    def endpoint(self, description: str) -> IStreamServerEndpoint:
        """The endpoint of the next description, on the next socket.

        Raises:
            ValueError: and others, as `serverFromString`.
        """
        adopting = _Adopting(self._reactor, socket.socket(fileno=self._next_fd), self._turns)
        self._next_fd += 1
        endpoint: IStreamServerEndpoint = serverFromString(adopting, _SYSTEMD.sub(r"\1tcp:0", description))
        return endpoint


class _Adopting:
    """Takes the reactor's place when an endpoint of a worker's listens."""

    def __init__(self, reactor: Any, inherited: socket.socket, turns: Turns) -> None:
        self._reactor = reactor
        self._inherited = inherited
        self._turns = turns

    def listenTCP(self, port: int, factory: IProtocolFactory, **more: object) -> IListeningPort:
        kind = _UNIXPort if self._inherited.family == socket.AF_UNIX else _TCPPort
        inherited = kind(self._inherited, factory, self._reactor)
        inherited.turns = self._turns
        inherited.startListening()
        return inherited

    def listenSSL(self, port: int, factory: IProtocolFactory, contextFactory: Any, **more: object) -> IListeningPort:
        return self.listenTCP(port, TLSMemoryBIOFactory(contextFactory, False, factory))

    def listenUNIX(self, address: str, factory: IProtocolFactory, **more: object) -> IListeningPort:
        return self.listenTCP(0, factory)


class _SharedPort(tcp.Port):
    """A port on a socket that other processes listen on, too.

    Twisted's adopted ones would change the mode of a path, and take it and the socket from everybody when they close;
    and of a burst one worker would get all.
    """

    turns: Turns
    _stepped_back: IDelayedCall | None = None
    _shouldShutdown = False
    factory: Any
    reactor: Any

    def startListening(self) -> None:
        # For the day when no descriptor is left: Twisted then closes who comes, and does not look at it for ever.
        tcp._reservedFD.reserve()
        self.factory.doStart()
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self.connected = True
        self.startReading()  # type: ignore[no-untyped-call]

    def doRead(self) -> None:
        room = self.turns.room()
        if self._stepped_back is not None or room > 0:
            self._stepped_back = None
            self.numberAccepts = max(1, min(room, _MOST))
            super().doRead()  # type: ignore[no-untyped-call]
        else:
            self.stopReading()  # type: ignore[no-untyped-call]
            self._stepped_back = self.reactor.callLater(_STEP_BACK_S, self.startReading)

    def connectionLost(self, reason: Failure) -> None:
        if self._stepped_back is not None and self._stepped_back.active():
            self._stepped_back.cancel()
        tcp.Port.connectionLost(self, reason)


class _TCPPort(_SharedPort):
    def __init__(self, inherited: socket.socket, factory: IProtocolFactory, reactor: Any) -> None:
        interface, number, *_ = inherited.getsockname()
        super().__init__(number, factory, interface=interface, reactor=reactor)
        self.socket = inherited
        self._realPortNumber = number


class _UNIXPort(_SharedPort, unix.Port):
    def __init__(self, inherited: socket.socket, factory: IProtocolFactory, reactor: Any) -> None:
        unix.Port.__init__(self, inherited.getsockname(), factory, reactor=reactor)
        self.socket = inherited
