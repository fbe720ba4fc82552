"""A channel's log as it stands on Redis: names, arguments and answers of the scripts. No I/O."""

from collections.abc import Sequence

from pulsetw.broker.redis.protocol import Word
from pulsetw.broker.redis.scripts import PUBLISH, SYNC
from pulsetw.catalogue.rule import History
from pulsetw.interfaces import PAGE_BYTES
from pulsetw.model import Branch, Entry, Lineage, Page, Position

ID_TTL_MS = 120_000
"""For how long an event's id is known after it was published last."""

META_TTL_MS = 3_600_000
"""For how long a reader finds the epoch again, at least."""

# Nothing to a reader of JSON, and like nothing that writes JSON would put at its end.
_COPY_END = b"\t \t\t "

# Beyond it clients cannot count: see `Position`.
_END_OF_OFFSETS = 2**53

_LIVE_START, _LIVE_END = "pulsetw:{", "}:live"


class Unreadable(Exception):
    """An answer that belongs to another question, or keys that somebody else has written."""


def live_name(wire: str) -> str:
    """Where the entries of a channel's log are pushed; also for patterns, as braces are nothing special in them.

    Args:
        wire: the channel's name on Redis, with the prefix.
    """
    return f"{_LIVE_START}{wire}{_LIVE_END}"


def plain_name(name: str) -> str:
    """The channel's name on Redis, for either of its two names."""
    return name[len(_LIVE_START) : -len(_LIVE_END)] if is_live(name) else name


def is_live(name: str) -> bool:
    """Whether entries of a log are pushed on this name: strangers have no business there."""
    return name.startswith(_LIVE_START) and name.endswith(_LIVE_END)


def is_copy(message: bytes) -> bool:
    """Whether what came on a channel's plain name is the copy of an entry of its log, made for strangers.

    Every relay can tell, whatever its rules say and its links go through: it is in the message itself.
    """
    return message.endswith(_COPY_END)


def publish_words(wire: str, event_id: str, payload: bytes, history: History, epoch: str) -> list[Word]:
    """The command that appends an event and pushes it; `epoch` counts where the channel has none."""
    key = f"pulsetw:{{{wire}}}:"
    keys = (f"{key}log", f"{key}meta", f"{key}id:{event_id}")
    size, age_ms = history.size, history.age_s * 1000
    copy = (wire, _COPY_END) if history.mirror else ()
    return ["EVAL", PUBLISH, 3, *keys, epoch, ID_TTL_MS, event_id, payload, size, age_ms, live_name(wire), *copy]


def sync_words(
    wire: str,
    position: Position | None,
    limit: int,
    epoch: str,
    begins: bool = True,
    max_bytes: int = PAGE_BYTES,
) -> list[Word]:
    """The command that reads the log; see `IBroker.sync`.

    Args:
        wire: the channel's name on Redis, with the prefix.
        position: how far the reader has read; None = nothing.
        limit: entries at most.
        epoch: counts where the channel has none.
        begins: whether the channel has that epoch from then on.
        max_bytes: what ids and payloads take at most; one entry comes in any case.
    """
    key = f"pulsetw:{{{wire}}}:"
    at: tuple[Word, ...] = (-1, "", "")
    if position is not None:
        at = (max(0, position.offset), position.epoch, position.branch)
    return ["EVAL", SYNC, 2, f"{key}log", f"{key}meta", epoch, META_TTL_MS, limit, max_bytes, int(begins), *at]


def read_position(answer: object) -> Position:
    """The answer to `publish_words`.

    Raises:
        Unreadable: it is none.
    """
    if isinstance(answer, bytes) and len(words := answer.split(b" ")) == 3:
        return _position(words)
    raise Unreadable(f"no position: {answer!r:.100}")


def read_page(answer: object) -> Page:
    """The answer to `sync_words`.

    Raises:
        Unreadable: it is none.
    """
    try:
        epoch, branches, top, start, rows = answer  # type: ignore[misc]
        pairs = [each.decode().split(":") for each in branches.split(b" ")]  # type: ignore[has-type]
        lineage = Lineage(epoch.decode(), tuple(Branch(name, int(fork)) for name, fork in pairs))  # type: ignore[has-type]
        entries = tuple(_entry(lineage, name, fields) for name, fields in rows)  # type: ignore[has-type]
        return Page(lineage, _offset(top), None if int(start) < 0 else int(start), entries)  # type: ignore[has-type]
    except (AttributeError, TypeError, ValueError, IndexError):
        raise Unreadable(f"no page of a log: {answer!r:.100}") from None


def read_push(message: bytes) -> Entry:
    """What was pushed on the live name.

    Raises:
        Unreadable: it is no entry.
    """
    words = message.split(b" ", 4)
    if len(words) == 5 and words[3].isdigit():
        length = int(words[3])
        try:
            return Entry(_position(words[:3]), words[4][:length].decode(), words[4][length:])
        except UnicodeDecodeError:
            pass
    raise Unreadable(f"no entry: {message!r:.100}")


def _position(words: Sequence[bytes]) -> Position:
    epoch, branch, offset = words
    try:
        return Position(_offset(offset), epoch.decode(), branch.decode())
    except ValueError:
        raise Unreadable(f"no position: {words!r:.100}") from None


def _offset(text: bytes) -> int:
    """Raises ValueError where it is none."""
    offset = int(text)
    if 0 <= offset < _END_OF_OFFSETS:
        return offset
    raise ValueError(f"no offset: {offset}")


def _entry(lineage: Lineage, name: bytes, fields: list[bytes]) -> Entry:
    """One of a stream's entries: its id is `offset-0`, its fields the event's id and the payload."""
    return Entry(lineage.at(int(name.partition(b"-")[0])), fields[1].decode(), fields[3])
