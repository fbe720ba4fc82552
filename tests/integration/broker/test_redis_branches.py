"""What tells one master from another: the replication id, the run id, either alone, or nothing."""

from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from pulsetw.broker.redis import advice, history
from pulsetw.broker.redis.broker import RedisBroker
from pulsetw.broker.redis.history import publish_words, read_page, read_position, sync_words
from pulsetw.catalogue.rule import History, Rule
from pulsetw.config import Config
from pulsetw.config.settings import BrokerSettings
from pulsetw.model import UNKNOWN_BRANCH, Page, Position
from pulsetw.service import make_broker
from tests.integration.broker.world import RedisWorld
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until

KEPT = History(size=1000, age_s=60)
REPLICATION_ID, RUN_ID = "id('replication', 'master_replid:', 8)", "id('server', 'run_id:', 6)"


@pytest.fixture
def replica(redis: RedisServer) -> Iterator[RedisServer]:
    """A replica of the test's own server."""
    with RedisServer() as replica:
        redis.ask("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        replica.ask("REPLICAOF", "127.0.0.1", redis.port)
        yield replica


def _make_up(monkeypatch: pytest.MonkeyPatch, shown: dict[str, str]) -> None:
    """A service that shows these ids in place of its own."""
    for module, name in ((history, "PUBLISH"), (history, "SYNC"), (advice, "PROBE")):
        script = getattr(module, name)
        for own, text in shown.items():
            assert own in script
            script = script.replace(own, text)
        monkeypatch.setattr(module, name, script)


def _publish(server: RedisServer, event_id: str) -> Position:
    return read_position(server.ask(*publish_words("a", event_id, b"{}", KEPT, "e0")))


def _sync(server: RedisServer, position: Position) -> Page:
    return read_page(server.ask(*sync_words("a", position, 10, "e1")))


async def _failed_over(master: RedisServer, replica: RedisServer) -> tuple[Position, Position, Page]:
    """A failover that loses the third event: its place, that of the next, and what a reader of the third is told."""
    await until(lambda: b"master_link_status:up" in replica.ask("INFO", "replication"))  # type: ignore[operator]
    second = [_publish(master, f"id{number}") for number in (1, 2)][-1]
    await until(lambda: replica.ask("XLEN", "pulsetw:{a}:log") == 2)
    replica.ask("REPLICAOF", "NO", "ONE")
    lost, new = _publish(master, "lost"), _publish(replica, "new")
    assert (second.offset, lost.offset, new.offset) == (2, 3, 3)
    return lost, new, _sync(replica, lost)


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {REPLICATION_ID: "'constant'"},
        {REPLICATION_ID: "''"},
        {RUN_ID: "'faked'"},
        {RUN_ID: "''"},
    ],
    ids=["both", "a constant replication id", "no replication id", "a constant run id", "no run id"],
)
@pytest_twisted.ensureDeferred
async def test_failover(
    redis: RedisServer, replica: RedisServer, monkeypatch: pytest.MonkeyPatch, shown: dict[str, str]
) -> None:
    """One id that is true is enough: what is appended after the failover stands on another branch."""
    _make_up(monkeypatch, shown)
    lost, new, page = await _failed_over(redis, replica)
    assert new.branch != lost.branch
    assert [(branch.name, branch.fork) for branch in page.lineage.branches] == [(lost.branch, 0), (new.branch, 2)]
    assert (page.start, [entry.id for entry in page.entries]) == (2, ["new"])


@pytest_twisted.ensureDeferred
async def test_neither_id(redis: RedisServer, replica: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The branch has a name that says so: the log alone cannot tell that the reader's last event is lost."""
    _make_up(monkeypatch, {REPLICATION_ID: "''", RUN_ID: "''"})
    lost, new, page = await _failed_over(redis, replica)
    assert lost.branch == new.branch == UNKNOWN_BRANCH
    assert (page.start, page.entries) == (3, ())


@pytest.mark.parametrize(("section", "name"), [("replication", "master_replid:"), ("server", "run_id:")])
def test_an_id_that_is_none(redis: RedisServer, section: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without an id, or with what would not fit in between the branches, counts as none."""
    call = "redis.call('INFO', section)"
    for shown in (f"# x\\r\\n{name}\\r\\nnext:1\\r\\n", f"# x\\r\\n{name}?:? ?\\r\\n", "# x\\r\\n", name):
        with monkeypatch.context() as patch:
            _make_up(patch, {call: f"section == '{section}' and '{shown}' or {call}"})
            branch = _publish(redis, shown.replace("\\r\\n", " ")).branch
            assert branch.isalnum()
            assert len(branch) == (6 if section == "replication" else 8)


@pytest_twisted.ensureDeferred
async def test_warnings(redis: RedisServer, world: RedisWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis without ids and without a replica is warned of at the start; one that has both is not."""
    said: list[LogEvent] = []
    globalLogPublisher.addObserver(said.append)
    try:
        await _start(world, redis)
        await until(lambda: _warned(said, "no replica"))
        assert not _warned(said, "run id")
        _make_up(monkeypatch, {REPLICATION_ID: "''", RUN_ID: "''"})
        await _start(world, redis)
        await until(lambda: _warned(said, "neither its replication id nor its run id"))
    finally:
        globalLogPublisher.removeObserver(said.append)


async def _start(world: RedisWorld, redis: RedisServer) -> None:
    """A broker as a relay makes it, with a rule that needs a replica."""
    from twisted.internet import reactor

    config = Config(
        broker=BrokerSettings(url=f"redis://127.0.0.1:{redis.port}"),
        channels={"a": Rule(history_size=1, ack="durable")},
    )
    broker = make_broker(reactor, config, "relay")
    assert isinstance(broker, RedisBroker)
    world.brokers.append(broker)
    await world.ready(broker)


def _warned(said: list[LogEvent], text: str) -> bool:
    return any(text in formatEvent(event) for event in said)
