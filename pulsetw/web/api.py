"""Publishing and looking inside over HTTP, for backends and operators."""

from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.errors import ChannelError, ErrorCode, EventError, OversizedEvent, PublishError, TooManyWaiting
from pulsetw.model import Degraded, Event, Receipt
from pulsetw.web.answer import Answer, Refusal, json_answer, json_error
from pulsetw.web.reading import PublishRequest, read_batch, read_publish
from pulsetw.web.routes import Method, WebRequest

RETRY_AFTER_S = 1
"""When a refused backend should try again, in seconds; the broker may be back by then."""

Stats = Mapping[str, Callable[[], Mapping[str, object]]]


class Publisher(Protocol):
    """What is used of `pulsetw.pubsub.manager.PubSubManager`."""

    def publish(
        self, channel: str, event: Event, *, id: str | None = None, exclude: str | None = None
    ) -> Deferred[Receipt]:
        """Fires with the position; fails with `ChannelError`, `EventError` or `PublishError`."""


class Api:
    """The methods under ``/api/v1``."""

    _log = Logger()

    def __init__(self, publisher: Publisher, stats: Stats, batch_events: int) -> None:
        """Takes what it works with.

        Args:
            publisher: publishes.
            stats: from the name of a part of the relay to what tells its numbers.
            batch_events: events in one batch, at most.
        """
        self._publisher = publisher
        self._stats = stats
        self._batch_events = batch_events

    @property
    def paths(self) -> dict[bytes, Mapping[bytes, Method]]:
        """From path and method to what answers."""
        return {
            b"/api/v1/publish": {b"POST": self.publish},
            b"/api/v1/batch": {b"POST": self.batch},
            b"/api/v1/stats": {b"GET": self.stats},
        }

    def publish(self, request: WebRequest) -> Answer | Deferred[Answer]:
        """One event: its position, or why it was not published."""
        try:
            asked = read_publish(request.content.read())
        except EventError as error:
            return json_error(_refusal(error))
        return self._publish(asked).addCallback(_answer)

    def batch(self, request: WebRequest) -> Answer | Deferred[Answer]:
        """Many events: for each, in the same order, its position or why it was not published.

        A batch that is malformed anywhere is refused as a whole. Otherwise all are started in order, so that those of
        one channel arrive in order, and one that fails keeps no other back.
        """
        try:
            events = read_batch(request.content.read())
        except EventError as error:
            return json_error(_refusal(error))
        if len(events) > self._batch_events:
            problem = f"a batch has at most {self._batch_events} events, found {len(events)}"
            return json_error(Refusal(413, ErrorCode.LIMIT_EXCEEDED, problem, details={"field": "events"}))
        results = gatherResults([self._publish(event, f"events[{index}].") for index, event in enumerate(events)])
        return results.addCallback(_batch_answer)

    def stats(self, _request: WebRequest) -> Answer:
        """The numbers of all parts, by their names."""
        return json_answer(200, {name: numbers() for name, numbers in self._stats.items()})

    def _publish(self, asked: PublishRequest, where: str = "") -> "Deferred[Receipt | Refusal]":
        """Publishes one event; never fails.

        Args:
            asked: the event.
            where: what stands before the path of a wrong member.
        """
        event = Event(asked.type, asked.data, tags=asked.tags)
        published = maybeDeferred(
            self._publisher.publish, asked.channel, event, id=asked.id or None, exclude=asked.exclude or None
        )
        return published.addErrback(self._failed, where)

    def _failed(self, failure: Failure, where: str) -> Refusal:
        if isinstance(failure.value, ChannelError | EventError | PublishError):
            return _refusal(failure.value, where)
        self._log.failure("publishing for the operator's port failed", failure)
        return Refusal(500, ErrorCode.INTERNAL, "internal error")


def _refusal(error: ChannelError | EventError | PublishError, where: str = "") -> Refusal:
    """What a backend is told of an error."""
    if isinstance(error, ChannelError):
        return Refusal(404, ErrorCode.UNKNOWN_CHANNEL, str(error), details={"field": f"{where}channel"})
    if isinstance(error, OversizedEvent):
        return Refusal(413, ErrorCode.LIMIT_EXCEEDED, str(error))
    if isinstance(error, EventError):
        path = where + error.field if error.field else where.rstrip(".")
        return Refusal(400, ErrorCode.BAD_REQUEST, str(error), details={"field": path} if path else {})
    known = {"outcome": error.outcome, "id": error.event_id}
    later = {"Retry-After": str(RETRY_AFTER_S)}
    if isinstance(error, TooManyWaiting):
        return Refusal(429, ErrorCode.LIMIT_EXCEEDED, str(error), later, known)
    return Refusal(503, ErrorCode.NOT_AVAILABLE, str(error), later, known)


def _document(result: Receipt | Refusal) -> Mapping[str, object]:
    if isinstance(result, Refusal):
        return result.document
    if isinstance(result, Degraded):
        return {"degraded": True}
    return {} if result is None else {"offset": result.offset, "epoch": result.wire_epoch}


def _answer(result: Receipt | Refusal) -> Answer:
    return json_error(result) if isinstance(result, Refusal) else json_answer(200, _document(result))


def _batch_answer(results: list[Receipt | Refusal]) -> Answer:
    return json_answer(200, {"results": [_document(result) for result in results]})
