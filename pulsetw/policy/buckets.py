"""How much somebody may do in a time: token buckets.

A bucket holds at most `burst` tokens and gets `per_s` more each second; what is done takes some out. So in any time of
t seconds nobody gets more than `per_s` * t + `burst`. A clock that steps back neither gives nor takes anything.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import field, frozen
from attrs.validators import ge
from msgspec import Struct

# Tokens that may be missing: whoever waits exactly as long as was said is not sent away for a rounding error. They are
# owed, so that nothing adds up.
_SLACK = 1e-6

# So far the clock may go back, in seconds, without giving anybody a burst twice.
_STEP_BACK_S = 60.0


@frozen
class Rate:
    """How fast a bucket fills, and what it holds.

    Attributes:
        per_s: tokens a second; 0 = no limit.
        burst: tokens of a full bucket, above 0. What costs more is never allowed.
    """

    per_s: float = field(validator=ge(0))
    burst: float = field(validator=ge(1))

    def refilled(self, tokens: float, elapsed_s: float) -> float:
        """What a bucket holds after a time without use; below zero it owes.

        Args:
            tokens: what it held before; infinity = it is new.
            elapsed_s: the time; less than none counts as none.
        """
        if elapsed_s > 0:
            tokens += elapsed_s * self.per_s
        # Not `min`: a call that costs as much as all the rest of it.
        return tokens if tokens < self.burst else self.burst  # noqa: FURB136

    def wait_s(self, tokens: float, cost: float) -> float:
        """How long until a bucket that holds so much has what something costs; 0 = it has, infinity = never."""
        if tokens >= cost - _SLACK or not self.per_s:
            return 0.0
        return (cost - tokens) / self.per_s if cost <= self.burst else math.inf


# A struct that the garbage collector leaves alone takes 40 bytes, and its two numbers 48; there are many.
class Bucket(Struct, gc=False):
    """One bucket, full at first.

    Attributes:
        rate: how fast it fills, and what it holds.
        tokens: what it held at `at`; infinity = it is new.
        at: when that was, in seconds.
    """

    rate: Rate
    tokens: float = math.inf
    at: float = 0.0

    def take(self, now: float, cost: float = 1.0) -> float:
        """Takes tokens out, if there are enough.

        Args:
            now: seconds of any clock.
            cost: how many.

        Returns:
            0 = taken; else nothing was, and in so many seconds there are enough; infinity = never.
        """
        rate = self.rate
        self.tokens = rate.refilled(self.tokens, now - self.at)
        self.at = now
        wait_s = rate.wait_s(self.tokens, cost)
        if not wait_s:
            self.tokens -= cost
        return wait_s

    def is_full(self, now: float) -> bool:
        """Whether it might as well be a new one."""
        return self.rate.refilled(self.tokens, now - self.at) >= self.rate.burst


K = TypeVar("K", bound=Hashable)


class Buckets(Generic[K]):
    """A bucket for each key; only those that are not full, or have not been for a minute, need to be kept.

    Their number is bounded. Where all places are taken by buckets in use, newcomers share one; who leaves it for a
    bucket of its own takes along what all of them owed, so that nobody gets more by changing.
    """

    def __init__(self, rate: Rate, max_kept: int) -> None:
        """All are full.

        Args:
            rate: of each.
            max_kept: how many are kept, 1 or more.
        """
        self._rate = rate
        self._max_kept = max_kept
        self._kept: OrderedDict[K, Bucket] = OrderedDict()  # who was not here for longest comes first
        self._shared = Bucket(rate)

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, key: K, now: float, cost: float = 1.0) -> float:
        """See `Bucket.take`."""
        if not self._rate.per_s:
            return 0.0
        bucket = self._kept.get(key)
        if bucket is None:
            bucket = self._new(key, now)
        else:
            self._kept.move_to_end(key)
        return bucket.take(now, cost)

    def _new(self, key: K, now: float) -> Bucket:
        # Two go where one comes, so that few stay that are not needed. They would be full even if the clock went back a
        # little from here; only where no other place is left one goes that is full just now.
        self._forget_full(now - _STEP_BACK_S)
        self._forget_full(now - _STEP_BACK_S)
        if len(self._kept) >= self._max_kept:
            self._forget_full(now)
        if len(self._kept) >= self._max_kept:
            return self._shared
        bucket = self._kept[key] = Bucket(self._rate, self._shared.tokens, self._shared.at)
        return bucket

    def _forget_full(self, now: float) -> None:
        if self._kept and next(iter(self._kept.values())).is_full(now):
            self._kept.popitem(last=False)
