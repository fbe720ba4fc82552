"""What is asked of a server, and which figures come out."""

from collections.abc import Callable
from typing import Any

from attrs import frozen

Result = dict[str, Any]
"""What the load client prints."""


@frozen
class Figure:
    """A column of the table.

    Attributes:
        read: takes it from what the load client prints.
        digits: after the point.
        bound: what pulsetw has to stay within, in words; "" = nothing was asked for.
    """

    title: str
    read: Callable[[Result], float]
    digits: int = 2
    bound: str = ""

    def text(self, value: float) -> str:
        return f"{value:.{self.digits}f}"


@frozen
class Workload:
    """How many connect and subscribe, and how they are published to: in a window, at a rate, or not at all.

    Attributes:
        channels: connection i is subscribed to channel i modulo this.
        window: messages that may be undelivered.
        rate: messages a second.
        max_seconds: publishing takes no longer, whatever was chosen.
        is_personal: each message is for one user of an audience channel, which only the relay has.
    """

    name: str
    what: str
    figures: tuple[Figure, ...]
    connections: int
    channels: int = 1
    window: int = 0
    rate: float = 0
    max_seconds: float = 60
    is_personal: bool = False

    @property
    def is_published(self) -> bool:
        return bool(self.window or self.rate)


def per_delivery(name: str, bound: str = "") -> tuple[Figure, ...]:
    """The server's CPU for each message and subscriber."""
    return (Figure(f"{name}, µs per delivery", lambda result: result["cpu_us_per_deliv"], 2, bound),)


def per_message(name: str, bound: str = "") -> tuple[Figure, ...]:
    """The server's CPU for each message."""
    return (Figure(f"{name}, µs per message", lambda result: result["cpu_us_per_msg"], 1, bound),)


WORKLOADS = (
    Workload(
        "W1", "one channel, 1 000 subscribers, 32 messages undelivered", per_delivery("W1", "0.35"), 1000, window=32
    ),
    Workload("W1b", "the same with 1: nothing can be joined", per_delivery("W1b", "1.3 x limit"), 1000, window=1),
    Workload("W1x", "one channel, 5 000 subscribers, 8 undelivered", per_delivery("W1x", "1.0"), 5000, window=8),
    Workload(
        "W2",
        "one channel, 1 000 subscribers, 10 messages a second",
        (
            Figure("W2 p50, ms", lambda result: result["lat_us"]["p50"] / 1000, 1),
            Figure("W2 p99, ms", lambda result: result["lat_us"]["p99"] / 1000, 1, "Nchan's"),
        ),
        1000,
        rate=10,
    ),
    Workload(
        "W3",
        "0 to 5 000 connections, each with its subscription",
        (
            Figure("W3, KiB per connection", lambda result: result["kb_per_conn"], 1, "5.0"),
            Figure("W4, µs per handshake", lambda result: result["hs_cpu_us"], 0, "130"),
        ),
        5000,
        rate=2,
        max_seconds=0.5,
    ),
    Workload(
        "W5",
        "1 000 channels with one subscriber each, 64 in flight",
        per_message("W5", "12; 9 without history"),
        1000,
        1000,
        window=64,
    ),
    Workload("W5x", "the same with 10 000", per_message("W5x"), 10_000, 10_000, window=64),
    Workload(
        "W6",
        "1 000 users on one channel with an audience, each event for one of them, 64 in flight",
        per_message("W6", "12"),
        1000,
        1000,
        window=64,
        is_personal=True,
    ),
    Workload(
        "W6x", "the same with 10 000 users", per_message("W6x", "1.2 x W6"), 10_000, 10_000, window=64, is_personal=True
    ),
)


def faults(workload: Workload, result: Result) -> str:
    """What went wrong, in a few words; "" = all was delivered once and in order."""
    counts = {
        "refused": result["hs_fail"],
        "lost connections": result["closed_by_peer"],
        "never came": max(0, result.get("expected", 0) - result.get("deliveries", 0)),
        "holes": result.get("gaps", 0),
        "twice": result.get("dups", 0),
        "out of order": result.get("reordered", 0),
        "stalls": result.get("stalls", 0),
        "not subscribed": max(0, workload.connections - result["warm"]) if workload.is_published else 0,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
