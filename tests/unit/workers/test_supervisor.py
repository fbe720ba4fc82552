# ruff: noqa: N803 -- the name is Twisted's
"""The process that speaks for all workers."""

import socket

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.config import BrokerSettings, Config, Limits, ServerSettings
from pulsetw.errors import ConfigError
from pulsetw.web.status import Readiness
from pulsetw.workers.messages import FIRST_SOCKET_FD, Drain, Failed, Hurry, Report
from pulsetw.workers.supervisor import Supervisor
from tests.unit.workers.fake_process import FakeProcess

READY = Report(Readiness(True, []), {"hub": {"connections": 3, "deliveries": 5}, "front": {"connections": 3}})


class FakeReactor(MemoryReactorClock):
    def __init__(self):
        super().__init__()
        self.spawned = []
        self.arguments = []

    def spawnProcess(self, protocol, executable, args, env, childFDs):
        self.arguments.append((args, env, childFDs))
        self.spawned.append(FakeProcess(protocol, 100 + len(self.spawned)))


class SupervisorTests(SynchronousTestCase):
    def setUp(self):
        self.reactor = FakeReactor()

    def supervisor(self, listen=("tcp:0:interface=127.0.0.1",), **limits):
        config = Config(
            server=ServerSettings(listen=listen, admin=(), workers=3, server_id="server"),
            broker=BrokerSettings(url="redis+unix:///nowhere"),
            limits=Limits(**limits),
        )
        supervisor = Supervisor(self.reactor, config)
        supervisor.startService()
        return supervisor

    def stop(self, supervisor):
        stopped = supervisor.stopService()
        for process in self.reactor.spawned:
            process.end()
        self.reactor.pump([1] * 10)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_each_worker_gets_its_settings_and_the_sockets(self):
        """Its id, its share of what is meant for all, nothing of the operator's port; the same bound socket."""
        supervisor = self.supervisor(connections=100, rings_bytes=300_000, unsent_bytes=5000)
        starts = [process.heard[0] for process in self.reactor.spawned]
        self.assertEqual([start.server_id for start in starts], ["server.1", "server.2", "server.3"])
        for start in starts:
            limits = start.config.limits
            self.assertEqual((limits.connections, limits.rings_bytes, limits.unsent_bytes), (34, 100_000, 5000))
            self.assertEqual(start.config.server.admin, ())
        self.assertEqual([start.place for start in starts], [0, 1, 2])
        (shared,) = {childFDs[FIRST_SOCKET_FD] for _, _, childFDs in self.reactor.arguments}
        with socket.socket(fileno=socket.dup(shared)) as again:
            self.assertEqual(again.getsockname()[0], "127.0.0.1")
            self.assertEqual(again.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), 0, "nobody is let in yet")
        self.stop(supervisor)

    def test_it_is_ready_when_all_workers_are(self):
        """Reasons name the worker; its own connection to the broker counts, too."""
        supervisor = self.supervisor()
        first, second, third = self.reactor.spawned
        first.say(READY)
        second.say(Report(Readiness(False, ["broker: refused"]), {}))
        state, broker, *workers = supervisor.readiness().reasons
        self.assertEqual((state, broker[:8]), ("starting", "broker: "))
        self.assertEqual(workers, ["worker 2: broker: refused", "worker 3: starting"])
        second.say(READY)
        self.reactor.advance(0.5)
        self.assertNoResult(supervisor.started)
        third.say(READY)
        self.reactor.advance(0.5)
        self.successResultOf(supervisor.started)
        self.assertEqual(len(supervisor.readiness().reasons), 1, "the broker")
        self.stop(supervisor)

    def test_a_worker_that_does_not_send_directly_shows(self):
        """By its number, in health and in the statistics; nobody is less ready for it."""
        supervisor = self.supervisor()
        why = "what waits to be sent does not show"
        for process, reason in zip(self.reactor.spawned, ("", why, why), strict=True):
            process.say(
                Report(Readiness(True, [], {}, reason), {"front": {"connections": 0, "direct_send": reason or "yes"}})
            )
        state = supervisor.readiness()
        self.assertEqual(state.why_not_direct, f"worker 2: {why}; worker 3: {why}")
        self.assertEqual([reason for reason in state.reasons if reason.startswith("worker")], [])
        self.assertEqual(supervisor._total("front")["direct_send"], why)
        self.stop(supervisor)

    def test_a_worker_that_cannot_start_fails_the_start(self):
        """Once; after the start it is only told, and tried again."""
        supervisor = self.supervisor()
        for process in self.reactor.spawned:
            process.say(Failed("server.listen[0]: in use"))
        error = self.failureResultOf(supervisor.started, ConfigError).value
        self.assertEqual(str(error), "worker 1: server.listen[0]: in use")
        self.assertIn("start failed: worker 1", supervisor.readiness().reasons[0])
        self.stop(supervisor)

    def test_a_problem_of_a_later_process_is_told_only(self):
        """The others serve on."""
        supervisor = self.supervisor()
        for process in self.reactor.spawned:
            process.say(READY)
        self.reactor.advance(0.5)
        self.reactor.spawned[0].say(Failed("no file"))
        self.reactor.spawned[0].end(1)
        self.assertIn("worker 1: ended (exit status 1)", "; ".join(supervisor.readiness().reasons))
        self.reactor.advance(0.1)
        self.assertEqual(len(self.reactor.spawned), 4)
        self.stop(supervisor)

    def test_all_leave_together(self):
        """Told once, hurried when asked to; the socket is closed at once, the rest when the last has left."""
        supervisor = self.supervisor()
        shared = self.reactor.arguments[0][2][FIRST_SOCKET_FD]
        stopped = supervisor.stopService()
        self.assertRaises(OSError, socket.dup, shared)
        supervisor.hurry()
        for process in self.reactor.spawned:
            self.assertEqual(process.heard[1:], [*process.heard[1:-2], Drain(), Hurry()])
            self.assertNoResult(stopped)
            process.end()
        self.reactor.pump([1] * 10)
        self.successResultOf(stopped)
        self.assertEqual(supervisor.readiness().reasons[0], "draining")
        self.assertFalse(supervisor.started.called)

    def test_a_socket_that_cannot_be_bound_fails_the_start(self):
        """No process is started, and none of the others stays bound."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            busy = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            supervisor = self.supervisor(("tcp:0:interface=127.0.0.1", busy))
        error = self.failureResultOf(supervisor.started, ConfigError).value
        self.assertEqual(error.key, "server.listen[1]")
        self.assertEqual(self.reactor.spawned, [])
        self.stop(supervisor)
