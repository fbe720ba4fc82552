"""Some clients stop reading for a while, as megabytes pass among many that read."""

import sys
from time import monotonic

from attrs import define, field, frozen

from tests.bench.client import Client
from tests.bench.publisher import Publisher
from tests.bench.readers import Readers
from tests.bench.world import World, percentile

CHANNEL = "bench:a"
RING_BYTES = 65_536
SLOW_BYTES = 131_072
LEAST_P99_S = 0.020
_EVENT_BYTES = 4096
_WARM_UP_S = 2.0
# What the kernel keeps for a slow client is not the relay's, and should be little.
_RECEIVE_BUFFER = 4096
_CONFIG = '[channels."bench:*"]\nsubscribe = "everybody"\nhistory_size = 10000\n'


@frozen
class Load:
    """How many, and how long.

    Attributes:
        seconds: for which the slow ones do not read.
        total_bytes: that pass meanwhile.
    """

    slow: int = 200
    good: int = 800
    seconds: float = 20
    total_bytes: int = 4_000_000


@frozen
class Slowness:
    """What came out.

    Attributes:
        passed_bytes: what was published while the slow ones did not read.
        grown_bytes: the relay's memory at its peak, less what it was before.
        before_s: the good ones' p99 before the slow ones are there.
        while_s: the same while the slow ones do not read.
        after_s: the same while they read again, each through a small buffer, until the last has caught up.
        caught_up_s: how long that took.
        told: slow clients that got a gap.
        faults: holes without a gap, repeats, lost connections; of a good one a gap, too.
    """

    load: Load
    passed_bytes: int
    grown_bytes: int
    before_s: float
    while_s: float
    after_s: float
    caught_up_s: float
    told: int
    faults: list[str]

    @property
    def max_grown_bytes(self) -> int:
        return RING_BYTES + SLOW_BYTES * self.load.slow

    @property
    def max_p99_s(self) -> float:
        """Of the good ones, as long as there are slow ones."""
        return max(2 * self.before_s, LEAST_P99_S)

    def __str__(self) -> str:
        return (
            f"| {self.load.slow} of {self.load.slow + self.load.good} | {self.passed_bytes / 1e6:.1f} MB | "
            f"{self.grown_bytes / 2**20:.1f} of {self.max_grown_bytes / 2**20:.1f} MiB | "
            f"{1000 * self.before_s:.1f} ms | {1000 * self.while_s:.1f} ms | "
            f"{1000 * self.after_s:.1f} ms | {self.caught_up_s:.2f} s | {self.told} | {len(self.faults)} |"
        )


@define
class _Watch:
    """The relay's memory at its peak, and how long events take."""

    world: World
    publisher: Publisher
    peak_bytes: int = 0
    latencies_s: list[float] = field(factory=list)
    _looked_at: float = 0

    def turn(self) -> None:
        self.publisher.turn()
        now = monotonic()
        if now > self._looked_at + 0.05:
            self._looked_at = now
            self.peak_bytes = max(self.peak_bytes, self.world.relays[0].rss_bytes)

    def came(self, client: Client, number: int, now: float) -> None:
        self.latencies_s.append(now - self.publisher.sent_at[number])

    def taken(self) -> list[float]:
        """What came since the last time. To be sorted at the end: a tenth of a second that would be on every clock."""
        latencies_s, self.latencies_s = self.latencies_s, []
        return latencies_s


def run(load: Load) -> Slowness:
    """Lets the good ones read alone, then beside the slow ones, then all."""
    with World(1, _CONFIG) as world:
        crowd, port = world.crowd, world.relays[0].port
        pace_s = load.seconds * _EVENT_BYTES / load.total_bytes
        publisher = Publisher(world.admin_port(0), (CHANNEL,), pace_s, _EVENT_BYTES)
        world.closing(publisher.close)
        watch = _Watch(world, publisher)
        good = [Client(port, (CHANNEL,), came=watch.came) for _ in range(load.good)]
        crowd.gather(good)
        crowd.each_turn = watch.turn
        crowd.run_for(_WARM_UP_S)
        watch.taken()
        crowd.run_for(load.seconds / 2)
        before = watch.taken()
        publisher.paused = True
        slow = Readers(port, CHANNEL, load.slow, _RECEIVE_BUFFER)
        world.closing(slow.close)
        crowd.run(lambda: slow.has_said, "the slow ones are subscribed")
        slow.said()
        before_bytes = watch.peak_bytes = world.relays[0].rss_bytes
        publisher.go_on()
        first = len(publisher.sent_at)
        crowd.run(lambda: len(publisher.sent_at) - first >= load.total_bytes / _EVENT_BYTES, "they pass")
        meanwhile, passed = watch.taken(), (len(publisher.sent_at) - first) * _EVENT_BYTES
        slow.read(publisher.tops[CHANNEL])
        crowd.run(lambda: slow.has_said and watch.latencies_s, "the slow ones catch up")
        after, caught_up = watch.taken(), slow.said()
        assert caught_up["behind"] == load.slow, caught_up
        publisher.paused = True
        crowd.run(lambda: publisher.is_idle, "the last event is taken")
        top = publisher.tops[CHANNEL]
        slow.read(top)
        crowd.run(
            lambda: slow.has_said and all(client.places[CHANNEL].offset == top for client in good), "all have all"
        )
        end = slow.said()
        faults = [*end["faults"], *(fault for client in good for fault in client.faults)]
        faults += [str(gap) for client in good for gap in client.gaps]
        return Slowness(
            load,
            passed,
            watch.peak_bytes - before_bytes,
            percentile(before, 99),
            percentile(meanwhile, 99),
            percentile(after, 99),
            caught_up["seconds"],
            end["told"],
            faults,
        )


def main() -> None:
    sys.stdout.write(
        "| do not read | passed | memory grew | p99 before | p99 meanwhile | p99 as they catch up "
        "| caught up in | told of a gap | faults |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    slowness = run(Load())
    sys.stdout.write(f"{slowness}\n")
    assert slowness.grown_bytes <= slowness.max_grown_bytes
    assert max(slowness.while_s, slowness.after_s) <= slowness.max_p99_s
    assert not slowness.faults, slowness.faults[:10]


if __name__ == "__main__":
    main()
