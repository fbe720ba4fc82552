# ruff: noqa: N802 -- Twisted calls us by its names
"""The relay as one Twisted service: its parts are put together here, and here only."""

import os
import random
import resource
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.broker.memory import MemoryBroker
from pulsetw.catalogue import Catalogue
from pulsetw.catalogue.builtin import SYSTEM_EVENTS
from pulsetw.config import Config, load_catalogue
from pulsetw.dialects.native import NativeDialect
from pulsetw.errors import BrokerAway
from pulsetw.hub.hub import Hub, HubOptions
from pulsetw.interfaces import IBroker
from pulsetw.ports import Endpoint, Ports
from pulsetw.pubsub.manager import PubSubManager
from pulsetw.pubsub.options import PubSubOptions
from pulsetw.pubsub.outbox import OutboxOptions
from pulsetw.pubsub.retry import RetryOptions
from pulsetw.servers import Servers
from pulsetw.session import SessionLimits
from pulsetw.transport import direct
from pulsetw.transport.front import FrontFactory, FrontLimits
from pulsetw.transport.options import WebSocketLimits
from pulsetw.transport.site import ClosingSite
from pulsetw.transport.websocket import WebSocketFactory
from pulsetw.web.api import Stats
from pulsetw.web.sites import OperatorOptions, operator_site, public_resource
from pulsetw.web.status import Readiness, broker_document

# One in so many bytes of `limits.rings_bytes` is for the ids of events that came; rings have the others.
_WINDOWS_PART = 4
# What is said on the way out must not keep the relay from leaving.
_FAREWELL_S = 1.0


class Relay(Service):
    """A relay: add it to an application's services, or run it by ``twistd pulsetw``.

    Attributes:
        pubsub: publishes and calls back, for the application around it.
        started: fires when clients are accepted; fails with `ConfigError` if that cannot be (a port is taken, say).
            Where the relay is stopped before, it never fires.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Config, *, server_id: str = "", endpoint: Endpoint | None = None) -> None:
        """Puts the parts together; nothing is opened before `startService`.

        Args:
            reactor: Twisted's.
            config: all settings; see `pulsetw.config.load`.
            server_id: what it is called, other than the settings say; "" = as they say.
            endpoint: makes the endpoints of the clients' ports of their descriptions; None = Twisted does.

        Raises:
            ConfigError: settings that do not fit each other, or that name what is not there.
        """
        self.started: Deferred[None] = Deferred()
        self._reactor = reactor
        self._config = config
        self._state = "starting"
        by_twisted = partial(serverFromString, reactor)
        self._ports = Ports("server.listen", "clients", endpoint or by_twisted, reactor)
        self._admin_ports = Ports("server.admin", "operators", by_twisted, reactor)
        self._starting: Deferred[None] = succeed(None)

        catalogue = load_catalogue(config)
        server_id = server_id or make_server_id(config)
        self._broker = make_broker(reactor, config, server_id)
        self.pubsub = make_pubsub(reactor, config, catalogue, self._broker, server_id)
        self._hub = Hub(self.pubsub, catalogue, reactor, _hub_options(config), _new_id, random.random)
        self._servers = Servers(self.pubsub, self._hub, reactor) if SYSTEM_EVENTS in catalogue.names else None
        self._why_not_direct = direct.why_not()
        self._websocket = self._make_websocket()
        self._front = self._make_front()
        self._stats: Stats = {
            "server": lambda: {"server_id": server_id, "state": self._state},
            "health": self.pubsub.get_health_status,
            "publisher": self.pubsub.get_publisher_stats,
            "subscriber": self.pubsub.get_subscriber_stats,
            "hub": self._hub.stats,
            "front": self._front_stats,
        }
        self._admin = make_operator_site(reactor, config, self.pubsub, self._stats, self.readiness)

    def startService(self) -> None:
        """Connects to the broker, makes the subscriptions, and only then accepts clients; see `started`."""
        super().startService()  # type: ignore[no-untyped-call]
        raise_open_files()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addCallbacks(self.started.callback, self._start_failed)

    def stopService(self) -> Deferred[None]:
        """Leaves without dropping anyone in the cold.

        Not ready any more, no new clients, each client is told when to come back, publishes on their way are waited
        for, then the broker is left.

        Returns:
            Fires when all is closed.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        was_announced, self._state = self._state == "accepting", "draining"
        self._starting.cancel()
        return Deferred.fromCoroutine(self._stop(was_announced))

    def hurry(self) -> None:
        """While it leaves: waits for no client's good-bye any more."""
        self._front.abort()

    def readiness(self) -> Readiness:
        """Whether clients should be sent here, and why not."""
        status = self._broker.status()
        reasons = [] if self._state == "accepting" else [self._state]
        if not status.ready:
            reasons.append(f"broker: {status.reason or 'not ready'}")
        broker = broker_document(status, self._reactor.seconds())
        return Readiness(not reasons, reasons, broker, self._why_not_direct)

    @property
    def connections(self) -> int:
        """How many sockets are open on the clients' ports."""
        return self._front.connections

    def stats(self) -> dict[str, Mapping[str, object]]:
        """The numbers of all parts, by their names."""
        return {name: numbers() for name, numbers in self._stats.items()}

    async def _start(self) -> None:
        await self._admin_ports.open(self._config.server.admin, self._admin)
        await self.pubsub.initialize()
        await self._hub.start()
        if self._servers is not None:
            await self._servers.listen()
        await self._ports.open(self._config.server.listen, self._front)
        self._state = "accepting"
        if self._servers is not None:
            self._servers.start()

    def _start_failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError, BrokerAway):
            self._state = f"start failed: {failure.value}"
            self._log.critical("The relay cannot start: {reason}", reason=str(failure.value))
            self.started.errback(failure)

    async def _stop(self, was_announced: bool) -> None:
        self._log.info("Leaving: {count} clients are told", count=self._hub.stats()["connections"])
        # Whatever fails, the steps after it are taken.
        unsaid = self._log.failureHandler("A step of leaving failed")
        with unsaid:
            await self._ports.close()
        with unsaid:
            if self._servers is not None and was_announced:
                await self._servers.stop().addTimeout(_FAREWELL_S, self._reactor, lambda *_: None)
        with unsaid:
            await self._hub.drain(self._config.server.drain_s)
        with unsaid:
            await self.pubsub.shutdown()
        self._front.abort()
        with unsaid:
            await self._admin_ports.close()
        self._log.info("All is closed")

    def _make_websocket(self) -> WebSocketFactory:
        limits = self._config.limits
        if self._why_not_direct:
            self._log.warn("Each send goes through Twisted's buffers: {reason}", reason=self._why_not_direct)
        return WebSocketFactory(
            self._reactor,
            {NativeDialect.name: NativeDialect()},
            self._hub.open,
            WebSocketLimits(message_bytes=limits.message_bytes, unsent_bytes=limits.unsent_bytes),
            is_direct=not self._why_not_direct,
            compress=any(rule.compress for rule in self._config.channels.values()),
        )

    def _make_front(self) -> FrontFactory:
        limits = self._config.limits
        front_limits = FrontLimits(
            head_bytes=limits.request_head_bytes,
            head_timeout_s=limits.request_head_s,
            max_connections=limits.connections,
        )
        site = ClosingSite(public_resource(self.readiness), self._reactor)
        return FrontFactory(
            self._reactor, site, self._websocket, origins=self._config.auth.origins, limits=front_limits
        )

    def _front_stats(self) -> dict[str, object]:
        refusals, failures = self._front.refusals, self._websocket.failures
        return {
            "connections": self._front.connections,
            "direct_send": self._why_not_direct or "yes",
            "refusals": {str(status): count for status, count in refusals.items()},
            "failures": {str(code): count for code, count in failures.items()},
        }


def make_server_id(config: Config) -> str:
    """The name that the settings give this server, or one of its own."""
    return config.server.server_id or f"server_{os.getpid()}_{_now_ms()}"


def make_broker(reactor: Any, config: Config, server_id: str) -> IBroker:
    """The broker that the settings name.

    Raises:
        ConfigError: the URL is not one, or the file of authorities cannot be read.
    """
    settings = config.broker
    if settings.url == "memory://":
        return MemoryBroker(reactor)
    # txredisapi installs the reactor when it is imported.
    from pulsetw.broker.redis.broker import RedisBroker
    from pulsetw.broker.redis.options import RedisOptions

    options = RedisOptions.from_url(settings.url, prefix=settings.prefix, ca_file=settings.ca_file)
    options = evolve(options, max_reconnect_attempts=settings.max_reconnect_attempts)
    acks = {rule.ack for rule in config.channels.values() if rule.history_size}
    return RedisBroker(reactor, options, server_id, acks=acks)


def make_pubsub(reactor: Any, config: Config, catalogue: Catalogue, broker: IBroker, server_id: str) -> PubSubManager:
    """The face towards applications, not connected yet."""
    return PubSubManager(broker, catalogue, reactor, server_id, _pubsub_options(config), _new_id, _now_ms)


def make_operator_site(
    reactor: Any, config: Config, pubsub: PubSubManager, stats: Stats, readiness: Callable[[], Readiness]
) -> IProtocolFactory:
    """What serves the operator's port; see `pulsetw.web.sites.operator_site`."""
    options = OperatorOptions(
        api_keys=config.auth.api_keys,
        hosts=config.server.admin_hosts,
        body_bytes=config.limits.body_bytes,
        head_bytes=config.limits.request_head_bytes,
        batch_events=config.limits.batch_events,
    )
    return operator_site(reactor, pubsub, stats, readiness, options)


def raise_open_files() -> None:
    """Each client is an open file; the limit that one starts with is often 1 024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Relay._log.info("Up to {most} open files", most=most)


def _pubsub_options(config: Config) -> PubSubOptions:
    limits = config.limits
    delays_s = [milliseconds / 1000 for milliseconds in limits.publish_retry_ms]
    return PubSubOptions(
        limits.event_bytes,
        RetryOptions(delays_s, limits.waiting_publishes),
        OutboxOptions(limits.outbox_events, limits.outbox_bytes),
        limits.rings_bytes // _WINDOWS_PART,
    )


def _hub_options(config: Config) -> HubOptions:
    limits = config.limits
    return HubOptions(
        anonymous=config.auth.anonymous,
        session=SessionLimits(limits.channels_per_connection, limits.ping_s),
        ring_bytes=limits.ring_bytes,
        rings_bytes=limits.rings_bytes - limits.rings_bytes // _WINDOWS_PART,
        reload_s=config.server.drain_s,
        pong_s=min(limits.pong_s, limits.ping_s),
    )


def _new_id() -> str:
    return secrets.token_hex(12)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
