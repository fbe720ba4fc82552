"""`outage = "local"` with two relays: those who are here get it at once, the others later, nobody twice."""

from pathlib import Path

import pytest
import pytest_twisted

from tests.integration.clients import Client, connect, hang_up
from tests.integration.processes import RelayProcess
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

RULES = """
[limits]
outbox_events = {events}
ring_bytes = {ring_bytes}
[channels."kept:*"]
history_size = 100
outage = "local"
[channels."plain:*"]
outage = "local"
"""


def _ids(client: Client) -> list[str]:
    return [event["id"] for event in client.events]


@pytest.mark.parametrize(
    ("channel", "events", "ring_bytes"),
    [("kept:a", 5, 65_536), ("plain:a", 5, 65_536), ("kept:a", 50, 1024)],
    ids=["kept", "plain", "more than the ring holds"],
)
@pytest_twisted.ensureDeferred
async def test_an_outage_is_bridged(tmp_path: Path, channel: str, events: int, ring_bytes: int) -> None:
    """Marked while Redis is away; in order and once when it is back; a full outbox refuses with an error."""
    rules = RULES.format(events=events, ring_bytes=ring_bytes)
    with RedisServer() as redis:
        relays = [RelayProcess(tmp_path / name, f"redis://127.0.0.1:{redis.port}", rules) for name in ("here", "there")]
        try:
            for relay in relays:
                await relay.becomes(ready=True)
            here, there = clients = [await connect(f"{relay.websocket}?channels={channel}") for relay in relays]
            for client in clients:
                client.command(op="ping")
                await until(lambda client=client: client.ops("pong"), "the subscription stands")  # type: ignore[misc]
            event = {"channel": channel, "type": "tick", "data": {}}
            assert (await relays[0].publish(**event, id="before"))[0] == 200
            await until(lambda: _ids(here) == _ids(there) == ["before"])
            redis.freeze()
            await relays[0].becomes(ready=False)
            away = [f"away {number}" for number in range(events)]
            for event_id in away:
                status, _, answer = await relays[0].publish(**event, id=event_id)
                assert (status, answer) == (200, {"degraded": True})
            status, _, answer = await relays[0].publish(**event, id="one too many")
            assert (status, answer["error"]["outcome"]) == (429, "not sent")
            await until(lambda: _ids(here) == ["before", *away], "those who are here have it")
            assert [each.get("degraded", False) for each in here.events] == [False, *[True] * events]
            assert _ids(there) == ["before"]
            redis.thaw()
            for relay in relays:
                await relay.becomes(ready=True)
            await until(lambda: len(there.events) == events + 1, "the others have it")
            assert (await relays[1].publish(**event, id="after"))[0] == 200
            await until(lambda: all(_ids(client)[-1] == "after" for client in clients), "life goes on")
            assert _ids(here) == _ids(there) == ["before", *away, "after"]
            await hang_up(*clients)
        finally:
            for relay in relays:
                relay.close()
