"""Reads logs on the publisher's connection, some at a time."""

from collections import deque
from collections.abc import Callable
from functools import partial

from attrs import frozen
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from pulsetw.broker.redis.history import Unreadable, read_page, sync_words
from pulsetw.broker.redis.link import Link
from pulsetw.broker.redis.outcomes import cancelled, fail_result, not_answered, not_understood
from pulsetw.broker.redis.protocol import Word
from pulsetw.errors import BrokerAway, BrokerRefused
from pulsetw.interfaces import PAGE_BYTES
from pulsetw.model import Page, Position

# Heartbeats and publishes wait behind the pages that are under way: 0.13 s on a link of 64 Mbit/s.
MAX_IN_FLIGHT_BYTES = 4 * PAGE_BYTES
# Where many logs are to be read, less of each is asked for, so that 32 are under way.
_SHORT_PAGE_BYTES = PAGE_BYTES // 8

MAX_WAITING = 100_000


@frozen(eq=False)
class _Question:
    words: Callable[[int], list[Word]]
    result: Deferred[Page]


class Reader:
    """Asks for pages, in order.

    As with publishes, none has a timer: the heartbeats prove the connection.
    """

    _log = Logger()

    def __init__(self, link: Link, prefix: str, new_epoch: Callable[[], str]) -> None:
        """Reads while `link` has a connection.

        Args:
            link: the publisher's.
            prefix: stands before the names of all channels on Redis.
            new_epoch: a random text, for a log that is begun.
        """
        self._link = link
        self._prefix = prefix
        self._new_epoch = new_epoch
        self._in_flight_bytes = 0
        self._waiting: deque[_Question] = deque()

    def sync(self, channel: str, position: Position | None, limit: int, *, begins: bool) -> Deferred[Page]:
        """See `IBroker.sync`; one that waits for its turn when the connection ends fails with `BrokerAway`."""
        if self._link.connection is None:
            return fail(BrokerAway(f"not connected: {self._link.reason}"))
        if len(self._waiting) >= MAX_WAITING:
            return fail(BrokerAway(f"{MAX_WAITING} logs wait to be read"))
        result: Deferred[Page] = Deferred(cancelled)
        words = partial(sync_words, self._prefix + channel, position, limit, self._new_epoch(), begins)
        self._waiting.append(_Question(words, result))
        self._go_on()
        return result

    def forget_connection(self) -> None:
        """The connection cannot be used any more: what waits fails."""
        waiting, self._waiting = self._waiting, deque()
        for question in waiting:
            fail_result(question.result, BrokerAway(f"the connection ended: {self._link.reason}"))

    def _go_on(self) -> None:
        while self._waiting and self._link.connection is not None:
            size = min(PAGE_BYTES, max(_SHORT_PAGE_BYTES, MAX_IN_FLIGHT_BYTES // len(self._waiting)))
            if self._in_flight_bytes + size > MAX_IN_FLIGHT_BYTES:
                return
            question = self._waiting.popleft()
            if question.result.called:
                continue
            self._in_flight_bytes += size
            answer = self._link.connection.ask(*question.words(size))
            answer.addBoth(self._landed, size).addCallbacks(
                self._answered,
                not_answered,
                callbackArgs=(question.result,),
                errbackArgs=(question.result, self._link, "a sync"),
            )
            answer.addErrback(lambda failure: self._log.failure("a sync failed in our own code", failure))

    def _landed(self, outcome: object, size: int) -> object:
        self._in_flight_bytes -= size
        self._go_on()
        return outcome

    def _answered(self, answer: object, result: Deferred[Page]) -> None:
        try:
            page = read_page(answer)
        except Unreadable as error:
            if isinstance(answer, list):
                fail_result(result, BrokerRefused(f"the log is damaged: {error}", temporary=False))
            else:
                not_understood(result, self._link)
        else:
            if not result.called:
                result.callback(page)
