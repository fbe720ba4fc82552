"""The command line."""

import re
from pathlib import Path

from twisted.application.service import IService
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.service import Relay
from pulsetw.tap import Options, makeService
from pulsetw.workers.supervisor import Supervisor


class OptionsTests(SynchronousTestCase):
    def parse(self, *arguments):
        options = Options()
        options.parseOptions(list(arguments))
        return options

    def test_flags_win(self):
        """Over the environment and the file; endpoints can be given again and again."""
        path = self.mktemp()
        Path(path).write_text('[server]\nlisten = ["tcp:1"]\ndrain_s = 3\n[broker]\nurl = "redis://file"\n')
        config = self.parse(
            "--config", path, "--listen", "tcp:2", "--listen", "unix:/x", "--admin", "tcp:3", "--broker", "memory://"
        ).config
        self.assertEqual((config.server.listen, config.server.admin), (("tcp:2", "unix:/x"), ("tcp:3",)))
        self.assertEqual((config.broker.url, config.server.drain_s), ("memory://", 3))

    def test_mistakes_name_their_key(self):
        """Before anything starts."""
        for arguments, words in (
            (("--broker", "foo://"), "broker.url: .*found foo"),
            (("--listen", "nonsense"), "server.listen.*"),
            (("--config", "/no/such/file"), "/no/such/file: cannot be read"),
            (("--workers", "two"), r"server.workers: Expected int, got str .from the command line"),
            (("--workers", "257"), "server.workers: expected a number from 1 to 256, found 257"),
            (("--workers", "2"), "server.workers: 2 processes would not hear each other on memory://"),
        ):
            with self.assertRaisesRegex(SystemExit, "pulsetw: " + words):
                self.parse(*arguments)

    def test_the_help_says_how_the_reference_writes_variables(self):
        """One word for one thing."""
        reference = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
        written = re.compile(r"PULSETW_<\w+>_<\w+>")
        in_help = set(written.findall(str(Options())))
        self.assertEqual(in_help, set(written.findall(reference.read_text(encoding="utf-8"))))
        self.assertEqual(len(in_help), 1)

    def test_the_service_is_a_relay(self):
        """twistd starts and stops it."""
        service = makeService(self.parse("--broker", "memory://"))
        self.assertTrue(IService.providedBy(service))
        self.assertIsInstance(service, Relay)

    def test_more_than_one_worker_is_a_supervisor(self):
        """twistd starts and stops that one in the relay's place."""
        service = makeService(self.parse("--broker", "redis://127.0.0.1", "--workers", "2"))
        self.assertIsInstance(service, Supervisor)

    def test_a_url_that_is_none_ends_it_in_one_line(self):
        """No traceback for a mistake in a setting."""
        with self.assertRaisesRegex(SystemExit, "pulsetw: broker.url: expected redis://"):
            makeService(self.parse("--broker", "redis://[x"))
