"""The connection that speaks: publishes and heartbeats, with a bound on what is unanswered."""

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from pulsetw.broker.redis.history import Unreadable, publish_words, read_position
from pulsetw.broker.redis.link import Link
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.outcomes import cancelled, fail_result, not_answered, not_understood
from pulsetw.broker.redis.replies import NoReply
from pulsetw.broker.redis.scripts import HEARTBEAT
from pulsetw.catalogue.rule import History
from pulsetw.errors import BrokerAway, BrokerRefused
from pulsetw.model import Position

# A server that is gone is forgotten after so many intervals.
HEARTBEAT_KEPT = 10


class Publisher:
    """Sends through the publisher's link.

    No publish has a timer of its own: Redis answers in order, so a heartbeat that is answered proves all publishes
    before it, and one that is not ends the connection, and all of them with it.
    """

    _log = Logger()

    def __init__(
        self, link: Link, options: RedisOptions, server_id: str, probe: str, new_epoch: Callable[[], str]
    ) -> None:
        """Sends while `link` has a connection.

        Args:
            link: the publisher's.
            options: the prefix, and the bounds of what may be unanswered.
            server_id: whose heartbeat it is.
            probe: the channel, as it stands on Redis, by which heartbeats come round.
            new_epoch: a random text, for a log that is begun.
        """
        self._link = link
        self._options = options
        self._heartbeat_key = f"pulsetw:{options.prefix}hb:{server_id}"
        self._probe = probe
        self._new_epoch = new_epoch
        self._in_flight = 0
        self._in_flight_bytes = 0

    def publish(
        self, channel: str, event_id: str, payload: bytes, history: History | None
    ) -> Deferred[Position | None]:
        """Publishes; with a history, appends to the channel's log in the same step.

        Returns:
            Fires with the position, or None, when Redis has answered, however many heard it. Fails with `BrokerAway`
            (at once: there is no connection, or too much is unanswered), `BrokerRefused`, or `OutcomeUnknown` (the
            connection ended before the answer, or the caller cancelled).
        """
        connection = self._link.connection
        if connection is None:
            return fail(BrokerAway(f"not connected: {self._link.reason}"))
        if problem := self._full(len(payload)):
            return fail(BrokerAway(problem))
        self._in_flight += 1
        self._in_flight_bytes += len(payload)
        result: Deferred[Position | None] = Deferred(cancelled)
        wire = self._options.prefix + channel
        if history is None:
            answer = connection.ask("PUBLISH", wire, payload)
        else:
            answer = connection.ask(*publish_words(wire, event_id, payload, history, self._new_epoch()))
        answer.addBoth(self._landed, len(payload)).addCallbacks(
            self._answered,
            not_answered,
            callbackArgs=(result, history is not None),
            errbackArgs=(result, self._link, "a publish"),
        )
        answer.addErrback(lambda failure: self._log.failure("a publish failed in our own code", failure))
        return result

    def beat(self, token: bytes) -> Deferred[object]:
        """Sends a heartbeat; fires with the token, fails with `ErrorReply` or `NoReply`."""
        connection = self._link.connection
        if connection is None:
            return fail(NoReply("not connected"))
        kept_ms = round(HEARTBEAT_KEPT * self._options.heartbeat_s * 1000)
        return connection.ask("EVAL", HEARTBEAT, 1, self._heartbeat_key, token, kept_ms, self._probe)

    def _full(self, size: int) -> str:
        if self._in_flight >= self._options.max_in_flight:
            return f"outbox full: {self._in_flight} publishes are unanswered"
        if self._in_flight_bytes + size > self._options.max_in_flight_bytes:
            return f"outbox full: {self._in_flight_bytes} bytes are unanswered, and this has {size}"
        return ""

    def _landed(self, outcome: object, size: int) -> object:
        self._in_flight -= 1
        self._in_flight_bytes -= size
        return outcome

    def _answered(self, answer: object, result: Deferred[Position | None], has_position: bool) -> None:
        try:
            position = _read(answer, has_position)
        except Unreadable as error:
            if has_position and isinstance(answer, bytes):
                # The script answers what it has read, and somebody else may have written that.
                fail_result(result, BrokerRefused(f"the log is damaged: {error}", temporary=False))
            else:
                not_understood(result, self._link)
        else:
            if not result.called:
                result.callback(position)


def _read(answer: object, has_position: bool) -> Position | None:
    if has_position:
        return read_position(answer)
    if not isinstance(answer, int):
        raise Unreadable(f"no number of receivers: {answer!r:.100}")
    return None
