"""Who comes in, and when: a storm of clients is slowed down, and only what is left over is refused.

A handshake costs a relay as much as a hundred deliveries, so no more than so many are done in a second. The others
wait for their turn, first come, first served; no address has more than its share of the places.
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, Literal, TypeVar

from attrs import field, frozen
from msgspec import Struct

from pulsetw.policy.buckets import Bucket, Buckets, Rate

Reason = Literal["address rate", "queue full", "queue share"]
"""Why a handshake is refused: its address comes too often, too many wait, or too many of its address do."""

W = TypeVar("W", bound=Hashable)


@frozen
class Admit:
    """Come in."""


@frozen
class Wait:
    """`Admission.due` names it when its turn has come.

    Attributes:
        until: when that is at the latest, in seconds; it is earlier where others leave.
    """

    until: float


@frozen
class Refuse:
    """Not now.

    Attributes:
        reason: a name for counts.
        retry_after_s: when it may be otherwise, in seconds.
    """

    reason: Reason
    retry_after_s: float


@frozen
class AdmissionLimits:
    """How many handshakes are done.

    Attributes:
        handshakes: in all; with a `per_s` of 0 nobody ever waits.
        per_address: of one address. Its burst should be what an address may have open: after a restart all come back.
        max_wait_s: how long one may wait, in seconds; what is expected to take longer is refused.
        share: the part of all places that one address may take, above 0, up to 1.
        max_addresses: for so many addresses at a time it is remembered how often they came.
    """

    handshakes: Rate = field(default=Rate(2000, 200))
    per_address: Rate = field(default=Rate(100, 1000))
    max_wait_s: float = 4.0
    share: float = 0.1
    max_addresses: int = 100_000

    @property
    def places(self) -> int:
        """How many may wait at the same time."""
        return int(self.handshakes.per_s * self.max_wait_s)

    @property
    def places_per_address(self) -> int:
        """How many of one address."""
        return max(1, int(self.places * self.share))


class Admission(Generic[W]):
    """The queue before the door.

    Attributes:
        refusals: how many were refused, by reason.
        waited: how many had to wait.
    """

    def __init__(self, limits: AdmissionLimits) -> None:
        """Nobody waits."""
        self.refusals: Counter[Reason] = Counter()
        self.waited = 0
        self._limits = limits
        self._handshakes = Bucket(limits.handshakes)
        self._addresses: Buckets[str] = Buckets(limits.per_address, limits.max_addresses)
        self._queue: OrderedDict[W, str] = OrderedDict()
        self._waiting = Counters(limits.places_per_address)

    def __len__(self) -> int:
        return len(self._queue)

    def arrive(self, now: float, address: str, who: W) -> Admit | Wait | Refuse:
        """A client asks for a handshake.

        Args:
            now: in seconds.
            address: its `pulsetw.policy.addresses.Address.key`.
            who: what `due` and `leave` call it; it does not wait already.
        """
        if wait_s := self._addresses.take(address, now):
            return self._refuse("address rate", wait_s)
        if not self._queue and not self._handshakes.take(now):
            return Admit()
        expected_s = self._first_s(now) + len(self._queue) / self._limits.handshakes.per_s
        if len(self._queue) >= self._limits.places:
            return self._refuse("queue full", expected_s)
        if not self._waiting.open(address):
            return self._refuse("queue share", expected_s)
        self._queue[who] = address
        self.waited += 1
        return Wait(now + expected_s)

    def due(self, now: float) -> list[W]:
        """Those whose turn has come, in order; they do not wait any more."""
        admitted: list[W] = []
        while self._queue and not self._handshakes.take(now):
            who, address = self._queue.popitem(last=False)
            self._waiting.close(address)
            admitted.append(who)
        return admitted

    def next_s(self, now: float) -> float | None:
        """In how many seconds `due` will have somebody; None = nobody waits."""
        return self._first_s(now) if self._queue else None

    def leave(self, who: W) -> None:
        """A client is gone, whether it waited or not."""
        address = self._queue.pop(who, None)
        if address is not None:
            self._waiting.close(address)

    def _first_s(self, now: float) -> float:
        """In how many seconds there is a handshake for the first in the queue."""
        rate, bucket = self._limits.handshakes, self._handshakes
        return rate.wait_s(rate.refilled(bucket.tokens, now - bucket.at), 1)

    def _refuse(self, reason: Reason, retry_after_s: float) -> Refuse:
        self.refusals[reason] += 1
        return Refuse(reason, retry_after_s)


class Counters:
    """How many are open for each key, such as connections of an address or a user.

    Attributes:
        refusals: how many were not opened.
    """

    def __init__(self, limit: int) -> None:
        """None are open.

        Args:
            limit: for each key; 0 = no limit.
        """
        self.refusals = 0
        self._limit = limit
        self._open: dict[str, int] = {}

    def __len__(self) -> int:
        """How many keys have any."""
        return len(self._open)

    def __getitem__(self, key: str) -> int:
        return self._open.get(key, 0)

    def open(self, key: str) -> bool:
        """Counts one more, if there may be."""
        count = self[key]
        if 0 < self._limit <= count:
            self.refusals += 1
            return False
        self._open[key] = count + 1
        return True

    def close(self, key: str) -> None:
        """Counts one less; only what was opened is closed."""
        if self[key] > 1:
            self._open[key] -= 1
        else:
            del self._open[key]


PendingReason = Literal["pending per address", "pending input", "pending time"]
"""Why a client that did not say who it is has to go: others of its address did not either, it sent too much, or it took
too long."""


@frozen
class PendingLimits:
    """What a connection may cost before it is known whose it is.

    Attributes:
        per_address: so many of one address at a time; 0 = no limit.
        input_bytes: after the request's head, 1 or more.
        time_s: from its first moment, in seconds, above 0.
    """

    per_address: int = 300
    input_bytes: int = 4096
    time_s: float = 10.0


class _Stranger(Struct, gc=False):
    address: str
    since: float
    input_bytes: int = 0


class Pending(Generic[W]):
    """The connections that nobody has answered for yet: no name, no token.

    Attributes:
        refusals: how many had to go, by reason.
    """

    def __init__(self, limits: PendingLimits) -> None:
        """There are none."""
        self.refusals: Counter[PendingReason] = Counter()
        self._limits = limits
        self._strangers: OrderedDict[W, _Stranger] = OrderedDict()
        self._per_address = Counters(limits.per_address)

    def __len__(self) -> int:
        return len(self._strangers)

    def enter(self, now: float, address: str, who: W) -> PendingReason | None:
        """A connection begins; the reason if it may not, and then it is not one of these."""
        if not self._per_address.open(address):
            return self._refuse("pending per address")
        self._strangers[who] = _Stranger(address, now)
        return None

    def fed(self, who: W, size: int) -> PendingReason | None:
        """It sent so many bytes; the reason if it has to go. Those that are no strangers may send what they like."""
        stranger = self._strangers.get(who)
        if stranger is None:
            return None
        stranger.input_bytes += size
        return self._refuse("pending input") if stranger.input_bytes > self._limits.input_bytes else None

    def overdue(self, now: float) -> list[W]:
        """Those that took too long, and are none of these any more; to be asked about once a second or so."""
        late: list[W] = []
        while self._strangers:
            who, stranger = next(iter(self._strangers.items()))
            if now - stranger.since < self._limits.time_s:
                break
            self.leave(who)
            late.append(who)
            self._refuse("pending time")
        return late

    def leave(self, who: W) -> None:
        """It said who it is, or is gone."""
        stranger = self._strangers.pop(who, None)
        if stranger is not None:
            self._per_address.close(stranger.address)

    def _refuse(self, reason: PendingReason) -> PendingReason:
        self.refusals[reason] += 1
        return reason
