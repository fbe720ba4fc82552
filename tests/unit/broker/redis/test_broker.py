"""Readiness and its limits on a clock; what needs a real Redis is among the integration tests."""

import attrs
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.broker import RedisBroker
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.errors import BrokerAway, BrokerRefused, OutcomeUnknown
from tests.contracts.broker import Recorder
from tests.unit.broker.redis.fake_redis import FakeRedis, RedisClock

NOTICED_WITHIN_S = 1.5
STEPS_S = 0.03  # time passes in steps of 10 ms


class RedisBrokerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.redis = FakeRedis()
        self.clock = RedisClock(self.redis)
        self.receiver = Recorder()
        self.broker = self.make()

    def tearDown(self) -> None:
        gone = self.broker.stop()
        self.clock.pump()
        self.successResultOf(gone)
        assert self.clock.getDelayedCalls() == []
        assert self.redis.clients == []

    def make(self, **options: object) -> RedisBroker:
        chosen = attrs.evolve(RedisOptions.from_url("redis+unix:///fake.sock"), **options)
        return RedisBroker(self.clock, chosen, "server", random=lambda: 0.0)

    def start(self) -> None:
        self.broker.start(self.receiver)
        self.clock.pump()
        assert self.receiver.calls == [("ready", False)]

    def seconds_until_lost(self) -> float:
        began = self.clock.seconds()
        while self.receiver.is_ready:
            assert self.clock.seconds() - began < 5
            self.clock.pump(0.01)
        return self.clock.seconds() - began

    def test_not_ready_before_a_heartbeat_came_round(self) -> None:
        """Two links that stand are not enough; publishing is refused until the publisher's heartbeat is answered."""
        self.redis.frozen.add("EVAL")
        self.broker.start(self.receiver)
        self.clock.pump()
        assert len(self.redis.clients) == 2
        assert self.receiver.calls == []
        assert self.broker.status().reason == (
            "publisher: no heartbeat came round yet; subscriber: no heartbeat came round yet"
        )
        assert self.failureResultOf(self.broker.publish("a", "1", b""), BrokerAway)

    def test_not_ready_before_each_subscription_is_acknowledged(self) -> None:
        """A subscription without an answer keeps the broker away."""
        self.broker.subscribe("a*")
        self.redis.frozen.add("PSUBSCRIBE")
        self.broker.start(self.receiver)
        self.clock.pump(0.9)
        assert self.receiver.calls == []
        assert self.broker.status().publisher_ready
        self.clock.pump(0.2)
        assert "did not acknowledge all subscriptions within 1 s" in self.broker.status().reason
        self.redis.frozen.clear()
        self.clock.pump(2)
        assert self.receiver.is_ready

    def test_dead_links_are_noticed_in_time(self) -> None:
        """Whenever between two heartbeats a link dies without a word, the loss is told within 1.5 s."""
        for tenths in range(6):
            for subscriber in (False, True):
                with self.subTest(tenths=tenths, subscriber=subscriber):
                    self.receiver = Recorder()
                    self.broker = self.make()
                    self.start()
                    self.clock.pump(tenths / 10)
                    client = self.redis.subscribers()[0] if subscriber else self.redis.clients[0]
                    assert subscriber == bool(client.names)
                    client.silent = True
                    assert self.seconds_until_lost() <= NOTICED_WITHIN_S + STEPS_S
                    assert self.receiver.calls[-1][1].startswith("subscriber" if subscriber else "publisher")
                    self.clock.pump(0.2)
                    assert self.receiver.calls[-1] == ("ready", subscriber)
                    self.broker.stop()
                    self.clock.pump()

    def test_a_frozen_redis_is_noticed_in_time(self) -> None:
        """When nothing is answered any more, it is told within 1.5 s; each step of setting up has its limit."""
        self.start()
        self.redis.frozen.add("*")
        assert self.seconds_until_lost() <= NOTICED_WITHIN_S + STEPS_S
        self.clock.pump(1.5)
        assert "Redis did not answer CLIENT within 1 s" in self.broker.status().reason
        self.redis.frozen.clear()
        self.clock.pump(2)
        assert self.receiver.is_ready

    def test_unanswered_publishes_end_with_the_link(self) -> None:
        """A publish has an outcome within 1.5 s, whatever becomes of its answer."""
        self.start()
        self.redis.frozen.add("*")
        publishing = self.broker.publish("a", "1", b"")
        self.assertNoResult(publishing)
        self.clock.pump(NOTICED_WITHIN_S + 0.01)
        assert "did not answer a heartbeat" in str(self.failureResultOf(publishing, OutcomeUnknown).value)

    def test_temporary_and_permanent_refusals(self) -> None:
        """Redis's first word decides whether another try may help; NOAUTH renews the connection."""
        self.start()
        for code, temporary in (("LOADING", True), ("BUSY", True), ("WRONGTYPE", False), ("ERR", False)):
            self.redis.errors["PUBLISH"] = f"{code} in words"
            publishing = self.broker.publish("a", "1", b"")
            self.clock.pump()
            error = self.failureResultOf(publishing, BrokerRefused).value
            assert isinstance(error, BrokerRefused)
            assert (str(error), error.temporary) == (f"{code} in words", temporary)
        assert self.receiver.is_ready
        self.redis.errors["PUBLISH"] = "NOAUTH Authentication required."
        publishing = self.broker.publish("a", "1", b"")
        self.clock.pump()
        assert self.failureResultOf(publishing, BrokerRefused)
        assert self.receiver.states == ["ready", "lost"]
        self.clock.pump(0.2)
        assert self.receiver.is_ready

    def test_refused_heartbeats(self) -> None:
        """An error is told in Redis's words; the link stays, and it heals with the next heartbeat."""
        self.start()
        clients = list(self.redis.clients)
        self.redis.errors["EVAL"] = "NOREPLICAS Not enough good replicas to write. script: 8a36, on @user_script:1."
        self.clock.pump(0.51)
        lost = ("lost", "publisher: Redis refuses heartbeats: NOREPLICAS Not enough good replicas to write.")
        assert self.receiver.calls[-1] == lost
        self.redis.errors.clear()
        self.clock.pump(0.51)
        assert self.receiver.calls[-1] == ("ready", False)
        assert self.redis.clients == clients

    def test_set_up_failures_count_as_any_other(self) -> None:
        """A refused password waits longer each time, as a refused connection does."""
        self.broker = self.make(password="secret")
        self.redis.errors["AUTH"] = "ERR unknown command 'AUTH', with args beginning with: 'secret'"
        self.broker.start(self.receiver)
        tries = []
        for _ in range(100):
            self.clock.pump(0.02)
            tries.append(self.redis.commands.count("AUTH") // 2)
        # At 0, 0.1, 0.3, 0.7 and 1.5 s.
        assert [tries[step] for step in (1, 6, 17, 37, 77)] == [1, 2, 3, 4, 5]
        assert self.broker.status().reconnect_attempts == 5
        assert "Redis refused AUTH: ERR unknown command" in self.broker.status().reason
        assert "secret" not in self.broker.status().reason
        assert self.redis.clients == []

    def test_gives_up(self) -> None:
        """It tries as often as it was told, says so, and ends."""
        self.broker = self.make(max_reconnect_attempts=10)
        self.redis.is_down = True
        self.broker.start(self.receiver)
        self.clock.pump(30)
        status = self.broker.status()
        assert status.gave_up
        assert status.reconnect_attempts == 10
        assert "gave up after 10 failed attempts; the last: cannot connect: " in status.reason
        assert self.clock.getDelayedCalls() == []
        assert self.receiver.calls == []

    def test_a_link_that_never_proves_itself_counts_as_failed(self) -> None:
        """A subscriber that is set up and never hears a heartbeat is no success: waits grow, and it gives up."""
        self.broker = self.make(max_reconnect_attempts=3)
        self.start()
        self.redis.loses_probes = True
        assert self.seconds_until_lost() <= NOTICED_WITHIN_S + STEPS_S
        self.clock.pump(10)
        assert self.broker.status().gave_up

    def test_unsuitable_servers(self) -> None:
        """An old Redis and a replica are refused in words, and accepted when they have changed."""
        self.redis.hello = (b"6.2.14", b"master")
        self.broker.start(self.receiver)
        self.clock.pump()
        assert "Redis 7.0 or newer is needed, this one is 6.2.14" in self.broker.status().reason
        self.redis.hello = (b"7.2.4", b"replica")
        self.clock.pump(0.2)
        assert "a master is needed, this Redis is a replica" in self.broker.status().reason
        self.redis.errors["HELLO"] = "ERR unknown command 'HELLO'"
        self.clock.pump(0.5)
        assert "this one does not know HELLO" in self.broker.status().reason
        self.redis.errors.clear()
        self.redis.hello = (b"8.0.0", b"master")
        self.clock.pump(2)
        assert self.receiver.calls == [("ready", False)]

    def test_what_is_said_on_a_new_connection(self) -> None:
        """Credentials first, then the database, a name that Redis allows, and the question who answers."""
        self.broker = self.make(user="relay", password="pw", db=3)
        self.start()
        assert self.redis.commands[:8:2] == ["AUTH", "SELECT", "CLIENT", "HELLO"]

    def test_a_receiver_that_raises_is_logged(self) -> None:
        """It costs neither the connection nor what comes behind."""
        self.broker.subscribe("a")
        self.start()

        def fail(channel: str, payload: bytes) -> None:
            raise ValueError("receiver")

        self.receiver.on_received = fail
        for _ in range(2):
            self.broker.publish("a", "1", b"")
        self.clock.pump()
        assert len(self.flushLoggedErrors(ValueError)) == 2
        assert len(self.receiver.received_so_far) == 2
        assert self.receiver.is_ready

    def test_copies_are_counted(self) -> None:
        """What was made for strangers is dropped, and the count is part of the status."""
        self.broker.subscribe("a")
        self.start()
        self.broker.publish("a", "1", b"{}\t \t\t ")
        self.clock.pump()
        assert (self.broker.status().copies, self.receiver.received_so_far) == (1, [])

    def test_stop_with_everything_under_way(self) -> None:
        """What waits gets its outcome, nothing is told any more, nothing is left."""
        self.start()
        self.redis.frozen.add("*")
        publishing = self.broker.publish("a", "1", b"")
        subscribing = self.broker.subscribe("b")
        gone = self.broker.stop()
        assert self.failureResultOf(subscribing, BrokerAway)
        self.clock.pump()
        assert self.failureResultOf(publishing, OutcomeUnknown)
        self.successResultOf(gone)
        assert self.receiver.calls == [("ready", False)]

    def test_stop_while_setting_up(self) -> None:
        """A connection in the middle of being set up ends, too."""
        self.redis.frozen.add("HELLO")
        self.broker.start(self.receiver)
        self.clock.pump()
        gone = self.broker.stop()
        self.clock.pump()
        self.successResultOf(gone)
        assert self.clock.getDelayedCalls() == []
