"""A failover while one client does not read: each gets its own, once."""

from pathlib import Path

import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.integration.clients import connect, hang_up
from tests.integration.processes import RelayProcess
from tests.integration.proxy import DOWN, UP, Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

RULES = """
[server]
drain_s = 0
[limits]
ring_bytes = 4194304
[channels."kept:*"]
history_size = 1000
ack = "window"
"""
# More than the kernels on both sides and the relay keep for one client that does not read.
PADDING = "x" * 30_000
BEFORE, LOST, AFTER = 60, 10, 5


@pytest_twisted.ensureDeferred
async def test_a_slow_client_before_a_fork(tmp_path: Path) -> None:
    """The fast one is told of the fork and gets nothing again; the slow one gets all that the fast one had got, once.

    The last events are on the old master only. The relay, which keeps them (`window`), publishes them again.
    """
    with RedisServer() as old, RedisServer(repl_diskless_sync_delay="0") as new:
        proxy, replication = await Proxy(old.port).start(), await Proxy(old.port).start()
        await deferToThread(new.ask, "REPLICAOF", "127.0.0.1", replication.port)
        await until(lambda: b"master_link_status:up" in new.ask("INFO", "replication"), "the replica is there")  # type: ignore[operator]
        relay = RelayProcess(tmp_path / "relay", f"redis://127.0.0.1:{proxy.port}", RULES)
        try:
            await relay.becomes(ready=True)
            fast, slow = [await connect(f"{relay.websocket}?channels=kept:a") for _ in range(2)]
            for client in (fast, slow):
                client.command(op="ping")
                await until(lambda client=client: client.ops("pong"), "the subscription stands")  # type: ignore[misc]
            slow.transport.pauseProducing()

            async def publish(first: int, last: int) -> None:
                for number in range(first, last):
                    event = {"channel": "kept:a", "type": "tick", "data": {"padding": PADDING}, "id": str(number)}
                    status, _, answer = await relay.publish(**event)
                    assert status == 200, answer
                await until(lambda: fast.events[-1]["id"] == str(last - 1), "the fast one has it")

            await publish(0, BEFORE)
            replication.silent |= {UP, DOWN}
            await publish(BEFORE, BEFORE + LOST)
            old.stop()
            new.ask("REPLICAOF", "NO", "ONE")
            proxy.server_port = new.port
            proxy.cut()
            await until(lambda: fast.ops("gap"), "the fast one is told")
            await relay.becomes(ready=True)
            await publish(BEFORE + LOST, BEFORE + LOST + AFTER)
            slow.transport.resumeProducing()
            everything = [str(number) for number in range(BEFORE + LOST + AFTER)]
            await until(lambda: slow.events[-1:] and slow.events[-1]["id"] == everything[-1], "the slow one has it")
            assert [event["id"] for event in fast.events] == everything
            assert [event["id"] for event in slow.events] == everything
            (gap,) = fast.ops("gap")
            assert (gap["reason"], gap["from"]["offset"]) == ("diverged", BEFORE + LOST)
            assert gap["to"]["offset"] < BEFORE + LOST
            assert slow.ops("gap") == []
            await hang_up(fast, slow)
        finally:
            relay.close()
            await proxy.stop()
            await replication.stop()
