"""Events for single users."""

from msgspec import Raw
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.counts import Counts
from pulsetw.hub.slices import Slices
from pulsetw.hub.users import _MAX_WAITING, Users
from pulsetw.interfaces import Wire
from pulsetw.model import Event, Publication
from tests.unit.hub.test_channel import CountingDialect


class Connection:
    def __init__(self, client, user, wire):
        self.client, self.user, self.wire, self.got = client, user, wire, []

    def push(self, channel, data):
        self.got.append(data)
        return True


class UsersTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.counts = Counts()
        self.users = Users(Slices(self.clock), self.counts)
        self.dialect = CountingDialect()
        self.wire = Wire(self.dialect, lambda text: text, lambda text: b"small:" + text)

    def come(self, client, user):
        connection = Connection(client, user, self.wire)
        self.users.add(connection)
        return connection

    def give(self, user, id="1", exclude="", compress=False):
        event = Event("t", Raw(b"{}"), id=id)
        self.users.give(Publication("c", event, exclude=exclude), user, compress=compress)

    def test_all_connections_of_the_user_get_it(self):
        """Encoded once; nobody else gets it, nor the one that is excluded."""
        one, two, three = self.come("1", "ann"), self.come("2", "ann"), self.come("3", "ann")
        bob, nobody = self.come("4", "bob"), self.come("5", "")
        self.give("ann", exclude="2")
        self.clock.advance(0)
        self.assertEqual([each.got for each in (one, two, three, bob, nobody)], [[b"1"], [], [b"1"], [], []])
        self.assertEqual((self.dialect.encoded, self.counts.deliveries), (1, 2))

    def test_where_the_rule_says_so_it_is_compressed(self):
        """As for subscribers."""
        ann = self.come("1", "ann")
        self.give("ann", compress=True)
        self.users.flush()
        self.assertEqual(ann.got, [b"small:1"])

    def test_a_user_who_is_not_here_costs_nothing(self):
        """Nothing waits, whoever comes later."""
        self.give("ann")
        self.give("")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        ann = self.come("1", "ann")
        self.users.flush()
        self.assertEqual(ann.got, [])

    def test_what_waits_is_bounded(self):
        """More is not put off."""
        ann = self.come("1", "ann")
        for number in range(_MAX_WAITING + 5):
            self.give("ann", str(number))
        self.assertEqual(len(ann.got), _MAX_WAITING + 1)
        self.clock.advance(0)
        self.assertEqual(ann.got, [b"%d" % number for number in range(_MAX_WAITING + 5)])

    def test_who_is_gone_is_forgotten(self):
        """With the last connection the user is."""
        ann, also = self.come("1", "ann"), self.come("2", "ann")
        self.users.remove(ann)
        self.assertEqual((self.users.connections("ann"), self.users.everybody(), len(self.users)), ((also,), [also], 1))
        self.users.remove(also)
        self.users.remove(also)
        self.assertEqual((self.users.connections("ann"), len(self.users)), ((), 0))
