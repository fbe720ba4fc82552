"""The heartbeat alone: when it beats, and what it makes of answers."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.heartbeat import Heartbeat
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.replies import ErrorReply, NoReply


class TurningClock(Clock):
    """Runs what is due as a reactor does: what is called later from there waits for the next turn, even with 0 s."""

    def advance(self, amount: float) -> None:
        self.rightNow += amount
        for call in [call for call in self.calls if call.getTime() <= self.rightNow]:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class HeartbeatTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = TurningClock()
        self.sent: list[tuple[bytes, Deferred[object]]] = []
        self.told: list[tuple[Any, ...]] = []
        self.heartbeat = Heartbeat(self.clock, RedisOptions(), "nonce", self.send, self)

    def tearDown(self) -> None:
        self.heartbeat.publisher_down()
        assert self.clock.getDelayedCalls() == []

    def send(self, token: bytes) -> Deferred[object]:
        answer: Deferred[object] = Deferred()
        self.sent.append((token, answer))
        return answer

    def beat_done(self, round_trip_s: float | None) -> None:
        self.told.append(("done", round_trip_s))

    def beat_refused(self, error: ErrorReply) -> None:
        self.told.append(("refused", error.code))

    def beat_unanswered(self, reason: str) -> None:
        self.told.append(("unanswered", reason))

    def beat_not_round(self, reason: str) -> None:
        self.told.append(("not round", reason))

    def answer(self, reply: object = None) -> None:
        token, waiting = self.sent[-1]
        waiting.callback(token if reply is None else reply)

    def both_up(self) -> None:
        self.heartbeat.subscriber_up()
        self.heartbeat.publisher_up()

    def test_answered_and_round_in_either_order(self) -> None:
        """Both are needed, in whatever order they come; the time is that of the later one."""
        self.both_up()
        self.clock.advance(0.125)
        self.answer()
        assert self.told == []
        self.clock.advance(0.125)
        self.heartbeat.came_round(self.sent[0][0])
        assert self.told == [("done", 0.25)]
        self.clock.advance(0.25)
        self.heartbeat.came_round(self.sent[1][0])
        self.answer()
        assert self.told[1:] == [("done", 0.0)]

    def test_beats_every_half_second(self) -> None:
        """Counted from when the last one was sent."""
        self.both_up()
        for count in range(1, 5):
            assert len(self.sent) == count
            self.clock.advance(0.1)
            self.heartbeat.came_round(self.sent[-1][0])
            self.answer()
            self.clock.advance(0.39)
            assert len(self.sent) == count
            self.clock.advance(0.011)

    def test_old_and_foreign_beats_do_not_count(self) -> None:
        """What came round of an earlier beat, or of another server's, proves nothing."""
        self.both_up()
        self.answer()
        self.heartbeat.came_round(b"other.1")
        self.heartbeat.publisher_down()
        self.heartbeat.publisher_up()
        self.heartbeat.came_round(self.sent[0][0])
        self.answer()
        assert self.told == []

    def test_unanswered(self) -> None:
        """After the limit the publisher is at fault, whatever came round; nothing more is sent by itself."""
        self.both_up()
        self.heartbeat.came_round(self.sent[0][0])
        self.clock.pump([1.0, 0])
        assert self.told == [("unanswered", "Redis did not answer a heartbeat within 1 s")]
        self.clock.advance(10)
        assert len(self.sent) == 1

    def test_not_round(self) -> None:
        """After the limit the subscriber is at fault, and the heart beats on for the publisher."""
        self.both_up()
        self.answer()
        self.clock.pump([1.0, 0])
        assert [told[0] for told in self.told] == ["not round"]
        self.clock.advance(0)
        assert len(self.sent) == 2

    def test_an_answer_that_waited_unread_is_in_time(self) -> None:
        """When the reactor was held up beyond the limit, what it reads first still counts."""
        self.both_up()
        self.clock.advance(1.7)
        self.heartbeat.came_round(self.sent[0][0])
        self.answer()
        self.clock.advance(0)
        assert self.told == [("done", 1.7)]

    def test_publisher_alone(self) -> None:
        """Without a subscriber an answer is enough; when one comes up, the next beat goes out at once."""
        self.heartbeat.publisher_up()
        self.answer()
        assert self.told == [("done", None)]
        self.clock.advance(0.1)
        self.heartbeat.subscriber_up()
        assert len(self.sent) == 2
        self.heartbeat.came_round(self.sent[1][0])
        self.answer()
        assert self.told[1:] == [("done", 0.0)]

    def test_subscriber_comes_up_during_a_beat(self) -> None:
        """That beat proves nothing of it; the next one follows at once."""
        self.heartbeat.publisher_up()
        self.heartbeat.subscriber_up()
        assert len(self.sent) == 1
        self.answer()
        assert self.told == [("done", None)]
        self.clock.advance(0)
        assert len(self.sent) == 2

    def test_subscriber_goes_down_during_a_beat(self) -> None:
        """Then an answer is enough, also one that has come."""
        self.both_up()
        self.answer()
        self.heartbeat.subscriber_down()
        assert self.told == [("done", None)]

    def test_a_beat_that_came_round_too_early_or_before_a_loss(self) -> None:
        """It proves nothing of a subscriber that is not up yet, or not any more."""
        self.heartbeat.publisher_up()
        self.heartbeat.came_round(self.sent[0][0])
        self.answer()
        self.heartbeat.subscriber_up()
        self.heartbeat.came_round(self.sent[1][0])
        self.heartbeat.subscriber_down()
        self.answer()
        assert self.told == [("done", None), ("done", None)]

    def test_refused(self) -> None:
        """An error is told, and the next beat comes at its time."""
        self.both_up()
        self.sent[0][1].errback(ErrorReply("OOM command not allowed"))
        assert self.told == [("refused", "OOM")]
        self.clock.advance(0.5)
        assert len(self.sent) == 2

    def test_the_answer_to_something_else(self) -> None:
        """An answer that is not the beat's own shows that all answers are shifted."""
        self.both_up()
        self.answer(0)
        assert self.told == [("unanswered", "Redis's answers do not belong to what was asked")]

    def test_a_lost_connection_is_told_by_others(self) -> None:
        """The link says that it is down; the heartbeat does not say it again."""
        self.both_up()
        self.heartbeat.publisher_down()
        self.sent[0][1].errback(NoReply("lost"))
        self.clock.advance(10)
        assert self.told == []
