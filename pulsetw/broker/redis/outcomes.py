"""How a question to Redis ends for the one who asked it, where it does not end well."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pulsetw.broker.redis.link import Link
from pulsetw.broker.redis.replies import ErrorReply, NoReply
from pulsetw.errors import BrokerRefused, OutcomeUnknown


def cancelled(result: Deferred[Any]) -> None:
    """For Deferreds that fire with an answer: what was asked cannot be taken back."""
    result.errback(OutcomeUnknown("cancelled after it was sent"))


def fail_result(result: Deferred[Any], error: Exception) -> None:
    """Fails it, unless it was cancelled."""
    if not result.called:
        result.errback(error)


def not_answered(failure: Failure, result: Deferred[Any], link: Link, what: str) -> None:
    """Fails `result` with `BrokerRefused` or `OutcomeUnknown`; a link that is of no use any more is given up.

    Args:
        failure: of `Connection.ask`.
        result: what the one who asked waits for.
        link: on which it was asked.
        what: what was asked, for the log.
    """
    failure.trap(ErrorReply, NoReply)
    error = failure.value
    if not isinstance(error, ErrorReply):
        fail_result(result, OutcomeUnknown(f"the connection ended before the answer: {link.reason}"))
        return
    fail_result(result, BrokerRefused(error.message, temporary=error.temporary))
    if error.renew:
        link.abort(f"Redis refused {what}: {error}")


def not_understood(result: Deferred[Any], link: Link) -> None:
    """One answer too few or too many came before: no answer on this connection can be trusted any more."""
    link.abort("Redis's answers do not belong to what was asked")
    fail_result(result, OutcomeUnknown("the answer belonged to something else"))
