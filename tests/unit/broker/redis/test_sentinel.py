"""Which Sentinel is asked, and where it leads."""

from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.sentinel import NoMaster, SentinelEndpoint
from tests.unit.broker.redis.fake_redis import FakeRedis, FakeTransport, RedisClock

URL = "redis+sentinel://a,b,c/main?sentinel_password=hush"
MASTER = b"*2\r\n$1\r\nm\r\n$4\r\n6380\r\n"


class FakeSentinel(FakeRedis):
    """Answers one question."""

    answer = MASTER

    def do_sentinel(self, client: FakeTransport, what: bytes, service: bytes) -> bytes:
        assert (what, service) == (b"GET-MASTER-ADDR-BY-NAME", b"main")
        return self.answer


@implementer(IStreamClientEndpoint)
class FakeWay:
    def __init__(self, clock: RedisClock, server: FakeRedis) -> None:
        self._clock = clock
        self._server = server

    def connect(self, protocolFactory: Any) -> Deferred[Any]:  # noqa: N803 -- Twisted's name
        if self._server.is_down:
            return fail(ConnectError())
        protocol = protocolFactory.buildProtocol(None)
        FakeTransport(self._clock, self._server, protocol)
        return succeed(protocol)


class SentinelEndpointTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.master = FakeRedis()
        self.clock = RedisClock(self.master)
        self.sentinels = {name: FakeSentinel() for name in "abc"}
        self.ways: list[tuple[str, int]] = []
        options = attrs.evolve(RedisOptions.from_url(URL), connect_timeout_s=1.0)
        self.endpoint = SentinelEndpoint(self.clock, options, self.way_to)

    def way_to(self, host: str, port: int) -> FakeWay:
        self.ways.append((host, port))
        return FakeWay(self.clock, self.sentinels.get(host, self.master))

    def connect(self, seconds: float = 0.0) -> Deferred[Any]:
        self.ways.clear()
        connected = self.endpoint.connect(Factory.forProtocol(Protocol))
        self.clock.pump(seconds)
        return connected

    def test_the_first_that_answers_leads_to_the_master(self) -> None:
        """It says who we are first, and its connection is gone afterwards."""
        self.assertIsInstance(self.successResultOf(self.connect()), Protocol)
        self.assertEqual(self.ways, [("a", 26379), ("m", 6380)])
        self.assertEqual(self.sentinels["a"].commands, ["AUTH", "SENTINEL"])
        self.assertEqual(self.sentinels["a"].clients, [])
        self.assertEqual(len(self.master.clients), 1)

    def test_the_useless_are_passed_and_the_useful_goes_first(self) -> None:
        """A refused connection, null, an error, nonsense: the next is asked, and the one that answered is kept."""
        for answer in (None, b"*-1\r\n", b"-ERR no\r\n", b"+OK\r\n", b"*2\r\n$1\r\nm\r\n$1\r\n0\r\n", b"nonsense\r\n"):
            with self.subTest(answer=answer):
                self.setUp()
                self.sentinels["a"].is_down = answer is None
                self.sentinels["a"].answer = answer or MASTER
                self.successResultOf(self.connect())
                self.assertEqual(self.ways[1:], [("b", 26379), ("m", 6380)])
                self.successResultOf(self.connect())
                self.assertEqual(self.ways, [("b", 26379), ("m", 6380)])

    def test_silence_has_a_limit(self) -> None:
        """One that never answers costs its limit, and leaves neither a connection nor a delayed call."""
        self.sentinels["a"].frozen.add("*")
        connected = self.connect(0.9)
        self.assertNoResult(connected)
        self.clock.pump(0.2)
        self.successResultOf(connected)
        self.assertEqual(self.sentinels["a"].clients, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_fail(self) -> None:
        """The error says how many were asked, what was wrong with the last, and no password."""
        for sentinel in self.sentinels.values():
            sentinel.errors["AUTH"] = "ERR unknown command AUTH hush"
        error = self.failureResultOf(self.connect(), NoMaster).value
        self.assertEqual(error.asked, 3)
        self.assertIn("none of the 3 Sentinels", str(error))
        self.assertIn("c:26379: it answered ERR unknown", str(error))
        self.assertNotIn("hush", str(error))

    def test_why_no_answer_came(self) -> None:
        """The error says it in words: TLS refuses certificates this way, and others speak something else."""
        cases = {
            "the connection was lost: Connection was closed": b"",
            "does not speak Redis's protocol": b"nonsense\r\n",
        }
        for words, said in cases.items():
            with self.subTest(words):
                self.setUp()
                self.sentinels["a"].is_down = self.sentinels["b"].is_down = True
                self.sentinels["c"].answer = said
                connected = self.connect()
                for client in self.sentinels["c"].clients:
                    client.end(ConnectionDone())
                self.clock.pump()
                self.assertIn(words, str(self.failureResultOf(connected, NoMaster).value))

    def test_cancelled_while_it_asks(self) -> None:
        """Nobody else is asked, and nothing is left."""
        self.sentinels["a"].frozen.add("*")
        connected = self.connect()
        connected.addErrback(lambda _: None)
        connected.cancel()
        self.clock.pump()
        self.assertEqual(self.ways, [("a", 26379)])
        self.assertEqual(self.sentinels["a"].clients, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_both_links_end_on_one_master(self) -> None:
        """Whoever stands on another master than the one named now is cut; whoever stands on the same one is not."""
        standing = [self.successResultOf(self.connect()) for _ in range(2)]
        self.assertEqual(len(standing), 2)
        self.assertEqual(len(self.master.clients), 2)
        self.sentinels["a"].answer = b"*2\r\n$1\r\nm\r\n$4\r\n6381\r\n"
        now = self.successResultOf(self.connect())
        self.assertEqual([client._protocol for client in self.master.clients], [now])

    def test_who_misled_goes_last(self) -> None:
        """A Sentinel whose master cannot be reached or used is not asked first again."""
        self.master.is_down = True
        self.failureResultOf(self.connect(), ConnectError)
        self.master.is_down = False
        self.successResultOf(self.connect())
        self.assertEqual(self.ways[0], ("b", 26379))
        self.endpoint.misled()
        self.successResultOf(self.connect())
        self.assertEqual(self.ways[0], ("c", 26379))
