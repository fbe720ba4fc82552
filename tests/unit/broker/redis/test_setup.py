"""The warning about a master that takes events which a failover loses."""

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.replies import ErrorReply
from pulsetw.broker.redis.setup import unguarded


class FakeConnection:
    def __init__(self, info: object, setting: object) -> None:
        self._answers = {"INFO": info, "CONFIG": setting}

    def ask(self, *words: Any) -> Deferred[object]:
        answer = self._answers[words[0]]
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def tell(self, *words: Any) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError


class UnguardedTests(SynchronousTestCase):
    def test_only_a_master_with_replicas_and_without_the_setting(self) -> None:
        """No replicas, a setting, an ACL that forbids the question: nothing is warned of."""
        two, none = b"role:master\r\nconnected_slaves:2\r\n", b"role:master\r\nconnected_slaves:0\r\n"
        name, denied = b"min-replicas-to-write", ErrorReply("NOPERM no")
        for info, setting, expected in (
            (two, [name, b"0"], True),
            (two, [name, b"1"], False),
            (none, [name, b"0"], False),
            (denied, [name, b"0"], False),
            (two, denied, False),
        ):
            with self.subTest(info=info, setting=setting):
                asked = Deferred.fromCoroutine(unguarded(FakeConnection(info, setting)))
                self.assertEqual(self.successResultOf(asked), expected)
