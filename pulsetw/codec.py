"""JSON, in one place: the shapes of event data, the envelope on the broker, and plain documents.

Attrs classes are snake_case in Python and camelCase on the wire. `msgspec` cannot rename the fields of an attrs class,
so a `Shape` derives from each class a twin that can be renamed, and all checking is done by msgspec on that twin.
"""

import re
import types
import typing
from typing import Annotated, Any

import attrs
import msgspec

from pulsetw.errors import EventError
from pulsetw.model import Event, Position, Publication

_PATH = re.compile(r"^(?P<problem>.*) - at `\$(?P<path>[^`]*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$", re.DOTALL)
_WORD = re.compile(r"_([a-z0-9])")


encode = msgspec.json.Encoder().encode
"""The JSON of plain types, attrs instances (names as they are) and msgspec structs."""


def decode(text: bytes | str) -> Any:
    """The plain types that a JSON text stands for.

    Raises:
        ValueError: the text is no JSON, not UTF-8, or nested too deeply; the message says where.
    """
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(str(error)) from error


def convert(document: object, kind: type, *, lax: bool = False) -> Any:
    """Plain types as an instance of `kind`.

    Args:
        document: what `decode` or a TOML file gave.
        kind: any type that msgspec knows, attrs classes among them.
        lax: texts may stand for numbers and booleans, as in environment variables.

    Raises:
        EventError: without a type; `field` is the path of what was wrong.
    """
    try:
        return msgspec.convert(document, kind, strict=not lax)
    except msgspec.ValidationError as error:
        raise _as_event_error(error, "", "") from None


class Shape:
    """The wire form of one attrs class of event data.

    Attributes:
        kind: the class.
        wire_names: its members as the wire names them.
    """

    def __init__(self, kind: type) -> None:
        """Derives the twin of `kind`, an attrs class whose fields are JSON types, attrs classes, or containers of them.

        Raises:
            TypeError: the class is none of attrs', or a field has a type that JSON cannot hold.
        """
        if not attrs.has(kind):
            raise TypeError(f"{kind!r} is not an attrs class")
        self.kind = kind
        self._twin: type[Any] = _twin(kind, forbid_unknown_fields=False)
        self._strict_twin: type[Any] = _twin(kind, forbid_unknown_fields=True)
        self.wire_names = frozenset(member.encode_name for member in msgspec.structs.fields(self._twin))
        self._received = msgspec.json.Decoder(self._twin)
        self._published = msgspec.json.Decoder(self._strict_twin)

    def encode(self, data: object, event_type: str) -> msgspec.Raw:
        """The checked JSON of data that is about to be published.

        Args:
            data: an instance of the class, or a mapping or JSON text as it stands on the wire. Members that the class
                lacks are refused: they are typing mistakes.
            event_type: for the error's text.

        Raises:
            EventError: names the member that is wrong and what was expected.
        """
        try:
            if isinstance(data, msgspec.Raw):
                twin = self._published.decode(data)
            else:
                twin = msgspec.convert(data, self._strict_twin, from_attributes=isinstance(data, self.kind))
            return msgspec.Raw(msgspec.json.encode(twin))
        except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as error:
            raise _as_event_error(error, event_type, "data", self._wire_name) from None

    def check(self, data: msgspec.Raw, event_type: str) -> None:
        """Checks data that was received. Members that the class lacks pass: another server may be newer.

        Raises:
            EventError: names the member that is wrong and what was expected.
        """
        try:
            self._received.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _as_event_error(error, event_type, "data") from None

    def decode(self, data: msgspec.Raw) -> object:
        """The attrs instance that checked data stands for."""
        return msgspec.convert(self._received.decode(data), self.kind, from_attributes=True)

    def _wire_name(self, path: str) -> str:
        """A path in Python's names, as attrs instances give it, in those of the wire."""
        return _WORD.sub(lambda match: match[1].upper(), path)


class AnyObject:
    """The wire form of data that no class describes: any JSON object. Used like a `Shape`."""

    def encode(self, data: object, event_type: str) -> msgspec.Raw:
        """The JSON of a mapping or an attrs instance.

        Raises:
            EventError: the data is no JSON object.
        """
        try:
            document = msgspec.json.decode(data) if isinstance(data, msgspec.Raw) else msgspec.to_builtins(data)
            text = msgspec.json.encode(document)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError, ValueError) as error:
            raise _as_event_error(error, event_type, "data") from None
        if not isinstance(document, dict):
            raise EventError(event_type, "data", f"Expected object, got {type(document).__name__}")
        return msgspec.Raw(text)

    def check(self, data: msgspec.Raw, event_type: str) -> None:
        """Checks received data.

        Raises:
            EventError: the data is no JSON object.
        """
        try:
            document = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
            raise _as_event_error(error, event_type, "data") from None
        if not isinstance(document, dict):
            raise EventError(event_type, "data", f"Expected object, got {type(document).__name__}")

    def decode(self, data: msgspec.Raw) -> object:
        """The plain types that checked data stands for."""
        return msgspec.json.decode(data)


class Member:
    """Reads one text member of checked data, and no more of it."""

    def __init__(self, name: str) -> None:
        """`name` is the member's name on the wire."""
        kind = msgspec.defstruct("Member", [("value", str, msgspec.field(name=name))])
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)

    def read(self, data: msgspec.Raw, event_type: str) -> str:
        """The member's value.

        Raises:
            EventError: there is no such member, or it is no text.
        """
        try:
            value: str = self._decoder.decode(data).value
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _as_event_error(error, event_type, "data") from None
        return value


MAX_NAME_CHARACTERS = 200
"""The longest event type, event id, server id or client id."""

_Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]
# Other languages have no other number than a float; beyond 2^53 it is none that JavaScript could tell.
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)] | Annotated[float, msgspec.Meta(ge=0, le=2**53)]


class _Envelope(msgspec.Struct, rename="camel", omit_defaults=True):
    """An event on the broker."""

    type: _Name
    data: msgspec.Raw
    timestamp: _Milliseconds = 0
    server_id: _Name = ""
    id: _Name = ""
    tags: dict[str, str] | None = None
    exclude: _Name = ""


_envelopes = msgspec.json.Decoder(_Envelope)


def text_of(event: Event) -> msgspec.Raw:
    """The event's data while the event passes through; see `Event.data`.

    Raises:
        TypeError: its data is not checked JSON text; a mistake in our own code.
    """
    if not isinstance(event.data, msgspec.Raw):
        raise TypeError("the event's data is not JSON text")
    return event.data


def encode_envelope(event: Event, exclude: str = "") -> bytes:
    """The text by which an event travels between servers; its data must be checked JSON text already."""
    return msgspec.json.encode(
        _Envelope(
            type=event.type,
            data=text_of(event),
            timestamp=event.timestamp,
            server_id=event.server_id,
            id=event.id,
            tags=dict(event.tags) if event.tags else None,
            exclude=exclude,
        )
    )


def decode_envelope(channel: str, text: bytes, position: Position | None = None) -> Publication:
    """What another server sent: untrusted, whoever it was.

    Only the envelope's known members survive. Its data stays JSON text: checked to be JSON, UTF-8 and one line.

    Raises:
        EventError: names the member that is wrong and what was expected.
    """
    try:
        envelope = _envelopes.decode(text)
        data = envelope.data
        if not text.isascii():
            str(data, "utf-8")
        # As numbers: a sixth of what looking for them as bytes takes.
        if 10 in text or 13 in text:
            data = msgspec.Raw(msgspec.json.encode(msgspec.json.decode(data)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _as_event_error(error, "", "") from None
    event = Event(envelope.type, data, int(envelope.timestamp), envelope.server_id, envelope.id, envelope.tags)
    return Publication(channel, event, position, envelope.exclude)


def _twin(kind: type, *, forbid_unknown_fields: bool) -> type[Any]:
    hints = typing.get_type_hints(kind)
    fields: list[Any] = []
    for attribute in attrs.fields(kind):
        wire_type = _wire_type(hints[attribute.name], forbid_unknown_fields)
        if attribute.default is attrs.NOTHING:
            fields.append((attribute.name, wire_type))
        elif isinstance(attribute.default, attrs.Factory):  # type: ignore[arg-type]
            fields.append((attribute.name, wire_type, msgspec.field(default_factory=attribute.default.factory)))
        else:
            fields.append((attribute.name, wire_type, attribute.default))
    return msgspec.defstruct(
        kind.__name__,
        fields,
        rename="camel",
        omit_defaults=True,
        kw_only=True,
        forbid_unknown_fields=forbid_unknown_fields,
    )


def _wire_type(hint: Any, forbid_unknown_fields: bool) -> Any:
    """A type hint with every attrs class in it replaced by its twin."""
    if isinstance(hint, type) and attrs.has(hint):
        return _twin(hint, forbid_unknown_fields=forbid_unknown_fields)
    arguments = typing.get_args(hint)
    if not arguments:
        return hint
    replaced = tuple(_wire_type(argument, forbid_unknown_fields) for argument in arguments)
    if isinstance(hint, types.UnionType):
        union: Any = typing.Union[replaced]  # noqa: UP007 -- made from a tuple
        return union
    return hint.copy_with(replaced) if hasattr(hint, "copy_with") else typing.get_origin(hint)[replaced]


def _as_event_error(error: Exception, event_type: str, prefix: str, rename: Any = None) -> EventError:
    """What msgspec said, with the path of the member as the wire names it."""
    text = str(error)
    path = ""
    if isinstance(error, RecursionError):
        text = "nested too deeply"
    elif match := _PATH.match(text):
        text, path = match["problem"], match["path"]
    path = rename(path) if rename is not None else path
    if match := _UNKNOWN.match(text):
        path, text = f"{path}.{match['name']}", "unknown member"
    elif match := _MISSING.match(text):
        name = rename(match["name"]) if rename is not None else match["name"]
        path, text = f"{path}.{name}", "missing"
    field = (prefix + path) if path.startswith(("[", ".")) else ".".join(part for part in (prefix, path) if part)
    return EventError(event_type, field.lstrip("."), text.replace("`", ""))
