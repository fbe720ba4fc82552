"""Many processes on one port, which look like one relay."""

import os
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.integration.clients import connect_all, hang_up
from tests.integration.processes import RelayProcess
from tests.integration.redis_server import RedisServer
from tests.integration.test_client import Listener
from tests.integration.waiting import outcome, until

CONFIG = """
[server]
workers = 2
drain_s = 5
[channels."news:*"]
[channels."kept:*"]
history_size = 1000
"""
CLIENTS = 1000


class Relay:
    """A relay of two workers on a Redis of its own."""

    def __init__(self, folder: Path, config: str = "", **more: Any) -> None:
        self._redis = RedisServer()
        url = f"redis://127.0.0.1:{self._redis.port}"
        self.process = RelayProcess(folder / "relay", url, CONFIG + config, **more)

    async def workers(self) -> dict[str, dict[str, Any]]:
        """Each worker's own numbers."""
        workers: dict[str, dict[str, Any]] = (await self.process.stats())["workers"]
        return workers

    async def until_stats(self, what: str, condition: Any) -> dict[str, Any]:
        """The first statistics that fulfil a condition; they are half a second old at most."""
        from twisted.internet import reactor

        end = reactor.seconds() + 20
        while not condition(stats := await self.process.stats()):
            assert reactor.seconds() < end, f"not within 20 s: {what}; {stats}"
            await deferLater(reactor, 0.05)
        return stats

    def close(self) -> None:
        """Ends it with its workers, and Redis."""
        self.process.close()
        self._redis.close()


def is_gone(pid: int) -> bool:
    """Whether there is no such process any more."""
    return not Path(f"/proc/{pid}").exists()


def no_complaint(log: str) -> bool:
    return not [line for line in log.splitlines() if "#error" in line or "Traceback" in line or "#critical" in line]


@pytest_twisted.ensureDeferred
async def test_connections_are_split_and_statistics_are_sums(tmp_path: Path) -> None:
    """1 000 clients: 40 to 60 % on each; what is published at the operator's port reaches all of them."""
    relay = Relay(tmp_path)
    try:
        await relay.process.becomes(ready=True)
        clients = await connect_all([f"{relay.process.websocket}?channels=news:a"] * CLIENTS)
        status, _, answer = await relay.process.publish(channel="news:a", type="t", data={"n": 1})
        assert (status, answer) == (200, {})
        await until(lambda: all(len(client.events) == 1 for client in clients), "all have it")
        status, _, answer = await relay.process.publish_batch([{"channel": "kept:a", "type": "t", "data": {}}] * 2)
        assert (status, [result["offset"] for result in answer["results"]]) == (200, [1, 2])
        stats = await relay.until_stats("all is counted", lambda stats: stats["hub"]["deliveries"] == CLIENTS)
        shares = [worker["hub"]["connections"] for worker in stats["workers"].values()]
        assert sum(shares) == stats["hub"]["connections"] == stats["front"]["connections"] == CLIENTS
        assert all(0.4 * CLIENTS <= share <= 0.6 * CLIENTS for share in shares), shares
        assert stats["publisher"]["channel_stats"] == {"news:a": 1, "kept:a": 2, "system:events": 2}
        server_id = stats["server"]["server_id"]
        assert [worker["server"]["server_id"] for worker in stats["workers"].values()] == [
            f"{server_id}.1",
            f"{server_id}.2",
        ]
        await hang_up(*clients)
    finally:
        relay.close()


@pytest_twisted.ensureDeferred
async def test_a_killed_worker_costs_its_own_clients_a_reconnect_and_nothing_else(tmp_path: Path) -> None:
    """They come back once, to whom there is; each gets each event once; another process takes its place."""
    relay = Relay(tmp_path)
    listeners = [Listener(relay.process.websocket) for _ in range(40)]
    try:
        await relay.process.becomes(ready=True)
        subscriptions = [listener.subscribe("kept:a") for listener in listeners]
        for listener in listeners:
            listener.client.start()
        await until(lambda: all(each.is_live for each in subscriptions), "all have subscribed")
        for number in range(10):
            await relay.process.publish(channel="kept:a", type="t", data={"n": number})
        stats = await relay.until_stats("all is counted", lambda stats: stats["hub"]["deliveries"] == 400)
        victim = stats["workers"]["1"]
        assert 0 < victim["hub"]["connections"] < 40
        openings = [[state.state for state in listener.states].count("connected") for listener in listeners]
        assert set(openings) == {1}

        os.kill(victim["pid"], signal.SIGKILL)
        await relay.process.becomes(ready=False, words="worker 1: ended (signal SIGKILL)")
        for number in range(10, 20):
            await relay.process.publish(channel="kept:a", type="t", data={"n": number})
        await relay.process.becomes(ready=True)
        await until(lambda: all(each.is_live for each in subscriptions), "all are back")
        await until(lambda: all(len(listener.numbers) == 20 for listener in listeners), "all have everything")

        assert all(listener.numbers == list(range(20)) for listener in listeners)
        assert all(listener.gaps == [] for listener in listeners)
        openings = [[state.state for state in listener.states].count("connected") for listener in listeners]
        assert openings.count(2) == victim["hub"]["connections"]
        assert openings.count(1) == 40 - victim["hub"]["connections"]
        stats = await relay.until_stats("all is counted", lambda stats: stats["hub"]["connections"] == 40)
        assert stats["hub"]["deliveries"] >= 400, "what the killed one had counted still counts"
        assert [worker["restarts"] for worker in stats["workers"].values()] == [1, 0]
        assert stats["workers"]["1"]["pid"] != victim["pid"]
    finally:
        for listener in listeners:
            await outcome(listener.client.stop())
        relay.close()


@pytest_twisted.ensureDeferred
async def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    """Health says so at once; its clients come to the next one."""
    relay = Relay(tmp_path)
    try:
        await relay.process.becomes(ready=True)
        hanging = (await relay.workers())["2"]["pid"]
        os.kill(hanging, signal.SIGSTOP)
        await relay.process.becomes(ready=False, words="worker 2: no answer for")
        await until(lambda: is_gone(hanging), "it is killed", 20)
        await relay.process.becomes(ready=True)
        assert (await relay.workers())["2"]["pid"] != hanging
        assert "Worker 2 does not answer, and is killed" in relay.process.log
    finally:
        relay.close()


# Loaded by each process: as with a Twisted that calls what it keeps to itself by another name.
RENAMED = """
from pulsetw.transport import direct

direct._HINDRANCES += ("_unsent",)
CHANNELS = []
"""


@pytest_twisted.ensureDeferred
async def test_workers_that_cannot_send_directly_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In health and in the statistics; they are ready, and clients get their events."""
    (tmp_path / "renamed.py").write_text(RENAMED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    why = "its transports have no _unsent"
    relay = Relay(tmp_path, '[catalogue]\nmodules = ["renamed"]\n')
    try:
        await relay.process.becomes(ready=True)
        assert (await relay.process.health())["directSend"] == f"worker 1: {why}; worker 2: {why}"
        assert (await relay.process.stats())["front"]["direct_send"] == why
        clients = await connect_all([f"{relay.process.websocket}?channels=news:a"] * 4)
        await relay.process.publish(channel="news:a", type="t", data={"n": 1})
        await until(lambda: all(len(client.events) == 1 for client in clients), "all have it")
        await hang_up(*clients)
    finally:
        relay.close()


@pytest_twisted.ensureDeferred
async def test_sigterm_drains_all_workers(tmp_path: Path) -> None:
    """Each client of each worker is told when to come back; nobody is left. SIGHUP, before that, ends nothing."""
    relay = Relay(tmp_path)
    try:
        await relay.process.becomes(ready=True)
        clients = await connect_all([f"{relay.process.websocket}?channels=news:a"] * 100)
        pids = [worker["pid"] for worker in (await relay.workers()).values()]
        for pid in (relay.process.pid, *pids):
            os.kill(pid, signal.SIGHUP)
        # As a terminal and a service manager do: the same signal for all, and no worker takes it twice.
        for pid in (*pids, relay.process.pid):
            os.kill(pid, signal.SIGTERM)
        await until(lambda: all(client.closed.called for client in clients), "all are told")
        assert {await client.closed for client in clients} == {(3001, "draining")}
        waits = [client.told[-1]["reconnectAfterMs"] for client in clients]
        assert len({wait // 1000 for wait in waits}) == 5, "they do not come back at once"
        assert await relay.process.ended() == -signal.SIGTERM
        assert all(is_gone(pid) for pid in pids)
        assert no_complaint(relay.process.log), relay.process.log
        assert sorted(path.name for path in relay.process.folder.iterdir()) == ["log", "relay.toml"]
    finally:
        relay.close()


@pytest_twisted.ensureDeferred
async def test_workers_leave_when_their_supervisor_has_gone(tmp_path: Path) -> None:
    """Their clients are told when to come back, and the port is free for another relay."""
    relay = Relay(tmp_path)
    try:
        await relay.process.becomes(ready=True)
        clients = await connect_all([relay.process.websocket] * 20)
        pids = [worker["pid"] for worker in (await relay.workers()).values()]
        relay.process.signal(signal.SIGKILL)
        await until(lambda: all(client.closed.called for client in clients), "all are told")
        assert {await client.closed for client in clients} == {(3001, "draining")}
        await until(lambda: all(is_gone(pid) for pid in pids), "they have left")
    finally:
        relay.close()


def status_line(connection: socket.socket) -> bytes:
    """What a worker answers to the question for its health."""
    with connection:
        connection.settimeout(10)
        connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: relay\r\n\r\n")
        return connection.makefile("rb").readline()


@pytest_twisted.ensureDeferred
async def test_tls(tmp_path: Path) -> None:
    """Each worker puts it on the socket that it was given."""
    authority, pem = trustme.CA(), tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def ask() -> bytes:
        plain = socket.create_connection(("127.0.0.1", relay.process.port))
        return status_line(context.wrap_socket(plain, server_hostname="127.0.0.1"))

    relay = Relay(tmp_path, endpoint=f"ssl:{{port}}:interface=127.0.0.1:privateKey={pem}:certKey={pem}")
    try:
        await relay.process.becomes(ready=True)
        for _ in range(10):
            assert await deferToThread(ask) == b"HTTP/1.1 200 OK\r\n"
    finally:
        relay.close()


@pytest_twisted.ensureDeferred
async def test_a_unix_socket(tmp_path: Path) -> None:
    """Its path keeps the mode, outlives a worker, and is gone in the end."""
    path = tmp_path / "clients.sock"

    def ask() -> bytes:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        return status_line(connection)

    relay = Relay(tmp_path, endpoint=f"unix:{path}:mode=600")
    try:
        await relay.process.becomes(ready=True)
        assert await deferToThread(ask) == b"HTTP/1.1 200 OK\r\n"
        assert path.stat().st_mode & 0o777 == 0o600
        os.kill((await relay.workers())["1"]["pid"], signal.SIGTERM)
        await relay.process.becomes(ready=False, words="worker 1")
        await relay.process.becomes(ready=True)
        assert await deferToThread(ask) == b"HTTP/1.1 200 OK\r\n"
        assert path.stat().st_mode & 0o777 == 0o600
        relay.process.signal(signal.SIGTERM)
        await relay.process.ended()
        assert not path.exists()
        assert no_complaint(relay.process.log), relay.process.log
    finally:
        relay.close()


@pytest_twisted.ensureDeferred
async def test_a_taken_port_is_told_and_the_process_fails(tmp_path: Path) -> None:
    """As it is with one process; the workers that were to come are none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        relay = Relay(tmp_path, listen=taken.getsockname()[1])
        try:
            assert await relay.process.ended() == 1
            assert "server.listen[0]: cannot listen: Couldn't listen on 127.0.0.1:" in relay.process.log
            assert "Address already in use" in relay.process.log
            assert "Traceback" not in relay.process.log
        finally:
            relay.close()
