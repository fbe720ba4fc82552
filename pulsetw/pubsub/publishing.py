"""What goes to the broker: checked, stamped, counted, sent again where that may help, kept where a rule says so."""

from collections.abc import Callable

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.catalogue import Catalogue
from pulsetw.catalogue.channel import event_type
from pulsetw.codec import MAX_NAME_CHARACTERS, decode_envelope, encode_envelope
from pulsetw.errors import EventError, OversizedEvent, PublishError, PulsetwError
from pulsetw.interfaces import IBroker
from pulsetw.model import Degraded, Event, Position, Receipt
from pulsetw.pubsub.options import PubSubOptions
from pulsetw.pubsub.outbox import Outbox
from pulsetw.pubsub.retry import Retries
from pulsetw.pubsub.stats import PublisherStats


class Publishing:
    """Takes events of this server.

    Attributes:
        stats: what was published.
        outbox: what waits for the broker.
    """

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
        local: Callable[[str, bytes], None],
        is_up: Callable[[], bool],
    ) -> None:
        """Nothing is on its way.

        Args:
            broker: takes the events.
            catalogue: the channels.
            clock: for what waits.
            server_id: names this server in its events.
            options: bounds.
            new_id: makes an id that no other event has.
            now_ms: milliseconds since 1970.
            local: gives an event that waits for the broker to this server's own listeners.
            is_up: whether the broker is there.
        """
        self.stats = PublisherStats()
        self._broker = broker
        self._catalogue = catalogue
        self._clock = clock
        self._server_id = server_id
        self._options = options
        self._new_id = new_id
        self._now_ms = now_ms
        self._give = local
        self._retries = Retries(self._send, clock, options.retry)
        self.outbox = Outbox(self._retries.publish, options.outbox)
        self._local: list[tuple[str, bytes]] = []
        self._is_up = is_up
        self._is_shut_down = False

    @property
    def waiting(self) -> int:
        """How many publishes wait for another try, or behind one that does."""
        return self._retries.waiting

    def publish(self, channel: str, event: Event | object, id: str | None, exclude: str | None) -> Deferred[Receipt]:
        """See `pulsetw.pubsub.manager.PubSubManager.publish`."""
        self.stats.total_published += 1
        try:
            prepared = self._prepare(channel, event, id)
            payload = encode_envelope(prepared, exclude or "")
            decode_envelope(channel, payload)  # what no receiver could take is refused here
            self._check_size(prepared, payload)
        except PulsetwError as error:
            self.stats.failed_publishes += 1
            return fail(error)
        if self._is_shut_down:
            self.stats.failed_publishes += 1
            return fail(PublishError(channel, prepared.id, "not sent", "this server has shut down", 0))
        is_local = self._catalogue.rule(channel).outage == "local"
        is_waiting = self._retries.holds(channel)  # they come first, and go where those go
        if is_local and not is_waiting and (not self._is_up() or self.outbox.holds(channel)):
            published: Deferred[Receipt] = maybeDeferred(self._degrade, channel, prepared.id, payload)
        else:
            published = self._retries.publish(channel, prepared.id, payload).addCallback(_as_receipt)
            if is_local:
                published.addErrback(self._degrade_after, channel, prepared.id, payload)
        return published.addCallbacks(self._published, self._failed, callbackArgs=(channel,))

    def shutdown(self) -> Deferred[None]:
        """Takes no more; fires when nothing is on its way."""
        self._is_shut_down = True
        return self._retries.when_idle().addCallback(lambda _: self._leave())

    def _prepare(self, channel: str, event: Event | object, id: str | None) -> Event:
        event = as_event(event)
        for member, name in (("type", event.type), ("id", id or event.id), ("serverId", event.server_id)):
            if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS:
                raise EventError("", member, f"Expected a text of at most {MAX_NAME_CHARACTERS} characters")
        prepared = self._catalogue.channel(channel).prepare(event)
        return replace(
            prepared,
            timestamp=event.timestamp or self._now_ms(),
            server_id=event.server_id or self._server_id,
            id=id or event.id or self._new_id(),
        )

    def _check_size(self, event: Event, payload: bytes) -> None:
        limit = self._options.max_event_bytes
        if limit and len(payload) > limit:
            raise OversizedEvent(
                event.type, "", f"the event takes {len(payload)} bytes; at most {limit} (limits.event_bytes)"
            )

    def _published(self, receipt: Receipt, channel: str) -> Receipt:
        self.stats.succeeded(channel, self._now_ms())
        return receipt

    def _failed(self, failure: Failure) -> Failure:
        self.stats.failed_publishes += 1
        return failure

    def _degrade(self, channel: str, event_id: str, payload: bytes) -> Degraded:
        """Gives an event to those who are here, in a turn of its own, and keeps it for the others."""
        self.outbox.put(channel, event_id, payload)
        self.stats.degraded_publishes += 1
        if not self._local:
            self._clock.callLater(0, self._give_local)
        self._local.append((channel, payload))
        return Degraded()

    def _degrade_after(self, failure: Failure, channel: str, event_id: str, payload: bytes) -> Degraded:
        failure.trap(PublishError)
        error = failure.value
        if not isinstance(error, PublishError) or not error.temporary or error.attempts == 0:
            failure.raiseException()
        return self._degrade(channel, event_id, payload)

    def _give_local(self) -> None:
        local, self._local = self._local, []
        for channel, payload in local:
            self._give(channel, payload)

    def _leave(self) -> None:
        if len(self.outbox):
            self._log.error(
                "{count} events that waited for the broker are lost to other servers", count=len(self.outbox)
            )

    def _send(self, channel: str, event_id: str, payload: bytes) -> Deferred[Position | None]:
        return self._broker.publish(channel, event_id, payload, self._catalogue.rule(channel).history)


def _as_receipt(position: Position | None) -> Receipt:
    return position


def as_event(event: Event | object) -> Event:
    """The event, or one of the type that a class of data names."""
    return event if isinstance(event, Event) else Event(event_type(type(event)), event)
