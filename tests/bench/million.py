"""A million deliveries among clients that read slowly, lose their connections or leave, and come back."""

from collections import Counter
from collections.abc import Callable
from random import Random
from time import monotonic

from attrs import define, field, frozen

from tests.bench.choice import Choice
from tests.bench.client import Client, Crowd
from tests.bench.publisher import Publisher
from tests.bench.report import Report, table
from tests.bench.world import World

_CHANNEL = "bench:a"
_SEED = 4
_CONFIG = '[channels."bench:*"]\nsubscribe = "everybody"\nhistory_size = 10000\n'
# One of ten each: slow, cut off, leaving. The others only read.
_ONE_OF = 10
_AWAY_S = (0.0, 2.0)
_AT_EASE_S = (0.5, 3.0)
# In which a repeat would come.
_AFTER_S = 0.5
# What the kernel keeps for a slow client.
_RECEIVE_BUFFER = 4096


@frozen
class Load:
    """How many, and how fast.

    Attributes:
        events: each goes to every client.
        pace_s: from one event to the next.
        pad: so many bytes of filling in each.
    """

    clients: int = 1000
    events: int = 1000
    pace_s: float = 0.02
    pad: int = 1024


@frozen
class Outcome:
    """What came out.

    Attributes:
        deliveries: events that clients got, of which each is to get every one once.
        told: gaps, for which there is no reason here: the channel's history holds everything.
        faults: holes, repeats, disorder, connections that ended by themselves.
    """

    load: Load
    deliveries: int
    slept: int
    resets: int
    closes: int
    told: int
    seconds: float
    faults: list[str]

    @property
    def expected(self) -> int:
        return self.load.clients * self.load.events

    @property
    def wrongs(self) -> list[str]:
        """What is not as it must be."""
        counts = {
            f"{self.deliveries} deliveries, expected {self.expected}": self.deliveries != self.expected,
            f"{self.told} gaps": self.told,
            f"{len(self.faults)} faults, such as {self.faults[:3]}": self.faults,
        }
        return [wrong for wrong, is_so in counts.items() if is_so]


@define
class _Restless:
    """A client with something that it does again and again, and its time between.

    Attributes:
        act: does it, or undoes it; False = it cannot yet.
        due_at: when it acts next.
    """

    client: Client
    act: Callable[["_Restless"], bool]
    due_at: float
    is_away: bool = False


@define
class _Clients:
    """All of them, what they do, and what they got.

    Attributes:
        counts: events that came, by client.
        nexts: the number of the event that is to come.
        restless: those who do something; at the end, those who are not back yet.
    """

    crowd: Crowd
    random: Random
    everybody: list[Client] = field(factory=list)
    restless: list[_Restless] = field(factory=list)
    counts: Counter[Client] = field(factory=Counter)
    nexts: Counter[Client] = field(factory=Counter)
    faults: list[str] = field(factory=list)
    slept: int = 0
    resets: int = 0
    closes: int = 0
    is_at_rest: bool = False

    def gather(self, port: int, count: int) -> None:
        """Connects them; returns when all are subscribed."""
        acts = {0: self._sleep, 1: self._reset, 2: self._close}
        for number in range(count):
            act = acts.get(number % _ONE_OF)
            receive_buffer = _RECEIVE_BUFFER if act == self._sleep else 0
            client = Client(port, (_CHANNEL,), receive_buffer, came=self._came)
            self.everybody.append(client)
            if act is not None:
                self.restless.append(_Restless(client, act, 0))
        self.crowd.gather(self.everybody)
        for each in self.restless:
            each.due_at = monotonic() + self.random.uniform(*_AT_EASE_S)

    def turn(self) -> None:
        """Lets those act whose time has come."""
        now = monotonic()
        for each in self.restless:
            if now >= each.due_at and each.act(each):
                each.is_away = not each.is_away
                each.due_at = now + self.random.uniform(*(_AWAY_S if each.is_away else _AT_EASE_S))
        if self.is_at_rest:
            self.restless = [each for each in self.restless if each.is_away]

    def come_to_rest(self) -> None:
        """Whoever is away comes back at once, and nobody goes any more."""
        self.is_at_rest = True
        self.restless = [each for each in self.restless if each.is_away]
        for each in self.restless:
            each.due_at = 0

    def have(self, offset: int) -> bool:
        """Whether all are back and have read so far."""
        return not self.restless and all(
            client.is_standing and client.places[_CHANNEL].offset >= offset for client in self.everybody
        )

    def _came(self, client: Client, number: int, now: float) -> None:
        if number != self.nexts[client]:
            self.faults.append(f"event {number} in place of {self.nexts[client]}")
        self.nexts[client] = number + 1
        self.counts[client] += 1

    def _sleep(self, each: _Restless) -> bool:
        self.crowd.read(each.client, wanted=each.is_away)
        self.slept += not each.is_away
        return True

    def _reset(self, each: _Restless) -> bool:
        if each.is_away:
            self.crowd.connect(each.client)
        elif each.client.is_standing:
            self.crowd.drop(each.client)
            self.resets += 1
        else:
            return False
        return True

    def _close(self, each: _Restless) -> bool:
        if each.is_away and not each.client.is_open:
            self.crowd.connect(each.client)
        elif not each.is_away and each.client.is_standing:
            each.client.leave()
            self.closes += 1
        else:
            return False
        return True


def run(load: Load, limit_s: float = 300) -> Outcome:
    """Publishes, as clients come and go, until all have all.

    Args:
        limit_s: for each of the two parts: while events are published, and until the last one has come.
    """
    start = monotonic()
    with World(1, _CONFIG) as world:
        clients = _Clients(world.crowd, Random(_SEED))  # noqa: S311 - who goes when, the same each time
        clients.gather(world.relays[0].port, load.clients)
        publisher = Publisher(world.admin_port(0), (_CHANNEL,), load.pace_s, load.pad)
        world.closing(publisher.close)

        def turn() -> None:
            publisher.paused = len(publisher.sent_at) >= load.events
            publisher.turn()
            clients.turn()

        world.crowd.each_turn = turn
        world.crowd.run(lambda: publisher.paused and publisher.is_idle, "all is published", limit_s)
        clients.come_to_rest()
        world.crowd.run(lambda: clients.have(load.events), "all have all", limit_s)
        world.crowd.run_for(_AFTER_S)
        return Outcome(
            load,
            clients.counts.total(),
            clients.slept,
            clients.resets,
            clients.closes,
            sum(len(client.gaps) for client in clients.everybody),
            monotonic() - start,
            clients.faults + [fault for client in clients.everybody for fault in client.faults],
        )


def million(choice: Choice, report: Report) -> list[str]:
    """The table; what was wrong. It does not depend on the choice."""
    outcome = run(Load())
    head = ["clients", "events", "expected", "came", "slept", "reset", "closed", "gaps", "faults", "took"]
    counts = (outcome.load.clients, outcome.load.events, outcome.expected, outcome.deliveries)
    done = (outcome.slept, outcome.resets, outcome.closes, outcome.told, len(outcome.faults))
    report.section("million", table(head, [[*map(str, (*counts, *done)), f"{outcome.seconds:.0f} s"]]))
    return outcome.wrongs
