"""When a publication counts as published: what `History.ack` asks for."""

from collections.abc import Callable

from attrs import define
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.broker.redis.link import Link, LinkUse
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.protocol import Connection
from pulsetw.broker.redis.publisher import Publisher
from pulsetw.broker.redis.witness import Witness
from pulsetw.catalogue.rule import History
from pulsetw.errors import BrokerRefused, OutcomeUnknown
from pulsetw.model import Position

# How often a replica is asked for, while something is kept.
_WINDOW_S = 0.05


@define(eq=False)
class _Kept:
    channel: str
    event_id: str
    payload: bytes
    history: History
    connection: Connection | None  # on which it was answered last


class Acknowledger:
    """Publishes, and says so when it is as safe as was asked for.

    ``window``: each event is kept until a replica has it, however long that takes. Published again after its id was
    forgotten it is another entry with the same id, which readers know by their own windows. On a new connection all
    that is kept goes out again before anything else, heartbeats too: when the broker says that it is ready, the answers
    have come.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        options: RedisOptions,
        publisher: Publisher,
        link: Link,
        make_link: Callable[[str, LinkUse], Link],
        witness_key: str,
    ) -> None:
        """Publishes while `link` has a connection.

        Args:
            clock: for all waiting.
            options: the bounds of what is kept are those of what may be unanswered.
            publisher: sends.
            link: the publisher's.
            make_link: makes another one, for the witness.
            witness_key: what the witness writes to.
        """
        self._clock = clock
        self._options = options
        self._publisher = publisher
        self._link = link
        self._witness = Witness(clock, options, witness_key, link, lambda use: make_link("witness", use))
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._kept_bytes = 0
        self._timer: IDelayedCall | None = None
        self._is_asking = self._has_stopped = False
        self._refuses = False  # the last one had no room, and nothing has left since
        self._is_told = False

    def publish(
        self, channel: str, event_id: str, payload: bytes, history: History | None
    ) -> Deferred[Position | None]:
        """See `IBroker.publish`.

        ``durable`` fails with `OutcomeUnknown` when no replica has it in time: others have got it all the same.
        ``window`` fails with `BrokerRefused`, for now, when too much is kept already.
        """
        if history is None or history.ack == "fast":
            return self._publisher.publish(channel, event_id, payload, history)
        if history.ack == "durable":
            publishing = self._publisher.publish(channel, event_id, payload, history)
            return publishing.addCallback(self._confirm)
        if not self._has_room_for(len(payload)):
            self._refuses = True
            self._tell_full()
            return fail(BrokerRefused(f"no replica has the last {len(self._kept)} events yet", temporary=True))
        kept = _Kept(channel, event_id, payload, history, None)
        return self._publisher.publish(channel, event_id, payload, history).addCallback(self._keep, kept)

    @property
    def kept(self) -> int:
        """Events that wait for a replica."""
        return len(self._kept)

    @property
    def is_full(self) -> bool:
        """Whether events are refused because too many wait for a replica."""
        return self._refuses or not self._has_room_for(0)

    def publisher_up(self) -> None:
        """The publisher has a new connection: what is kept goes out again."""
        if self._kept:
            self._log.info("{count} events that no replica had are published again", count=len(self._kept))
        for kept in list(self._kept.values()):
            again = self._publisher.publish(kept.channel, kept.event_id, kept.payload, kept.history)
            again.addCallbacks(self._went_again, self._went_not, callbackArgs=(kept,), errbackArgs=(kept,))
            again.addErrback(lambda failure: self._log.failure("publishing again failed in our own code", failure))

    def stop(self) -> Deferred[None]:
        """Forgets what is kept; fires when the witness is gone."""
        self._has_stopped = True
        if self._kept:
            self._log.warn("{count} events of this server are on no replica yet", count=len(self._kept))
        self._kept.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        return self._witness.stop()

    def _confirm(self, position: Position | None) -> Deferred[Position | None]:
        return self._witness.confirm().addCallback(lambda _: position)

    def _has_room_for(self, size: int) -> bool:
        options = self._options
        return len(self._kept) < options.max_in_flight and self._kept_bytes + size <= options.max_in_flight_bytes

    def _tell_full(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._log.error("ack = 'window': no replica has {count} events; more are refused", count=len(self._kept))

    def _look_whether_relieved(self) -> None:
        # At half, and not at the first that leaves: at the bound events come and go, and each would bring a line.
        options = self._options
        if len(self._kept) < options.max_in_flight / 2 and self._kept_bytes < options.max_in_flight_bytes / 2:
            self._is_told = False

    def _keep(self, position: Position | None, kept: _Kept) -> Position | None:
        if self._has_stopped:
            return position
        kept.connection = self._link.connection
        if (before := self._kept.get((kept.channel, kept.event_id))) is not None:
            before.connection = kept.connection
        else:
            self._kept[kept.channel, kept.event_id] = kept
            self._kept_bytes += len(kept.payload)
        self._look_later()
        return position

    def _forget(self, kept: _Kept) -> None:
        if self._kept.get((kept.channel, kept.event_id)) is kept:
            del self._kept[kept.channel, kept.event_id]
            self._kept_bytes -= len(kept.payload)
            self._refuses = False
            self._look_whether_relieved()

    def _went_again(self, _: Position | None, kept: _Kept) -> None:
        kept.connection = self._link.connection
        self._look_later()

    def _went_not(self, failure: Failure, kept: _Kept) -> None:
        error = failure.value
        if isinstance(error, BrokerRefused) and not error.temporary:
            self._log.error("an event of {channel} is lost: {error}", channel=kept.channel, error=error)
            self._forget(kept)
        elif isinstance(error, BrokerRefused):
            # Ready would be a lie; the next connection tries again.
            self._link.abort(f"Redis does not take again what no replica had: {error}")

    def _look_later(self) -> None:
        if self._kept and self._timer is None and not self._is_asking and not self._has_stopped:
            self._timer = self._clock.callLater(_WINDOW_S, self._look)

    def _look(self) -> None:
        self._timer = None
        connection = self._link.connection
        answered = [kept for kept in self._kept.values() if kept.connection is connection]
        if connection is None or not answered:
            return  # on the next connection it goes on
        self._is_asking = True
        asked = self._witness.confirm()
        asked.addCallbacks(self._covered, lambda failure: failure.trap(OutcomeUnknown), callbackArgs=(answered,))
        asked.addErrback(lambda failure: self._log.failure("looking for a replica failed in our own code", failure))
        asked.addCallback(self._looked)

    def _covered(self, _: None, answered: list[_Kept]) -> None:
        for kept in answered:
            self._forget(kept)

    def _looked(self, _: object) -> None:
        self._is_asking = False
        self._look_later()
