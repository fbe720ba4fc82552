"""What the channels of one hub have sent."""

from attrs import define


@define
class Counts:
    """Shared by all channels.

    Attributes:
        deliveries: publications times subscribers that they were sent to.
        gaps: how often a subscriber was told that something is missing.
    """

    deliveries: int = 0
    gaps: int = 0
