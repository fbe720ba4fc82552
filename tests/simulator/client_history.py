"""One random history of clients on two relays that read the same log."""

from random import Random

from attrs import define, field
from twisted.internet.task import Clock

from pulsetw.catalogue import Catalogue, Rule
from pulsetw.catalogue.rule import Ack
from pulsetw.model import Entry, Position
from tests.simulator.checker import Violation
from tests.simulator.client_checker import ClientChecker
from tests.simulator.clients import BareClient, Client, OurClient
from tests.simulator.judging import judged
from tests.simulator.logs import Logs
from tests.simulator.relay import Relay
from tests.simulator.upstream import TROUBLE, Odds, Upstream

_STEPS = Odds(
    {
        **TROUBLE,
        "publish": 60,
        "replicate": 16,
        "receive": 70,
        "read": 24,
        "answer": 24,
        "connect": 18,
        "die": 2,
        "notice": 10,
        "drop": 1,
        "refuse": 1,
        "turn": 30,
        "wait": 3,
        "come": 14,
        "go": 8,
        "look": 25,
        "slow_down": 8,
        "speed_up": 5,
    }
)
_LONGEST_PEACE = 200
_LINK_STEPS = ("receive", "read", "answer", "connect", "die", "notice", "refuse")


@define(eq=False, kw_only=True)
class ClientHistory(Upstream):
    """Two relays, four clients, one channel."""

    clock: Clock = field(factory=Clock)
    logs: Logs = field(init=False)
    relays: list[Relay] = field(init=False)
    clients: list[Client] = field(init=False)
    has_dropped: bool = False

    def __attrs_post_init__(self) -> None:
        """A channel that relays always follow, or only while somebody is subscribed; a rule for those who are slow."""
        super().__attrs_post_init__()
        dice = self.dice
        self.logs = Logs(self.answered)
        self.redis.opened = self.logs.opened
        channel, named = dice.choice((("kept", "kept"), ("kept:1", "kept:*")))
        slow = dice.choice(("catch_up", "catch_up", "catch_up", "latest", "disconnect"))
        catalogue = Catalogue([], {named: Rule(history_size=100, ack=self.ack, slow=slow)})
        self.relays = [Relay(name, self.redis, catalogue, self.clock, dice) for name in ("one", "two")]
        self.clients = [
            make(name, channel, ClientChecker(self.logs, keeps_ids), dice.choice((0, 0, 2)), self.trace)
            for make, name, keeps_ids in (
                (BareClient, "bare1", False),
                (BareClient, "bare2", False),
                (OurClient, "ours1", True),
                (OurClient, "ours2", True),
            )
        ]

    def run(self) -> None:
        """Some steps of trouble, then peace.

        Raises:
            Violation: an invariant does not hold.
        """
        if self.dice.random() < 0.8:
            for _ in range(3):
                self._settle()
            self._on_attach()
        for _ in range(self.dice.randint(60, 200)):
            self.step(_STEPS.draw(self.dice))
        self._peace()

    def appended(self, entry: Entry) -> None:
        self.logs.appended(entry)
        for relay in self.relays:
            relay.link.appended(entry)
        for client in self.clients:
            client.checker.appended(entry.id)

    def broken(self) -> None:
        for relay in self.relays:
            relay.link.die()

    def state(self) -> str:
        links = ", ".join(f"{relay.name} {relay.link.state}" for relay in self.relays)
        return "; ".join((links, *(str(client) for client in self.clients)))

    def act(self, name: str) -> None:
        if name not in _LINK_STEPS:
            super().act(name)
            return
        relay = self.dice.choice(self.relays)
        if self.trace is not None:
            self.trace.append(f"    {relay.name}")
        getattr(relay.link, name)()

    def _peace(self) -> None:
        """I5: when everything is up and quiet every client has everything."""
        for relay in self.relays:
            if relay.link.state != "up" or self.dice.random() < 0.5:
                relay.link.die()
                relay.link.notice()
        # What was dropped or evicted last is seen at the next push only.
        is_unseen = self.has_dropped or not self.redis.keys.epoch
        self.publish_all(one_more=is_unseen or self.dice.random() < 0.3)
        quiet = 0
        for _ in range(_LONGEST_PEACE):
            self._settle()
            quiet = quiet + 1 if self._is_quiet else 0
            # Who was refused asks again a little later.
            if quiet == 3:
                break
        else:
            raise Violation("I5: it does not come to rest")
        keys = self.redis.keys
        top = Position(keys.top, keys.epoch, keys.branches[-1].name)
        for client in self.clients:
            try:
                client.checker.end(top, self.acknowledged)
            except Violation as violation:
                raise Violation(f"{violation} ({client.name})") from None

    def _settle(self) -> None:
        """A little time in which all goes well."""
        for relay in self.relays:
            relay.link.settle()
        for client in self.clients:
            client.come(self.dice.choice(self.relays), self._now_ms)
            client.speed_up(self._now_ms)
        self._advance(0.3)

    @property
    def _is_quiet(self) -> bool:
        return all(each.is_quiet for each in (*self.clients, *(relay.link for relay in self.relays)))

    @property
    def _now_ms(self) -> float:
        return self.clock.seconds() * 1000

    def _advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for client in self.clients:
            client.tick(self._now_ms)

    def _a_client(self, *, is_away: bool = False) -> Client:
        """One that is away or on a relay, if there is such a one."""
        wanted = [each for each in self.clients if (each.transport is None) is is_away]
        return self.dice.choice(wanted or self.clients)

    def _on_drop(self) -> None:
        wire = self.dice.choice(self.relays).link.wire
        if wire:
            self.has_dropped = True
            del wire[self.dice.randrange(len(wire))]

    def _on_turn(self) -> None:
        self.clock.advance(0)

    def _on_wait(self) -> None:
        self._advance(self.dice.choice((0.3, 0.3, 1, 5, 31)))

    def _on_come(self) -> None:
        self._a_client(is_away=True).come(self.dice.choice(self.relays), self._now_ms)

    def _on_go(self) -> None:
        self._a_client().go(self._now_ms)

    def _on_look(self) -> None:
        client = self._a_client()
        if not client.is_slow:
            client.read(self.dice.randint(1, 8), self._now_ms)

    def _on_slow_down(self) -> None:
        self._a_client().slow_down(self.dice.randint(0, 3))

    def _on_speed_up(self) -> None:
        self._a_client().speed_up(self._now_ms)


def client_violation(seed: int, ack: Ack) -> str:
    """As `tests.simulator.history.violation`, for clients."""

    def make(trace: list[str] | None) -> ClientHistory:
        # The same again from the same seed.
        return ClientHistory(dice=Random(seed), ack=ack, trace=trace)  # noqa: S311

    return judged(seed, ack, make)
