"""A worker, and what it is told."""

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.config import Config
from pulsetw.errors import ConfigError
from pulsetw.web.status import Readiness
from pulsetw.workers.messages import Ask, Channel, Drain, Failed, Hurry, Report, Said, Start
from pulsetw.workers.worker import Worker

START = Start(Config(), "server.1", 0)


class FakeRelay:
    def __init__(self, calls):
        self.started = Deferred()
        self.stopped = Deferred()
        self._calls = calls

    def startService(self):
        self._calls.append("start")

    def stopService(self):
        self._calls.append("stop")
        return self.stopped

    def hurry(self):
        self._calls.append("hurry")

    def readiness(self):
        return Readiness(True, [])

    def stats(self):
        return {"hub": {"connections": 2}}


class FakeReactor(MemoryReactorClock):
    is_stopped = False

    def stop(self):
        self.is_stopped = True


class WorkerTests(SynchronousTestCase):
    def setUp(self):
        self.reactor = FakeReactor()
        self.calls = []
        self.relay = FakeRelay(self.calls)
        self.error = None
        self.worker = Worker(self.reactor, self.make)
        self.transport = StringTransport()
        self.worker.makeConnection(self.transport)
        self.orders = Channel(None)
        self.orders.makeConnection(self)

    def make(self, start):
        if self.error:
            raise self.error
        self.calls.append(start)
        return self.relay

    def write(self, data):
        self.worker.dataReceived(data)

    def answers(self):
        answers = []
        reading = Channel(answers.append)
        reading.makeConnection(None)
        reading.dataReceived(self.transport.value())
        self.transport.clear()
        return answers

    def lose(self):
        self.worker.connectionLost(Failure(ConnectionError()))

    def test_it_is_a_relay_and_says_how_it_is(self):
        """As often as it is asked."""
        for order in (START, Ask()):
            self.orders.send(order)
        self.assertEqual(self.calls, [START, "start"])
        self.assertEqual(self.answers(), [Report(Readiness(True, []), {"hub": {"connections": 2}})])

    def test_it_leaves_when_it_is_told_to(self):
        """A signal to it as well is not a second one; all that was said goes out before the process ends."""
        for order in (START, Drain()):
            self.orders.send(order)
        self.worker.drain()
        self.orders.send(Hurry())
        self.assertEqual(self.calls, [START, "start", "stop", "hurry"])
        self.assertFalse(self.transport.disconnecting)
        self.relay.stopped.callback(None)
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.reactor.is_stopped)
        self.lose()
        self.assertTrue(self.reactor.is_stopped)
        self.assertEqual((self.worker.exit_status, self.reactor.getDelayedCalls()), (0, []))

    def test_a_supervisor_that_does_not_read_keeps_it_a_second(self):
        """Then it ends all the same."""
        self.orders.send(Drain())
        self.reactor.advance(0.9)
        self.assertFalse(self.reactor.is_stopped)
        self.reactor.advance(0.1)
        self.assertTrue(self.reactor.is_stopped)

    def test_it_leaves_when_its_supervisor_has_gone(self):
        """As if it had been told to."""
        self.orders.send(START)
        self.lose()
        self.assertEqual(self.calls, [START, "start", "stop"])
        self.relay.stopped.callback(None)
        self.assertTrue(self.reactor.is_stopped)

    def test_it_says_why_it_cannot_start(self):
        """Wrong settings, or a port that cannot be opened; the process ends with 1."""
        self.error = ConfigError("catalogue.modules[0]", "cannot be imported")
        self.orders.send(START)
        self.orders.send(Ask())
        self.assertEqual(self.answers(), [Failed("catalogue.modules[0]: cannot be imported")])
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.worker.exit_status, 1)

    def test_it_says_why_it_could_not_listen(self):
        """That is found out later."""
        self.orders.send(START)
        self.relay.started.errback(ConfigError("server.listen[0]", "cannot listen: in use"))
        self.assertEqual(self.answers(), [Failed("server.listen[0]: cannot listen: in use")])
        self.assertEqual((self.calls[-1], self.worker.exit_status), ("stop", 1))

    def test_its_log_goes_to_the_supervisor(self):
        """Without debugging; with tracebacks; bounded."""
        globalLogPublisher.addObserver(self.worker.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.worker.log)
        log = Logger("pulsetw.x")
        log.debug("nothing")
        log.info("{count} of {what}", count=3, what="{braces}")
        log.failure("bad", Failure(RuntimeError("bug")))
        log.info("{long}", long="x" * 100_000)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        first, second, third = self.answers()
        self.assertEqual(first, Said("info", "pulsetw.x", "3 of {braces}"))
        self.assertEqual((second.level, "RuntimeError: bug" in second.text), ("critical", True))
        self.assertEqual(len(third.text), 16_384)

    def test_a_log_that_nobody_reads_is_dropped_and_counted(self):
        """The worker never waits for its supervisor."""
        globalLogPublisher.addObserver(self.worker.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.worker.log)
        self.transport.producer.pauseProducing()
        for _ in range(3):
            Logger().info("a line")
        self.assertEqual(self.answers(), [])
        self.transport.producer.resumeProducing()
        self.transport.producer.resumeProducing()
        (said,) = self.answers()
        self.assertEqual((said.level, said.text), ("warn", "3 lines of the log are lost: the supervisor did not read"))
