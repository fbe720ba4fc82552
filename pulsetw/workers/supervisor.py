# ruff: noqa: N802 -- Twisted calls us by its names
"""The process that starts the workers, watches them, and speaks for all of them."""

import os
import random
import sys
from functools import partial
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, gatherResults, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.config import Config, Limits, load_catalogue
from pulsetw.errors import BrokerAway, ConfigError
from pulsetw.ports import Ports
from pulsetw.service import make_broker, make_operator_site, make_pubsub, make_server_id, raise_open_files
from pulsetw.web.api import Stats
from pulsetw.web.status import Readiness, broker_document
from pulsetw.workers.messages import ANSWERS_FD, COUNTS_FD, FIRST_SOCKET_FD, ORDERS_FD, Start
from pulsetw.workers.place import ASK_S, Place
from pulsetw.workers.process import WorkerProcess
from pulsetw.workers.sockets import Bound, bind
from pulsetw.workers.totals import Totals
from pulsetw.workers.turns import Counts

_SUMMED = ("health", "publisher", "subscriber", "hub", "front")


class Supervisor(Service):
    """Many workers on the same ports, which look like one relay.

    The clients' sockets are bound here and served by the workers; the operator's port is here, with a connection of its
    own to the broker for what is published there.

    Attributes:
        pubsub: publishes, for the operator's port.
        started: fires when all workers accept clients; fails with `ConfigError` if that cannot be. Where the
            supervisor is stopped before, it never fires.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Config) -> None:
        """Puts the parts together; nothing is opened and no process started before `startService`.

        Args:
            reactor: Twisted's.
            config: all settings, with more than one worker.

        Raises:
            ConfigError: settings that do not fit each other, or that name what is not there.
        """
        self.started: Deferred[None] = Deferred()
        self._reactor = reactor
        self._config = config
        self._state = "starting"
        self._starting: Deferred[None] = succeed(None)
        self._bound: list[Bound] = []
        self._admin_ports = Ports("server.admin", "operators", partial(serverFromString, reactor), reactor)

        server_id = make_server_id(config)
        self._broker = make_broker(reactor, config, server_id)
        self.pubsub = make_pubsub(reactor, config, load_catalogue(config), self._broker, server_id)
        self._counts = Counts(config.server.workers)
        settings = _settings_of_one(config)
        self._places = [
            Place(
                number,
                Start(settings, f"{server_id}.{number}", number - 1),
                self._spawn,
                partial(self._cannot_start, number),
                self._counts,
                reactor,
                random.random,
            )
            for number in range(1, config.server.workers + 1)
        ]
        self._asking = LoopingCall(self._ask)
        self._asking.clock = reactor
        stats: Stats = {
            "server": lambda: {"server_id": server_id, "state": self._state},
            **{part: partial(self._total, part) for part in _SUMMED},
            "workers": lambda: {str(place.number): place.document for place in self._places},
        }
        self._admin = make_operator_site(reactor, config, self.pubsub, stats, self.readiness)

    def startService(self) -> None:
        """Opens the operator's port, binds the clients' sockets, and starts the workers; see `started`."""
        super().startService()  # type: ignore[no-untyped-call]
        raise_open_files()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._start_failed)

    def stopService(self) -> Deferred[None]:
        """Has all workers leave without dropping anyone in the cold, then leaves the broker.

        Returns:
            Fires when all is closed.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        self._state = "draining"
        self._starting.cancel()
        return Deferred.fromCoroutine(self._stop())

    def hurry(self) -> None:
        """While it leaves: no worker waits for a client's good-bye any more."""
        for place in self._places:
            place.hurry()

    def readiness(self) -> Readiness:
        """Whether clients should be sent here, and why not: all workers have to be ready, and the broker here."""
        status = self._broker.status()
        reasons = [] if self._state == "accepting" else [self._state]
        if not status.ready:
            reasons.append(f"broker: {status.reason or 'not ready'}")
        not_direct = []
        for place in self._places:
            state = place.readiness
            reasons += [f"worker {place.number}: {reason}" for reason in state.reasons]
            if state.why_not_direct:
                not_direct.append(f"worker {place.number}: {state.why_not_direct}")
        broker = broker_document(status, self._reactor.seconds())
        return Readiness(not reasons, reasons, broker, "; ".join(not_direct))

    async def _start(self) -> None:
        await self._admin_ports.open(self._config.server.admin, self._admin)
        await bind(self._config.server.listen, self._bound)
        for place in self._places:
            place.fill()
        self._asking.start(ASK_S).addErrback(lambda failure: self._log.failure("No worker is asked any more", failure))
        await self.pubsub.initialize()

    def _start_failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError, BrokerAway):
            self._state = f"start failed: {failure.value}"
            self._log.critical("The relay cannot start: {reason}", reason=str(failure.value))
            self.started.errback(failure)

    def _cannot_start(self, number: int, problem: str) -> None:
        self._log.critical("Worker {number} cannot start: {problem}", number=number, problem=problem)
        if self._state == "starting":
            self._start_failed(Failure(ConfigError(f"worker {number}", problem)))

    def _ask(self) -> None:
        for place in self._places:
            place.ask()
        if self._state == "starting" and all(place.readiness.ready for place in self._places):
            self._state = "accepting"
            self.started.callback(None)

    async def _stop(self) -> None:
        # Whatever fails, the steps after it are taken.
        unsaid = self._log.failureHandler("A step of leaving failed")
        for bound in self._bound:
            with unsaid:
                bound.close()
        with unsaid:
            await gatherResults([place.drain() for place in self._places])
        if self._asking.running:
            self._asking.stop()
        with unsaid:
            await self.pubsub.shutdown()
        with unsaid:
            await self._admin_ports.close()
        self._log.info("All is closed")

    def _spawn(self, protocol: WorkerProcess) -> None:
        sockets = {FIRST_SOCKET_FD + index: bound.socket.fileno() for index, bound in enumerate(self._bound)}
        self._reactor.spawnProcess(
            protocol,
            sys.executable,
            [sys.executable, "-P", "-m", "pulsetw.workers"],
            # A worker finds what its supervisor finds, wherever that was started.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            childFDs={ORDERS_FD: "w", 1: "r", 2: "r", ANSWERS_FD: "r", COUNTS_FD: self._counts.fd, **sockets},
        )

    def _total(self, part: str) -> dict[str, object]:
        totals = Totals()
        for place in self._places:
            place.add_to(totals)
        totals.add(
            {
                "health": self.pubsub.get_health_status(),
                "publisher": self.pubsub.get_publisher_stats(),
                "subscriber": self.pubsub.get_subscriber_stats(),
            }
        )
        numbers: dict[str, object] = totals.document.get(part, {})
        return numbers


def _settings_of_one(config: Config) -> Config:
    """What one worker may have of what is meant for all together; the operator's port is not its business."""
    limits: Limits = config.limits
    workers = config.server.workers
    return evolve(
        config,
        server=evolve(config.server, admin=()),
        limits=evolve(
            limits,
            connections=-(-limits.connections // workers),
            rings_bytes=max(limits.rings_bytes // workers, 1024),
        ),
    )
