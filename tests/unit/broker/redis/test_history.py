"""Reading what Redis says of logs: right, or refused in words."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.history import Unreadable, live_name, plain_name, read_page, read_position, read_push
from pulsetw.model import Branch, Entry, Lineage, Page, Position

AT = Position(7, "e0", "b0")

answers = st.recursive(
    st.one_of(st.none(), st.integers(), st.binary(max_size=20), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=5),
)


class HistoryTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Each of a channel's two names leads to the plain one; patterns are no exception."""
        for wire in ("a", "t1:match:*", "*"):
            assert live_name(wire) == f"pulsetw:{{{wire}}}:live"
            assert plain_name(live_name(wire)) == plain_name(wire) == wire

    def test_positions(self) -> None:
        """Three words; anything else is another question's answer."""
        assert read_position(b"e0 b0 7") == AT
        for answer in (
            b"",
            b"e0 b0",
            b"e0 b0 7 8",
            b"e0 b0 x",
            b"e0 b0 -1",
            b"e0 b0 %d" % 2**53,
            b"\xff b0 7",
            1,
            None,
            [b"e0 b0 7"],
        ):
            self.assertRaises(Unreadable, read_position, answer)

    def test_pushes(self) -> None:
        """The id has a length of its own, and may hold what it likes."""
        assert read_push(b"e0 b0 7 4 i 1 {} x") == Entry(AT, "i 1 ", b"{} x")
        assert read_push(b"e0 b0 7 0 ") == Entry(AT, "", b"")

    def test_pages(self) -> None:
        """Entries stand on the current branch, whichever wrote them."""
        lineage = Lineage("e0", (Branch("b0", 0), Branch("b1", 6)))
        rows = [[b"7-0", [b"i", b"id", b"p", b"{}"]]]
        assert read_page([b"e0", b"b0:0 b1:6", b"7", b"6", rows]) == Page(
            lineage, 7, 6, (Entry(lineage.at(7), "id", b"{}"),)
        )
        assert read_page([b"e0", b"b0:0 b1:6", b"0", b"-1", []]) == Page(lineage, 0, None, ())

    @given(answers)
    def test_any_answer_is_read_or_refused(self, answer: object) -> None:
        """Nothing else is raised, whatever comes."""
        for read in (read_page, read_position):
            with contextlib.suppress(Unreadable):
                read(answer)

    @given(st.lists(st.binary(max_size=6), max_size=7).map(b" ".join))
    def test_any_push_is_read_or_refused(self, message: bytes) -> None:
        """Nothing else is raised, whatever a stranger sends."""
        with contextlib.suppress(Unreadable):
            read_push(message)
