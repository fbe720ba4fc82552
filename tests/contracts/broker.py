"""What every broker must do: one suite, run by each of them in a world of its own."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pulsetw.errors import BrokerAway
from pulsetw.interfaces import IBroker, IReceiver
from pulsetw.model import Entry


@implementer(IReceiver)
@define(eq=False)
class Recorder:
    """A receiver that notes each call, and may do something about it."""

    calls: list[tuple[Any, ...]] = field(factory=list)
    on_received: Callable[[str, bytes], object] = lambda channel, payload: None
    on_ready: Callable[[], object] = lambda: None
    is_gathering: bool = False

    @property
    def received_so_far(self) -> list[tuple[str, bytes]]:
        return [call[1:] for call in self.calls if call[0] == "received"]

    @property
    def states(self) -> list[str]:
        return [call[0] for call in self.calls if call[0] not in ("received", "appended")]

    @property
    def appended_so_far(self) -> list[tuple[str, Entry]]:
        return [call[1:] for call in self.calls if call[0] == "appended"]

    @property
    def is_ready(self) -> bool:
        return self.states[-1:] == ["ready"]

    def gathering(self, is_on: bool) -> None:
        """Never nested; and nothing is to be awaited in between."""
        assert is_on is not self.is_gathering
        self.is_gathering = is_on

    def received(self, channel: str, payload: bytes) -> None:
        self.calls.append(("received", channel, payload))
        self.on_received(channel, payload)

    def appended(self, channel: str, entry: Entry) -> None:
        self.calls.append(("appended", channel, entry))

    def ready(self, interrupted: bool) -> None:
        self.calls.append(("ready", interrupted))
        self.on_ready()

    def lost(self, reason: str) -> None:
        assert reason
        self.calls.append(("lost", reason))


class World(Protocol):
    """Where brokers live: several of one world hear each other. Whoever makes the world stops them at its end."""

    def make(self) -> Any:
        """A new broker, not started."""

    async def until(self, condition: Callable[[], object]) -> None:
        """Lets time pass until the condition holds; fails the test when it does not."""


Check = Callable[[World], Awaitable[None]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    CHECKS.append(function)
    return function


async def fired(world: World, waited: Deferred[Any]) -> Any:
    """What a Deferred fires with."""
    outcome: list[Any] = []
    waited.addBoth(outcome.append)
    await world.until(lambda: outcome)
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]


async def away(world: World, waited: Deferred[Any]) -> None:
    with pytest.raises(BrokerAway, match=r"\w"):
        await fired(world, waited)


async def ready_broker(world: World, *names: str) -> tuple[Any, Recorder]:
    broker, receiver = world.make(), Recorder()
    broker.start(receiver)
    for name in names:
        await fired(world, broker.subscribe(name))
    await world.until(lambda: receiver.is_ready)
    return broker, receiver


async def settled(world: World, broker: Any, receiver: Recorder) -> list[tuple[str, bytes]]:
    """All that came until now: what is published last comes last."""
    await fired(world, broker.subscribe("the:end"))
    await fired(world, broker.publish("the:end", "end", b"end"))
    await world.until(lambda: ("the:end", b"end") in receiver.received_so_far)
    return receiver.received_so_far[:-1]


@check
async def keeps_the_interface(world: World) -> None:
    broker = world.make()
    verifyObject(IBroker, broker)
    assert broker.url == broker.status().url
    assert "://" in broker.url


@check
async def says_how_it_is(world: World) -> None:
    broker, receiver = world.make(), Recorder()
    before = broker.status()
    assert not before.ready
    assert before.reason
    broker.start(receiver)
    assert receiver.calls == []
    await world.until(lambda: receiver.calls)
    assert receiver.calls == [("ready", False)]
    after = broker.status()
    assert after.ready
    assert after.reason == ""
    assert after.reconnect_attempts == 0
    assert not after.gave_up
    assert after.round_trip_ms is not None
    assert after.last_round_trip is not None


@check
async def starts_once(world: World) -> None:
    broker, _ = await ready_broker(world)
    with pytest.raises(RuntimeError):
        broker.start(Recorder())


@check
async def gives_a_publisher_its_own_publications(world: World) -> None:
    broker, receiver = await ready_broker(world, "match:events")
    assert await fired(world, broker.publish("match:events", "1", b"{}")) is None
    await fired(world, broker.publish("match:others", "2", b"not asked for"))
    assert await settled(world, broker, receiver) == [("match:events", b"{}")]


@check
async def never_delivers_from_inside_a_call(world: World) -> None:
    broker, receiver = await ready_broker(world, "a")
    broker.publish("a", "1", b"1")
    broker.subscribe("b")
    assert receiver.received_so_far == []
    await world.until(lambda: receiver.received_so_far)


@check
async def keeps_the_order_of_publish_calls(world: World) -> None:
    broker, receiver = await ready_broker(world, "a", "b")
    sent = [("ab"[number % 2], b"%d" % number) for number in range(200)]
    for channel, payload in sent:
        broker.publish(channel, payload.decode(), payload)
    assert await settled(world, broker, receiver) == sent


@check
async def gives_all_receivers_the_same_order(world: World) -> None:
    one, ones = await ready_broker(world, "a")
    two, twos = await ready_broker(world, "a")
    for number in range(50):
        one.publish("a", f"1.{number}", b"one %d" % number)
        two.publish("a", f"2.{number}", b"two %d" % number)
    await world.until(lambda: len(ones.received_so_far) == len(twos.received_so_far) == 100)
    assert ones.received_so_far == twos.received_so_far


@check
async def leaves_payloads_alone(world: World) -> None:
    payloads = [b"007", b"-1.50", b"\xff\x00\r\n", b"", "ä€𝄞".encode(), b"x" * 70_000]
    broker, receiver = await ready_broker(world, "42")
    for payload in payloads:
        broker.publish("42", "id", payload)
    assert await settled(world, broker, receiver) == [("42", payload) for payload in payloads]


@check
async def gives_once_what_matches_several_times(world: World) -> None:
    broker, receiver = await ready_broker(world, "match:*", "*", "match:events", "*:events")
    broker.publish("match:events", "1", b"exact and patterns")
    broker.publish("match:others", "2", b"two patterns")
    broker.publish("chat", "3", b"one pattern")
    assert await settled(world, broker, receiver) == [
        ("match:events", b"exact and patterns"),
        ("match:others", b"two patterns"),
        ("chat", b"one pattern"),
    ]


@check
async def takes_only_a_star_as_special(world: World) -> None:
    broker, receiver = await ready_broker(world, "a.*.c", "*z")
    for channel in ("a.b.c", "a..c", "axbxc", "a.b.cd", "xyz", "z", "zy"):
        broker.publish(channel, channel, b"")
    heard = [channel for channel, _ in await settled(world, broker, receiver)]
    assert heard == ["a.b.c", "a..c", "xyz", "z"]


@check
async def ends_a_subscription_at_once(world: World) -> None:
    broker, receiver = await ready_broker(world, "a", "b")
    await fired(world, broker.publish("a", "1", b"under way"))
    broker.unsubscribe("a")
    broker.unsubscribe("never asked for")
    heard = len(receiver.received_so_far)
    broker.publish("a", "2", b"after")
    assert (await settled(world, broker, receiver))[heard:] == []


@check
async def keeps_what_another_name_asks_for(world: World) -> None:
    broker, receiver = await ready_broker(world, "match:events", "match:*", "*")
    broker.unsubscribe("match:events")
    broker.publish("match:events", "1", b"by two patterns")
    broker.unsubscribe("*")
    broker.publish("match:events", "2", b"by one")
    broker.publish("chat", "3", b"by none")
    assert [payload for _, payload in await settled(world, broker, receiver)] == [b"by two patterns", b"by one"]


@check
async def the_last_word_about_a_name_counts(world: World) -> None:
    broker, receiver = await ready_broker(world)
    first = broker.subscribe("a")
    broker.unsubscribe("a")
    second = broker.subscribe("a")
    broker.subscribe("b")
    broker.unsubscribe("b")
    await fired(world, first)
    await fired(world, second)
    broker.publish("a", "1", b"a")
    broker.publish("b", "2", b"b")
    assert await settled(world, broker, receiver) == [("a", b"a")]


@check
async def subscribing_again_fires_too(world: World) -> None:
    broker, _ = await ready_broker(world)
    both = [broker.subscribe("a"), broker.subscribe("a")]
    for each in both:
        await fired(world, each)
    await fired(world, broker.subscribe("a"))


@check
async def subscribes_before_the_start(world: World) -> None:
    broker, receiver = world.make(), Recorder()
    waiting = broker.subscribe("a")
    given_up = broker.subscribe("b")
    broker.unsubscribe("b")
    assert given_up.called
    assert not waiting.called
    broker.start(receiver)
    await fired(world, waiting)
    await world.until(lambda: receiver.is_ready)
    broker.publish("a", "1", b"a")
    broker.publish("b", "2", b"b")
    assert await settled(world, broker, receiver) == [("a", b"a")]


@check
async def a_cancelled_subscribe_disturbs_nothing(world: World) -> None:
    broker = world.make()
    cancelled, other = broker.subscribe("a"), broker.subscribe("a")
    cancelled.addErrback(lambda _: None)
    cancelled.cancel()
    broker.start(Recorder())
    await fired(world, other)


@check
async def refuses_at_once_when_it_is_not_ready(world: World) -> None:
    broker = world.make()
    refused = broker.publish("a", "1", b"")
    assert refused.called
    await away(world, refused)
    broker.start(Recorder())
    await away(world, broker.publish("a", "1", b""))


@check
async def a_receiver_may_call_back(world: World) -> None:
    broker, receiver = await ready_broker(world, "a")

    def answer(channel: str, payload: bytes) -> None:
        if channel == "a" and len(payload) < 5:
            broker.publish("a", "more", payload + b"x")
            broker.subscribe("b")
            broker.unsubscribe("b")

    receiver.on_received = answer
    broker.publish("a", "1", b"x")
    await world.until(lambda: len(receiver.received_so_far) == 5)
    assert [len(payload) for _, payload in receiver.received_so_far] == [1, 2, 3, 4, 5]


@check
async def stopping_ends_everything(world: World) -> None:
    broker, receiver = await ready_broker(world, "a")
    broker.publish("a", "1", b"").addErrback(lambda _: None)
    stopping = [broker.stop(), broker.stop()]
    seen = list(receiver.calls)
    for each in stopping:
        assert await fired(world, each) is None
    assert receiver.calls == seen
    assert not broker.status().ready
    await away(world, broker.publish("a", "2", b""))
    await away(world, broker.subscribe("b"))
    broker.unsubscribe("a")
    assert await fired(world, broker.stop()) is None


@check
async def stopping_fails_what_waits(world: World) -> None:
    broker = world.make()
    waiting = broker.subscribe("a")
    broker.start(Recorder())
    await fired(world, broker.stop())
    await away(world, waiting)


@check
async def a_receiver_may_stop_it(world: World) -> None:
    broker, receiver = await ready_broker(world, "a")
    gone: list[object] = []
    receiver.on_received = lambda channel, payload: broker.stop().addCallback(gone.append)
    for number in range(5):
        broker.publish("a", str(number), b"%d" % number).addErrback(lambda _: None)
    await world.until(lambda: gone)
    assert receiver.received_so_far == [("a", b"0")]
