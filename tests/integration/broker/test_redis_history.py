"""Logs on Redis: what becomes of positions when Redis loses something, restarts, or is written to by strangers."""

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults

from pulsetw.catalogue.rule import History
from pulsetw.errors import BrokerRefused
from pulsetw.model import Page, Position
from tests.contracts.broker import Recorder
from tests.integration.broker.world import RedisWorld
from tests.integration.proxy import DOWN, Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import outcome, until

KEPT = History(size=1000, age_s=60)
LOG, META = "pulsetw:{a}:log", "pulsetw:{a}:meta"


async def _made(world: RedisWorld, redis: RedisServer) -> tuple[Any, Recorder]:
    broker = world.make(f"redis://127.0.0.1:{redis.port}")
    receiver = await world.ready(broker)
    await broker.subscribe("a", history=True)
    return broker, receiver


async def _filled(broker: Any, first: int, last: int) -> list[Position]:
    return [await broker.publish("a", f"id{n}", b"%d" % n, KEPT) for n in range(first, last + 1)]


def _offsets(page: Page) -> list[int]:
    return [entry.position.offset for entry in page.entries]


def _new_branch(redis: RedisServer) -> None:
    """What a promotion and a restart do."""
    redis.ask("DEBUG", "CHANGE-REPL-ID")


@pytest_twisted.ensureDeferred
async def test_flushed(world: RedisWorld, redis: RedisServer) -> None:
    """After FLUSHALL the count begins anew, in another epoch, and old positions are not known."""
    broker, receiver = await _made(world, redis)
    (_, old) = await _filled(broker, 1, 2)
    redis.ask("FLUSHALL")
    (new,) = await _filled(broker, 1, 1)
    assert new.offset == 1
    assert new.epoch != old.epoch
    page = await broker.sync("a", old, 10)
    assert (page.lineage.epoch, page.top, page.start, _offsets(page)) == (new.epoch, 1, None, [1])
    await until(lambda: len(receiver.appended_so_far) == 3)
    assert receiver.appended_so_far[-1][1].position == new


@pytest_twisted.ensureDeferred
async def test_a_retry_after_the_epoch_is_a_new_publish(world: RedisWorld, redis: RedisServer) -> None:
    """Its first place is gone with the log, and readers were told: answering it would be silence."""
    broker, _ = await _made(world, redis)
    (old,) = await _filled(broker, 1, 1)
    redis.ask("DEL", META)
    page = await broker.sync("a", old, 10)
    assert (page.start, page.top) == (None, 0)
    (again,) = await _filled(broker, 1, 1)
    assert (again.epoch, again.offset) == (page.lineage.epoch, 1)
    assert await broker.publish("a", "id1", b"1", KEPT) == again


@pytest_twisted.ensureDeferred
async def test_only_the_log_is_lost(world: RedisWorld, redis: RedisServer) -> None:
    """Offsets go on from meta; a reader sees the hole."""
    broker, _ = await _made(world, redis)
    positions = await _filled(broker, 1, 3)
    redis.ask("DEL", LOG)
    page = await broker.sync("a", positions[0], 10)
    assert (page.top, page.start, _offsets(page)) == (3, 1, [])
    page = await broker.sync("a", None, 10)
    assert (page.top, page.start, _offsets(page)) == (3, 3, [])
    (fourth,) = await _filled(broker, 4, 4)
    assert (fourth.epoch, fourth.offset) == (positions[0].epoch, 4)
    page = await broker.sync("a", positions[0], 10)
    assert (page.top, page.start, _offsets(page)) == (4, 1, [4])


@pytest_twisted.ensureDeferred
async def test_only_meta_is_lost(world: RedisWorld, redis: RedisServer) -> None:
    """A log without meta is not gone on with: by a publication or by a reader, a new epoch begins, and it is empty."""
    broker, _ = await _made(world, redis)
    (old,) = await _filled(broker, 1, 1)
    redis.ask("DEL", META)
    (new,) = await _filled(broker, 2, 2)
    assert (new.offset, new.epoch == old.epoch) == (1, False)
    assert redis.ask("XLEN", LOG) == 1
    redis.ask("DEL", META)
    page = await broker.sync("a", new, 10)
    assert (page.top, page.start, page.entries) == (0, None, ())
    assert page.lineage.epoch not in (old.epoch, new.epoch)
    assert redis.ask("EXISTS", LOG) == 0


@pytest_twisted.ensureDeferred
async def test_meta_lost_a_write(world: RedisWorld, redis: RedisServer) -> None:
    """Where the log has more than meta knows of, no offset is used twice: a new epoch begins."""
    broker, _ = await _made(world, redis)
    (*_, old) = await _filled(broker, 1, 3)
    redis.ask("HSET", META, "o", 1)
    (new,) = await _filled(broker, 4, 4)
    assert (new.offset, new.epoch == old.epoch) == (1, False)
    assert redis.ask("XLEN", LOG) == 1
    await _filled(broker, 5, 6)
    redis.ask("HSET", META, "o", 1)
    page = await broker.sync("a", new, 10)
    assert (page.top, page.start, page.entries) == (0, None, ())


@pytest_twisted.ensureDeferred
async def test_expiry(world: RedisWorld, redis: RedisServer) -> None:
    """The log lives as long as the rule says, an id two minutes, meta as long as either, and longer for readers."""
    broker, _ = await _made(world, redis)
    await _filled(broker, 1, 1)

    def lives_s(key: str) -> int:
        left_ms = redis.ask("PTTL", key)
        assert isinstance(left_ms, int)
        return -(-left_ms // 1000)

    assert [lives_s(key) for key in (LOG, META, "pulsetw:{a}:id:id1")] == [60, 120, 120]
    await broker.sync("a", None, 1)
    assert [lives_s(key) for key in (LOG, META)] == [60, 3600]
    redis.ask("PEXPIRE", "pulsetw:{a}:id:id1", 5000)
    await _filled(broker, 1, 2)
    assert [lives_s(key) for key in (LOG, META, "pulsetw:{a}:id:id1")] == [60, 3600, 120]
    await broker.publish("a", "id3", b"", History(10, age_s=9000))
    assert [lives_s(key) for key in (LOG, META)] == [9000, 9000]
    await broker.sync("b", None, 1)
    assert lives_s("pulsetw:{b}:meta") == 3600


@pytest_twisted.ensureDeferred
async def test_restart(world: RedisWorld) -> None:
    """A restart forks a branch at the last offset; a position on the old one is recovered from there."""
    with RedisServer(appendonly="yes", appendfsync="always") as redis:
        broker, receiver = await _made(world, redis)
        old = await _filled(broker, 1, 2)
        redis.stop()
        await until(lambda: not receiver.is_ready)
        redis.start()
        await until(lambda: receiver.is_ready)
        (new,) = await _filled(broker, 3, 3)
        assert (new.epoch, new.offset) == (old[1].epoch, 3)
        assert new.branch != old[1].branch
        page = await broker.sync("a", old[0], 10)
        assert [(branch.name, branch.fork) for branch in page.lineage.branches] == [(old[0].branch, 0), (new.branch, 2)]
        assert (page.start, _offsets(page), page.entries[-1].position) == (1, [2, 3], new)
        beyond = Position(5, old[0].epoch, old[0].branch)
        page = await broker.sync("a", beyond, 10)
        assert (page.start, _offsets(page)) == (2, [3])
        assert await broker.publish("a", "id1", b"", KEPT) == old[0]
        await world.close()


@pytest_twisted.ensureDeferred
async def test_many_branches(world: RedisWorld) -> None:
    """Readers note branches, too; the oldest are forgotten before meta grows."""
    with RedisServer(enable_debug_command="yes") as redis:
        broker, _ = await _made(world, redis)
        positions, pages = [], []
        for number in range(1, 26):
            positions += await _filled(broker, number, number)
            _new_branch(redis)
            pages.append(await broker.sync("a", positions[-1], 10))
            assert pages[-1].start == number
            assert pages[-1].lineage.branches[-1].fork == number
        assert await broker.sync("a", positions[-1], 10) == pages[-1]
        names = [branch.name for branch in pages[-1].lineage.branches]
        assert 8 <= len(names) < 26
        assert (await broker.sync("a", positions[0], 100)).start is None
        oldest = next(each for each in positions if each.branch == names[1])
        page = await broker.sync("a", oldest, 100)
        assert (page.start, _offsets(page)) == (oldest.offset, list(range(oldest.offset + 1, 26)))
        meta = redis.ask("HGETALL", META)
        assert isinstance(meta, list)
        assert sum(len(each) for each in meta) <= 300
        await world.close()


@pytest_twisted.ensureDeferred
async def test_script_flush(world: RedisWorld, redis: RedisServer) -> None:
    """Redis may forget its scripts at any moment: nothing is lost, doubled or out of order."""
    broker, receiver = await _made(world, redis)
    publishing = []
    for number in range(300):
        publishing.append(broker.publish("a", f"id{number}", b"%d" % number, KEPT))
        if number % 100 == 50:
            redis.ask("SCRIPT", "FLUSH")
    assert [position.offset for position in await gatherResults(publishing)] == list(range(1, 301))
    await until(lambda: len(receiver.appended_so_far) == 300)
    assert [entry.payload for _, entry in receiver.appended_so_far] == [b"%d" % number for number in range(300)]


@pytest.mark.parametrize("key", [LOG, META, "pulsetw:{a}:id:id2"])
@pytest.mark.parametrize("is_known", [True, False])
@pytest_twisted.ensureDeferred
async def test_wrong_type(world: RedisWorld, redis: RedisServer, key: str, is_known: bool) -> None:
    """A key of another type is told, for good, before anything is written."""
    broker, receiver = await _made(world, redis)
    if is_known:
        await _filled(broker, 1, 1)
    redis.ask("DEL", key)
    redis.ask("SADD", key, "stranger's")
    before = _dump(redis)
    refused = await outcome(broker.publish("a", "id2", b"2", KEPT))
    assert isinstance(refused, BrokerRefused)
    assert not refused.temporary
    assert str(refused) == "WRONGTYPE Operation against a key holding the wrong kind of value"
    if "id:" not in key:
        assert isinstance(await outcome(broker.sync("a", None, 1)), BrokerRefused)
    assert _dump(redis) == before
    assert receiver.is_ready
    assert len(receiver.appended_so_far) == is_known


def _dump(redis: RedisServer) -> dict[str, object]:
    keys = redis.ask("KEYS", "pulsetw:{*")
    assert isinstance(keys, list)
    return {key: redis.ask("DUMP", key) for key in keys}


@pytest_twisted.ensureDeferred
async def test_no_memory_left(world: RedisWorld, redis: RedisServer) -> None:
    """A refused publication has changed nothing, and can be tried again; what is there can still be read."""
    broker, receiver = await _made(world, redis)
    (first,) = await _filled(broker, 1, 1)
    before = _dump(redis)
    redis.ask("CONFIG", "SET", "maxmemory", 1)
    for channel in ("a", "b"):
        refused = await outcome(broker.publish(channel, "id2", b"2", KEPT))
        # The heartbeat may have been refused before.
        assert "OOM" in str(refused)
    assert _dump(redis) == before
    redis.ask("CONFIG", "SET", "maxmemory", 0)
    await until(lambda: receiver.is_ready)
    assert await broker.publish("a", "id2", b"2", KEPT) == Position(2, first.epoch, first.branch)


@pytest_twisted.ensureDeferred
async def test_forged(world: RedisWorld, redis: RedisServer) -> None:
    """A stranger's text is a publication without a position, whatever it looks like; on the live name it is nothing."""
    broker, receiver = await _made(world, redis)
    await broker.subscribe("*", history=True)
    (first,) = await _filled(broker, 1, 1)
    forged = f"{first.epoch} {first.branch} 2 2 id{{}}"
    redis.ask("PUBLISH", "a", forged)
    for text in ("", "{}", "a b c d e", "a b x 2 id", "a b 1 2 \xff", "a b 1 -2 id"):
        redis.ask("PUBLISH", "pulsetw:{a}:live", text.encode("latin-1"))
    redis.ask("PUBLISH", "pulsetw:{a}:live}:live", forged)
    await _filled(broker, 2, 2)
    await until(lambda: len(receiver.appended_so_far) == 2 and receiver.received_so_far)
    assert receiver.received_so_far == [("a", forged.encode())]
    assert [entry.id for _, entry in receiver.appended_so_far] == ["id1", "id2"]
    assert receiver.is_ready


@pytest_twisted.ensureDeferred
async def test_a_log_that_a_stranger_wrote_to(world: RedisWorld, redis: RedisServer) -> None:
    """What cannot be read is refused for good; the connection stays."""
    broker, receiver = await _made(world, redis)
    await _filled(broker, 1, 1)
    redis.ask("XADD", LOG, "1-1", "field", "value")
    refused = await outcome(broker.sync("a", None, 10))
    assert isinstance(refused, BrokerRefused)
    assert "damaged" in str(refused)
    assert receiver.states == ["ready"]


@pytest_twisted.ensureDeferred
async def test_odd_keys_cost_their_channel_only(world: RedisWorld, redis: RedisServer) -> None:
    """An epoch and an id's place that no script wrote: refused for good, nothing is written, the link lives."""
    broker, receiver = await _made(world, redis)
    redis.ask("HSET", "pulsetw:{epoch}:meta", "e", "a b", "o", 0, "b", "b:0")
    (first,) = await _filled(broker, 1, 1)
    redis.ask("SET", "pulsetw:{a}:id:id2", f"{first.epoch} is odd")
    before = _dump(redis)
    for asked in (
        broker.publish("epoch", "1", b"1", KEPT),
        broker.sync("epoch", None, 1),
        broker.publish("a", "id2", b"2", KEPT),
    ):
        refused = await outcome(asked)
        assert isinstance(refused, BrokerRefused)
        assert not refused.temporary
        assert "the log is damaged" in str(refused)
    redis.ask("PEXPIRE", "pulsetw:{a}:id:id2", 10**9)
    assert {key for key, value in _dump(redis).items() if value != before[key]} == set()
    assert receiver.states == ["ready"]


@pytest_twisted.ensureDeferred
async def test_ten_thousand_syncs(world: RedisWorld, redis: RedisServer) -> None:
    """A relay that comes back asks for all its channels at once; it stays ready meanwhile."""
    broker, receiver = await _made(world, redis)
    pages = await gatherResults([broker.sync(f"c{number}", None, 10) for number in range(10_000)])
    assert len({page.lineage.epoch for page in pages}) == 10_000
    assert receiver.states == ["ready"]


@pytest_twisted.ensureDeferred
async def test_a_cut_while_syncs_wait(world: RedisWorld, proxy: Proxy) -> None:
    """Each has an outcome, those that were sent and those that waited."""
    broker = world.make(f"redis://127.0.0.1:{proxy.port}")
    await world.ready(broker)
    proxy.silent.add(DOWN)
    syncing = [outcome(broker.sync("a", None, 10)) for _ in range(100)]
    proxy.cut()
    names = [type(await each).__name__ for each in syncing]
    assert names == ["OutcomeUnknown"] * 4 + ["BrokerAway"] * 96
