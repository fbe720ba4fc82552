"""What the operator's wire asks for, from the bodies of requests."""

from collections.abc import Mapping

import attrs
from attrs import frozen

from pulsetw import codec
from pulsetw.errors import EventError


@frozen
class PublishRequest:
    """An event and where it goes.

    Attributes:
        channel: the channel's name.
        type: the event's type.
        data: the event's data, as it stands on the wire.
        id: the event's id; None or "" = a new one.
        tags: the event's tags.
        exclude: the client that does not get it; None or "" = none.
    """

    channel: str
    type: str
    data: dict[str, object]
    id: str | None = None
    tags: dict[str, str] | None = None
    exclude: str | None = None


@frozen
class _Batch:
    events: list[PublishRequest]


def read_publish(body: bytes) -> PublishRequest:
    """The body of ``POST /api/v1/publish``.

    Raises:
        EventError: names the member that is wrong and what was expected.
    """
    document = _document(body)
    request: PublishRequest = codec.convert(document, PublishRequest)
    _refuse_unknown(document, PublishRequest, "")
    return request


def read_batch(body: bytes) -> list[PublishRequest]:
    """The body of ``POST /api/v1/batch``.

    Raises:
        EventError: names the member that is wrong, such as ``events[3].type``, and what was expected.
    """
    document = _document(body)
    batch: _Batch = codec.convert(document, _Batch)
    _refuse_unknown(document, _Batch, "")
    for index, event in enumerate(document["events"]):
        _refuse_unknown(event, PublishRequest, f"events[{index}].")
    return batch.events


def _document(body: bytes) -> Mapping[str, list[dict[str, object]]]:
    try:
        document: Mapping[str, list[dict[str, object]]] = codec.decode(body)
    except ValueError as error:
        raise EventError("", "", f"the body is not JSON: {error}") from None
    return document


def _refuse_unknown(members: Mapping[str, object], kind: type, where: str) -> None:
    """Refuses members that a class lacks: msgspec passes over them, and they are typing mistakes."""
    known = {attribute.name for attribute in attrs.fields(kind)}
    for name in members:
        if name not in known:
            raise EventError("", where + name[:100], f"unknown member; expected: {', '.join(sorted(known))}")
