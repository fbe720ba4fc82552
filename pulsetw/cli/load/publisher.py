"""Publishes a run's events over the operator's HTTP, and counts what the relay answers."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from attrs import Factory, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from pulsetw import codec
from pulsetw.cli.load.ledger import Ledger
from pulsetw.cli.load.marks import Marks
from pulsetw.cli.load.pace import Pace
from pulsetw.errors import ERROR_TEXTS, TEMPORARY_ERRORS, ErrorCode, EventError

_ANSWER_S = 10.0
# After a request that failed.
_PAUSE_S = 0.2


@frozen
class Target:
    """Where events go.

    Attributes:
        url: of the operator's port, such as ``http://127.0.0.1:8081``.
        key: one of the relay's ``auth.api_keys``; "" = none.
        channels: one after the other gets an event.
    """

    url: str
    key: str
    channels: Sequence[str]


@frozen
class _Answer:
    results: list[dict[str, Any]] = Factory(list)
    error: dict[str, Any] | None = None


class Publisher:
    """One request at a time, so that the order of a channel's events is known; what is due meanwhile goes in the next.

    Attributes:
        published: events that the relay has taken.
        failures: events that it has not, or perhaps not, by reason.
        error: why it goes on no more; "" = it does.
        is_waiting: for an answer.
        last_us: when the relay answered last.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, now_us: Callable[[], int], agent: IAgent, target: Target, marks: Marks, ledger: Ledger
    ) -> None:
        """Publishes nothing before `start`."""
        self.published = 0
        self.failures: Counter[str] = Counter()
        self.error = ""
        self.is_waiting = False
        self.last_us = 0
        self._reactor = reactor
        self._now_us = now_us
        self._agent = agent
        self._uri = target.url.rstrip("/").encode() + b"/api/v1/batch"
        self._headers = Headers({"Content-Type": ["application/json"]})
        if target.key:
            self._headers.addRawHeader("Authorization", f"Bearer {target.key}")
        self._channels = target.channels
        self._marks = marks
        self._ledger = ledger
        self._pace: Pace | None = None
        self._number = 0
        self._timer: IDelayedCall | None = None

    @property
    def is_over(self) -> bool:
        """Whether it publishes no more, and every request was answered."""
        return self._pace is None and not self.is_waiting

    def start(self, pace: Pace) -> None:
        """Goes on until `stop`, or until the relay refuses for good."""
        self._pace = pace
        self.look()

    def stop(self) -> None:
        """Publishes no more; an answer may still come."""
        self._pace = None
        self._sleep(None)

    def look(self) -> None:
        """Publishes what is due; nothing while an answer is awaited."""
        if self._pace is None or self.is_waiting:
            return
        now_us = self._now_us()
        times = self._pace.due(now_us, len(self._ledger.awaited))
        if times:
            self._publish(times)
        else:
            wait_us = self._pace.wait_us(now_us)
            self._sleep(None if wait_us is None else wait_us / 1_000_000)

    def _sleep(self, wait_s: float | None) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if wait_s is None else self._reactor.callLater(wait_s, self.look)

    def _publish(self, times: list[int]) -> None:
        numbers = range(self._number, self._number + len(times))
        self._number = numbers.stop
        events = []
        for number, time_us in zip(numbers, times, strict=True):
            channel = self._channels[number % len(self._channels)]
            events.append({"channel": channel, "type": "bench", "data": self._marks.data((number, time_us))})
            self._ledger.published(number)
        self.is_waiting = True
        body = _Body(codec.encode({"events": events}))
        answered: Deferred[Any] = self._agent.request(b"POST", self._uri, self._headers, body)
        answered.addCallback(_read, len(events))
        answered.addTimeout(_ANSWER_S, self._reactor)
        answered.addCallbacks(self._answered, self._failed, callbackArgs=(numbers,), errbackArgs=(numbers,))
        answered.addErrback(lambda failure: self._log.failure("Publishing failed", failure))

    def _answered(self, results: list[dict[str, Any]], numbers: range) -> None:
        pause_s = 0.0
        for number, result in zip(numbers, results, strict=True):
            error = result.get("error")
            if error is None:
                self.published += 1
            else:
                pause_s = _PAUSE_S
                self._refused(number, error)
        self._go_on(pause_s)

    def _refused(self, number: int, error: dict[str, Any]) -> None:
        code = error["code"]
        self._ledger.refused(number)
        self.failures[f"{code} {ERROR_TEXTS.get(code, '')}"] += 1
        # Too many wait, which passes, or the event is too long for all times.
        is_passing = code in TEMPORARY_ERRORS or (code == ErrorCode.LIMIT_EXCEEDED and self.published)
        if not is_passing:
            self.error = f"{code} {error['message']}"
            self.stop()

    def _failed(self, failure: Failure, numbers: range) -> None:
        cause = failure.value
        reason = cause.reasons[0] if isinstance(cause, ResponseFailed) else failure
        why = reason.getErrorMessage()
        for number in numbers:
            self._ledger.refused(number)
        self.failures[why] += len(numbers)
        if not self.published:
            self.error = why
            self.stop()
        self._go_on(_PAUSE_S)

    def _go_on(self, pause_s: float) -> None:
        self.is_waiting = False
        self.last_us = self._now_us()
        if self._pace is not None:
            self._sleep(pause_s) if pause_s else self.look()


@implementer(IBodyProducer)
class _Body:
    """A request's body, written at once."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802 -- Twisted's; so are the next
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:  # noqa: N802
        """All is written."""

    def resumeProducing(self) -> None:  # noqa: N802
        """The same."""

    def stopProducing(self) -> None:  # noqa: N802
        """The same."""


def _read(response: IResponse, count: int) -> Deferred[list[dict[str, Any]]]:
    """Fires with what the relay says of each of `count` events; fails with ValueError where no relay answers."""

    def read(body: bytes) -> list[dict[str, Any]]:
        try:
            answer: _Answer = codec.convert(codec.decode(body), _Answer)
        except (ValueError, EventError):
            answer = _Answer()
        results = answer.results if answer.error is None else [{"error": answer.error}] * count
        if len(results) != count:
            raise ValueError(f"HTTP {response.code}, and no answer that a relay's operator port gives")
        return results

    return readBody(response).addCallback(read)
