"""What every broker must do for channels with a history; a part of the suite in `tests.contracts.broker`."""

from typing import Any

from pulsetw.catalogue.rule import History
from pulsetw.interfaces import PAGE_BYTES
from pulsetw.model import Entry, Page, Position
from tests.contracts.broker import Recorder, World, away, check, fired, ready_broker, settled

KEPT = History(size=100, age_s=60)


def offsets(page: Page) -> list[int]:
    return [entry.position.offset for entry in page.entries]


async def history_broker(world: World, *names: str) -> tuple[Any, Recorder]:
    broker, receiver = await ready_broker(world)
    for name in names:
        await fired(world, broker.subscribe(name, history=True))
    return broker, receiver


async def filled(world: World, broker: Any, channel: str, count: int, history: History = KEPT) -> list[Position]:
    """Publishes events 1, 2, ... and gives their positions."""
    publishing = [broker.publish(channel, f"id{n}", b"%d" % n, history) for n in range(1, count + 1)]
    return [await fired(world, each) for each in publishing]


@check
async def counts_publications_without_holes(world: World) -> None:
    broker, receiver = await history_broker(world, "h:count")
    positions = await filled(world, broker, "h:count", 3)
    assert [position.offset for position in positions] == [1, 2, 3]
    assert {(position.epoch, position.branch) for position in positions} == {(positions[0].epoch, positions[0].branch)}
    assert positions[0].epoch
    await world.until(lambda: len(receiver.appended_so_far) == 3)
    assert receiver.appended_so_far == [
        ("h:count", Entry(position, f"id{n}", b"%d" % n)) for n, position in enumerate(positions, 1)
    ]


@check
async def appends_the_same_id_once(world: World) -> None:
    broker, receiver = await history_broker(world, "h:same")
    one, two = await filled(world, broker, "h:same", 2)
    assert await fired(world, broker.publish("h:same", "id1", b"again", KEPT)) == one
    assert await settled(world, broker, receiver) == []
    assert [entry.payload for _, entry in receiver.appended_so_far] == [b"1", b"2"]
    page = await fired(world, broker.sync("h:same", None, 10))
    assert page.top == two.offset == 2
    assert [entry.payload for entry in page.entries] == [b"1", b"2"]


@check
async def an_id_belongs_to_its_channel(world: World) -> None:
    broker, _ = await history_broker(world)
    await filled(world, broker, "h:mine", 3)
    assert (await fired(world, broker.publish("h:yours", "id3", b"", KEPT))).offset == 1


@check
async def gives_one_order_to_a_channel_of_two_brokers(world: World) -> None:
    one, ones = await history_broker(world, "h:two")
    two, twos = await history_broker(world, "h:two")
    for number in range(30):
        one.publish("h:two", f"1.{number}", b"", KEPT)
        two.publish("h:two", f"2.{number}", b"", KEPT)
    await world.until(lambda: len(ones.appended_so_far) == len(twos.appended_so_far) == 60)
    assert ones.appended_so_far == twos.appended_so_far
    entries = [entry for _, entry in ones.appended_so_far]
    assert [entry.position.offset for entry in entries] == list(range(1, 61))
    for which in "12":
        mine = [entry.id for entry in entries if entry.id.startswith(which)]
        assert mine == [f"{which}.{number}" for number in range(30)]
    page = await fired(world, two.sync("h:two", None, 100))
    assert list(page.entries) == entries


@check
async def reads_the_newest(world: World) -> None:
    broker, _ = await history_broker(world)
    last = (await filled(world, broker, "h:newest", 5))[-1]
    page = await fired(world, broker.sync("h:newest", None, 2))
    assert (page.top, page.start, offsets(page)) == (5, 3, [4, 5])
    assert page.entries[-1] == Entry(last, "id5", b"5")
    assert page.lineage.at(5) == last
    page = await fired(world, broker.sync("h:newest", None, 100))
    assert (page.start, offsets(page)) == (0, [1, 2, 3, 4, 5])


@check
async def reads_on_from_a_position(world: World) -> None:
    broker, _ = await history_broker(world)
    positions = await filled(world, broker, "h:from", 5)
    page = await fired(world, broker.sync("h:from", positions[1], 2))
    assert (page.top, page.start, offsets(page)) == (5, 2, [3, 4])
    page = await fired(world, broker.sync("h:from", page.entries[-1].position, 2))
    assert (page.top, page.start, offsets(page)) == (5, 4, [5])
    page = await fired(world, broker.sync("h:from", positions[-1], 2))
    assert (page.top, page.start, offsets(page)) == (5, 5, [])


@check
async def steps_back_from_where_the_log_never_was(world: World) -> None:
    broker, _ = await history_broker(world)
    last = (await filled(world, broker, "h:beyond", 2))[-1]
    for offset in (3, 2**53 - 1):
        page = await fired(world, broker.sync("h:beyond", Position(offset, last.epoch, last.branch), 5))
        assert (page.top, page.start, offsets(page)) == (2, 2, [])


@check
async def says_that_it_does_not_know_a_position(world: World) -> None:
    broker, _ = await history_broker(world)
    first = (await filled(world, broker, "h:unknown", 3))[0]
    for strange in (Position(1, "other", first.branch), Position(1, first.epoch, "other"), Position(0, "", "")):
        page = await fired(world, broker.sync("h:unknown", strange, 2))
        assert (page.top, page.start, offsets(page)) == (3, None, [1, 2])


@check
async def an_empty_log_has_an_epoch(world: World) -> None:
    broker, _ = await history_broker(world)
    page = await fired(world, broker.sync("h:empty", None, 5))
    assert (page.top, page.start, page.entries) == (0, 0, ())
    again = await fired(world, broker.sync("h:empty", page.lineage.at(0), 5))
    assert (again.lineage, again.start) == (page.lineage, 0)
    assert await filled(world, broker, "h:empty", 1) == [page.lineage.at(1)]


@check
async def a_page_has_what_fits(world: World) -> None:
    broker, _ = await history_broker(world)
    half = b"x" * (PAGE_BYTES // 2 - 100)
    payloads = [half, half, half, b"x" * (PAGE_BYTES + 1), b"", b""]
    publishing = [broker.publish("h:fat", f"id{n}", payload, KEPT) for n, payload in enumerate(payloads)]
    positions = [await fired(world, each) for each in publishing]
    for strange in (Position(0, positions[0].epoch, positions[0].branch), Position(1, "other", "")):
        page = await fired(world, broker.sync("h:fat", strange, 10))
        assert (page.top, offsets(page)) == (6, [1, 2])
    for start, fit in ((2, [3]), (3, [4]), (4, [5, 6])):
        page = await fired(world, broker.sync("h:fat", positions[start - 1], 10))
        assert (page.top, page.start, offsets(page)) == (6, start, fit)
    page = await fired(world, broker.sync("h:fat", None, 10))
    assert (page.top, page.start, offsets(page)) == (6, 4, [5, 6])


@check
async def a_page_has_no_hole(world: World) -> None:
    broker, _ = await history_broker(world)
    last = (await filled(world, broker, "h:whole", 90))[-1]
    for position, first in ((None, 6), (Position(3, last.epoch, last.branch), 4)):
        page = await fired(world, broker.sync("h:whole", position, 85))
        assert (page.start, offsets(page)) == (first - 1, list(range(first, first + 85)))


@check
async def a_look_begins_no_log(world: World) -> None:
    broker, _ = await history_broker(world)
    page = await fired(world, broker.sync("h:look", None, 5, begins=False))
    assert (page.top, page.start, page.entries) == (0, 0, ())
    other = await fired(world, broker.sync("h:look", page.lineage.at(0), 5, begins=False))
    assert (other.top, other.start, other.entries) == (0, None, ())
    assert page.lineage.epoch != other.lineage.epoch
    (first,) = await filled(world, broker, "h:look", 1)
    seen = await fired(world, broker.sync("h:look", None, 5, begins=False))
    assert (seen.lineage.at(1), offsets(seen)) == (first, [1])


@check
async def trims_the_log(world: World) -> None:
    broker, _ = await history_broker(world)
    positions = await filled(world, broker, "h:trim", 400, History(size=10, age_s=60))
    page = await fired(world, broker.sync("h:trim", positions[0], 1000))
    assert (page.top, page.start) == (400, 1)
    first = page.entries[0].position.offset
    assert 200 < first <= 391
    assert offsets(page) == list(range(first, 401))


@check
async def keeps_logs_and_plain_publications_apart(world: World) -> None:
    broker, receiver = await history_broker(world, "h:apart")
    await fired(world, broker.subscribe("h:plain"))
    assert await fired(world, broker.publish("h:apart", "s", b"stranger's")) is None
    await filled(world, broker, "h:apart", 1)
    await filled(world, broker, "h:plain", 1)
    await fired(world, broker.publish("h:plain", "id1", b"plain"))
    assert await settled(world, broker, receiver) == [("h:apart", b"stranger's"), ("h:plain", b"plain")]
    assert [(channel, entry.payload) for channel, entry in receiver.appended_so_far] == [("h:apart", b"1")]


@check
async def appends_once_by_patterns_with_a_history(world: World) -> None:
    broker, receiver = await history_broker(world, "hp:*", "hp:a", "*:a")
    await fired(world, broker.subscribe("*"))
    await filled(world, broker, "hp:a", 2)
    await filled(world, broker, "hp:b", 1)
    await filled(world, broker, "only.plain", 1)
    await fired(world, broker.publish("hp:a", "s", b"stranger's"))
    assert await settled(world, broker, receiver) == [("hp:a", b"stranger's")]
    heard = [(channel, entry.position.offset) for channel, entry in receiver.appended_so_far]
    assert heard == [("hp:a", 1), ("hp:a", 2), ("hp:b", 1)]


@check
async def mirrors_for_strangers_only(world: World) -> None:
    mirrored = History(size=100, age_s=60, mirror=True)
    broker, receiver = await history_broker(world, "hm:*", "hm:a")
    plain, plains = await ready_broker(world)
    await fired(world, plain.subscribe("hm:*"))
    await filled(world, broker, "hm:a", 3, mirrored)
    await filled(world, broker, "hm:b", 1, mirrored)
    await fired(world, broker.publish("hm:a", "s", b"stranger's"))
    assert await settled(world, broker, receiver) == [("hm:a", b"stranger's")]
    assert await settled(world, plain, plains) == [("hm:a", b"stranger's")]
    heard = [(channel, entry.position.offset) for channel, entry in receiver.appended_so_far]
    assert heard == [("hm:a", 1), ("hm:a", 2), ("hm:a", 3), ("hm:b", 1)]


@check
async def ends_a_subscription_with_a_history_at_once(world: World) -> None:
    broker, receiver = await history_broker(world, "h:end")
    broker.unsubscribe("h:end")
    await filled(world, broker, "h:end", 1)
    await fired(world, broker.publish("h:end", "s", b"stranger's"))
    assert await settled(world, broker, receiver) == []
    assert receiver.appended_so_far == []
    await fired(world, broker.subscribe("h:end", history=True))
    await fired(world, broker.publish("h:end", "more", b"", KEPT))
    await world.until(lambda: receiver.appended_so_far)


@check
async def leaves_logged_payloads_and_ids_alone(world: World) -> None:
    payloads = [b"007", b"\xff\x00\r\n", b"", b"1 2 3", "ä€𝄞".encode(), b"x" * 70_000]
    broker, receiver = await history_broker(world, "h:raw")
    wanted = [(f"ä {number} €", payload) for number, payload in enumerate(payloads)]
    for event_id, payload in wanted:
        await fired(world, broker.publish("h:raw", event_id, payload, KEPT))
    await world.until(lambda: len(receiver.appended_so_far) == len(payloads))
    assert [(entry.id, entry.payload) for _, entry in receiver.appended_so_far] == wanted
    page = await fired(world, broker.sync("h:raw", None, 100))
    assert [(entry.id, entry.payload) for entry in page.entries] == wanted


@check
async def does_not_sync_when_it_is_not_ready(world: World) -> None:
    broker = world.make()
    await away(world, broker.sync("h", None, 1))
    await away(world, broker.publish("h", "1", b"", KEPT))
    broker.start(Recorder())
    await away(world, broker.sync("h", None, 1))
    await fired(world, broker.stop())
    await away(world, broker.sync("h", None, 1))
