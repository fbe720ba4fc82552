"""How a channel is declared."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from attrs import define, field, frozen
from msgspec.structs import replace

from pulsetw.catalogue.names import check_name, check_pattern, is_pattern
from pulsetw.codec import AnyObject, Member, Shape, text_of
from pulsetw.errors import UnknownEventType
from pulsetw.model import Event

_ANY_OBJECT = AnyObject()
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Audience(Enum):
    """Whom a channel's events are meant for."""

    ALL = "all"
    """Every client that subscribes."""
    USER = "user"
    """The one user that the event's data names, on all of that user's connections, without subscribing."""
    SERVERS = "servers"
    """Relays and applications only, never a client."""


@frozen
class Derived:
    """An event that each server makes from another one, for its own clients and callbacks.

    Attributes:
        channel: where it appears.
        data: an attrs instance of a class that the channel declares.
        id: its id; from the first event's, so that all servers agree.
    """

    channel: str
    data: object
    id: str


def event_type(kind: type) -> str:
    """The event type of a class of data: ``PriceChanged`` is ``price_changed``."""
    return _WORD_START.sub("_", kind.__name__).lower()


@define
class Channel:
    """One channel, or a namespace of channels with the same events.

    Attributes:
        name: such as ``shop:prices``; a pattern such as ``shop:*`` for a namespace.
        events: the attrs classes of its events' data; each names its type (see `event_type`).
        others: the class of data of every other type; `dict` for any JSON object; None = other types are refused.
        audience: whom its events are meant for.
        user_field: the member of the data, as the wire names it, that names the user; for `Audience.USER` only.
        derive: what each server makes from an event of this channel. Gets the event with its data as attrs instance.

    Raises:
        ChannelError: the name is not one that a channel may have.
        ValueError: the audience and `user_field` do not fit each other.
        TypeError: a class of data is not one that JSON can hold.
    """

    name: str
    events: Sequence[type] = ()
    others: type | None = None
    audience: Audience = Audience.ALL
    user_field: str = ""
    derive: Callable[[Event], Iterable[Derived]] | None = None
    _shapes: Mapping[str, Shape] = field(init=False, repr=False)
    _other: Shape | AnyObject | None = field(init=False, repr=False)
    _user: Member | None = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if is_pattern(self.name):
            check_pattern(self.name)
        else:
            check_name(self.name)
        if (self.audience is Audience.USER) != bool(self.user_field):
            raise ValueError(f"channel {self.name!r}: user_field goes with Audience.USER, and only with it")
        self._shapes = {event_type(kind): Shape(kind) for kind in self.events}
        self._other = None if self.others is None else _ANY_OBJECT if self.others is dict else Shape(self.others)
        self._user = Member(self.user_field) if self.user_field else None
        for shape in (*self._shapes.values(), self._other):
            if self.user_field and isinstance(shape, Shape) and self.user_field not in shape.wire_names:
                raise ValueError(
                    f"channel {self.name!r}: {shape.kind.__name__} has no {self.user_field!r} (user_field)"
                )

    def prepare(self, event: Event) -> Event:
        """The event with its data checked and as JSON text, ready to be published.

        Raises:
            UnknownEventType: the channel takes no events of this type.
            EventError: names the member of the data that is wrong and what was expected.
        """
        prepared = replace(event, data=self._shape(event).encode(event.data, event.type))
        self.user_of(prepared)
        return prepared

    def check(self, event: Event, *, takes_others: bool = False) -> bool:
        """Checks an event that was received; its data is JSON text.

        Args:
            event: any.
            takes_others: whether types that the channel does not declare pass.

        Returns:
            Whether the channel declares the event's type.

        Raises:
            UnknownEventType: it does not, and others do not pass.
            EventError: names the member of the data that is wrong and what was expected.
        """
        shape = self._shapes.get(event.type, self._other)
        if shape is None:
            if takes_others:
                return False
            shape = self._shape(event)
        shape.check(text_of(event), event.type)
        if self._user is not None:
            self.user_of(event)
        return True

    def typed(self, event: Event) -> Event:
        """The checked event with its data as attrs instance, or as plain types where no class describes it."""
        shape = self._shapes.get(event.type, self._other) or _ANY_OBJECT
        return replace(event, data=shape.decode(text_of(event)))

    def user_of(self, event: Event) -> str:
        """The user that an event is meant for, its data JSON text; "" where the channel's audience is no single user.

        Raises:
            EventError: the data does not name one.
        """
        return self._user.read(text_of(event), event.type) if self._user is not None else ""

    def _shape(self, event: Event) -> Shape | AnyObject:
        shape = self._shapes.get(event.type, self._other)
        if shape is None:
            known = ", ".join(sorted(self._shapes)) or "none"
            raise UnknownEventType("", "type", f"{self.name} has no event type {event.type[:200]!r}; it has: {known}")
        return shape
