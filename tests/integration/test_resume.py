"""Clients come back from further behind than the relay's memory reaches: the broker's history serves them."""

import re

import pytest_twisted

from tests.integration.clients import connect, connect_all, hang_up
from tests.integration.processes import RelayProcess, ask
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

CONFIG = """
[limits]
ring_bytes = 1024
[auth]
anonymous = "named"
[channels."kept:*"]
history_size = 2000
history_age_s = 600
"""


def reads(redis: RedisServer) -> int:
    """How often the log was read, or written: each of the scripts calls PTTL once."""
    stats = redis.ask("INFO", "commandstats")
    assert isinstance(stats, bytes)
    found = re.search(rb"cmdstat_pttl:calls=(\d+)", stats)
    return int(found[1]) if found else 0


async def fill(relay: RelayProcess, channel: str, count: int) -> None:
    """Publishes events 1 to `count`."""
    for start in range(0, count, 50):
        events = [{"channel": channel, "type": "t", "data": {}, "id": f"e{n}"} for n in range(start + 1, start + 51)]
        status, _, _ = await ask(f"{relay.admin}/api/v1/batch", {"events": events})
        assert status == 200


async def come_back(redis: RedisServer, relay: RelayProcess, channel: str, count: int, behind: int, fleet: int) -> int:
    """A fleet comes back from `behind` of the channel's `count` events ago, each once; what it cost in reads."""
    here = await connect(relay.websocket)
    here.command(op="subscribe", id=1, channel=channel)
    await until(lambda: here.ops("subscribed"), "the first is there")
    await fill(relay, channel, count)
    await until(lambda: len(here.events) == count, "all have gone out")
    since = {"offset": count - behind, "epoch": here.ops("subscribed")[0]["epoch"]}
    clients = await connect_all([relay.websocket] * fleet)
    before = reads(redis)
    for client in clients:
        client.command(op="subscribe", id=1, channel=channel, since=since)
    await until(lambda: all(len(client.events) >= behind for client in clients), "all have caught up", 30)
    for client in clients:
        client.command(op="ping", id=2)
    await until(lambda: all(client.ops("pong") for client in clients), "nothing comes twice")
    for client in clients:
        assert client.ops("subscribed")[0]["recovered"] is True
        assert [event["offset"] for event in client.events] == [*range(count - behind + 1, count + 1)]
        assert not client.ops("gap")
    await hang_up(here, *clients)
    return reads(redis) - before


@pytest_twisted.ensureDeferred
async def test_a_fleet_comes_back_from_far_behind_and_costs_redis_a_few_reads(tmp_path):
    """One client from 1 000 events ago, by a few pages; 200 at once from 390 ago share at most three syncs."""
    with RedisServer() as redis:
        relay = RelayProcess(tmp_path / "relay", f"redis://127.0.0.1:{redis.port}", CONFIG)
        try:
            await relay.becomes(ready=True)
            assert 0 < await come_back(redis, relay, "kept:far", 1000, 1000, 1) <= 5
            assert 0 < await come_back(redis, relay, "kept:fleet", 400, 390, 200) <= 3
        finally:
            relay.close()


@pytest_twisted.ensureDeferred
async def test_who_was_away_for_longer_than_the_history_is_told_where_it_begins(tmp_path):
    """The gap ends at the broker's oldest entry, not at the relay's."""
    with RedisServer() as redis:
        config = CONFIG.replace("2000", "100")
        relay = RelayProcess(tmp_path / "relay", f"redis://127.0.0.1:{redis.port}", config)
        try:
            await relay.becomes(ready=True)
            here = await connect(relay.websocket)
            here.command(op="subscribe", id=1, channel="kept:short")
            await until(lambda: here.ops("subscribed"), "the first is there")
            await fill(relay, "kept:short", 400)
            await until(lambda: len(here.events) == 400, "all have gone out")
            client = await connect(relay.websocket)
            since = {"offset": 10, "epoch": here.ops("subscribed")[0]["epoch"]}
            client.command(op="subscribe", id=1, channel="kept:short", since=since)
            await until(lambda: client.ops("subscribed"), "it is answered")
            [answer] = client.ops("subscribed")
            assert (answer["recovered"], answer["reason"], answer["from"]) == (False, "trimmed", since)
            begins = answer["to"]["offset"]
            assert 100 <= begins <= 300, "trimming by nodes leaves a few more than the rule says"
            await until(lambda: len(client.events) == 400 - begins, "what there is has come")
            assert [e["offset"] for e in client.events] == [*range(begins + 1, 401)]
            await hang_up(here, client)
        finally:
            relay.close()
