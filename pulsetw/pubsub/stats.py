"""Counts, by the names that operators know."""

from collections import Counter

from attrs import define, field

# Clients choose names within a namespace: what comes after so many of them is counted together.
_MAX_CHANNELS = 1000
_OTHERS = "(others)"


@define
class PublisherStats:
    """What this server published.

    Attributes:
        total_published: calls of `publish`.
        successful_publishes: those that the broker has taken.
        failed_publishes: those that failed for good, refused ones included.
        degraded_publishes: those that this server's clients got while the broker was away; counted as successes, too.
        last_publish_time: when the last one succeeded, in milliseconds since 1970; None = never.
        channel_stats: successes by channel.
    """

    total_published: int = 0
    successful_publishes: int = 0
    failed_publishes: int = 0
    degraded_publishes: int = 0
    last_publish_time: int | None = None
    channel_stats: Counter[str] = field(factory=Counter)

    def succeeded(self, channel: str, now_ms: int) -> None:
        """Counts one that the broker has taken."""
        self.successful_publishes += 1
        self.last_publish_time = now_ms
        _count(self.channel_stats, channel)

    def as_dict(self) -> dict[str, object]:
        """A copy in plain types."""
        return {
            "total_published": self.total_published,
            "successful_publishes": self.successful_publishes,
            "failed_publishes": self.failed_publishes,
            "degraded_publishes": self.degraded_publishes,
            "last_publish_time": self.last_publish_time,
            "channel_stats": dict(self.channel_stats),
        }


@define
class SubscriberStats:
    """What this server received.

    Attributes:
        total_received: messages from the broker.
        processed_events: those that were given on.
        failed_events: those that were not, and callbacks that failed; `failures` has them by cause.
        last_receive_time: when the last message came, in milliseconds since 1970; None = never.
        channel_stats: messages by channel.
        failures: counts by cause: ``invalid`` (no envelope, or wrong fields), ``unknown_type``, ``unknown_channel``,
            ``oversized``, ``callback``, ``derived``.
        repeated: events whose id was here already; they are dropped.
        newer_types: events of types that this server does not know, relayed because they have a position.
        notices: how often something may have been missed, by reason (see `pulsetw.model.Notice`), once for a channel.
    """

    total_received: int = 0
    processed_events: int = 0
    failed_events: int = 0
    last_receive_time: int | None = None
    channel_stats: Counter[str] = field(factory=Counter)
    failures: Counter[str] = field(factory=Counter)
    repeated: int = 0
    newer_types: int = 0
    notices: Counter[str] = field(factory=Counter)

    def received(self, channel: str, now_ms: int) -> None:
        """Counts a message from the broker."""
        self.total_received += 1
        self.last_receive_time = now_ms
        if channel in self.channel_stats:
            self.channel_stats[channel] += 1
        else:
            _count(self.channel_stats, channel)

    def failed(self, cause: str) -> None:
        """Counts one that was not given on, or a callback that failed."""
        self.failed_events += 1
        self.failures[cause] += 1

    def as_dict(self) -> dict[str, object]:
        """A copy in plain types."""
        return {
            "total_received": self.total_received,
            "processed_events": self.processed_events,
            "failed_events": self.failed_events,
            "last_receive_time": self.last_receive_time,
            "channel_stats": dict(self.channel_stats),
            "failures": dict(self.failures),
            "repeated": self.repeated,
            "newer_types": self.newer_types,
            "notices": dict(self.notices),
        }


def _count(counter: Counter[str], channel: str) -> None:
    counter[channel if channel in counter or len(counter) < _MAX_CHANNELS else _OTHERS] += 1
