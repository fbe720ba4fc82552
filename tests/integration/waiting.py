"""Waiting for conditions on the real reactor; no test sleeps."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

LIMIT_S = 10.0
_STEP_S = 0.005


async def until(condition: Callable[[], object], what: str = "", limit_s: float = LIMIT_S) -> None:
    """Lets the reactor run until the condition holds; fails the test after `limit_s` seconds."""
    from twisted.internet import reactor

    clock: Any = reactor
    end = clock.seconds() + limit_s
    while not condition():
        if clock.seconds() > end:
            raise AssertionError(f"not within {limit_s} s: {what or condition}")
        await deferLater(clock, _STEP_S)


async def outcome(waited: Deferred[Any], limit_s: float = LIMIT_S) -> Any:
    """What a Deferred fires with, or the exception that it fails with."""
    results: list[Any] = []
    waited.addBoth(results.append)
    await until(lambda: results, "the Deferred fires", limit_s)
    return getattr(results[0], "value", results[0])
