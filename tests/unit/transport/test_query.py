"""`pulsetw.transport.query`."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.arrival import Arrival
from pulsetw.transport.query import read_arrival


class ReadArrivalTests(SynchronousTestCase):
    def read(self, query: str) -> tuple[str | None, tuple[str, ...]]:
        arrival = read_arrival(query, "192.0.2.1:7")
        self.assertEqual(arrival.peer, "192.0.2.1:7")
        return arrival.user, arrival.channels

    def test_nothing(self) -> None:
        """Who says nothing has no user and no channels."""
        for query in ("", "&&", "user=", "user", "channels=", "channels=,,", "token=x&User=a"):
            self.assertEqual(self.read(query), (None, ()), query)

    def test_user_and_channels(self) -> None:
        """Names keep their order, empty ones are dropped, nothing is checked."""
        self.assertEqual(self.read("channels=b,,a:x,b&user=player-1"), ("player-1", ("b", "a:x", "b")))

    def test_channels_may_be_repeated(self) -> None:
        """They follow each other."""
        self.assertEqual(self.read("channels=a,b&user=u&channels=c"), ("u", ("a", "b", "c")))

    def test_escapes(self) -> None:
        """As in forms, UTF-8."""
        self.assertEqual(self.read("user=J%C3%BCrgen+K&channels=a%3Ab%2Cc"), ("Jürgen K", ("a:b", "c")))

    def test_refused(self) -> None:
        """What has no single meaning is named, and not repeated."""
        for query, problem in {
            "user=secret&user=secret": "more than once",
            "user=&user=secret": "more than once",
            "user=secret%": "broken escape",
            "user=%4": "broken escape",
            "channels=%zz": "broken escape",
            "user=%ff": "not UTF-8",
            "channels=%ed%a0%80": "not UTF-8",
        }.items():
            text = str(self.assertRaises(ValueError, self.read, query))
            self.assertIn(problem, text)
            self.assertNotIn("secret", text)

    @given(st.text())
    def test_only_value_errors(self, query: str) -> None:
        """Whatever stands in a URL."""
        with contextlib.suppress(ValueError):
            self.assertIsInstance(read_arrival(query, ""), Arrival)
