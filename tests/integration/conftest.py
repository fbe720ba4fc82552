"""Fixtures of several files, and what pytest-twisted does not look at: what a test leaves behind."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from playwright.sync_api import Browser
from twisted.logger import LogEvent, globalLogPublisher

from tests.integration.league import Demo, chromium, demonstration
from tests.integration.waiting import until

TURNS_S = 0.3  # for what was aborted at the end of the test to be gone; too short for a forgotten timer to run out


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """The example league without a relay, which is on memory when it is started."""
    with demonstration(tmp_path) as demo:
        yield demo


def _left(reactor: Any) -> set[Any]:
    return {*reactor.getDelayedCalls(), *reactor.getReaders(), *reactor.getWriters()}


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails a test that leaves a delayed call, a socket, or a failure in the log."""
    from twisted.internet import reactor

    failures: list[str] = []

    def note(event: LogEvent) -> None:
        if "log_failure" in event:
            failures.append(event["log_failure"].getTraceback())

    # The reactor's own waker shows among its readers once it runs.
    pytest_twisted.blockon(_turn(reactor))
    before = _left(reactor)
    globalLogPublisher.addObserver(note)
    yield
    try:
        pytest_twisted.blockon(_gone(reactor, before))
        gc.collect()  # a Deferred logs its unhandled failure when it is collected
    finally:
        globalLogPublisher.removeObserver(note)
    assert not failures, "\n".join(failures)


def _turn(reactor: Any) -> Any:
    from twisted.internet.task import deferLater

    return deferLater(reactor, 0)


def _gone(reactor: Any, before: set[Any]) -> Any:
    from twisted.internet.defer import Deferred

    async def wait() -> None:
        # Deferred.fromCoroutine's own poll is a delayed call only between two looks, never during one.
        await until(lambda: not _left(reactor) - before, "the reactor is as clean as before", TURNS_S)

    return Deferred.fromCoroutine(wait()).addErrback(lambda failure: pytest.fail(_described(reactor, before, failure)))


def _described(reactor: Any, before: set[Any], failure: Any) -> str:
    return "left in the reactor: " + ", ".join(str(each) for each in _left(reactor) - before) + f" ({failure.value})"
