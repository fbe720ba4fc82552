"""``pulsetw bench``: what is wrong with its arguments is said before anything connects."""

import resource

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.cli.main import main
from pulsetw.version import __version__

URL = "ws://127.0.0.1:8080/ws"


class UsageTests(SynchronousTestCase):
    def invoke(self, *arguments):
        return CliRunner().invoke(main, arguments, prog_name="pulsetw")

    def test_mistakes_name_the_option_and_what_was_expected(self):
        """Status 2, nothing on standard output."""
        for arguments, words in (
            ((), "Missing argument 'URL'"),
            (("http://a/ws",), "'URL': expected ws://HOST:PORT or wss://HOST:PORT, found http://a/ws"),
            (("ws:///ws",), "'URL': expected ws://HOST:PORT"),
            (("ws://a:0/ws",), "'URL': expected ws://HOST:PORT"),
            (("ws://a/ws#b",), "'URL': expected ws://HOST:PORT"),
            (("ws://me@a/ws",), "'URL': expected ws://HOST:PORT"),
            (("ws://a:99999/ws",), "'URL': expected ws://HOST:PORT"),
            (("ws://ä/ws",), "'URL': expected ws://HOST:PORT"),
            ((URL, "--publish-to", "relay:8081"), "'--publish-to': expected http://HOST:PORT or https://HOST:PORT"),
            ((URL, "--clients", "0"), "'--clients': 0 is not in the range x>=1"),
            ((URL, "--clients", "many"), "'--clients': 'many' is not a valid integer"),
            ((URL, "--connect-rate", "0"), "'--connect-rate': expected a number above 0, found 0"),
            ((URL, "--connect-rate", "nan"), "'--connect-rate': expected a number above 0, found nan"),
            ((URL, "--seconds", "inf"), "'--seconds': expected a number above 0, found inf"),
            ((URL, "--rate", "-1"), "'--rate': expected a number above 0, found -1"),
            ((URL, "--rate", "0"), "'--rate': expected a number above 0, found 0"),
            ((URL, "--window", "0"), "'--window': 0 is not in the range x>=1"),
            ((URL, "--rate", "1", "--window", "1"), "--rate and --window: expected one of them, found both"),
            ((URL, "--size", "-1"), "'--size': -1 is not in the range"),
            ((URL, "--channel", "a b"), "'--channel': channel 'a b' has no name for one: expected 1 to 200 of"),
            ((URL, "--channel", "a", "--channel", "a"), "'--channel': expected each name once, found a again"),
            ((URL, "--key", "a\nb"), "expected printable ASCII"),
            ((URL, "--nonsense"), "No such option"),
        ):
            result = self.invoke("bench", *arguments)
            self.assertEqual((result.exit_code, result.stdout), (2, ""), arguments)
            self.assertIn(words, " ".join(result.stderr.split()), arguments)

    def test_more_clients_than_descriptors_are_refused(self):
        """By the limit of this process, which it names."""
        self.patch(resource, "getrlimit", lambda _: (10, 1000))
        result = self.invoke("bench", URL, "--clients", "1000")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("'--clients': expected at most 968, found 1000", result.stderr)
        self.assertIn("ulimit -Hn", result.stderr)

    def test_the_help_has_every_option(self):
        """And the version is the package's."""
        result = self.invoke("bench", "--help")
        for option in (
            "clients",
            "channel",
            "connect-rate",
            "publish-to",
            "key",
            "rate",
            "window",
            "seconds",
            "size",
            "json",
        ):
            self.assertIn(f"--{option} ", result.stdout)
        self.assertEqual(self.invoke("--version").stdout, f"pulsetw {__version__}\n")
