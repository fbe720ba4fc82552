"""One worker's process, as the supervisor sees it."""

from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.workers.messages import Said
from pulsetw.workers.process import WorkerProcess
from tests.unit.workers.fake_process import FakeProcess


class WorkerProcessTests(SynchronousTestCase):
    def setUp(self):
        self.ends = []
        self.protocol = WorkerProcess(2, lambda _: None, self.ends.append)
        self.process = FakeProcess(self.protocol, 100)
        self.events = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def said(self):
        return [(event["log_level"], event["log_namespace"], formatEvent(event)) for event in self.events]

    def test_its_log_is_passed_on(self):
        """With the worker's number; braces in it are no fields."""
        self.process.say(Said("warn", "pulsetw.x.Y", "the {broker} is away"))
        self.assertEqual(self.said(), [(LogLevel.warn, "pulsetw.x.Y", "worker 2: the {broker} is away")])

    def test_what_is_printed_is_no_message(self):
        """Somebody's print, and the last words of an interpreter, end up in the log."""
        self.protocol.childDataReceived(1, b"hello\n")
        self.protocol.childDataReceived(2, b"Fatal Python error \xff\n")
        self.assertEqual(
            [(level, text) for level, _, text in self.said()],
            [(LogLevel.info, "worker 2 wrote: hello"), (LogLevel.warn, "worker 2 wrote: Fatal Python error \ufffd")],
        )

    def test_how_it_ended_is_told_in_words(self):
        """By itself, with a status, by a signal."""
        self.process.end()
        self.process.end(3)
        self.process.end(signal=9)
        self.assertEqual(self.ends, ["exit status 0", "exit status 3", "signal SIGKILL"])

    def test_one_that_has_ended_need_not_be_killed(self):
        """Between its end and the news of it."""
        self.process.end()
        self.protocol.kill()
        self.assertEqual(self.process.signals, [])
