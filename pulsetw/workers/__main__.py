"""``python -m pulsetw.workers``: what a supervisor starts; of no use to anybody else."""

import signal
import sys
from typing import Any

from pulsetw.garbage import settle
from pulsetw.service import Relay
from pulsetw.workers.messages import ANSWERS_FD, COUNTS_FD, FIRST_SOCKET_FD, ORDERS_FD, Start
from pulsetw.workers.sockets import Inherited
from pulsetw.workers.turns import Counts, Turns
from pulsetw.workers.worker import Worker


def main() -> int:
    """Serves until the supervisor, or a signal, says that it is enough."""
    from twisted.internet import reactor
    from twisted.internet.stdio import StandardIO
    from twisted.logger import globalLogBeginner

    reactor_core: Any = reactor

    def make_relay(start: Start) -> Relay:
        turns = Turns(Counts(start.config.server.workers, COUNTS_FD), start.place, lambda: relay.connections)
        inherited = Inherited(reactor_core, FIRST_SOCKET_FD, turns)
        relay = Relay(reactor_core, start.config, server_id=start.server_id, endpoint=inherited.endpoint)
        relay.started.addCallbacks(lambda _: settle(), lambda failure: failure)
        return relay

    worker = Worker(reactor_core, make_relay)
    StandardIO(worker, ORDERS_FD, ANSWERS_FD, reactor_core)  # type: ignore[call-arg]  # mypy sees that of Windows
    globalLogBeginner.beginLoggingTo([worker.log], redirectStandardIO=False)  # type: ignore[list-item]  # any function will do
    # A terminal or a service manager may send its signal to every process, and the supervisor passes its own on: a
    # second SIGTERM to a worker is no wish to hurry.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: reactor_core.callFromThread(worker.drain))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reactor_core.run(installSignalHandlers=False)
    return worker.exit_status


if __name__ == "__main__":
    sys.exit(main())
