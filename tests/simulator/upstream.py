"""Redis, those who publish, and what happens to them: the half of a history that its readers do not see."""

from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate
from random import Random

from attrs import define, field

from pulsetw.catalogue.rule import Ack
from pulsetw.model import Entry
from tests.simulator.publishers import Publisher
from tests.simulator.redis import Redis

# How often each happens.
TROUBLE = {
    "publish": 30,
    "replicate": 6,
    "failover": 3,
    "attach": 4,
    "restart": 0.5,
    "empty": 0.5,
    "evict": 1,
    "give_up": 1,
}


class Odds:
    """Draws names, each as often as its weight says."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._names = list(weights)
        self._bounds = list(accumulate(weights.values()))

    def draw(self, dice: Random) -> str:
        return self._names[bisect(self._bounds, dice.random() * self._bounds[-1])]


@define(eq=False, kw_only=True)
class Upstream:
    """A history; those who read add what happens to them, in methods ``_on_<step>``.

    Attributes:
        dice: decides everything.
        ack: what the publishers wait for; with ``fast`` readers are strict.
        trace: what happened, one line each; None = is not written.
        answered: the ids that the script has answered, in that order.
        acknowledged: the ids whose publishers count on them.
    """

    dice: Random
    ack: Ack
    trace: list[str] | None = None
    redis: Redis = field(factory=Redis)
    answered: list[str] = field(factory=list)
    acknowledged: list[str] = field(factory=list)
    publishers: list[Publisher] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Two publishers."""
        answer, acknowledge = self.answered.append, self.acknowledged.append
        self.publishers = [Publisher(name, self.ack, self._publish, answer, acknowledge) for name in "xy"]

    def appended(self, entry: Entry) -> None:
        """An entry has just got its place."""
        raise NotImplementedError

    def broken(self) -> None:
        """The master is gone, and every link to it."""
        raise NotImplementedError

    def step(self, name: str) -> None:
        """Something happens."""
        if self.trace is not None:
            self.trace.append(f"{name:9} {self.state()}, top {self.redis.keys.top} on {self.redis.branch}")
        self.act(name)

    def act(self, name: str) -> None:
        """What a step does."""
        getattr(self, f"_on_{name}")()

    def state(self) -> str:
        """How the readers are, for the trace."""
        raise NotImplementedError

    def publish_all(self, *, one_more: bool) -> None:
        """Everything goes out, and reaches the replica."""
        for publisher in self.publishers:
            publisher.reconnect()
            while not publisher.is_idle:
                publisher.act(1.0)
        self._on_attach()
        self._on_replicate()
        if one_more:
            self.publishers[0].act(1.0)
        self._on_replicate()

    def _publish(self, id: str) -> None:
        entry = self.redis.publish(id)
        if entry is not None:
            self.appended(entry)

    def _break(self) -> None:
        for publisher in self.publishers:
            publisher.reconnect()
        self.broken()

    def _on_publish(self) -> None:
        self.dice.choice(self.publishers).act(self.dice.random())

    def _on_replicate(self) -> None:
        if self.redis.replica is not None:
            self.redis.replicate()
            for publisher in self.publishers:
                publisher.replicated()

    def _on_failover(self) -> None:
        if self.redis.replica is not None:
            self.redis.failover()
            self._break()

    def _on_attach(self) -> None:
        if self.redis.replica is None:
            self.redis.attach()
            for publisher in self.publishers:
                publisher.replicated()

    def _on_restart(self) -> None:
        self.redis.restart(empty=False)
        self._break()

    def _on_empty(self) -> None:
        self.redis.restart(empty=True)
        self._break()

    def _on_evict(self) -> None:
        self.redis.evict(self.dice.choice(("log", "trim", "trim", "meta", "ids")))

    def _on_give_up(self) -> None:
        self.dice.choice(self.publishers).give_up()
