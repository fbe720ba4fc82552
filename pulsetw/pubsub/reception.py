"""What comes from the broker: checked, counted, given once to everybody here who wants it."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.catalogue import Catalogue, Channel
from pulsetw.catalogue.channel import event_type
from pulsetw.codec import decode_envelope
from pulsetw.errors import ChannelError, EventError, UnknownEventType
from pulsetw.interfaces import Excerpt
from pulsetw.model import Entry, Event, Lineage, Notice, Page, Position, Publication
from pulsetw.policy.recovery import unbroken
from pulsetw.pubsub.listeners import Listeners, Missed
from pulsetw.pubsub.options import PubSubOptions
from pulsetw.pubsub.seen import ID_BYTES, SeenIds
from pulsetw.pubsub.stats import SubscriberStats

# One log line for each cause in so many seconds: a stranger can send thousands of bad events.
_TELL_AGAIN_S = 60.0
_MAX_CAUSES = 1000
# Twice what outboxes usually hold, 5 MB; of what is forgotten, callbacks and clients get the broker's copy, too.
_MAX_LOCAL = 20_000

T = TypeVar("T")


class Reception:
    """Takes messages of the broker, one at a time, and never fails."""

    _log = Logger()

    def __init__(
        self,
        catalogue: Catalogue,
        listeners: Listeners,
        server_id: str,
        options: PubSubOptions,
        new_id: Callable[[], str],
        now: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        """Nothing was received yet.

        Args:
            catalogue: the channels.
            listeners: who gets what.
            server_id: this server; its own events go to those callbacks only that ask for them.
            options: bounds; longer messages are dropped.
            new_id: for events that came without an id.
            now: seconds of a clock that never goes back.
            now_ms: milliseconds since 1970.
        """
        self.stats = SubscriberStats()
        self._catalogue = catalogue
        self._listeners = listeners
        self._server_id = server_id
        self._max_event_bytes = options.max_event_bytes
        self._new_id = new_id
        self._now = now
        self._now_ms = now_ms
        self._seen = SeenIds(in_all=max(1, options.window_bytes // ID_BYTES))
        self._local: OrderedDict[tuple[str, str], bool] = OrderedDict()
        self._told: dict[tuple[str, ...], float] = {}

    def received(self, name: str, payload: bytes) -> None:
        """One message without a place in a log."""
        self.stats.received(name, self._now_ms())
        taken = self._take(name, payload, None)
        if taken is None:
            return
        channel, publication, is_declared = taken
        if not self._seen.is_new(publication.channel, publication.event.id, self._now()):
            self.stats.repeated += 1
            return
        self._accept(channel, publication, is_declared)

    def local(self, name: str, payload: bytes) -> None:
        """An event of this server that waits for the broker: for those who are here, at once."""
        taken = self._take(name, payload, None)
        if taken is None:
            return
        channel, publication, is_declared = taken
        if self._seen.is_new(name, publication.event.id, self._now()):
            self._local[name, publication.event.id] = True
            if len(self._local) > _MAX_LOCAL:
                self._local.popitem(last=False)
            self._accept(channel, replace(publication, degraded=True), is_declared)

    def entry(self, name: str, entry: Entry, *, again: bool) -> None:
        """The next entry of a channel's log; see `pulsetw.pubsub.recovery.Recipient`."""
        self.stats.received(name, self._now_ms())
        taken = self._take(name, entry.payload, entry.position)
        if taken is None:
            # Other servers may have been able to take it.
            self.noticed(name, _dropped(entry.position))
            return
        channel, publication, is_declared = taken
        if self._local and self._local.pop((name, publication.event.id), False):
            again = True
        elif self._catalogue.rule(name).outage == "local":
            # Its publisher may not have heard that it got here, and would give it to those who are here once more.
            self._seen.is_new(name, publication.event.id, self._now())
        if not again:
            self._accept(channel, publication, is_declared)
            return
        # Callbacks have had it. Of the clients some may have, some not: the hub knows.
        self.stats.repeated += 1
        for follower in self._listeners.followers(name):
            follower.publication(publication)

    def past(self, name: str, entries: tuple[Entry, ...]) -> None:
        """What the log held before anybody here listened."""
        publications = self._readable(name, entries)
        for follower in self._listeners.followers(name):
            follower.past(name, publications)

    def excerpt(self, name: str, page: Page) -> Excerpt:
        """A page for those who come back, behind its last hole, and behind the last of it that is no event."""
        if not page.entries:
            return Excerpt(page.lineage, page.top, page.top, ())
        publications = self._readable(name, unbroken(page.entries))
        end = page.entries[-1].position.offset
        return Excerpt(page.lineage, end - len(publications), end, tuple(publications))

    def noticed(self, name: str, notice: Notice) -> None:
        """Something may be missing in a channel, for everybody."""
        self._tell(name, notice, self._listeners.route(name).missed)

    def interrupted(self, name: str) -> None:
        """The broker was away, and nobody reads a log for a channel or pattern; each is told by itself."""
        self._tell(name, Notice("broker"), self._listeners.missed(name))

    def cut(self, name: str, notice: Notice) -> None:
        """What came after `notice.end` was on a dead branch."""
        self.stats.notices[notice.reason] += 1
        for follower in self._listeners.followers(name):
            follower.cut(name, notice)
        self._call_missed(self._listeners.route(name).missed, name, notice)

    def placed(self, name: str, lineage: Lineage, top: int) -> None:
        """Where the log of a channel stands."""
        for follower in self._listeners.followers(name):
            follower.placed(name, lineage, top)

    def sweep(self) -> None:
        """Forgets old ids; to be called now and then."""
        self._seen.sweep(self._now())

    def _take(self, name: str, payload: bytes, position: Position | None) -> tuple[Channel, Publication, bool] | None:
        """What a message is, checked and complete, and whether the catalogue has its type; None = it was dropped."""
        if self._max_event_bytes and len(payload) > self._max_event_bytes:
            self._drop("oversized", name, f"{len(payload)} bytes; at most {self._max_event_bytes}")
            return None
        try:
            channel = self._catalogue.channel(name)
            publication = decode_envelope(name, payload, position)
            is_declared = channel.check(publication.event, takes_others=position is not None)
        except ChannelError as error:
            self._drop("unknown_channel", "", str(error))
        except UnknownEventType as error:
            self._drop("unknown_type", name, str(error))
        except EventError as error:
            self._drop("invalid", name, str(error), error.field)
        else:
            event = publication.event
            # Another server may be newer. Dropping its event would leave a hole that is no gap.
            self.stats.newer_types += not is_declared
            if not event.id or not event.timestamp:
                event = replace(event, id=event.id or self._new_id(), timestamp=event.timestamp or self._now_ms())
                publication = replace(publication, event=event)
            return channel, publication, is_declared
        return None

    def _readable(self, name: str, entries: tuple[Entry, ...]) -> list[Publication]:
        """The publications behind the last entry that is none; that one is counted."""
        publications: list[Publication] = []
        for entry in reversed(entries):
            taken = self._take(name, entry.payload, entry.position)
            if taken is None:
                break
            publications.append(taken[1])
        return publications[::-1]

    def _accept(self, channel: Channel, publication: Publication, is_declared: bool) -> None:
        self.stats.processed_events += 1
        self._give(channel, publication)
        if is_declared and channel.derive is not None:
            self._derive(channel, publication.event)

    def _give(self, channel: Channel, publication: Publication) -> None:
        route = self._listeners.route(publication.channel)
        for follower in route.followers:
            follower.publication(publication)
        is_own = publication.event.server_id == self._server_id
        typed: Event | None = None
        for callback, wants_own in route.callbacks:
            if wants_own or not is_own:
                typed = typed or self._typed(channel, publication)
                if typed is None:
                    if publication.position is not None:
                        self._call_missed(route.missed, publication.channel, _dropped(publication.position))
                    return
                self._call(callback, publication.channel, typed)

    def _typed(self, channel: Channel, publication: Publication) -> Event | None:
        """The event for callbacks; None where its data cannot be read here after all."""
        try:
            return channel.typed(publication.event)
        except (ValueError, RecursionError) as error:
            # Data of a type that only newer servers know is not decoded before; depth depends on the call stack.
            self._drop("invalid", publication.channel, str(error), "data")
            return None

    def _derive(self, channel: Channel, event: Event) -> None:
        """What each server makes of the event by itself."""
        if channel.derive is None:
            return
        try:
            for derived in channel.derive(channel.typed(event)):
                target = self._catalogue.channel(derived.channel)
                made = replace(event, type=event_type(type(derived.data)), data=derived.data, id=derived.id, tags=None)
                self._give(target, Publication(derived.channel, target.prepare(made)))
        except Exception:  # noqa: BLE001 -- an application's function; the events after this one must come all the same
            self._failed("derived", channel.name, Failure())

    def _tell(self, name: str, notice: Notice, missed: Iterable[Missed]) -> None:
        self.stats.notices[notice.reason] += 1
        for follower in self._listeners.followers(name):
            follower.noticed(name, notice)
        self._call_missed(missed, name, notice)

    def _call_missed(self, missed: Iterable[Missed], name: str, notice: Notice) -> None:
        for function in missed:
            self._call(function, name, notice)

    def _call(self, callback: Callable[[str, T], object], channel: str, what: T) -> None:
        try:
            result = callback(channel, what)
        except Exception:  # noqa: BLE001 -- an application's function
            self._failed("callback", getattr(callback, "__qualname__", repr(callback)), Failure())
        else:
            if isinstance(result, Deferred):
                name = getattr(callback, "__qualname__", repr(callback))
                result.addErrback(partial(self._failed, "callback", name))

    def _drop(self, cause: str, channel: str, problem: str, field: str = "") -> None:
        self.stats.failed(cause)
        if self._should_tell(cause, channel, field):
            self._log.warn(
                "An event on {channel!r} was dropped ({cause}): {problem!r}",
                channel=channel,
                cause=cause,
                problem=problem[:300],
            )

    def _failed(self, cause: str, name: str, failure: Failure) -> None:
        self.stats.failed(cause)
        if self._should_tell(cause, name, failure.type.__name__ if failure.type else ""):
            self._log.failure("A {cause} function failed: {name}", failure, cause=cause, name=name)

    def _should_tell(self, *cause: str) -> bool:
        """Whether it is time for a log line about this cause again."""
        now = self._now()
        told = self._told.get(cause)
        if told is not None and now - told < _TELL_AGAIN_S:
            return False
        if len(self._told) >= _MAX_CAUSES:
            self._told.clear()
        self._told[cause] = now
        return True


def _dropped(place: Position) -> Notice:
    """What is told of an entry that cannot be given on."""
    return Notice("dropped", place.before, place)
