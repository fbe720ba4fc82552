"""The three things that everything here is about: events, positions, publications."""

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Position:
    """A place in a channel's log.

    Attributes:
        offset: counts the channel's publications from 1, without holes, below 2^53.
        epoch: opaque; changes whenever the count starts anew.
    """

    offset: int
    epoch: str


@frozen
class Event:
    """A typed fact.

    An application gives `type` and `data`; what is left empty is filled in when it is published.

    Attributes:
        type: such as ``match_completed``.
        data: an attrs instance of the type's class, or a mapping as it stands on the wire. While an event only passes
            through it is the checked JSON text itself (`msgspec.Raw`).
        timestamp: milliseconds since 1970; 0 = now.
        server_id: the server that published it; "" = this one.
        id: names the event: a second event with the same id is the same event; "" = a new one.
        tags: small labels for filters, from text to text; None = none.
    """

    type: str
    data: object = field(factory=dict)
    timestamp: int = 0
    server_id: str = ""
    id: str = ""
    tags: Mapping[str, str] | None = None


@frozen
class Publication:
    """An event in a channel.

    Attributes:
        channel: the channel's name.
        event: what happened.
        position: its place in the channel's log; None where the channel keeps no history.
        exclude: the client that does not get it; "" = none.
    """

    channel: str
    event: Event
    position: Position | None = None
    exclude: str = ""
