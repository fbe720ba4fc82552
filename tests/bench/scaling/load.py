"""What a fleet is asked to bear, and what it has."""

from math import ceil
from typing import Any, Self

from attrs import Attribute, evolve, field, frozen


def _asked(default: float, what: str, *, may_be_zero: bool = False) -> Any:
    return field(default=default, metadata={"what": what, "may_be_zero": may_be_zero})


def option(number: "Attribute[Any]") -> str:
    """What names it on the command line."""
    return f"--{number.name.replace('_', '-')}"


@frozen
class Load:
    """Clients, events and machines, of all fleets together; each number is above 0 unless it says what 0 means."""

    clients: int = _asked(100_000, "connections at the same time")
    channels_per_client: float = _asked(1, "subscriptions of each")
    subscribers_per_channel: float = _asked(1000, "clients of each channel")
    events_per_s: float = _asked(100, "publications, of all channels together")
    event_bytes: int = _asked(200, "of an event on the wire")
    history_size: int = _asked(100, "events that a channel keeps; 0 = no history", may_be_zero=True)
    stay_s: float = _asked(1800, "how long a client stays connected")
    slow_percent: float = _asked(1, "clients of 100 that do not read as fast as events come", may_be_zero=True)
    reconnect_s: float = _asked(20, "over how long clients come back when all are cut off")
    machines: int = _asked(1, "that relays run on")
    cores: int = _asked(8, "of each")
    workers: int = _asked(
        0, "of each; 0 = cores less one, and one more less where Redis is on the only machine", may_be_zero=True
    )
    memory_gib: float = _asked(16, "of each")
    gbit: float = _asked(10, "network of each, and of Redis")
    redis_gib: float = _asked(32, "memory for Redis")
    fleets: int = _asked(1, "relays and Redis of their own, with channels of their own")
    tls: int = _asked(0, "1 = relays speak TLS themselves, 0 = somebody before them does", may_be_zero=True)

    def fleet(self) -> Self:
        """One of the equal fleets."""
        return evolve(
            self,
            clients=ceil(self.clients / self.fleets),
            events_per_s=self.events_per_s / self.fleets,
            machines=ceil(self.machines / self.fleets),
            fleets=1,
        )

    @property
    def processes_each(self) -> int:
        """Relay processes of a machine."""
        return self.workers or max(1, self.cores - (2 if self.machines == 1 else 1))

    @property
    def processes(self) -> int:
        return self.machines * self.processes_each

    @property
    def channels(self) -> float:
        return max(1, self.clients * self.channels_per_client / self.subscribers_per_channel)

    @property
    def followers(self) -> float:
        """Relay processes that have a subscriber of a channel, where chance spreads clients."""
        share: float = 1 - (1 - 1 / self.processes) ** self.subscribers_per_channel
        return self.processes * share
