"""Two relays on one Redis, clients on both, events from everywhere: each gets what it may see, once and in order."""

import json
import subprocess
from collections import Counter
from typing import Any

import hiredis
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread

from pulsetw.config import BrokerSettings, Config, ServerSettings
from pulsetw.service import Relay
from tests.integration.clients import Client, connect_all, hang_up
from tests.integration.processes import RelayProcess, ask
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

PLAYERS = 200
EVENTS = 2000
CONFIG = '[auth]\nanonymous = "named"\n'
CHANNELS = ("leaderboard:updates", "match:events", "player:notifications", "system:events")


class Recorder(Protocol):
    """What Redis itself delivers, in its order: the order that all must see."""

    def __init__(self) -> None:
        self.order: dict[str, list[str]] = {channel: [] for channel in CHANNELS}
        self.standing = 0
        self._reader = hiredis.Reader()

    def connectionMade(self) -> None:
        self.transport.write(("SUBSCRIBE " + " ".join(CHANNELS) + "\r\n").encode())

    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        while (push := self._reader.gets()) is not False:
            kind, channel, payload = push
            if kind == b"message":
                self.order[channel.decode()].append(json.loads(payload).get("id", ""))
            else:
                self.standing += 1


def event(number: int) -> dict[str, Any]:
    """The channels in turn, some fields of each kind; no two events are alike."""
    players = {"player1Id": f"p{number % PLAYERS}", "player2Id": f"p{(number * 7 + 1) % PLAYERS}"}
    kind, data = [
        ("leaderboard_update", {"playerId": f"p{number % PLAYERS}"}),
        ("match_completed" if number % 8 == 1 else "match_started", {"matchId": f"m{number}", **players}),
        ("achievement_unlocked", {"playerId": f"p{number % PLAYERS}", "message": f"No. {number}"}),
        ("server_noise", {"number": number}),
    ][number % 4]
    return {"channel": CHANNELS[number % 4], "type": kind, "data": data, "id": f"e{number}"}


async def by_python(relay: Relay, events: list[dict[str, Any]]) -> None:
    from pulsetw.model import Event

    for one in events:
        await relay.pubsub.publish(one["channel"], Event(one["type"], one["data"], id=one["id"]))


async def by_http(relay: RelayProcess, events: list[dict[str, Any]]) -> None:
    for start in range(0, len(events), 50):
        status, _, answer = await ask(f"{relay.admin}/api/v1/batch", {"events": events[start : start + 50]})
        assert (status, answer["results"]) == (200, [{}] * len(events[start : start + 50]))


async def by_redis_cli(redis: RedisServer, events: list[dict[str, Any]]) -> None:
    lines = []
    for one in events:
        envelope = {"timestamp": 1, "serverId": "a-stranger", **{key: one[key] for key in ("type", "data", "id")}}
        lines.append(f"PUBLISH {one['channel']} '{json.dumps(envelope)}'\n")
    await deferToThread(
        subprocess.run,
        ["redis-cli", "-p", str(redis.port)],
        input="".join(lines),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )


def expected(player: str, order: dict[str, list[str]]) -> Counter[tuple[str, str]]:
    """What one player's client may see."""
    seen = Counter((channel, name) for channel in CHANNELS[:2] for name in order[channel])
    for number in range(EVENTS):
        one = event(number)
        if one["type"] == "match_completed":
            for key in ("player1Id", "player2Id"):
                if one["data"][key] == player:
                    seen["player:notifications", f"e{number}:result"] += 1
        elif one["channel"] == "player:notifications" and one["data"]["playerId"] == player:
            seen["player:notifications", f"e{number}"] += 1
    return seen


def assert_in_order(client: Client, order: dict[str, list[str]]) -> None:
    for channel in CHANNELS[:3]:
        place = {name: index for index, name in enumerate(order[channel])}
        places = [place[e["id"]] for e in client.events if e["channel"] == channel and e["id"] in place]
        assert places == sorted(places)
    matches = {name: index for index, name in enumerate(order["match:events"])}
    results = [matches[e["id"].removesuffix(":result")] for e in client.events if e["type"] == "match_result"]
    assert results == sorted(results)


@pytest_twisted.ensureDeferred
async def test_every_client_gets_each_event_it_may_see_once_and_in_order(tmp_path):
    """2 000 events by Python, HTTP and redis-cli; 200 Autobahn clients on each of two twistd processes."""
    from twisted.internet import reactor

    with RedisServer() as redis:
        url = f"redis://127.0.0.1:{redis.port}"
        relays = [RelayProcess(tmp_path / name, url, CONFIG) for name in ("a", "b")]
        embedded = Relay(
            reactor,
            Config(
                server=ServerSettings(listen=("tcp:0:interface=127.0.0.1",), admin=()), broker=BrokerSettings(url=url)
            ),
        )
        embedded.startService()
        try:
            await embedded.started
            recorder = await clientFromString(reactor, f"tcp:127.0.0.1:{redis.port}").connect(
                Factory.forProtocol(Recorder)
            )
            await until(lambda: recorder.standing == len(CHANNELS), "the recorder listens")
            for relay in relays:
                await relay.becomes(ready=True)
            urls = [
                f"{r.websocket}?user=p{n}&channels={','.join(CHANNELS[:2])}" for r in relays for n in range(PLAYERS)
            ]
            clients = await connect_all(urls)
            events = [event(number) for number in range(EVENTS)]
            sending = [
                Deferred.fromCoroutine(by_python(embedded, events[0::3])),
                Deferred.fromCoroutine(by_http(relays[0], events[1::3])),
                Deferred.fromCoroutine(by_redis_cli(redis, events[2::3])),
            ]
            for sent in sending:
                await sent
            order = recorder.order
            await until(lambda: all(len(order[name]) == EVENTS // 4 for name in CHANNELS[:3]), "Redis has relayed all")
            wanted = [expected(f"p{n}", order) for _ in relays for n in range(PLAYERS)]
            await until(
                lambda: all(len(c.events) >= w.total() for c, w in zip(clients, wanted, strict=True)),
                "all is delivered",
                60,
            )
            for relay in relays:
                stats = await relay.stats()
                assert stats["subscriber"]["channel_stats"]["system:events"] >= EVENTS // 4, "servers hear their own"
                assert stats["subscriber"]["failures"] == {}
            # What is too much would come now: a last event pushes it out.
            for client in clients:
                client.command(op="ping", id=1)
            await until(lambda: all(client.ops("pong") for client in clients), "all have answered")
            for client, wants in zip(clients, wanted, strict=True):
                assert Counter((e["channel"], e["id"]) for e in client.events) == wants
                assert_in_order(client, order)
                assert client.told == client.ops("pong")
            await hang_up(*clients)
            recorder.transport.abortConnection()
        finally:
            await embedded.stopService()
            for relay in relays:
                relay.close()
