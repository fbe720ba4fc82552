"""What a server needs to take part."""

from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from tests.bench.load.workloads import Workload


@frozen
class Place:
    """Where a server runs.

    Attributes:
        port: for clients; the one above it is free, too.
        folder: empty, its own.
    """

    port: int
    redis_port: int
    folder: Path


@frozen
class Contender:
    """A server and how it is spoken to.

    Attributes:
        title: as in the tables.
        install: brings what it needs and answers its version; raises `Missing` where it cannot.
        command: starts it; every contender is one process or more below this one.
        path: of the clients, ``%05d`` stands for the channel.
        template: what publishes a message, see `templates`.
        entry: where that is written: to Redis, to the server itself, or to the port above its own.
        hello: what a client sends first.
        confirm: stands in the answer when a client is subscribed; "" = there is none.
        is_engine_io: clients answer its pings.
        only: workloads by name; none = all but those for one user's events.
    """

    name: str
    title: str
    install: Callable[[], str]
    command: Callable[[Place], Sequence[str]]
    path: str
    template: Callable[[], bytes]
    entry: str = "redis"
    hello: tuple[str, ...] = ()
    confirm: str = ""
    is_engine_io: bool = False
    only: tuple[str, ...] = ()

    def takes_part(self, workload: Workload) -> bool:
        """Whether the workload makes sense here."""
        return workload.name in self.only if self.only else not workload.is_personal
