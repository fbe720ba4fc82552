"""The broker on Redis: what both links together mean for readiness."""

import random as _random
from collections.abc import Callable, Collection

from attrs import evolve
from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pulsetw.broker.redis.acknowledger import Acknowledger
from pulsetw.broker.redis.advice import Advisor
from pulsetw.broker.redis.endpoint import endpoint_of
from pulsetw.broker.redis.heartbeat import Heartbeat
from pulsetw.broker.redis.link import Link, LinkUse
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.publisher import Publisher
from pulsetw.broker.redis.reader import Reader
from pulsetw.broker.redis.replies import ErrorReply
from pulsetw.broker.redis.subscriber import Subscriber
from pulsetw.catalogue.rule import Ack, History
from pulsetw.errors import BrokerAway
from pulsetw.interfaces import BrokerStatus, IBroker, IReceiver
from pulsetw.model import Entry, Page, Position


@implementer(IBroker)
class RedisBroker:
    """Carries publications through Redis, over two kept connections.

    The publisher is ready when its last heartbeat was answered; the subscriber, when every subscription is
    acknowledged and a heartbeat has come round since. Publishing needs the publisher only: while the subscriber alone
    is down, other servers still get what this one publishes. `IReceiver.ready` and `lost` are about both together.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        options: RedisOptions,
        server_id: str,
        random: Callable[[], float] = _random.random,
        acks: Collection[Ack] = (),
    ) -> None:
        """A broker that does nothing before `start`.

        Args:
            reactor: for connections and all waiting.
            options: where Redis is, and the limits.
            server_id: names this server in Redis's keys and client list; no two servers have the same.
            random: from 0 to 1, for the jitter of waits, the names of heartbeats and the epochs of logs.
            acks: what the rules of channels with a history ask for: where this Redis does not keep it, that is logged.

        Raises:
            ConfigError: the file of authorities cannot be used.
        """
        self.url = options.display_url
        self._reactor = reactor
        self._options = options
        self._receiver: IReceiver | None = None
        self._gatherer: IReceiver | None = None
        self._started = self._stopped = False
        self._told_ready = self._was_ready = self._interrupted = False
        self._publisher_ready = self._subscriber_ready = False
        self._refusal = ""
        self._round_trip_ms: float | None = None
        self._last_round_trip: float | None = None

        probe = f"pulsetw:{options.prefix}probe:{server_id}"
        endpoint = endpoint_of(reactor, options)
        self._subscriber = Subscriber(
            reactor, options.prefix, probe, self._received, self._appended, self._came_round, options.reply_timeout_s
        )

        def link(name: str, use: LinkUse) -> Link:
            return Link(name, reactor, endpoint, options, f"pulsetw:{server_id}:{name}", random, use)

        speaking = LinkUse(up=self._publisher_up, down=self._publisher_down, gave_up=self._gave_up)
        self._publisher_link = link("publisher", speaking)
        self._subscriber_link = link("subscriber", self._hearing(speaking))
        self._publisher = Publisher(self._publisher_link, options, server_id, probe, lambda: _new_epoch(random))
        self._reader = Reader(self._publisher_link, options.prefix, lambda: _new_epoch(random))
        key = f"pulsetw:{options.prefix}hb:{server_id}:witness"
        self._acknowledger = Acknowledger(reactor, options, self._publisher, self._publisher_link, link, key)
        self._advisor = Advisor(options, acks)
        self._heartbeat = Heartbeat(reactor, options, f"{int(random() * 2**48):x}", self._publisher.beat, self)

    def _hearing(self, speaking: LinkUse) -> LinkUse:
        return evolve(
            speaking,
            up=self._subscriber_up,
            down=self._subscriber_down,
            prepare=self._subscriber.prepare,
            pushed=self._subscriber.pushed,
            gathering=self._gathering,
        )

    def start(self, receiver: IReceiver) -> None:
        """See `IBroker`."""
        if self._started:
            raise RuntimeError("a broker is started once")
        self._started = True
        self._receiver = receiver
        self._publisher_link.start()
        self._subscriber_link.start()

    def stop(self) -> Deferred[None]:
        """See `IBroker`. What is unanswered fails with `OutcomeUnknown`."""
        self._stopped = True
        self._receiver = None
        self._publisher_ready = self._subscriber_ready = False
        self._heartbeat.publisher_down()
        gone = self._stop_links()
        self._reader.forget_connection()
        self._subscriber.stop()
        return gone

    def publish(
        self, channel: str, event_id: str, payload: bytes, history: History | None = None
    ) -> Deferred[Position | None]:
        """See `IBroker`."""
        if not self._publisher_ready:
            return fail(BrokerAway(self._reason()))
        return self._acknowledger.publish(channel, event_id, payload, history)

    def sync(self, channel: str, position: Position | None, limit: int, *, begins: bool = True) -> Deferred[Page]:
        """See `IBroker`."""
        if not self._publisher_ready:
            return fail(BrokerAway(self._reason()))
        return self._reader.sync(channel, position, limit, begins=begins)

    def subscribe(self, name: str, *, history: bool = False) -> Deferred[None]:
        """See `IBroker`."""
        if self._stopped:
            return fail(BrokerAway("the broker has been stopped"))
        return self._subscriber.subscribe(name, history=history)

    def unsubscribe(self, name: str) -> None:
        """See `IBroker`."""
        self._subscriber.unsubscribe(name)

    def status(self) -> BrokerStatus:
        """See `IBroker`."""
        return BrokerStatus(
            url=self.url,
            publisher_ready=self._publisher_ready,
            subscriber_ready=self._subscriber_ready,
            reason=self._reason(),
            reconnect_attempts=max(self._publisher_link.failures, self._subscriber_link.failures),
            gave_up=self._has_given_up,
            round_trip_ms=self._round_trip_ms,
            last_round_trip=self._last_round_trip,
            window_events=self._acknowledger.kept,
            window_full=self._acknowledger.is_full,
            copies=self._subscriber.copies,
            unreadable=self._subscriber.unreadable,
        )

    # How each heartbeat ended: see `HeartbeatUser`.

    def beat_done(self, round_trip_s: float | None) -> None:
        """Redis takes writes, and where it came round, all subscriptions stand."""
        self._publisher_ready = True
        self._refusal = ""
        self._publisher_link.prove()
        if round_trip_s is not None:
            self._subscriber_ready = True
            self._subscriber_link.prove()
            self._round_trip_ms = round_trip_s * 1000
            self._last_round_trip = self._reactor.seconds()
        self._tell()
        if self._subscriber.waits_s() > self._options.reply_timeout_s:
            # What comes in says nothing of what goes out.
            limit = f"{self._options.reply_timeout_s:g} s"
            self._subscriber_link.abort(f"Redis did not acknowledge a subscription within {limit}")

    def beat_refused(self, error: ErrorReply) -> None:
        """Redis takes no writes: not ready, whatever PUBLISH would answer."""
        self._publisher_ready = False
        self._refusal = f"Redis refuses heartbeats: {error}"
        # A master that its replicas have left may have been deposed: Sentinel is asked again.
        if error.renew or (self._options.sentinels and error.code == "NOREPLICAS"):
            self._publisher_link.abort(self._refusal)
        self._tell()

    def beat_unanswered(self, reason: str) -> None:
        """The publisher's connection is dead."""
        self._publisher_link.abort(reason)

    def beat_not_round(self, reason: str) -> None:
        """The subscriber's connection is dead; the publisher's answered."""
        self._publisher_ready = True
        self._publisher_link.prove()
        self._subscriber_link.abort(reason)

    # What becomes of the links: see `LinkUse`.

    def _publisher_up(self) -> None:
        self._refusal = ""
        self._acknowledger.publisher_up()
        self._heartbeat.publisher_up()
        if self._publisher_link.connection is not None:
            self._advisor.look(self._publisher_link.connection)

    def _publisher_down(self, _: str) -> None:
        self._publisher_ready = False
        self._refusal = ""
        self._reader.forget_connection()
        self._heartbeat.publisher_down()
        self._tell()

    def _subscriber_up(self) -> None:
        self._heartbeat.subscriber_up()

    def _subscriber_down(self, _: str) -> None:
        self._subscriber_ready = False
        self._interrupted = self._was_ready
        self._subscriber.forget_connection()
        self._heartbeat.subscriber_down()
        self._tell()

    def _gave_up(self) -> None:
        """One link alone is of no use: both end."""
        self._publisher_ready = self._subscriber_ready = False
        self._heartbeat.publisher_down()
        self._stop_links()
        self._tell()

    def _stop_links(self) -> Deferred[None]:
        ending = [self._publisher_link.stop(), self._subscriber_link.stop(), self._acknowledger.stop()]
        return gatherResults(ending).addCallback(lambda _: None)

    def _came_round(self, token: bytes) -> None:
        self._heartbeat.came_round(token)

    def _gathering(self, is_on: bool) -> None:
        # It may be stopped in between.
        receiver, self._gatherer = (self._receiver, self._receiver) if is_on else (self._gatherer, None)
        if receiver is not None:
            try:
                receiver.gathering(is_on)
            except Exception:  # noqa: BLE001 -- as below
                self._log.failure("the receiver failed")

    def _received(self, channel: str, payload: bytes) -> None:
        # Here and below not by a failureHandler: it makes a logger each time.
        if self._receiver is not None:
            try:
                self._receiver.received(channel, payload)
            except Exception:  # noqa: BLE001 -- the messages after this one have to come
                self._log.failure("the receiver failed")

    def _appended(self, channel: str, entry: Entry) -> None:
        if self._receiver is not None:
            try:
                self._receiver.appended(channel, entry)
            except Exception:  # noqa: BLE001 -- as above
                self._log.failure("the receiver failed")

    def _tell(self) -> None:
        ready = self._publisher_ready and self._subscriber_ready
        if ready == self._told_ready or self._receiver is None:
            return
        self._told_ready = ready
        with self._log.failureHandler("the receiver failed"):
            if ready:
                interrupted, self._interrupted, self._was_ready = self._interrupted, False, True
                self._receiver.ready(interrupted)
            else:
                self._receiver.lost(self._reason())

    @property
    def _has_given_up(self) -> bool:
        return self._publisher_link.has_given_up or self._subscriber_link.has_given_up

    def _reason(self) -> str:
        """Why it is not ready; names the link."""
        parts = []
        if not self._publisher_ready:
            parts.append(f"publisher: {self._refusal or self._publisher_link.reason}")
        if not self._subscriber_ready:
            parts.append(f"subscriber: {self._subscriber_link.reason}")
        return "; ".join(parts)


def _new_epoch(random: Callable[[], float]) -> str:
    return f"{int(random() * 2**52):x}"
