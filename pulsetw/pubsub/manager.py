"""Publishing and listening, for applications."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from pulsetw.catalogue import Catalogue, check_pattern, is_pattern
from pulsetw.catalogue.builtin import PLAYER_NOTIFICATIONS
from pulsetw.errors import BrokerAway, ChannelError, EventError
from pulsetw.interfaces import Excerpt, IBroker, IChannels, IFollower, IReceiver
from pulsetw.model import Entry, Event, Position, Receipt
from pulsetw.pubsub.listeners import Callback, Listeners, Missed
from pulsetw.pubsub.options import PubSubOptions
from pulsetw.pubsub.publishing import Publishing, as_event
from pulsetw.pubsub.reception import Reception
from pulsetw.pubsub.recovery import Recovery
from pulsetw.pubsub.staleness import Staleness

_SWEEP_S = 10.0
# The broker keeps the epoch of an idle channel for an hour after it was asked.
_SWEEPS_TO_REFRESH = 120
# Of damaged channels, in the health status.
_MAX_NAMES = 10


@implementer(IReceiver, IChannels)
class PubSubManager:
    """Publishes events, and calls back for those of others."""

    _log = Logger()

    def __init__(
        self,
        broker: IBroker,
        catalogue: Catalogue,
        clock: IReactorTime,
        server_id: str,
        options: PubSubOptions,
        new_id: Callable[[], str],
        now_ms: Callable[[], int],
    ) -> None:
        """A manager that is not connected; see `initialize`.

        Args:
            broker: carries the events; the manager starts and stops it.
            catalogue: the channels.
            clock: for what waits.
            server_id: names this server in its events.
            options: bounds.
            new_id: makes an id that no other event has.
            now_ms: milliseconds since 1970.
        """
        self.server_id = server_id
        self._broker = broker
        self._catalogue = catalogue
        self._clock = clock
        self._listeners = Listeners()
        self._reception = Reception(catalogue, self._listeners, server_id, options, new_id, clock.seconds, now_ms)
        self._is_up = False
        self._recovery = Recovery(broker.sync, self._reception, clock, lambda: self._is_up, options.window_bytes)
        self._staleness = Staleness(clock, now_ms, self._tell_stale, self._tell_fresh)
        self._publishing = Publishing(
            broker,
            catalogue,
            clock,
            server_id,
            options,
            new_id,
            now_ms,
            local=self._reception.local,
            is_up=lambda: self._is_up,
        )
        self._is_shut_down = False
        self._on_ready: list[Deferred[None]] = []
        self._standing: set[str] = set()
        self._interrupted: set[str] = set()
        self._gatherers: tuple[IFollower, ...] = ()
        self._sweeps = 0
        self._sweep = LoopingCall(self._look_around)
        self._sweep.clock = clock

    def initialize(self) -> Deferred[None]:
        """Connects.

        Returns:
            Fires when the broker is ready for the first time, however long that takes. Fails with `BrokerAway` when
            the manager is shut down before.
        """
        self._broker.start(self)
        self._sweep.start(_SWEEP_S, now=False)
        if self._is_up:
            return succeed(None)
        up: Deferred[None] = Deferred()
        self._on_ready.append(up)
        return up

    def publish(
        self, channel: str, event: Event | object, *, id: str | None = None, exclude: str | None = None
    ) -> Deferred[Receipt]:
        """Publishes an event to all servers.

        Args:
            channel: a channel of the catalogue.
            event: an `Event`, or an instance of one of the channel's classes of data, which names its type.
            id: the event's id; publishing again with the same id never makes a second event. None = a new one.
            exclude: the client (its id) that does not get it.

        Returns:
            Fires with the event's position, None on a channel without history, when the broker has taken it. Where
            the rule says ``outage = "local"`` and the broker is away: fires with `Degraded`, when the event waits.
            Fails with `ChannelError` or `EventError` before anything is sent, with `PublishError` after the retries,
            with `TooManyWaiting` where no more can wait.
        """
        return self._publishing.publish(channel, event, id, exclude)

    def send_to_player(self, player_id: str, event: Event | object) -> Deferred[Receipt]:
        """Publishes a notification to one player, on all of its connections.

        Args:
            player_id: who gets it.
            event: as for `publish`; data that is a mapping may leave out ``playerId``.

        Returns:
            As `publish`. Fails with `EventError` if the event names another player.
        """
        event = as_event(event)
        if isinstance(event.data, Mapping) and "playerId" not in event.data:
            event = replace(event, data={**event.data, "playerId": player_id})
        named = (
            event.data.get("playerId") if isinstance(event.data, Mapping) else getattr(event.data, "player_id", None)
        )
        if named != player_id:
            self._publishing.stats.total_published += 1
            self._publishing.stats.failed_publishes += 1
            return fail(EventError(event.type, "data.playerId", f"Expected {player_id!r}, got {named!r}"))
        return self.publish(PLAYER_NOTIFICATIONS, event)

    def subscribe(
        self, name: str, callback: Callback, *, own: bool = False, missed: Missed | None = None
    ) -> Deferred[None]:
        """Calls back for each event of a channel, or of all channels that match a pattern.

        Args:
            name: a channel of the catalogue, or a pattern such as ``match:*``.
            callback: called with the channel's name and the `Event`, its data as attrs instance where the catalogue
                has a class; once for an event, however many of its names match. It may return a Deferred; nobody waits
                for it. If it fails, that is logged and counted.
            own: also for events that this server published.
            missed: called where events may have been missed, in order with them, with a channel's name and the
                `Notice`; with `name` itself, a pattern too, after the broker was away, where nobody reads a log for
                it (a channel without a history; a pattern). Its failures and Deferreds are treated as the callback's.
                Subscribing again replaces it.

        Returns:
            Fires when no event is missed any more; waits as long as the broker is away. Fails with `ChannelError` at
            once for a channel that does not exist, with `BrokerAway` at shutdown.
        """
        try:
            check_pattern(name) if is_pattern(name) else self._catalogue.channel(name)
        except ChannelError as error:
            return fail(error)
        self._listeners.add_callback(name, callback, own=own, missed=missed)
        return self._subscribe(name)

    def unsubscribe(self, name: str, callback: Callback | None = None) -> None:
        """Calls back no more, at once.

        Args:
            name: as for `subscribe`.
            callback: which one; None = all of this name.
        """
        if self._listeners.has(name) and self._listeners.remove_callbacks(name, callback):
            self._unsubscribe(name)

    def subscribe_all(self, callback: Callback, *, own: bool = False, missed: Missed | None = None) -> Deferred[None]:
        """Calls back for the events of all channels and namespaces of the catalogue; see `subscribe`."""
        names = [*self._catalogue.names, *self._catalogue.patterns]
        standing = [self.subscribe(name, callback, own=own, missed=missed) for name in names]
        return gatherResults(standing, consumeErrors=True).addCallback(lambda _: None)

    def follow(self, channel: str, follower: IFollower) -> Deferred[None]:
        """See `IChannels.follow`."""
        try:
            self._catalogue.channel(channel)
        except ChannelError as error:
            return fail(error)
        self._listeners.add_follower(channel, follower)
        if (place := self._recovery.place(channel)) is not None:
            # A callback listens already: the log has been begun, and is not told a second time by itself.
            follower.placed(channel, *place)
        return self._subscribe(channel)

    def unfollow(self, channel: str, follower: IFollower) -> None:
        """See `IChannels.unfollow`."""
        if self._listeners.remove_follower(channel, follower):
            self._unsubscribe(channel)

    def read(self, channel: str, position: Position, limit: int) -> Deferred[Excerpt]:
        """See `IChannels.read`."""
        try:
            self._catalogue.channel(channel)
        except ChannelError as error:
            return fail(error)
        asked = self._broker.sync(channel, position, limit, begins=False)
        return asked.addCallback(partial(self._reception.excerpt, channel))

    def received(self, channel: str, payload: bytes) -> None:
        """See `IReceiver.received`."""
        self._reception.received(channel, payload)

    def appended(self, channel: str, entry: Entry) -> None:
        """See `IReceiver.appended`."""
        if not self._recovery.appended(channel, entry):
            # Only a pattern asks for it: nobody reads its log, and it comes at most once.
            self._reception.entry(channel, entry, again=False)

    def gathering(self, is_on: bool) -> None:
        """See `IReceiver.gathering`."""
        if is_on:
            self._gatherers = tuple(self._listeners.all_followers)
        for follower in self._gatherers:
            follower.gathering(is_on)

    def ready(self, interrupted: bool) -> None:
        """See `IReceiver.ready`."""
        self._log.info("The broker {url} is ready", url=self._broker.url)
        # Before anybody is told of what is missing: whoever then publishes or subscribes does so with a broker.
        self._is_up = True
        missing, self._interrupted = self._interrupted if interrupted else set(), set()
        for name in missing:
            if not self._recovery.reads(name):
                self._reception.interrupted(name)
        self._recovery.ready().addCallback(lambda _: self._staleness.caught_up())
        self._publishing.outbox.flush()
        waiting, self._on_ready = self._on_ready, []
        for up in waiting:
            up.callback(None)

    def lost(self, reason: str) -> None:
        """See `IReceiver.lost`."""
        self._is_up = False
        self._log.warn("The broker {url} is away: {reason}", url=self._broker.url, reason=reason)
        self._interrupted |= self._standing
        self._recovery.lost()
        self._staleness.away()

    def get_health_status(self) -> dict[str, Any]:
        """How publishing and listening are now.

        Returns:
            ``is_healthy``, ``publisher_ready``, ``subscriber_ready``, ``active_subscriptions``,
            ``reconnect_attempts`` (failed in a row), ``gave_up``, ``reason`` ("" when healthy), ``round_trip_ms``
            (None = none yet), ``round_trip_age_s`` (since the last one; None = none yet), ``waiting_publishes``,
            ``outbox_events`` (they wait for the broker), ``outbox_dropped`` (it refused them for good after that),
            ``window_events`` (publishes that wait for a replica), ``window_full`` (no more are taken),
            ``damaged_channels`` (how many logs cannot be read) and ``damaged_names`` (ten of them at most), ``broker``
            (its address without password).
        """
        status = self._broker.status()
        last = status.last_round_trip
        return {
            "is_healthy": status.ready and not self._is_shut_down,
            "publisher_ready": status.publisher_ready,
            "subscriber_ready": status.subscriber_ready,
            "active_subscriptions": len(self._standing),
            "reconnect_attempts": status.reconnect_attempts,
            "gave_up": status.gave_up,
            "reason": status.reason,
            "round_trip_ms": status.round_trip_ms,
            "round_trip_age_s": None if last is None else self._clock.seconds() - last,
            "waiting_publishes": self._publishing.waiting,
            "outbox_events": len(self._publishing.outbox),
            "outbox_dropped": self._publishing.outbox.dropped,
            "window_events": status.window_events,
            "window_full": status.window_full,
            "damaged_channels": len(self._recovery.damaged),
            "damaged_names": sorted(self._recovery.damaged)[:_MAX_NAMES],
            "broker": status.url,
        }

    def get_publisher_stats(self) -> dict[str, Any]:
        """See `pulsetw.pubsub.stats.PublisherStats`."""
        return self._publishing.stats.as_dict()

    def get_subscriber_stats(self) -> dict[str, Any]:
        """See `pulsetw.pubsub.stats.SubscriberStats`; ``copies`` and ``unreadable``, as `BrokerStatus` has them.

        And ``damages``: how often the log of a channel was found damaged.
        """
        status = self._broker.status()
        return {
            **self._reception.stats.as_dict(),
            "copies": status.copies,
            "unreadable": status.unreadable,
            "damages": self._recovery.damages,
        }

    def shutdown(self) -> Deferred[None]:
        """Takes no more publishes, waits for those on their way, and disconnects.

        Returns:
            Fires when the connections are gone; never fails. Retries bound the wait.
        """
        self._is_shut_down = True
        self._is_up = False
        if self._sweep.running:
            self._sweep.stop()
        self._staleness.stop()
        self._recovery.stop()
        waiting, self._on_ready = self._on_ready, []
        for up in waiting:
            up.errback(BrokerAway("shut down before the broker was ready"))
        return self._publishing.shutdown().addCallback(lambda _: self._broker.stop())

    def _look_around(self) -> None:
        self._reception.sweep()
        self._sweeps += 1
        if not self._is_up:
            return
        self._publishing.outbox.flush()
        if self._sweeps % _SWEEPS_TO_REFRESH == 0:
            self._recovery.refresh()

    def _subscribe(self, name: str) -> Deferred[None]:
        if is_pattern(name):
            standing = self._broker.subscribe(name, history=self._catalogue.has_history(name))
            return standing.addCallback(lambda _: self._stands(name))
        rule = self._catalogue.rule(name)
        if rule.history is None:
            return self._broker.subscribe(name).addCallback(lambda _: self._stands(name))
        self._recovery.add(name, strict=rule.tells_failovers)

        def reading(_: None) -> Deferred[None]:
            self._stands(name)
            return self._recovery.subscribed(name)

        return self._broker.subscribe(name, history=True).addCallback(reading)

    def _stands(self, name: str) -> None:
        if self._listeners.has(name):
            self._standing.add(name)
            if not self._is_up:
                # It may have stood before the connection was lost a second time.
                self._interrupted.add(name)

    def _unsubscribe(self, name: str) -> None:
        self._standing.discard(name)
        self._interrupted.discard(name)
        self._recovery.remove(name)
        self._broker.unsubscribe(name)

    def _tell_stale(self, since_ms: int) -> None:
        for follower in tuple(self._listeners.all_followers):
            follower.stale(since_ms)

    def _tell_fresh(self) -> None:
        for follower in tuple(self._listeners.all_followers):
            follower.fresh()
