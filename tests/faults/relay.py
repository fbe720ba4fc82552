"""A relay with one defence switched off: ``python tests/faults/relay.py CONTROL`` and twistd's arguments behind it.

A case that stays clean with it proves nothing.
"""

import sys
from functools import partial
from typing import Any

from twisted.scripts.twistd import run

from pulsetw.hub import ring
from pulsetw.policy import recovery
from pulsetw.pubsub import recovery as driving


class Deaf(recovery.Consumer):
    """Reads the log when it begins, and never again: plain pub/sub."""

    def subscribed(self) -> list[Any]:
        if self.position is None:
            return super().subscribed()
        self.is_live = True
        return []

    def pushed(self, entry: Any) -> list[Any]:
        if self.position is None:
            return super().pushed(entry)
        self.position = entry.position
        return [recovery.Deliver(entry)]


class Counting(Deaf):
    """Believes that offsets alone say what is new."""

    def pushed(self, entry: Any) -> list[Any]:
        is_old = self.position is not None and entry.position.offset <= self.position.offset
        return [] if is_old else super().pushed(entry)


def no_reading() -> None:
    """After a loss of the link the log is not read."""
    driving.Consumer = Deaf  # type: ignore[misc]


def no_epochs() -> None:
    """Whether an offset still means what it meant is not looked at."""
    driving.Consumer = Counting  # type: ignore[misc]


def no_ids() -> None:
    """An id that was here before is as good as a new one."""
    from pulsetw.broker.redis import history, scripts

    history.PUBLISH = scripts.PUBLISH.replace("if old and", "if false and")  # type: ignore[attr-defined]
    driving.Consumer = partial(recovery.Consumer, defences=recovery.Defences(ids=False))  # type: ignore[assignment,misc]
    whole = ring.Ring.add

    def add(self: ring.Ring, publication: Any) -> Any:
        self._numbers.clear()
        return whole(self, publication)

    ring.Ring.add = add  # type: ignore[method-assign]


def no_notices() -> None:
    """Nobody is told that something is missing."""
    whole = recovery.Consumer.answered

    def answered(self: recovery.Consumer, number: int, page: Any) -> list[Any]:
        return [effect for effect in whole(self, number, page) if not isinstance(effect, recovery.Tell | recovery.Cut)]

    recovery.Consumer.answered = answered  # type: ignore[method-assign]


CONTROLS = {"no reading": no_reading, "no ids": no_ids, "no epochs": no_epochs, "no notices": no_notices}

if __name__ == "__main__":
    CONTROLS[sys.argv.pop(1)]()
    run()
