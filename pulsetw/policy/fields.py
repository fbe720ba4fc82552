"""Reads the fields of an event that a filter asks for, as its subscribers see them on the wire."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

import attrs
import msgspec

from pulsetw.codec import AnyObject, Shape
from pulsetw.errors import EventError
from pulsetw.model import Event

Field = tuple[str, ...]
"""``("type",)``, ``("tags", name)``, or ``("data", member, ...)`` with the members of members."""

MAX_FIELD_CHARACTERS = 200
MAX_STEPS = 8
"""Members in members."""

TYPE: Field = ("type",)

EXPECTED_FIELD = (
    f"type, data.<member> or tags.<tag> of at most {MAX_FIELD_CHARACTERS} characters and {MAX_STEPS} members in "
    "members, all, any or not"
)


def parse_field(text: str) -> Field | None:
    """The field that a text such as ``data.league`` names; None = it names none."""
    where, _, rest = text.partition(".")
    # msgspec can name no member that JSON has to escape.
    if len(text) > MAX_FIELD_CHARACTERS or not text.isprintable() or '"' in text or "\\" in text:
        return None
    if where == "tags" and rest:
        return ("tags", rest)
    steps = rest.split(".")
    if where == "data" and all(steps) and len(steps) <= MAX_STEPS:
        return ("data", *steps)
    return TYPE if text == "type" else None


class Fields:
    """Some fields of any event."""

    def __init__(self, fields: Collection[Field]) -> None:
        """`fields` are those that are asked for; of the data only the members that they stand in are decoded."""
        self._tags = [field for field in fields if field[0] == "tags"]
        data = [field for field in fields if field[0] == "data"]
        self._names = tuple(sorted({field[1] for field in data}))
        self._data = [(field, _member(self._names.index(field[1])), field[2:]) for field in data]

    def read(self, event: Event) -> dict[Field, object]:
        """The values of those that are there, as JSON's plain types. What is null is not there.

        Data that is no JSON object has no members.
        """
        values: dict[Field, object] = {TYPE: event.type}
        if self._tags and event.tags:
            values.update((field, event.tags.get(field[1])) for field in self._tags)
        if self._data and (members := self._members(event.data)) is not None:
            for field, member, steps in self._data:
                found = getattr(members, member)
                for step in steps:
                    found = found.get(step) if isinstance(found, dict) else None
                values[field] = found
        return values

    def _members(self, data: object) -> Any:
        try:
            return _decoder(self._names).decode(data if isinstance(data, msgspec.Raw) else _text(data))
        except (msgspec.MsgspecError, UnicodeError, RecursionError, EventError, TypeError):
            return None


@lru_cache(maxsize=256)
def _decoder(names: tuple[str, ...]) -> "msgspec.json.Decoder[Any]":
    """Reads these members of a JSON object; one for all filters that ask for the same, as a class is dear."""
    members = [(_member(index), Any, msgspec.field(name=name, default=None)) for index, name in enumerate(names)]
    return msgspec.json.Decoder(msgspec.defstruct("Members", members))


def _member(index: int) -> str:
    return f"member{index}"


def _text(data: object) -> msgspec.Raw:
    """Data that is not JSON text yet, as a channel that declares its class will write it."""
    kind: type = type(data)
    return (_shape(kind) if attrs.has(kind) else _ANY_OBJECT).encode(data, "")


_ANY_OBJECT = AnyObject()
_shape = lru_cache(maxsize=256)(Shape)
