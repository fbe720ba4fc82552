"""How a client came in."""

from attrs import frozen


@frozen
class Arrival:
    """What a client said of itself when it came in; nothing of it is checked.

    Attributes:
        peer: its address, for people and logs.
        user: who it says it is (``?user=``); None = it did not say.
        channels: those that it wants from the start (``?channels=a,b``), in order.
    """

    peer: str
    user: str | None = None
    channels: tuple[str, ...] = ()
