"""One process after another in a worker's place."""

import os
import signal

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.config import Config
from pulsetw.web.status import Readiness
from pulsetw.workers.messages import Ask, Drain, Failed, Hurry, Report, Start
from pulsetw.workers.place import ASK_S, Place
from pulsetw.workers.totals import Totals
from pulsetw.workers.turns import Counts
from tests.unit.workers.fake_process import FakeProcess

START = Start(Config(), "server.3", 2)


def report(deliveries=0, connections=0, *, ready=True):
    hub = {"deliveries": deliveries, "connections": connections}
    front = {"connections": connections}
    return Report(Readiness(ready, [] if ready else ["broker: away"]), {"hub": hub, "front": front})


class PlaceTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.spawned = []
        self.problems = []
        self.refused = None
        self.counts = Counts(3)
        self.addCleanup(os.close, self.counts.fd)
        self.counts.set(0, 1000)
        self.place = Place(3, START, self.spawn, self.problems.append, self.counts, self.clock, lambda: 0.0)
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def spawn(self, protocol):
        if self.refused:
            raise self.refused
        self.spawned.append(FakeProcess(protocol, 100 + len(self.spawned)))

    @property
    def process(self):
        return self.spawned[-1]

    @property
    def reasons(self):
        return self.place.readiness.reasons

    def look(self, times):
        for _ in range(times):
            self.place.ask()

    def hub(self):
        totals = Totals()
        self.place.add_to(totals)
        return totals.document.get("hub", {})

    def leave(self):
        left = self.place.drain()
        self.process.end()
        self.successResultOf(left)

    def test_it_is_as_its_worker_says(self):
        """Not ready before the first answer; then what the last one said."""
        self.assertEqual(self.reasons, ["not started"])
        self.place.fill()
        self.assertEqual((self.process.heard, self.reasons), ([START], ["starting"]))
        self.place.ask()
        self.process.say(report(ready=False))
        self.assertEqual(self.reasons, ["broker: away"])
        self.place.ask()
        self.process.say(report(7, 2))
        self.assertEqual((self.place.readiness, self.process.heard), (Readiness(True, []), [START, Ask(), Ask()]))
        parts = {"hub": {"deliveries": 7, "connections": 2}, "front": {"connections": 2}}
        self.assertEqual(self.place.document, {"pid": 100, "restarts": 0, **parts})
        self.leave()

    def test_one_that_does_not_answer_is_asked_once_named_and_killed(self):
        """For 10 s; before its first answer for a minute. Looks are counted, not the clock: it may have jumped."""
        self.place.fill()
        self.look(119)
        self.clock.advance(3600)
        self.process.say(report())
        self.look(20)
        self.assertEqual((self.process.heard, self.process.signals), ([START, Ask(), Ask()], []))
        self.assertEqual(self.reasons, [f"no answer for {20 * ASK_S:g} s"])
        self.look(2)
        self.assertEqual(self.process.signals, [signal.SIGKILL])
        self.process.end(signal=signal.SIGKILL)
        self.assertEqual(self.reasons, ["ended (signal SIGKILL), the next one starts within 0.1 s"])
        self.clock.advance(0.1)
        self.look(121)
        self.assertEqual(self.process.signals, [signal.SIGKILL])
        self.leave()

    def test_the_next_one_waits_longer_each_time_until_one_has_lived(self):
        """0.1 s, doubled up to 30 s; after a minute of life it begins anew."""
        self.place.fill()
        for wait_s in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30):
            self.process.end(1)
            self.assertEqual(self.reasons, [f"ended (exit status 1), the next one starts within {wait_s:.1f} s"])
            self.assertIsNone(self.place.document["pid"])
            (again,) = self.clock.getDelayedCalls()
            self.assertAlmostEqual(again.getTime() - self.clock.seconds(), wait_s)
            self.clock.advance(wait_s)
        self.assertEqual((len(self.spawned), self.place.restarts), (12, 11))
        self.clock.advance(60)
        self.process.end()
        self.assertIn("within 0.1 s", self.reasons[0])
        self.clock.advance(0.1)
        self.leave()

    def test_what_a_process_had_counted_still_counts(self):
        """Its connections do not."""
        self.place.fill()
        self.process.say(report(7, 2))
        self.process.end(1)
        self.assertEqual(self.hub(), {"deliveries": 7, "connections": 0})
        self.clock.advance(0.1)
        self.process.say(report(5, 1))
        self.assertEqual(self.hub(), {"deliveries": 12, "connections": 1})
        self.leave()

    def test_a_system_that_has_no_room_for_a_process_is_asked_again(self):
        """Too many processes, too little memory: this too ends."""
        self.refused = OSError(11, "Resource temporarily unavailable")
        self.place.fill()
        self.assertIn("Resource temporarily unavailable", self.reasons[0])
        self.look(200)
        self.refused = None
        self.clock.advance(0.1)
        self.assertEqual(self.process.heard, [START])
        self.leave()

    def test_nobody_follows_who_was_told_to_leave(self):
        """It is told to hurry, too; an empty place is left at once, and stays empty."""
        self.place.fill()
        left = self.place.drain()
        self.place.hurry()
        self.assertNoResult(left)
        self.assertEqual(self.process.heard, [START, Drain(), Hurry()])
        self.process.end()
        self.successResultOf(left)

    def test_while_the_next_one_is_waited_for(self):
        """Leaving is at once."""
        self.place.fill()
        self.process.end(1)
        self.successResultOf(self.place.drain())
        self.place.hurry()
        self.assertEqual(len(self.spawned), 1)

    def test_the_others_do_not_wait_for_one_that_is_not_there(self):
        """Nor for one that has not answered for two seconds; one that takes its time is waited for."""
        self.place.fill()
        self.process.say(report(ready=False))
        self.assertEqual(self.counts.fewest(), 1000)
        self.process.say(report(connections=7))
        self.assertEqual(self.counts.fewest(), 7)
        self.look(4)
        self.assertEqual(self.counts.fewest(), 7)
        self.look(1)
        self.assertEqual(self.counts.fewest(), 1000)
        self.process.say(report())
        self.assertEqual(self.counts.fewest(), 0)
        self.process.end(1)
        self.assertEqual(self.counts.fewest(), 1000)
        self.clock.advance(0.1)
        self.leave()

    def test_one_that_cannot_start_says_why(self):
        """Before it ends."""
        self.place.fill()
        self.process.say(Failed("server.listen[0]: cannot listen: in use"))
        self.assertEqual(self.problems, ["server.listen[0]: cannot listen: in use"])
        self.leave()
