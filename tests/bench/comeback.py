"""All clients lose their connections at once and come back at once, each with its places, while events go on."""

import sys
from collections import Counter
from time import monotonic

from attrs import frozen

from tests.bench.client import Client
from tests.bench.publisher import Publisher
from tests.bench.world import World, percentile

CHANNELS = ("bench:a", "bench:b", "bench:c")
RELAYS = 2
MAX_SYNCS = 3
"""For each channel and relay."""
AWAY_S = 1.0
_PACE_S = 0.2
# More than a relay keeps of a channel (64 KiB), so that it has to ask Redis for what its clients missed.
_MANY, _LARGE = 120, 2000
_CONFIG = '[channels."bench:*"]\nsubscribe = "everybody"\nhistory_size = 1000\n'


@frozen
class Comeback:
    """What came out.

    Attributes:
        syncs: reads of logs that Redis answered from the cut to the end: its own count.
        by_log: the same as seen command by command, for each relay and channel.
        missed: events that were published while nobody was there, the fewest of any client.
        recovery_s: of each client, from the cut to the last event that was published before it subscribed again.
        faults: holes, repeats, gaps, lost connections.
    """

    clients: int
    syncs: int
    by_log: Counter[tuple[str, str]]
    missed: int
    recovery_s: list[float]
    faults: list[str]

    @property
    def most_syncs(self) -> int:
        """Of one channel by one relay."""
        return max(self.by_log.values())

    def __str__(self) -> str:
        p50, p99 = (percentile(self.recovery_s, percent) for percent in (50, 99))
        return (
            f"| {self.clients} | {self.missed} | {self.syncs} | {self.most_syncs} of {MAX_SYNCS} | "
            f"{p50:.2f} s | {p99:.2f} s | {max(self.recovery_s):.2f} s | {len(self.faults)} |"
        )


class _Recoveries:
    """When each client has what was published before it came back."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._goals: dict[Client, dict[str, int]] = {}
        self.had_at: dict[Client, float] = {}
        self.missed: list[int] = []

    def subscribing(self, client: Client) -> None:
        self._goals[client] = dict(self._publisher.tops)
        self.missed.append(sum(self._publisher.tops[name] - client.places[name].offset for name in CHANNELS))
        self.came(client, 0, monotonic())

    def came(self, client: Client, number: int, now: float) -> None:
        goal = self._goals.get(client)
        if goal is not None and all(client.places[name].offset >= goal[name] for name in CHANNELS):
            self.had_at[client] = now
            del self._goals[client]


def run(clients: int, limit_s: float = 60, *, is_much: bool = False) -> Comeback:
    """Cuts all and lets them come back.

    Args:
        clients: how many.
        limit_s: for all to be back.
        is_much: they miss more than the relays keep.
    """
    with World(RELAYS, _CONFIG) as world:
        crowd = world.crowd
        publisher = Publisher(world.admin_port(0), CHANNELS, _PACE_S)
        world.closing(publisher.close)
        crowd.each_turn = publisher.turn
        everybody = [Client(world.relays[number % RELAYS].port, CHANNELS) for number in range(clients)]
        crowd.gather(everybody)
        crowd.run_for(2)
        syncs = world.watch_syncs()

        def turn() -> None:
            publisher.turn()
            syncs.turn()

        crowd.each_turn = turn
        world.forget_syncs()
        crowd.cut()
        cut_at = monotonic()
        if is_much:
            publisher.pace_s, publisher.pad = AWAY_S / _MANY, _LARGE
            publisher.go_on()
        crowd.run_for(AWAY_S)
        publisher.pace_s, publisher.pad = _PACE_S, 0
        recoveries = _Recoveries(publisher)
        for number, client in enumerate(everybody):
            # Every second one comes back to the other relay.
            client.port = world.relays[(number // RELAYS) % RELAYS].port
            client.came, client.subscribing = recoveries.came, recoveries.subscribing
            crowd.connect(client)
        crowd.run(lambda: len(recoveries.had_at) == clients, "all have recovered", limit_s)
        publisher.paused = True
        crowd.run(lambda: publisher.is_idle, "the last event is taken")
        tops = publisher.tops

        def is_done(client: Client) -> bool:
            return all(client.places[name].offset == tops[name] for name in CHANNELS)

        crowd.run(lambda: all(map(is_done, everybody)), "all have all", limit_s)
        faults = [fault for client in everybody for fault in client.faults]
        faults += [str(gap) for client in everybody for gap in client.gaps]
        recovery_s = [at - cut_at for at in recoveries.had_at.values()]
        return Comeback(clients, world.syncs(), syncs.count(), min(recoveries.missed), recovery_s, faults)


def main() -> None:
    sys.stdout.write(
        "| clients | missed | syncs | most of one channel by one relay | p50 | p99 | last | faults |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    for clients in (1000, 5000):
        for is_much in (False, True):
            comeback = run(clients, is_much=is_much)
            sys.stdout.write(f"{comeback}\n")
            sys.stdout.flush()
            assert sum(comeback.by_log.values()) == comeback.syncs
            assert len(comeback.by_log) == len(CHANNELS) * RELAYS, comeback.by_log
            assert comeback.most_syncs <= MAX_SYNCS
            assert not comeback.faults, comeback.faults[:10]


if __name__ == "__main__":
    main()
