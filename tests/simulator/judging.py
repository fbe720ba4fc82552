"""Runs a history; one that is wrong a second time, to write down how it went."""

from collections.abc import Callable
from typing import Protocol

from pulsetw.catalogue.rule import Ack
from tests.simulator.checker import Violation


class Runs(Protocol):
    """A history."""

    def run(self) -> None:
        """Raises `Violation`."""


def judged(seed: int, ack: Ack, make: Callable[[list[str] | None], Runs]) -> str:
    """What is wrong with a history, and the way there; "" = nothing.

    Args:
        seed: of its dice.
        ack: what its publishers wait for.
        make: makes the history, with the trace that it is to write.
    """
    try:
        make(None).run()
    except Violation:
        trace: list[str] = []
        try:
            make(trace).run()
        except Violation as error:
            return "\n".join([f"seed {seed}, ack {ack}: {error}", *trace])
        raise
    return ""
