"""Runs cases and prints what became of every acknowledged event."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.faults.case import Case, Setting
from tests.faults.ledger import Verdict, judge
from tests.faults.world import World
from tests.integration.proxy import Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.sentinel import Guarded
from tests.integration.waiting import until

HEAD = (
    "| fault | acknowledged | delivered | told | **silent** | duplicates | disorder | notices | longest silence |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


async def run_case(case: Case, control: str = "") -> Verdict:
    """One case, in a world of its own; with one defence off where `control` names it."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="pulsetw-faults-")))
        redis = closing.enter_context(RedisServer(**case.redis))
        proxies = [await Proxy(redis.port).start()]
        replica = guarded = None
        url = f"redis://127.0.0.1:{proxies[0].port}"
        if case.replica:
            proxies.append(await Proxy(redis.port).start())
            replica = closing.enter_context(RedisServer(repl_diskless_sync_delay="0"))
            replica.ask("REPLICAOF", "127.0.0.1", proxies[1].port)
            await until(lambda: b"master_link_status:up" in _info(replica), "the replica is there")
        if case.guarded:
            guarded = Guarded(**case.redis)
            closing.callback(guarded.close)
            url = (await guarded.start(proxied=True)).url
            if guarded.proxy is not None:
                proxies.append(guarded.proxy)
        world = World(folder, url, case.rule, proxied=case.proxied, control=control)
        try:
            await world.start()
            await case.run(Setting(world, redis, proxies[0], replica, proxies[-1], guarded))
            await world.flows()
            await world.settle()
            return judge(world.acknowledged, [listener.record for listener in world.listeners])
        finally:
            await world.close()
            for proxy in proxies:
                await proxy.stop()


def _info(server: RedisServer) -> bytes:
    answer = server.ask("INFO", "replication")
    assert isinstance(answer, bytes)
    return answer


def row(name: str, verdict: Verdict) -> str:
    """A line of the table."""
    return (
        f"| {name} | {verdict.acknowledged:,} | {verdict.delivered:,} | {verdict.told:,} | **{verdict.silent:,}** "
        f"| {verdict.duplicates} | {verdict.disorder} | {verdict.notices} | {verdict.longest_silence_s:.1f} s |"
    )
