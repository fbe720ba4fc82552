"""Whether the relay lives, and whether it is of use: for load balancers, and with reasons for operators."""

from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen

from pulsetw.interfaces import BrokerStatus
from pulsetw.web.answer import Answer, bare_answer, json_answer
from pulsetw.web.routes import Method, WebRequest

LIVE_PATH = b"/health/live"
READY_PATH = b"/health/ready"


@frozen
class Readiness:
    """Whether events come in and go out.

    Attributes:
        ready: clients should be sent here.
        reasons: why they should not, in words; empty when ready.
        broker: what is known of the broker; see `broker_document`.
        why_not_direct: why clients are not sent to directly (`pulsetw.transport.direct`), in words; "" = they are.
            It is no reason against sending them here.
    """

    ready: bool
    reasons: Sequence[str] = ()
    broker: Mapping[str, object] = field(factory=dict)
    why_not_direct: str = ""


def broker_document(status: BrokerStatus, now: float) -> dict[str, object]:
    """A broker's state as operators see it.

    Args:
        status: the broker's.
        now: the time, in seconds of the broker's clock.
    """
    age_s = None if status.last_round_trip is None else max(0.0, now - status.last_round_trip)
    return {
        "url": status.url,
        "publisherReady": status.publisher_ready,
        "subscriberReady": status.subscriber_ready,
        "reconnectAttempts": status.reconnect_attempts,
        "gaveUp": status.gave_up,
        "roundTripMs": None if status.round_trip_ms is None else round(status.round_trip_ms, 3),
        "ageMs": None if age_s is None else round(age_s * 1000),
        "windowEvents": status.window_events,
        "windowFull": status.window_full,
    }


def operator_health(readiness: Callable[[], Readiness]) -> dict[bytes, Mapping[bytes, Method]]:
    """From path to method, with all that is known."""

    def live(_request: WebRequest) -> Answer:
        return json_answer(200, {"live": True})

    def ready(_request: WebRequest) -> Answer:
        state = readiness()
        document = {
            "ready": state.ready,
            "reasons": list(state.reasons),
            "broker": dict(state.broker),
            "directSend": state.why_not_direct or "yes",
        }
        return json_answer(200 if state.ready else 503, document)

    return {LIVE_PATH: {b"GET": live}, READY_PATH: {b"GET": ready}}


def public_health(readiness: Callable[[], Readiness]) -> dict[bytes, Mapping[bytes, Method]]:
    """From path to method, with a status and a word: where the broker is and what ails it is nobody's business."""

    def live(_request: WebRequest) -> Answer:
        return bare_answer(200, "live")

    def ready(_request: WebRequest) -> Answer:
        return bare_answer(200, "ready") if readiness().ready else bare_answer(503, "not ready")

    return {LIVE_PATH: {b"GET": live}, READY_PATH: {b"GET": ready}}
