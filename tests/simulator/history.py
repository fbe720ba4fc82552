"""One random history."""

from bisect import bisect
from collections import deque
from itertools import accumulate
from random import Random

from attrs import define, field

from pulsetw.catalogue.rule import Ack
from pulsetw.model import Entry, Page
from pulsetw.policy.recovery import Ask, Consumer, Defences, Effect
from tests.simulator.checker import Checker, Violation
from tests.simulator.publishers import Publisher
from tests.simulator.redis import Redis

# How often each happens.
STEPS = {
    "publish": 30,
    "receive": 20,
    "sync": 14,
    "answer": 14,
    "replicate": 6,
    "connect": 12,
    "die": 1,
    "notice": 8,
    "failover": 3,
    "attach": 4,
    "restart": 0.5,
    "empty": 0.5,
    "evict": 1,
    "drop": 2,
    "fail": 1,
    "give_up": 1,
}
_NAMES = list(STEPS)
_BOUNDS = list(accumulate(STEPS.values()))
_QUIET = ("connect", "sync", "answer", "receive")


@define(eq=False)
class Answer:
    """A page on its way, and what was so when it was read."""

    number: int
    page: Page
    appended: list[str]
    answered: int


@define(eq=False)
class History:
    """A consumer, its link and everything behind.

    Attributes:
        dice: decides everything.
        ack: what the publishers wait for; with ``fast`` the consumer is strict.
        defences: the consumer's.
        trace: what happened, one line each; None = is not written.
    """

    dice: Random
    ack: Ack
    defences: Defences
    trace: list[str] | None = None
    redis: Redis = field(factory=Redis)
    checker: Checker = field(factory=Checker)
    link: str = "down"
    wire: deque[Entry] = field(factory=deque)
    ask: Ask | None = None
    answer: Answer | None = None
    has_dropped: bool = False
    consumer: Consumer = field(init=False)
    publishers: list[Publisher] = field(init=False)
    limit: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Two publishers, pages of 1 to 4 entries; three pushes are kept at most."""
        self.consumer = Consumer(strict=self.ack == "fast", defences=self.defences, max_kept=3)
        answer, acknowledge = self.checker.answered.append, self.checker.acknowledged.append
        self.publishers = [Publisher(name, self.ack, self._publish, answer, acknowledge) for name in "xy"]
        self.limit = self.dice.randint(1, 4)

    def run(self) -> None:
        """Some steps of trouble, then peace.

        Raises:
            Violation: an invariant does not hold.
        """
        random, total = self.dice.random, _BOUNDS[-1]
        if random() < 0.8:
            for name in ("attach", "connect", "sync", "answer"):
                self._step(name)
        for _ in range(self.dice.randint(20, 60)):
            self._step(_NAMES[bisect(_BOUNDS, random() * total)])
        self._peace()

    def _step(self, name: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{name:9} link {self.link}, top {self.redis.keys.top} on {self.redis.branch}")
        getattr(self, f"_on_{name}")()

    def _peace(self) -> None:
        """I5: when everything is up and quiet the consumer is live and has everything."""
        if self.link != "up":
            self._down()
        for publisher in self.publishers:
            publisher.reconnect()
            while not publisher.is_idle:
                publisher.act(1.0)
        self._on_attach()
        self._on_replicate()
        # That the last push was dropped is seen at the next one only.
        if self.has_dropped or self.dice.random() < 0.3:
            self.publishers[0].act(1.0)
        self._on_replicate()
        for _ in range(200):
            for name in _QUIET:
                self._step(name)
            if not self.wire and self.ask is None and self.answer is None:
                break
        else:
            raise Violation("I5: it does not come to rest")
        position = self.consumer.position
        if not self.consumer.is_live or position is None or position.offset != self.redis.keys.top:
            raise Violation(f"I5: at {position} of {self.redis.keys.top}, live: {self.consumer.is_live}")
        self.checker.end()

    def _publish(self, id: str) -> None:
        entry = self.redis.publish(id)
        if entry is not None:
            self.checker.appended(entry)
            if self.link == "up":
                self.wire.append(entry)

    def _carry_out(self, effects: list[Effect], appended: list[str], answered: int) -> None:
        for effect in effects:
            if self.trace is not None:
                self.trace.append(f"    {effect}")
            self.checker.effect(effect, appended, answered)
            if isinstance(effect, Ask):
                self.ask, self.answer = effect, None

    def _down(self) -> None:
        self.link, self.ask, self.answer = "down", None, None
        self.wire.clear()
        self.consumer.lost()

    def _break(self) -> None:
        """The master is gone: publishers connect again, the consumer finds out later."""
        for publisher in self.publishers:
            publisher.reconnect()
        if self.link == "up":
            self.link, self.ask = "dead", None

    def _on_publish(self) -> None:
        self.dice.choice(self.publishers).act(self.dice.random())

    def _on_receive(self) -> None:
        if self.wire:
            self._carry_out(self.consumer.pushed(self.wire.popleft()), [], 0)

    def _on_sync(self) -> None:
        if self.ask is not None and self.link == "up":
            ask, self.ask = self.ask, None
            page = self.redis.sync(ask.position, self.limit)
            done = len(self.checker.answered)
            self.answer = Answer(ask.number, page, self.redis.keys.appended[:], done)

    def _on_answer(self) -> None:
        if self.answer is not None:
            answer, self.answer = self.answer, None
            effects = self.consumer.answered(answer.number, answer.page)
            self._carry_out(effects, answer.appended, answer.answered)

    def _on_replicate(self) -> None:
        if self.redis.replica is not None:
            self.redis.replicate()
            for publisher in self.publishers:
                publisher.replicated()

    def _on_connect(self) -> None:
        if self.link == "down":
            self.link = "up"
            self._carry_out(self.consumer.subscribed(), [], 0)

    def _on_die(self) -> None:
        if self.link == "up":
            self.link, self.ask = "dead", None

    def _on_notice(self) -> None:
        if self.link == "dead":
            self._down()

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

    def _on_drop(self) -> None:
        if self.wire:
            self.has_dropped = True
            del self.wire[self.dice.randrange(len(self.wire))]

    def _on_fail(self) -> None:
        if self.ask is not None and self.link == "up":
            self._carry_out(self.consumer.failed(self.ask.number), [], 0)

    def _on_give_up(self) -> None:
        self.dice.choice(self.publishers).give_up()


def violation(seed: int, ack: Ack, defences: Defences | None = None) -> str:
    """What is wrong with the history of this seed, and the way there; "" = nothing."""
    defences = defences or Defences()
    try:
        History(Random(seed), ack, defences).run()  # noqa: S311 - the same again from the same seed
    except Violation:
        trace: list[str] = []
        try:
            History(Random(seed), ack, defences, trace).run()  # noqa: S311 - as above
        except Violation as error:
            return "\n".join([f"seed {seed}, ack {ack}: {error}", *trace])
        raise
    return ""
