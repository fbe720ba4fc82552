"""Runs cases and prints what became of every acknowledged event."""

import tempfile
from pathlib import Path

from tests.faults.cases import Case, Setting
from tests.faults.ledger import Verdict, judge
from tests.faults.world import World
from tests.integration.proxy import Proxy
from tests.integration.redis_server import RedisServer

HEAD = (
    "| fault | acknowledged | delivered | told | **silent** | duplicates | disorder | notices | longest silence |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


async def run_case(case: Case, rule: str = "", control: str = "") -> Verdict:
    """One case, in a world of its own; with one defence off where `control` names it."""
    with tempfile.TemporaryDirectory(prefix="pulsetw-faults-") as folder, RedisServer(**case.redis) as redis:
        proxy = await Proxy(redis.port).start()
        world = World(Path(folder), f"redis://127.0.0.1:{proxy.port}", rule=rule, history=case.history, control=control)
        try:
            await world.start()
            await case.run(Setting(world, redis, proxy))
            await world.flows()
            await world.settle()
            return judge(world.acknowledged, [listener.record for listener in world.listeners])
        finally:
            await world.close()
            await proxy.stop()


def row(name: str, verdict: Verdict) -> str:
    """A line of the table."""
    return (
        f"| {name} | {verdict.acknowledged:,} | {verdict.delivered:,} | {verdict.told:,} | **{verdict.silent:,}** "
        f"| {verdict.duplicates} | {verdict.disorder} | {verdict.notices} | {verdict.longest_silence_s:.1f} s |"
    )
