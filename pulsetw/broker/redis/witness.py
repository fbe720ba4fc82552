"""Whether a replica has what was published: WAIT, which blocks a connection and so has one of its own."""

import re
from collections.abc import Callable

from attrs import frozen
from twisted.internet.defer import Deferred, FirstError, fail, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.broker.redis.link import Link, LinkUse
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.outcomes import fail_result
from pulsetw.broker.redis.protocol import Connection
from pulsetw.broker.redis.replies import ErrorReply, NoReply
from pulsetw.errors import OutcomeUnknown

WAIT_MS = 500
"""How long Redis waits for a replica."""

_KEPT_MS = 10_000
_run_id = re.compile(rb"^run_id:(\w+)", re.MULTILINE)


class _Unconfirmed(Exception):
    """No replica has it yet, or nobody can tell."""


@frozen(eq=False)
class _Waiter:
    connection: Connection
    result: Deferred[None]


class Witness:
    """Asks for all who wait together, one round after the other.

    A round writes something of its own and waits for a replica that has it. Replication is one log: that replica has
    all that the same master had answered before, whoever had sent it. That it is the same master, and not one that
    was deposed or restarted, the run id tells, asked on both connections.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        options: RedisOptions,
        key: str,
        publisher_link: Link,
        make_link: Callable[[LinkUse], Link],
    ) -> None:
        """A witness that does not connect before it is asked.

        Args:
            clock: for the limit of each round.
            options: the limit.
            key: what it writes to.
            publisher_link: whose publications it confirms.
            make_link: gives it its own link.
        """
        self._clock = clock
        self._limit_s = options.reply_timeout_s + WAIT_MS / 1000
        self._key = key
        self._publisher_link = publisher_link
        self._link = make_link(LinkUse(up=self._go_on, down=lambda _: None, gave_up=self._end_all))
        self._has_started = self._has_stopped = False
        self._round: list[_Waiter] = []
        self._waiting: list[_Waiter] = []
        self._timer: IDelayedCall | None = None

    def confirm(self) -> Deferred[None]:
        """Asks about all that the publisher's connection has answered until now.

        Returns:
            Fires when a replica has it. Fails with `OutcomeUnknown` when none has within `WAIT_MS`, or none can be
            asked.
        """
        connection = self._publisher_link.connection
        if connection is None or self._has_stopped:
            return fail(OutcomeUnknown("the connection ended before a replica had it"))
        result: Deferred[None] = Deferred(_cancelled)
        self._waiting.append(_Waiter(connection, result))
        if not self._has_started:
            self._has_started = True
            self._link.start()
        if self._timer is None:
            self._timer = self._clock.callLater(self._limit_s, self._late)
        self._go_on()
        return result

    def stop(self) -> Deferred[None]:
        """Fails all that waits; fires when the connection is gone."""
        self._has_stopped = True
        self._end_all()
        return self._link.stop() if self._has_started else succeed(None)

    def _go_on(self) -> None:
        connection = self._link.connection
        if self._round or not self._waiting or connection is None:
            return
        self._cancel_timer()
        self._timer = self._clock.callLater(self._limit_s, self._late)
        self._round, self._waiting = self._waiting, []
        number = self._round
        publishing = self._round[-1].connection
        asked = [
            publishing.ask("INFO", "server"),
            connection.ask("INFO", "server"),
            connection.ask("SET", self._key, 1, "PX", _KEPT_MS),
            connection.ask("WAIT", 1, WAIT_MS),
        ]
        asking = gatherResults(asked, consumeErrors=True)
        asking.addCallback(_check).addCallbacks(
            self._confirmed, self._failed, callbackArgs=(number, publishing), errbackArgs=(number,)
        )
        asking.addErrback(lambda failure: self._log.failure("a round failed in our own code", failure))

    def _confirmed(self, _: None, waiters: list[_Waiter], publishing: Connection) -> None:
        self._finish(waiters)
        for waiter in waiters:
            if waiter.connection is not publishing:
                _fail(waiter.result, "the connection was renewed before a replica had it")
            elif not waiter.result.called:
                waiter.result.callback(None)
        self._go_on()

    def _failed(self, failure: Failure, waiters: list[_Waiter]) -> None:
        if isinstance(failure.value, FirstError):
            failure = failure.value.subFailure
        failure.trap(_Unconfirmed, ErrorReply, NoReply)
        self._finish(waiters)
        for waiter in waiters:
            _fail(waiter.result, f"no replica has it yet: {failure.value}")
        if isinstance(failure.value, ErrorReply) and failure.value.renew:
            self._link.abort(f"Redis refused the witness: {failure.value}")
        self._go_on()

    def _finish(self, waiters: list[_Waiter]) -> None:
        if waiters is self._round:
            self._round = []
            self._cancel_timer()
            if self._waiting:
                self._timer = self._clock.callLater(self._limit_s, self._late)

    def _late(self) -> None:
        self._timer = None
        self._end_all()
        self._link.abort(f"nothing was heard of a replica within {self._limit_s:g} s")

    def _end_all(self) -> None:
        self._cancel_timer()
        waiters, self._round, self._waiting = [*self._round, *self._waiting], [], []
        for waiter in waiters:
            _fail(waiter.result, f"no replica could be asked: {self._link.reason}")

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def _check(answers: list[object]) -> None:
    """Looks at the answers of a round.

    Raises:
        _Unconfirmed: no replica has it, or the two connections lead to different servers.
    """
    publishers, witness, _, replicas = answers
    found = [_run_id.search(info) if isinstance(info, bytes) else None for info in (publishers, witness)]
    run_ids = [match.group(1) for match in found if match is not None]
    if len(run_ids) != 2 or run_ids[0] != run_ids[1]:
        raise _Unconfirmed("the witness is connected to another Redis")
    if not isinstance(replicas, int) or replicas < 1:
        raise _Unconfirmed(f"none confirmed within {WAIT_MS} ms")


def _cancelled(result: Deferred[None]) -> None:
    result.errback(OutcomeUnknown("cancelled before a replica had it"))


def _fail(result: Deferred[None], why: str) -> None:
    fail_result(result, OutcomeUnknown(why))
