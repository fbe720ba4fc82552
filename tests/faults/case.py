"""What a case is, and what it may break."""

from collections.abc import Awaitable, Callable

from attrs import define, field

from pulsetw.catalogue.rule import Ack
from tests.faults.world import World
from tests.integration.proxy import Proxy
from tests.integration.redis_server import RedisServer
from tests.integration.sentinel import Guarded


@define
class Setting:
    """What a case may break.

    Attributes:
        redis: the master.
        proxy: between relays and master.
        replica: the master's, where the case has one.
        replication: the proxy between both.
        guarded: a master behind a proxy, two replicas and three Sentinels, where the case has them; then the relays
            use these.
    """

    world: World
    redis: RedisServer
    proxy: Proxy
    replica: RedisServer | None
    replication: Proxy
    guarded: Guarded | None


Break = Callable[[Setting], Awaitable[None]]


@define
class Case:
    """One fault.

    Attributes:
        name: for the table.
        kind: what is broken; each kind has a control.
        run: breaks it, and mends it where it does not mend itself.
        redis: settings of redis-server.
        history: the channel's `history_size`.
        is_short: whether it is part of `make test`.
        ack: the channel's rule.
        replica: whether the master has one.
        guarded: whether the relays find their master through Sentinel.
    """

    name: str
    kind: str
    run: Break
    redis: dict[str, str] = field(factory=dict)
    history: int = 20_000
    is_short: bool = False
    ack: Ack = "fast"
    replica: bool = False
    guarded: bool = False


CASES: list[Case] = []


def case(
    name: str,
    kind: str,
    *,
    short: bool = False,
    history: int = 20_000,
    ack: Ack = "fast",
    replica: bool = False,
    guarded: bool = False,
    **redis: str,
) -> Callable[[Break], Break]:
    def add(run: Break) -> Break:
        CASES.append(Case(name, kind, run, redis, history, short, ack, replica, guarded))
        return run

    return add
