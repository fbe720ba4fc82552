"""What is warned of, where a Redis does not keep what rules promise."""

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.advice import Advisor
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.replies import ErrorReply, NoReply
from pulsetw.catalogue.rule import Ack

NONE, TWO = b"role:master\r\nconnected_slaves:0\r\n", b"role:master\r\nconnected_slaves:2\r\n"
UNGUARDED, GUARDED = [b"min-replicas-to-write", b"0"], [b"min-replicas-to-write", b"1"]
DENIED = ErrorReply("NOPERM this user has no permissions to run the command")
WATCHED = RedisOptions.from_url("redis+sentinel://one/main")
ALONE = RedisOptions.from_url("redis://one")


@define
class FakeConnection:
    """A Redis that answers each of the questions in one way.

    Attributes:
        asked: the commands, by their first words.
    """

    branch: object = b"1234567812345678"
    info: object = TWO
    setting: object = GUARDED
    asked: list[str] = field(factory=list)

    def ask(self, *words: Any) -> Deferred[object]:
        self.asked.append(words[0])
        answer = {"EVAL": self.branch, "INFO": self.info, "CONFIG": self.setting}[words[0]]
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def tell(self, *words: Any) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError


class AdvisorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.logged = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def said_of(self, options: RedisOptions, acks: set[Ack], connection: FakeConnection) -> str:
        before = len(self.logged)
        Advisor(options, acks).look(connection)
        return "; ".join(formatEvent(event) for event in self.logged[before:])

    def test_a_master_that_takes_what_no_replica_hears(self) -> None:
        """Only behind Sentinels, with replicas, without the setting."""
        for options, info, setting, expected in (
            (WATCHED, TWO, UNGUARDED, True),
            (ALONE, TWO, UNGUARDED, False),
            (WATCHED, TWO, GUARDED, False),
            (WATCHED, NONE, UNGUARDED, False),
        ):
            for acks in (set[Ack](), {"durable"}):
                with self.subTest(options=options, info=info, setting=setting, acks=acks):
                    said = self.said_of(options, acks, FakeConnection(info=info, setting=setting))
                    self.assertEqual("set min-replicas-to-write 1 and min-replicas-max-lag 2" in said, expected)

    def test_no_replica_for_those_who_need_one(self) -> None:
        """What happens then is said, for the acks that rules have, and for no others."""
        durable, window = 'ack = "durable" fails', "past 10000 of them or 16777216 bytes more are refused"
        acks: list[tuple[set[Ack], list[str], list[str]]] = [
            ({"durable"}, [durable], [window]),
            ({"window", "fast"}, [window], [durable]),
            ({"durable", "window"}, [durable, window], []),
            ({"fast"}, [], ["no replica"]),
            (set(), [], ["no replica"]),
        ]
        for given, there, not_there in acks:
            with self.subTest(acks=given):
                said = self.said_of(ALONE, given, FakeConnection(info=NONE))
                assert all(text in said for text in there), said
                assert not any(text in said for text in not_there), said
        self.assertEqual(self.said_of(ALONE, {"durable", "window"}, FakeConnection(info=TWO)), "")

    def test_a_redis_without_ids(self) -> None:
        """Where a failover cannot be seen, that is said, if a channel has a history."""
        nameless = FakeConnection(branch=b"unknown")
        assert "neither its replication id nor its run id" in self.said_of(ALONE, {"fast"}, nameless)
        self.assertEqual(self.said_of(ALONE, {"fast"}, FakeConnection()), "")
        self.assertEqual(self.said_of(ALONE, set(), nameless), "")

    def test_what_is_denied_is_not_warned_of(self) -> None:
        """Nor does it keep the rest back."""
        denied = FakeConnection(branch=DENIED, info=DENIED, setting=DENIED)
        self.assertEqual(self.said_of(WATCHED, {"durable"}, denied), "")
        nameless = FakeConnection(branch=b"unknown", info=TWO, setting=DENIED)
        assert "run id" in self.said_of(WATCHED, {"fast"}, nameless)
        strange = FakeConnection(info=b"role:master\r\n", setting=None)
        self.assertEqual(self.said_of(WATCHED, {"durable"}, strange), "")

    def test_nothing_is_asked_for_nothing(self) -> None:
        """A relay without histories and Sentinels needs no more of an ACL."""
        connection = FakeConnection()
        self.said_of(ALONE, set(), connection)
        self.assertEqual(connection.asked, [])

    def test_said_when_it_begins(self) -> None:
        """Not again at each connection, nor after one that was lost; but when it had been better."""
        advisor = Advisor(ALONE, {"durable"})
        said = []
        for info in (NONE, NONE, NoReply("lost"), NONE, TWO, NONE):
            advisor.look(FakeConnection(info=info))
            said.append(len(self.logged))
        self.assertEqual(said, [1, 1, 1, 1, 1, 2])
