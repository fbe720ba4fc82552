"""``twistd pulsetw``: the command line, and what ends the process."""

import atexit
import os
import signal
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.application.service import IService
from twisted.python import usage
from twisted.python.failure import Failure

from pulsetw.config import Config, load
from pulsetw.errors import ConfigError
from pulsetw.garbage import settle
from pulsetw.version import __version__

if TYPE_CHECKING:
    from pulsetw.service import Relay
    from pulsetw.workers.supervisor import Supervisor


class Options(usage.Options):
    """Flags; they win over the environment, which wins over the file."""

    synopsis = "[--config FILE] [--listen ENDPOINT ...] [--admin ENDPOINT ...] [--broker URL] [--workers N]"
    longdesc = (
        "Relays events to every WebSocket client that may see them. Every setting can stand in the file, or in the "
        "environment as PULSETW_<TABLE>_<KEY>; docs/reference/configuration.md lists them."
    )
    optParameters: ClassVar = [  # noqa: N815 -- Twisted reads it
        ["config", "c", None, "A TOML file with the settings"],
        ["broker", "b", None, "memory://, redis[s]://, redis[s]+sentinel:// or redis+unix:// (default: memory://)"],
        ["workers", "w", None, "Processes that serve clients, on a broker other than memory:// (default: 1)"],
    ]

    config: Config

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []
        self["admin"] = []

    def opt_listen(self, endpoint: str) -> None:
        """An endpoint for clients, such as tcp:8080; may be given again and again (default: tcp:8080)."""
        self["listen"].append(endpoint)

    def opt_admin(self, endpoint: str) -> None:
        """An endpoint for operators; may be given again and again (default: tcp:8081:interface=127.0.0.1)."""
        self["admin"].append(endpoint)

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"pulsetw {__version__}")  # noqa: T201 -- for people
        raise SystemExit(0)

    def postOptions(self) -> None:  # noqa: N802 -- Twisted calls it
        """Reads all settings: a mistake is told before anything starts."""
        flags = {
            key: value
            for key, value in (
                ("server.listen", self["listen"]),
                ("server.admin", self["admin"]),
                ("broker.url", self["broker"]),
                ("server.workers", self["workers"]),
            )
            if value
        }
        try:
            self.config = load(self["config"], os.environ, flags)
        except ConfigError as error:
            raise SystemExit(f"pulsetw: {error}") from None


def makeService(options: Options) -> IService:  # noqa: N802 -- Twisted calls it
    """The service that the flags ask for."""
    from twisted.internet import reactor

    from pulsetw.service import Relay
    from pulsetw.workers.supervisor import Supervisor

    reactor_core: Any = reactor
    config = options.config

    def failed(_: Failure) -> None:
        # twistd ends with 0 whatever happened; a supervisor should see that this was no orderly end.
        atexit.register(os._exit, 1)
        reactor_core.callWhenRunning(reactor_core.stop)

    try:
        relay = Supervisor(reactor, config) if config.server.workers > 1 else Relay(reactor, config)
    except ConfigError as error:
        raise SystemExit(f"pulsetw: {error}") from None
    relay.started.addCallbacks(lambda _: settle(), failed)
    reactor_core.callWhenRunning(_hurry_on_second_signal, reactor_core, relay)
    if config.server.workers > 1:
        # It would end the supervisor without a word to the workers' clients.
        reactor_core.callWhenRunning(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    return relay


def _hurry_on_second_signal(reactor: Any, relay: "Relay | Supervisor") -> None:
    """The first Ctrl-C or SIGTERM is Twisted's; to a second one it would only complain that it is stopping already."""
    stopping = False

    def take(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        first = handlers[number]
        if stopping or not callable(first):
            reactor.callFromThread(relay.hurry)
        else:
            stopping = True
            first(number, frame)

    handlers: dict[int, Any] = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
