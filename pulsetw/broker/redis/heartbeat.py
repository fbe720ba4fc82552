"""Heartbeats: a write that must be answered and must come round."""

from collections.abc import Callable
from typing import Protocol

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.replies import ErrorReply


class HeartbeatUser(Protocol):
    """Who is told how each heartbeat ended. Exactly one of these is called for each, unless its link goes down."""

    def beat_done(self, round_trip_s: float | None) -> None:
        """Answered, and it came round in so many seconds; None = nothing could bring it round: only one link stood."""

    def beat_refused(self, error: ErrorReply) -> None:
        """Redis answered with an error."""

    def beat_unanswered(self, reason: str) -> None:
        """No answer came in time, or one that belongs to something else: the publisher's link is of no use."""

    def beat_not_round(self, reason: str) -> None:
        """Answered, and it did not come round in time: the subscriber's link is of no use."""


@define(eq=False)
class _Beat:
    token: bytes
    sent_at: float
    goes_round: bool
    answered: bool = False
    came_round: bool = False


class Heartbeat:
    """Sends one beat after the other while the publisher's link stands.

    The next one goes out `heartbeat_s` after the last, but never before that has ended: a link that dies is noticed
    within `heartbeat_s` + `reply_timeout_s`. A PING would not do: a master that is cut off from its replicas answers
    it for ever, and a subscriber whose node has left the master stays healthy on TCP.
    """

    def __init__(
        self,
        clock: IReactorTime,
        options: RedisOptions,
        nonce: str,
        send: Callable[[bytes], Deferred[object]],
        user: HeartbeatUser,
    ) -> None:
        """A heart that does not beat yet.

        Args:
            clock: for all waiting.
            options: interval and limit.
            nonce: tells this broker's beats from those of another with the same server id.
            send: sends a beat; fires with the beat itself, fails with `ErrorReply` or `NoReply`.
            user: is told.
        """
        self._clock = clock
        self._options = options
        self._nonce = nonce
        self._send = send
        self._user = user
        self._count = 0
        self._beats = False
        self._goes_round = False
        self._beat: _Beat | None = None  # the one under way
        self._timer: IDelayedCall | None = None  # until the next beat, or until the one under way is late

    def publisher_up(self) -> None:
        """Beats from now on."""
        self._beats = True
        self._next()

    def publisher_down(self) -> None:
        """Stops; the beat under way is forgotten."""
        self._beats = False
        self._beat = None
        self._cancel_timer()

    def subscriber_up(self) -> None:
        """Beats go round from now on; the first one at once."""
        self._goes_round = True
        if self._beats and self._beat is None:
            self._next()

    def subscriber_down(self) -> None:
        """Beats only have to be answered from now on, the one under way, too."""
        self._goes_round = False
        if self._beat is not None:
            self._beat.goes_round = False
            self._look_at(self._beat)

    def came_round(self, token: bytes) -> None:
        """Something was published to the probe channel."""
        if self._beat is not None and self._beat.token == token:
            self._beat.came_round = True
            self._look_at(self._beat)

    def _next(self) -> None:
        self._cancel_timer()
        self._count += 1
        token = f"{self._nonce}.{self._count}".encode()
        beat = self._beat = _Beat(token, self._clock.seconds(), self._goes_round)
        # One more turn than the limit: when the reactor itself was held up, the answer may be there, still unread.
        self._timer = self._clock.callLater(
            self._options.reply_timeout_s, lambda: self._set_timer(0, lambda: self._late(beat))
        )
        self._send(token).addCallbacks(self._answered, self._refused, callbackArgs=(beat,), errbackArgs=(beat,))

    def _answered(self, token: object, beat: _Beat) -> None:
        if beat is not self._beat:
            return
        if token != beat.token:
            self._beat = None
            self._cancel_timer()
            self._user.beat_unanswered("Redis's answers do not belong to what was asked")
            return
        beat.answered = True
        self._look_at(beat)

    def _refused(self, failure: Failure, beat: _Beat) -> None:
        # NoReply means that the link is down: whoever noticed that says so.
        error = failure.value
        if beat is self._beat and isinstance(error, ErrorReply):
            self._end(beat)
            self._user.beat_refused(error)

    def _look_at(self, beat: _Beat) -> None:
        if beat.answered and (beat.came_round or not beat.goes_round):
            # Not of `came_round`: a beat proves nothing of a subscriber that was not up all the time.
            round_trip_s = self._clock.seconds() - beat.sent_at if beat.goes_round else None
            self._end(beat)
            self._user.beat_done(round_trip_s)

    def _late(self, beat: _Beat) -> None:
        limit = f"{self._options.reply_timeout_s:g} s"
        if beat.answered:
            self._end(beat)
            self._user.beat_not_round(f"a heartbeat was published and did not come round within {limit}")
        else:
            self._beat = None
            self._user.beat_unanswered(f"Redis did not answer a heartbeat within {limit}")

    def _end(self, beat: _Beat) -> None:
        """Plans the next beat: at once when the subscriber has come up behind this one."""
        self._beat = None
        overdue = self._goes_round and not beat.goes_round
        due = beat.sent_at + self._options.heartbeat_s - self._clock.seconds()
        self._set_timer(0 if overdue else max(0, due), self._next)

    def _set_timer(self, wait_s: float, call: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = self._clock.callLater(wait_s, call)

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
