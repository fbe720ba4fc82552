"""``pulse.v1``: one JSON object a text frame; events as their envelope plus the channel, all else with an ``op``."""

from collections.abc import Callable
from typing import Any

import msgspec
from zope.interface import implementer

from pulsetw import codec
from pulsetw.commands import (
    Command,
    Connect,
    Connected,
    Failed,
    Gap,
    Goodbye,
    MalformedCommand,
    Message,
    Ping,
    Pong,
    Publish,
    Published,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from pulsetw.interfaces import IDialect
from pulsetw.model import Event, Position, Publication

Members = dict[str, Any]


class _Connect(msgspec.Struct, tag_field="op", tag="connect"):
    id: int | None = None

    def command(self) -> Command:
        return Connect(self.id)


class _Subscribe(msgspec.Struct, tag_field="op", tag="subscribe"):
    channel: str
    id: int | None = None

    def command(self) -> Command:
        return Subscribe(self.id, self.channel)


class _Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe"):
    channel: str
    id: int | None = None

    def command(self) -> Command:
        return Unsubscribe(self.id, self.channel)


class _Publish(msgspec.Struct, tag_field="op", tag="publish"):
    channel: str
    type: str
    data: msgspec.Raw
    id: int | None = None
    tags: dict[str, str] | None = None

    def command(self) -> Command:
        return Publish(self.id, self.channel, Event(self.type, self.data, tags=self.tags))


class _Ping(msgspec.Struct, tag_field="op", tag="ping"):
    id: int | None = None

    def command(self) -> Command:
        return Ping(self.id)


_commands = msgspec.json.Decoder(_Connect | _Subscribe | _Unsubscribe | _Publish | _Ping)


class _Push(msgspec.Struct, omit_defaults=True, rename="camel"):
    """An event as a client sees it."""

    type: str
    channel: str
    timestamp: int
    server_id: str
    id: str
    data: msgspec.Raw
    tags: dict[str, str] | None = None
    offset: int | None = None
    epoch: str | None = None


@implementer(IDialect)
class NativeDialect:
    """Members and ops that a peer does not know are ignored by it, so both sides can grow."""

    name = "pulse.v1"

    def decode(self, message: bytes) -> Command:
        """See `IDialect.decode`. Members that a command does not have are ignored."""
        try:
            command: Command = _commands.decode(message).command()
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _malformed(message, str(error)) from None
        return command

    def encode(self, message: Message) -> bytes:
        """See `IDialect.encode`."""
        return codec.encode(_ENCODERS[type(message)](message))

    def encode_publication(self, publication: Publication) -> bytes:
        """See `IDialect.encode_publication`."""
        event = publication.event
        position = publication.position
        return codec.encode(
            _Push(
                type=event.type,
                channel=publication.channel,
                timestamp=event.timestamp,
                server_id=event.server_id,
                id=event.id,
                data=codec.text_of(event),
                tags=dict(event.tags) if event.tags else None,
                offset=position.offset if position else None,
                epoch=position.epoch if position else None,
            )
        )


def _malformed(message: bytes, problem: str) -> MalformedCommand:
    """The error, with whatever tells the client which of its commands was meant."""
    problem = problem.replace("`", "").replace(" - at $.", " in ").replace(" - at $", "")
    try:
        members = codec.decode(message)
    except ValueError as error:
        return MalformedCommand(f"not JSON: {error}")
    if not isinstance(members, dict):
        return MalformedCommand("expected a JSON object")
    answer_to, channel = members.get("id"), members.get("channel")
    known_id = answer_to if type(answer_to) is int else None
    return MalformedCommand(problem, known_id, channel if isinstance(channel, str) else "")


def _answer(op: str, id: int | None, **members: object) -> Members:
    return {"op": op, **({} if id is None else {"id": id}), **members}


def _position(position: Position | None) -> Members:
    return {} if position is None else {"offset": position.offset, "epoch": position.epoch}


def _connected(message: Connected) -> Members:
    return _answer("connected", message.id, client=message.client, user=message.user, pingS=message.ping_s)


def _subscribed(message: Subscribed) -> Members:
    return _answer("subscribed", message.id, channel=message.channel, **_position(message.position))


def _unsubscribed(message: Unsubscribed) -> Members:
    return _answer("unsubscribed", message.id, channel=message.channel)


def _published(message: Published) -> Members:
    return _answer("published", message.id, channel=message.channel, **_position(message.position))


def _pong(message: Pong) -> Members:
    return _answer("pong", message.id)


def _failed(message: Failed) -> Members:
    error = message.error
    channel = {"channel": message.channel} if message.channel else {}
    return _answer(
        "error", message.id, **channel, code=int(error.code), message=error.message, temporary=error.temporary
    )


def _gap(message: Gap) -> Members:
    return {"op": "gap", "channel": message.channel, "reason": message.reason}


def _goodbye(message: Goodbye) -> Members:
    disconnect = message.disconnect
    after = {} if message.reconnect_after_ms is None else {"reconnectAfterMs": message.reconnect_after_ms}
    return {
        "op": "disconnect",
        "code": int(disconnect.code),
        "reason": disconnect.reason,
        "reconnect": disconnect.reconnect,
        **after,
    }


_ENCODERS: dict[type, Callable[[Any], Members]] = {
    Connected: _connected,
    Subscribed: _subscribed,
    Unsubscribed: _unsubscribed,
    Published: _published,
    Pong: _pong,
    Failed: _failed,
    Gap: _gap,
    Goodbye: _goodbye,
}
