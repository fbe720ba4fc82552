"""Bounds of what applications publish and hear."""

from attrs import field, frozen

from pulsetw.pubsub.outbox import OutboxOptions
from pulsetw.pubsub.retry import RetryOptions


@frozen
class PubSubOptions:
    """Bounds of publishing and listening.

    Attributes:
        max_event_bytes: the longest envelope, in bytes, published or received; 0 = no bound.
        retry: when to try again.
        outbox: what may wait for the broker, on channels with ``outage = "local"``.
        windows_bytes: what is remembered of events that came, their ids above all, on all channels together, in bytes,
            half of it for those with a history; the idlest channel forgets first.
    """

    max_event_bytes: int = 65536
    retry: RetryOptions = field(factory=RetryOptions)
    outbox: OutboxOptions = field(factory=OutboxOptions)
    windows_bytes: int = 67_108_864

    @property
    def window_bytes(self) -> int:
        """For either kind of channels."""
        return self.windows_bytes // 2
