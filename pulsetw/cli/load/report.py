"""What a run found, in numbers and in words."""

from attrs import Factory, frozen

from pulsetw.cli.load.histogram import Percentiles
from pulsetw.cli.load.strain import Strain

# Of its core; above it, what the tool does not do in time may be its own fault.
_BUSY_SHARE = 0.9
_LATE_MS = 20.0
# Of the rate that was asked for.
_NEARLY = 0.95


@frozen
class Connections:
    """How the listeners came to be.

    Attributes:
        asked: how many should be.
        made: handshakes done.
        subscribed: those with all subscriptions.
        per_second: handshakes.
        failures: those that did not connect, by reason.
        refusals: subscriptions that were refused or ended, by code and reason.
        disconnects: ends of subscribed listeners before that of the run, by close code; 1006 = without a close frame.
        handshake_ms: from the first packet to the end of the handshake.
    """

    asked: int
    made: int
    subscribed: int
    per_second: float
    failures: dict[str, int]
    refusals: dict[str, int]
    disconnects: dict[str, int]
    handshake_ms: Percentiles


@frozen
class Publishing:
    """What went in.

    Attributes:
        rate: events a second that were asked for; None = as the window allowed.
        window: events in flight that were asked for; 0 = at a rate.
        seconds: from the first request to the last answer, or as long as it was to last.
        published: events that the relay has taken.
        per_second: of those.
        failures: events that it has not, or perhaps not, by reason.
        error: why publishing ended early; "" = it did not.
    """

    rate: float | None
    window: int
    seconds: float
    published: int
    per_second: float
    failures: dict[str, int]
    error: str


@frozen
class Deliveries:
    """What came out; a delivery is one event to one listener.

    Attributes:
        expected: what was due.
        arrived: without duplicates.
        per_second: of those, from the first request to the last arrival, or as long as publishing was to last.
        lost: what had not come when the run ended. After Ctrl-C: to listeners that were gone.
        duplicates: what came again.
        out_of_order: what came after something newer of its channel.
        gaps: what the relay itself told of events that may be missing, by reason.
        strangers: events on the channels that others published.
        latency_ms: from an event's time to its arrival.
    """

    expected: int
    arrived: int
    per_second: float
    lost: int
    duplicates: int
    out_of_order: int
    gaps: dict[str, int]
    strangers: int
    latency_ms: Percentiles


def _faults(report: "Report") -> list[str]:
    connections, publishing, deliveries = report.connections, report.publishing, report.deliveries
    found = []
    for reasons, what in (
        (connections.failures, "connections failed"),
        (connections.refusals, "subscriptions were refused or ended"),
        (connections.disconnects, "listeners were disconnected"),
        (publishing.failures, "events failed to be published"),
        (deliveries.gaps, "gaps were told"),
    ):
        found += [f"{count} {what}: {reason}" for reason, count in reasons.items()]
    if publishing.error:
        found.append(f"publishing ended early: {publishing.error}")
    for count, what in (
        (deliveries.lost, "deliveries were lost"),
        (deliveries.duplicates, "deliveries came twice"),
        (deliveries.out_of_order, "deliveries came out of order"),
    ):
        if count:
            found.append(f"{count} {what}")
    return found


def _warnings(report: "Report") -> list[str]:
    found = []
    for strain, when, what in (
        (report.connecting, "while connecting", "connections per second and handshake times are"),
        (report.delivering, "while events flowed", "rates and latencies are"),
    ):
        if strain is None:
            continue
        if strain.cpu_share >= _BUSY_SHARE:
            percent = f"{strain.cpu_share * 100:.0f} %"
            found.append(f"the load tool used {percent} of its core {when}: {what} its limit, not the relay's")
        elif strain.lag_ms.p99 >= _LATE_MS:
            found.append(
                f"the load tool came late by {strain.lag_ms.p99:.0f} ms (p99) {when}: {what} in part its own, or "
                "another program has its core"
            )
    publishing = report.publishing
    if publishing.rate is not None and 0 < publishing.per_second < publishing.rate * _NEARLY:
        found.append(f"{publishing.per_second:.1f} of {publishing.rate:g} events a second were published")
    return found


@frozen
class Report:
    """All of it.

    Attributes:
        url: of the relay.
        interrupted: whether Ctrl-C ended the run.
        connecting: the tool's own strain while it connected.
        delivering: the same while events flowed; None = it did not come to that.
        faults: what went wrong, in words; none = each event came to each listener, once and in order.
        warnings: why the figures may be the tool's own.
    """

    url: str
    interrupted: bool
    connections: Connections
    publishing: Publishing
    deliveries: Deliveries
    connecting: Strain
    delivering: Strain | None
    faults: list[str] = Factory(_faults, takes_self=True)
    warnings: list[str] = Factory(_warnings, takes_self=True)
