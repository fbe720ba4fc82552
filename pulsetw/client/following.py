"""One channel of a client: how far it has read, and what it has been given."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, cast

from attrs import define, field

from pulsetw.commands import Gap
from pulsetw.model import Event, Notice, Position, Publication, Reason

Members = Mapping[str, Any]

_MAX_WHOLE = 2**53 - 1  # JavaScript can tell no greater one; relays refuse it
# No relay makes a longer one: windows of ids are bounded in bytes.
_MAX_NAME_CHARACTERS = 200

RECONNECTED: Final = "reconnected"
"""The reason of a gap that the client finds itself: its connection was renewed, and the channel has no positions."""


def whole(value: object) -> int | None:
    """A whole number, 0 to 2^53 - 1; None = it is something else."""
    return value if type(value) is int and 0 <= value <= _MAX_WHOLE else None


def text(value: object) -> str:
    """A text; "" where it is something else."""
    return value if isinstance(value, str) else ""


def place(members: object) -> Position | None:
    """The position that members of a message name."""
    if not isinstance(members, Mapping):
        return None
    offset, epoch = whole(members.get("offset")), text(members.get("epoch"))
    if offset is None or not 0 < len(epoch) <= _MAX_NAME_CHARACTERS:
        return None
    return Position.from_wire(offset, epoch)


def gap_of(channel: str, message: Members) -> Gap:
    """The gap that a message tells of."""
    # A newer relay may have more reasons than are known here; the application sees them as they are.
    reason = cast("Reason", text(message.get("reason")))
    notice = Notice(reason, place(message.get("from")), place(message.get("to")))
    return Gap(channel, notice, whole(message.get("reloadAfterMs")))


def _is_before(one: Position, other: Position) -> bool:
    """Whether it is at or before the other, on the same epoch and branch."""
    return one.wire_epoch == other.wire_epoch and one.offset <= other.offset


@define(eq=False)
class Following:
    """One subscription's state.

    Attributes:
        channel: its name.
        position: how far it has read; None = the channel has no positions, or nothing is known yet.
        last: so many of the newest events are wanted at the very first.
        window_ids: ids of given events that are remembered.
        asked: the id of the command whose answer is awaited.
        is_live: whether the relay has answered it, on this connection.
        retry_ms: when to ask again; None = not by itself.
        failures: temporary errors in a row.
    """

    channel: str
    position: Position | None
    last: int
    window_ids: int
    asked: int | None = field(default=None, init=False)
    is_live: bool = field(default=False, init=False)
    retry_ms: float | None = field(default=None, init=False)
    failures: int = field(default=0, init=False)
    _was_live: bool = field(default=False, init=False)
    _ids: OrderedDict[str, None] = field(factory=OrderedDict, init=False)

    def ask(self, id: int) -> Members:
        """The command that subscribes, from where it stands."""
        self.asked, self.retry_ms, self.is_live = id, None, False
        command: dict[str, object] = {"op": "subscribe", "id": id, "channel": self.channel}
        if self.position is not None:
            command["since"] = {"offset": self.position.offset, "epoch": self.position.wire_epoch}
        elif self.last and not self._was_live:
            command["last"] = self.last
        return command

    def cut(self) -> None:
        """The connection is gone."""
        self.asked, self.retry_ms, self.is_live = None, None, False

    def subscribed(self, answer: Members) -> Gap | None:
        """It stands; the gap, where something may be missing since the last time."""
        here, at, recovered = self.position, place(answer), answer.get("recovered")
        is_new = here is None and not self._was_live
        self.asked, self.is_live, self._was_live, self.failures = None, True, True, 0
        if recovered is True:
            self.position = at or here
            return None
        self.position = at
        if recovered is False:
            return gap_of(self.channel, answer)
        return None if is_new else Gap(self.channel, Notice(RECONNECTED, here, at))

    def event(self, message: Members) -> Publication | None:
        """The publication to be given; None = it was given before."""
        at = place(message)
        if at is not None:
            if self.position is not None and _is_before(at, self.position):
                return None
            self.position = at
        if not self._is_new(text(message.get("id"))):
            return None
        event = Event(
            text(message.get("type")),
            message.get("data"),
            whole(message.get("timestamp")) or 0,
            text(message.get("serverId")),
            text(message.get("id")),
            message.get("tags"),
        )
        return Publication(self.channel, event, at, degraded=message.get("degraded") is True)

    def unread(self, outline: Members) -> Gap | None:
        """What stands for an event that cannot be read; None = it was given before."""
        here = self.position
        publication = self.event(outline)
        return None if publication is None else Gap(self.channel, Notice("dropped", here, publication.position))

    def gap(self, message: Members) -> Gap:
        """What may be missing; reading goes on behind it."""
        gap = gap_of(self.channel, message)
        if gap.notice.end is not None:
            self.position = gap.notice.end
        return gap

    def moved(self, message: Members) -> None:
        """The position moves on without an event."""
        at = place(message)
        if at is not None and (self.position is None or not _is_before(at, self.position)):
            self.position = at

    def _is_new(self, id: str) -> bool:
        if not 0 < len(id) <= _MAX_NAME_CHARACTERS:
            return True
        if id in self._ids:
            return False
        self._ids[id] = None
        if len(self._ids) > self.window_ids:
            self._ids.popitem(last=False)
        return True
