# ruff: noqa: T201 -- it prints for people
"""``python -m tests.faults [words]``: all cases, or those in whose names a word stands; exits with 1 on silence."""

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.faults import cases, failovers  # noqa: F401 -- failovers adds its cases behind the others
from tests.faults.case import CASES
from tests.faults.run import HEAD, row, run_case


async def main(words: list[str]) -> None:
    """Prints the table, and after it that of the controls, each of which has to fail."""
    chosen = [case for case in CASES if not words or any(word in case.name for word in words)]
    print(HEAD, flush=True)
    failed = 0
    for case in chosen:
        verdict = await run_case(case)
        print(row(case.name, verdict), flush=True)
        failed += not case.accepts(verdict)
    for name, control in cases.CONTROLS.items():
        for case in chosen:
            if case.name == name:
                verdict = await run_case(case, control=control)
                print(row(f"{name}, *{control}*", verdict), flush=True)
                failed += verdict.is_clean
    if failed:
        raise SystemExit(f"{failed} rows are not as they should be")


def _main(_reactor: Any, *words: str) -> "Deferred[None]":
    return Deferred.fromCoroutine(main(list(words)))


react(_main, sys.argv[1:])
