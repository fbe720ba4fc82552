"""What a connection, a user and a channel may do in a time, and what all connections together may leave unread.

Commands and publishes above a limit are refused, one by one, and the connection lives. What is refused is owed, too:
who listens and waits is served again, and who goes on regardless has to go when it owes a whole burst. So what one
client can burn is bounded, whatever it sends.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, Literal, TypeVar

from attrs import field, frozen
from msgspec import Struct

from pulsetw.policy.buckets import Buckets, Rate

Limit = Literal["commands", "bytes", "publishes", "user commands", "user bytes", "user publishes", "channel publishes"]
"""Which limit was reached; a name for counts."""

# Centrifugo's, which has "too many requests" as an error and as a close code that lets the client come back.
TOO_MANY_REQUESTS_ERROR = 111
TOO_MANY_REQUESTS_CLOSE = 3013

C = TypeVar("C", bound=Hashable)


@frozen
class Refusal:
    """What is answered instead of doing it.

    Attributes:
        limit: which was reached.
        retry_after_s: in so many seconds it would be done; infinity = never, it is too large.
        ends: whether the connection has to go: it went on after it was refused often enough.
    """

    limit: Limit
    retry_after_s: float
    ends: bool = False

    @property
    def code(self) -> int:
        """Of the error, or where it ends the connection of the close frame."""
        return TOO_MANY_REQUESTS_CLOSE if self.ends else TOO_MANY_REQUESTS_ERROR

    @property
    def text(self) -> str:
        """In words, for the client."""
        if self.ends:
            return f"too many {self.limit}"
        if math.isinf(self.retry_after_s):
            return f"too many {self.limit} at once"
        return f"too many {self.limit}: try again in {max(self.retry_after_s, 0.001):.3f} s"


@frozen
class QuotaLimits:
    """How fast clients may be. A `per_s` of 0 is no limit.

    Attributes:
        commands: of one connection, pings of WebSocket among them.
        bytes: in its messages. Its burst is no less than the longest message.
        publishes: of one connection.
        user_commands: of all connections of a user on this server; of anonymous clients, those of an address.
        user_bytes: in their messages.
        user_publishes: of all of them.
        channel_publishes: by clients, to one channel on this server.
        max_kept: for so many users and channels at a time it is remembered what they did.
    """

    commands: Rate = field(default=Rate(50, 200))
    bytes: Rate = field(default=Rate(65_536, 262_144))
    publishes: Rate = field(default=Rate(10, 20))
    user_commands: Rate = field(default=Rate(500, 5000))
    user_bytes: Rate = field(default=Rate(1_048_576, 4_194_304))
    user_publishes: Rate = field(default=Rate(50, 100))
    channel_publishes: Rate = field(default=Rate(500, 1000))
    max_kept: int = 100_000


# There is one for each connection: three buckets would take 88 bytes each.
class Spent(Struct, gc=False):
    """What one connection has left.

    Attributes:
        commands: tokens; infinity = full.
        bytes: the same.
        publishes: the same.
        at: when that was, in seconds.
    """

    commands: float = math.inf
    bytes: float = math.inf
    publishes: float = math.inf
    at: float = 0.0


class Quotas:
    """The limits of all connections of a server.

    Attributes:
        refusals: how often each limit was reached.
        ended: how many connections had to go, by limit.
    """

    def __init__(self, limits: QuotaLimits) -> None:
        """Nobody has done anything."""
        self.refusals: Counter[Limit] = Counter()
        self.ended: Counter[Limit] = Counter()
        self._limits = limits
        kept = limits.max_kept
        self._user_commands: Buckets[str] = Buckets(limits.user_commands, kept)
        self._user_bytes: Buckets[str] = Buckets(limits.user_bytes, kept)
        self._user_publishes: Buckets[str] = Buckets(limits.user_publishes, kept)
        self._channel_publishes: Buckets[str] = Buckets(limits.channel_publishes, kept)

    def command(self, spent: Spent, who: str, size: int, now: float) -> Refusal | None:
        """A connection sent a message; to be asked before the message is parsed.

        Args:
            spent: the connection's.
            who: its user, or for an anonymous one its address, in a form in which one is not taken for the other.
            size: of the message, in bytes.
            now: in seconds.

        Returns:
            None = go on.
        """
        limits = self._limits
        elapsed_s = now - spent.at
        spent.at = now
        spent.publishes = limits.publishes.refilled(spent.publishes, elapsed_s)
        commands = limits.commands.refilled(spent.commands, elapsed_s)
        size_left = limits.bytes.refilled(spent.bytes, elapsed_s)
        spent.commands, spent.bytes = commands - 1, size_left - size
        if limits.commands.wait_s(commands, 1):
            return self._owed("commands", limits.commands, spent.commands, 1)
        if limits.bytes.wait_s(size_left, size):
            return self._owed("bytes", limits.bytes, spent.bytes, size)
        if wait_s := self._user_commands.take(who, now):
            return self._refuse(Refusal("user commands", wait_s))
        if wait_s := self._user_bytes.take(who, now, size):
            return self._refuse(Refusal("user bytes", wait_s))
        return None

    def publish(self, spent: Spent, who: str, channel: str, now: float) -> Refusal | None:
        """That message is a publish, and the channel's rule allows it; see `command`, which was asked before."""
        rate, publishes = self._limits.publishes, spent.publishes
        spent.publishes -= 1
        if rate.wait_s(publishes, 1):
            return self._owed("publishes", rate, spent.publishes, 1)
        if wait_s := self._user_publishes.take(who, now):
            return self._refuse(Refusal("user publishes", wait_s))
        if wait_s := self._channel_publishes.take(channel, now):
            return self._refuse(Refusal("channel publishes", wait_s))
        return None

    def _owed(self, limit: Limit, rate: Rate, tokens: float, cost: float) -> Refusal:
        """A connection's own bucket is below zero."""
        ends = tokens < -rate.burst
        if ends:
            self.ended[limit] += 1
        return self._refuse(Refusal(limit, rate.wait_s(tokens, cost), ends))

    def _refuse(self, refusal: Refusal) -> Refusal:
        self.refusals[refusal.limit] += 1
        return refusal


class Unsent(Generic[C]):
    """What all connections have unsent, within one bound.

    Above it those go that have most (to the nearest power of two), and among them who has read nothing for longest:
    they are told to come back (3008), and find what they missed in their channels' histories. A client that is slow,
    but reads, stays; one that only holds memory does not.

    Attributes:
        bytes: what all have, as far as it was said.
        dropped: how many had to go.
    """

    def __init__(self, max_bytes: int) -> None:
        """Nobody has anything.

        Args:
            max_bytes: what all may have together; 0 = no limit.
        """
        self.bytes = 0
        self.dropped = 0
        self._max_bytes = max_bytes
        self._sizes: dict[C, int] = {}
        # By the number of bits of what they have; who has read nothing for longest comes first.
        self._classes: list[OrderedDict[C, None]] = []

    def __len__(self) -> int:
        return len(self._sizes)

    def set(self, connection: C, unsent_bytes: int) -> list[C]:
        """Says what a connection has unsent: when it is choked, when it has drained, and now and then in between.

        Returns:
            Those that have to go now, this one perhaps among them; they count no more.
        """
        before = self._sizes.get(connection, 0)
        if unsent_bytes < before or unsent_bytes.bit_length() != before.bit_length():
            self.remove(connection)
            before = 0
        if not unsent_bytes:
            return []
        self._class_of(unsent_bytes)[connection] = None
        self._sizes[connection] = unsent_bytes
        self.bytes += unsent_bytes - before
        return self._drop() if 0 < self._max_bytes < self.bytes else []

    def remove(self, connection: C) -> None:
        """It has nothing unsent any more, or is gone."""
        size = self._sizes.pop(connection, None)
        if size is not None:
            self.bytes -= size
            del self._class_of(size)[connection]

    def _class_of(self, size: int) -> OrderedDict[C, None]:
        while len(self._classes) <= size.bit_length():
            self._classes.append(OrderedDict())
        return self._classes[size.bit_length()]

    def _drop(self) -> list[C]:
        dropped: list[C] = []
        while self.bytes > self._max_bytes:
            connection = next(iter(next(kept for kept in reversed(self._classes) if kept)))
            self.remove(connection)
            dropped.append(connection)
        self.dropped += len(dropped)
        return dropped
