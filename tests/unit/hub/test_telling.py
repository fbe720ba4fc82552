"""Telling many the same."""

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.commands import Stale
from pulsetw.hub.telling import tell_all
from pulsetw.interfaces import Wire
from tests.unit.hub.test_channel import CountingDialect


@define
class Told:
    """A connection, and its own transport."""

    wire: Wire
    got: list = field(factory=list)

    @property
    def transport(self):
        return self

    def send(self, data):
        self.got.append(data)


class TellAllTests(SynchronousTestCase):
    def setUp(self):
        self.dialects = [CountingDialect(), CountingDialect()]
        wires = [Wire(dialect, lambda text: text + b".") for dialect in self.dialects]
        self.clients = [Told(wires[number % 2]) for number in range(10)]

    def test_the_same_is_encoded_once_for_each_kind_of_connection(self):
        """However many they are."""
        self.assertEqual(tell_all(self.clients, lambda: Stale(7)), 10)
        self.assertEqual([dialect.told for dialect in self.dialects], [[Stale(7)], [Stale(7)]])
        self.assertEqual([client.got for client in self.clients], [[b"~0."]] * 10)

    def test_each_gets_its_own(self):
        """Where they differ, as the times to load a state again do."""
        numbers = iter(range(10))
        tell_all(self.clients, lambda: Stale(next(numbers) // 5))
        told = [
            self.dialects[number % 2].told[int(each.got[0][1:-1])].since for number, each in enumerate(self.clients)
        ]
        self.assertEqual(told, [0] * 5 + [1] * 5)
