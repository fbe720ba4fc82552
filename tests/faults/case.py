"""What a case is, and what it may break."""

from collections.abc import Awaitable, Callable

from attrs import define

from pulsetw.catalogue import Rule
from pulsetw.catalogue.rule import Ack, Outage
from tests.faults.ledger import Verdict
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
        rule: the channel's.
        is_short: whether it is part of `make test`.
        replica: whether the master has one.
        guarded: whether the relays find their master through Sentinel.
        proxied: whether clients come through proxies; then the relays ping them every two seconds.
        keeps_all: whether everything has to come, so that even what is told is too much.
    """

    name: str
    kind: str
    run: Break
    redis: dict[str, str]
    rule: Rule
    is_short: bool
    replica: bool
    guarded: bool
    proxied: bool
    keeps_all: bool

    def accepts(self, verdict: Verdict) -> bool:
        """Whether the run is as it should be."""
        return verdict.is_clean and not (self.keeps_all and verdict.told)


CASES: list[Case] = []


def case(
    name: str,
    kind: str,
    *,
    short: bool = False,
    # More than a run publishes: the cases that need a short one ask for it.
    history: int = 20_000,
    ack: Ack = "fast",
    outage: Outage = "fail",
    replica: bool = False,
    guarded: bool = False,
    proxied: bool = False,
    keeps_all: bool = False,
    **redis: str,
) -> Callable[[Break], Break]:
    def add(run: Break) -> Break:
        rule = Rule(history_size=history, ack=ack, outage=outage)
        CASES.append(Case(name, kind, run, redis, rule, short, replica, guarded, proxied, keeps_all))
        return run

    return add
