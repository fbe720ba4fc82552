"""One random history of a consumer."""

from collections import deque
from random import Random

from attrs import define, field

from pulsetw.catalogue.rule import Ack
from pulsetw.model import Entry, Page
from pulsetw.policy.recovery import Ask, Consumer, Defences, Effect
from tests.simulator.checker import Checker, Violation
from tests.simulator.judging import judged
from tests.simulator.upstream import TROUBLE, Odds, Upstream

_STEPS = Odds(
    {
        **TROUBLE,
        "receive": 20,
        "sync": 14,
        "answer": 14,
        "connect": 12,
        "die": 1,
        "notice": 8,
        "drop": 2,
        "fail": 1,
    }
)
_QUIET = ("connect", "sync", "answer", "receive")


@define(eq=False)
class Answer:
    """A page on its way, and what was so when it was read."""

    number: int
    page: Page
    appended: list[str]
    answered: int


@define(eq=False, kw_only=True)
class History(Upstream):
    """A consumer, its link and everything behind.

    Attributes:
        defences: the consumer's.
    """

    defences: Defences
    link: str = "down"
    wire: deque[Entry] = field(factory=deque)
    ask: Ask | None = None
    answer: Answer | None = None
    has_dropped: bool = False
    checker: Checker = field(init=False)
    consumer: Consumer = field(init=False)
    limit: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Pages of 1 to 4 entries; three pushes are kept at most."""
        super().__attrs_post_init__()
        self.checker = Checker(self.acknowledged, self.answered)
        self.consumer = Consumer(strict=self.ack == "fast", defences=self.defences, max_kept=3)
        self.limit = self.dice.randint(1, 4)

    def run(self) -> None:
        """Some steps of trouble, then peace.

        Raises:
            Violation: an invariant does not hold.
        """
        if self.dice.random() < 0.8:
            for name in ("attach", "connect", "sync", "answer"):
                self.step(name)
        for _ in range(self.dice.randint(20, 60)):
            self.step(_STEPS.draw(self.dice))
        self._peace()

    def appended(self, entry: Entry) -> None:
        self.checker.appended(entry)
        if self.link == "up":
            self.wire.append(entry)

    def broken(self) -> None:
        """The consumer finds out later."""
        self._on_die()

    def state(self) -> str:
        return f"link {self.link}"

    def _peace(self) -> None:
        """I5: when everything is up and quiet the consumer is live and has everything."""
        if self.link != "up":
            self._down()
        # That the last push was dropped is seen at the next one only.
        self.publish_all(one_more=self.has_dropped or self.dice.random() < 0.3)
        for _ in range(200):
            for name in _QUIET:
                self.step(name)
            if not self.wire and self.ask is None and self.answer is None:
                break
        else:
            raise Violation("I5: it does not come to rest")
        position = self.consumer.position
        if not self.consumer.is_live or position is None or position.offset != self.redis.keys.top:
            raise Violation(f"I5: at {position} of {self.redis.keys.top}, live: {self.consumer.is_live}")
        self.checker.end()

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

    def _on_receive(self) -> None:
        if self.wire:
            self._carry_out(self.consumer.pushed(self.wire.popleft()), [], 0)

    def _on_sync(self) -> None:
        if self.ask is not None and self.link == "up":
            ask, self.ask = self.ask, None
            page = self.redis.sync(ask.position, self.limit)
            self.answer = Answer(ask.number, page, self.redis.keys.appended[:], len(self.answered))

    def _on_answer(self) -> None:
        if self.answer is not None:
            answer, self.answer = self.answer, None
            effects = self.consumer.answered(answer.number, answer.page)
            self._carry_out(effects, answer.appended, answer.answered)

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

    def _on_drop(self) -> None:
        if self.wire:
            self.has_dropped = True
            del self.wire[self.dice.randrange(len(self.wire))]

    def _on_fail(self) -> None:
        if self.ask is not None and self.link == "up":
            self._carry_out(self.consumer.failed(self.ask.number), [], 0)


def violation(seed: int, ack: Ack, defences: Defences | None = None) -> str:
    """What is wrong with the history of this seed, and the way there; "" = nothing."""

    def make(trace: list[str] | None) -> History:
        # The same again from the same seed.
        return History(dice=Random(seed), ack=ack, defences=defences or Defences(), trace=trace)  # noqa: S311

    return judged(seed, ack, make)
