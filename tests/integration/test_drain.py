"""Leaving without dropping anyone in the cold."""

import signal
from pathlib import Path

import pytest_twisted

from tests.integration.clients import connect, connect_all
from tests.integration.processes import RelayProcess
from tests.integration.waiting import until

CLIENTS = 500
DRAIN_S = 7
# Closing handshakes and the cut of those that do not answer, with room for a slow machine.
LEAVES_WITHIN_S = 10


@pytest_twisted.ensureDeferred
async def test_sigterm_tells_each_client_when_to_come_back(tmp_path: Path) -> None:
    """500 clients: a disconnect each, close code 3001, times spread; no pid file, no error in the log."""
    relay = RelayProcess(tmp_path / "relay", config=f"[server]\ndrain_s = {DRAIN_S}\n")
    try:
        await relay.becomes(ready=True)
        clients = await connect_all([f"{relay.websocket}?channels=match:events"] * CLIENTS)
        relay.signal(signal.SIGTERM)
        await until(lambda: all(client.closed.called for client in clients), "all are closed", LEAVES_WITHIN_S)
        status = await relay.ended(LEAVES_WITHIN_S)
        closes = [await client.closed for client in clients]
        assert set(closes) == {(3001, "draining")}
        waits = []
        for client in clients:
            [goodbye] = client.told
            waits.append(goodbye.pop("reconnectAfterMs"))
            assert goodbye == {"op": "disconnect", "code": 3001, "reason": "draining", "reconnect": True}
        assert all(0 <= wait <= DRAIN_S * 1000 for wait in waits)
        assert len({wait // 1000 for wait in waits}) == DRAIN_S, "they do not come back at once"
        assert status == -signal.SIGTERM, "twistd ends by the signal"
        assert sorted(path.name for path in relay.folder.iterdir()) == ["log", "relay.toml"]
        assert not [
            line for line in relay.log.splitlines() if "#error" in line or "Traceback" in line or "#critical" in line
        ]
        assert "All is closed" in relay.log
    finally:
        relay.close()


@pytest_twisted.ensureDeferred
async def test_a_second_signal_hurries(tmp_path: Path) -> None:
    """A client that does not answer the good-bye is not waited for; nothing is complained about."""
    relay = RelayProcess(tmp_path / "relay")
    try:
        await relay.becomes(ready=True)
        client = await connect(relay.websocket)
        client.transport.pauseProducing()
        relay.signal(signal.SIGTERM)
        await until(lambda: "Received SIGTERM" in relay.log, "it begins to leave")
        relay.signal(signal.SIGTERM)
        assert await relay.ended() == -signal.SIGTERM
        assert "Traceback" not in relay.log
        client.transport.resumeProducing()
        await client.closed
    finally:
        relay.close()


@pytest_twisted.ensureDeferred
async def test_a_taken_port_is_told_and_the_process_fails(tmp_path: Path) -> None:
    """A supervisor sees that this was no orderly end."""
    first = RelayProcess(tmp_path / "first")
    second = None
    try:
        await first.becomes(ready=True)
        second = RelayProcess(tmp_path / "second", listen=first.port)
        assert await second.ended() == 1
        assert f"127.0.0.1:{first.port}: [Errno 98] Address already in use" in second.log
        assert "Traceback" not in second.log
    finally:
        first.close()
        if second is not None:
            second.close()
