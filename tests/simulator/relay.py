"""A relay from its broker to its clients: the real manager and the real hub on a broker that a history drives."""

from collections import deque
from collections.abc import Callable
from random import Random

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from pulsetw.catalogue import Catalogue
from pulsetw.dialects.native import NativeDialect
from pulsetw.errors import BrokerAway, BrokerRefused
from pulsetw.hub.hub import Hub, HubOptions
from pulsetw.interfaces import BrokerStatus, IBroker, Wire
from pulsetw.model import Entry, Page, Position
from pulsetw.pubsub.manager import PubSubManager
from pulsetw.pubsub.options import PubSubOptions
from tests.doubles import ids
from tests.simulator.redis import Redis

_ROOMY_BYTES = 1_000_000
_MOST_STEPS = 200


@frozen
class Question:
    """A page that is asked for."""

    position: Position | None
    limit: int
    result: Deferred[Page]


@frozen
class Answer:
    """A page on its way."""

    page: Page
    result: Deferred[Page]


@implementer(IBroker)
@define(eq=False)
class Link:
    """One relay's broker, on a model of Redis with one channel. Nothing happens before somebody says so.

    Attributes:
        redis: what it is connected to.
        limit: the most entries of a page.
        state: ``down``, ``up``, or ``dead``, which nobody has noticed.
        wire: entries on their way here.
    """

    redis: Redis
    limit: int
    url = "simulated://"
    state: str = "down"
    wire: deque[Entry] = field(factory=deque)
    channel: str = ""
    questions: deque[Question] = field(factory=deque)
    answers: deque[Answer] = field(factory=deque)
    _receiver: PubSubManager | None = None
    _standing: Deferred[None] | None = None
    _was_up: bool = False

    def start(self, receiver):
        self._receiver = receiver

    def stop(self):
        return succeed(None)

    def publish(self, channel, event_id, payload, history=None):
        return fail(BrokerAway("relays only read here"))

    def sync(self, channel, position, limit, *, begins=True):
        if self.state == "down":
            return fail(BrokerAway("down"))
        self.questions.append(Question(position, min(limit, self.limit), Deferred()))
        return self.questions[-1].result

    def subscribe(self, name, *, history=False):
        self.channel, self._standing = name, Deferred()
        return self._standing

    def unsubscribe(self, name):
        self.channel = ""
        self.wire.clear()
        self._stand()

    def status(self):
        return BrokerStatus(self.url, self.state == "up", self.state == "up")

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way."""
        return self.state == "up" and not self.wire and not self.questions and not self.answers

    def appended(self, entry: Entry) -> None:
        """Redis pushes an entry to whose subscription stands."""
        if self.state == "up" and self.channel and self._standing is None:
            self.wire.append(entry)

    def connect(self) -> None:
        """The subscription stands, and so does the link if it did not."""
        if self.state == "dead":
            return
        is_new, self.state = self.state == "down", "up"
        self._stand()
        if is_new and self._receiver is not None:
            self._receiver.ready(self._was_up)
            self._was_up = True

    def receive(self) -> None:
        """The next entry comes in."""
        if self.wire and self._receiver is not None:
            self._receiver.appended(self.channel, self.wire.popleft())

    def read(self) -> None:
        """Redis answers the next question."""
        if self.questions and self.state == "up":
            question = self.questions.popleft()
            self.answers.append(Answer(self.redis.sync(question.position, question.limit), question.result))

    def answer(self) -> None:
        """The next answer comes in."""
        if self.answers:
            answer = self.answers.popleft()
            answer.result.callback(answer.page)

    def refuse(self) -> None:
        """Redis does not answer the next question."""
        if self.questions and self.state == "up":
            self.questions.popleft().result.errback(BrokerRefused("LOADING", temporary=True))

    def die(self) -> None:
        """Nothing comes any more but what is on its way."""
        if self.state == "up":
            self.state = "dead"

    def notice(self) -> None:
        """A dead link is found to be dead."""
        if self.state != "dead" or self._receiver is None:
            return
        self.state = "down"
        self.wire.clear()
        waiting = [each.result for each in (*self.answers, *self.questions)]
        self.answers.clear()
        self.questions.clear()
        self._receiver.lost("simulated")
        for result in waiting:
            result.errback(BrokerAway("down"))

    def settle(self) -> None:
        """All that can come in does."""
        self.connect()
        for _ in range(_MOST_STEPS):
            if self.is_quiet:
                break
            self.read()
            self.answer()
            self.receive()

    def _stand(self) -> None:
        standing, self._standing = self._standing, None
        if standing is not None:
            standing.callback(None)


class Relay:
    """One relay and its link.

    Attributes:
        name: for the trace.
        link: the way to Redis.
        hub: lets clients in.
        wire: what they speak.
        remembers: whether its rings have room for a whole history.
    """

    def __init__(self, name: str, redis: Redis, catalogue: Catalogue, clock: Clock, dice: Random) -> None:
        """A relay without clients, whose link is down."""
        self.name = name
        self.link = Link(redis, dice.randint(1, 4))
        new_id = ids(name)
        manager = PubSubManager(self.link, catalogue, clock, name, PubSubOptions(), new_id, _now_ms(clock))
        ring_bytes = dice.choice((1000, 2500, _ROOMY_BYTES))
        self.remembers = ring_bytes == _ROOMY_BYTES
        self.hub = Hub(manager, catalogue, clock, HubOptions(ring_bytes=ring_bytes), new_id, dice.random)
        self.wire = Wire(NativeDialect(), lambda text: text + b"\n")
        manager.initialize()
        self.hub.start()


def _now_ms(clock: Clock) -> Callable[[], int]:
    return lambda: int(clock.seconds() * 1000)
