"""Relays that are stopped after their test, with all that they were connected to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest_twisted

from pulsetw.transport.front import FrontLimits
from pulsetw.transport.options import WebSocketLimits
from tests.integration.transport.relay import Relay

Start = Callable[..., Awaitable[Relay]]


@pytest_twisted.async_yield_fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a relay: `clock` for its limits in time (the reactor's), `tls`, and the limits themselves."""
    relays: list[Relay] = []

    async def begin(
        clock: Any = None,
        *,
        tls: bool = False,
        front: FrontLimits | None = None,
        websocket: WebSocketLimits | None = None,
    ) -> Relay:
        from twisted.internet import reactor

        relay = Relay(
            clock or reactor, tmp_path, front=front or FrontLimits(), websocket=websocket or WebSocketLimits()
        )
        await relay.start(tls=tls)
        relays.append(relay)
        return relay

    yield begin
    for relay in relays:
        await relay.stop()
