"""Publishes events over the relay's HTTP, in order, and goes on when the relay was away."""

import json
from collections import deque
from collections.abc import Callable
from io import BytesIO

from attrs import asdict, frozen
from season import Event
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as NoAnswerInTime
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.client import (
    FileBodyProducer,
    PartialDownloadError,
    RequestTransmissionFailed,
    ResponseFailed,
    readBody,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

ANSWER_WITHIN_S = 5.0
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
CAPACITY = 1_000
"""How many events may wait for a relay that is away; past it the oldest go."""

_NO_ANSWER = (
    OSError,
    ConnectError,
    ConnectionClosed,
    NoAnswerInTime,
    RequestTransmissionFailed,
    ResponseFailed,
    PartialDownloadError,
)


@frozen
class _Trouble:
    """Why an event should be tried again, and when at the earliest."""

    reason: str
    after_s: float = 0.0


class Publisher:
    """Sends one event at a time, so that they arrive in order.

    After a 503 or without an answer an event is sent again with the same id: where only the answer was lost, the relay
    knows the id and nobody gets the event twice.

    Attributes:
        positions: by channel, the relay's position of the last event that it has taken, None for a channel without
            history. Who has the league's state goes on from there.
    """

    _log = Logger()

    def __init__(
        self,
        agent: IAgent,
        clock: IReactorTime,
        relay: str,
        tell: Callable[[str], None],
        lost: Callable[[], None],
    ) -> None:
        """Publishes nothing yet.

        Args:
            agent: makes the requests.
            clock: times them.
            relay: the address of its operator's port, such as ``http://127.0.0.1:8081``.
            tell: gets what people should know: the relay is away, is back, refuses an event.
            lost: called when the relay is back and did not get all events.
        """
        self.positions: dict[str, dict[str, object] | None] = {}
        self._agent = agent
        self._clock = clock
        self._url = f"{relay.rstrip('/')}/api/v1/publish".encode()
        self._tell = tell
        self._lost = lost
        self._queue: deque[Event] = deque()
        self._dropped = 0
        self._busy = False
        self._away = False

    def publish(self, event: Event) -> None:
        """Sends the event after those before it; keeps it while the relay is away."""
        if len(self._queue) >= CAPACITY:
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(event)
        if not self._busy:
            self._busy = True
            sending = Deferred.fromCoroutine(self._send_all())
            sending.addErrback(lambda failure: self._log.failure("the publisher stopped", failure))

    async def _send_all(self) -> None:
        while self._queue:
            await self._send(self._queue.popleft())
        self._busy = False

    async def _send(self, event: Event) -> None:
        wait_s = FIRST_WAIT_S
        while (trouble := await self._try(event)) is not None:
            if not self._away:
                self._away = True
                self._tell(f"the relay is away ({trouble.reason}); the league plays on")
            await deferLater(self._clock, max(wait_s, trouble.after_s))
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        if self._away:
            self._back()

    def _back(self) -> None:
        self._away = False
        dropped, self._dropped = self._dropped, 0
        self._tell(f"the relay is back; {dropped} events were dropped" if dropped else "the relay is back")
        if dropped:
            self._lost()

    async def _try(self, event: Event) -> _Trouble | None:
        try:
            response, body = await Deferred.fromCoroutine(self._post(event)).addTimeout(ANSWER_WITHIN_S, self._clock)
        except _NO_ANSWER as error:
            return _Trouble(_reason(error))
        if response.code == 429 or response.code >= 500:
            return _Trouble(f"it answered {response.code}", _retry_after_s(response))
        if response.code != 200:
            self._tell(f"the relay refused {event.type}: {response.code} {body.decode(errors='replace')[:300]}")
            return None
        self.positions[event.channel] = _position(body)
        return None

    async def _post(self, event: Event) -> tuple[IResponse, bytes]:
        headers = Headers({"Content-Type": ["application/json"]})
        body = FileBodyProducer(BytesIO(json.dumps(asdict(event)).encode()))
        response = await self._agent.request(b"POST", self._url, headers, body)
        return response, await readBody(response)


def _position(body: bytes) -> dict[str, object] | None:
    try:
        answer = json.loads(body)
        return {"offset": answer["offset"], "epoch": answer["epoch"]}
    except (ValueError, KeyError, TypeError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, (RequestTransmissionFailed, ResponseFailed)):
        error = error.reasons[0].value
    return str(error).rstrip(".")


def _retry_after_s(response: IResponse) -> float:
    value = response.headers.getRawHeaders(b"retry-after", [b""])[0]
    return min(float(value), LONGEST_WAIT_S) if value.isdigit() else 0.0
