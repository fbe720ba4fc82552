"""Declaring a channel, and what the declaration says of its events."""

from attrs import frozen
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Audience, Channel
from pulsetw.catalogue.channel import event_type
from pulsetw.errors import ChannelError, EventError, UnknownEventType
from pulsetw.model import Event


@frozen
class PriceChanged:
    sku: str
    new_price: float
    old_price: float | None = None


@frozen
class ToldUser:
    user_name: str


class DeclarationTests(SynchronousTestCase):
    def test_a_class_names_its_type(self):
        """The event type is the class's name in snake_case."""
        self.assertEqual(event_type(PriceChanged), "price_changed")

    def test_mistakes_are_found_when_it_is_made(self):
        """Not when the first event comes."""
        self.assertRaises(ChannelError, Channel, "a b")
        self.assertRaises(ChannelError, Channel, "a b*")
        self.assertRaises(TypeError, Channel, "a", events=[dict])
        self.assertRaises(ValueError, Channel, "a", audience=Audience.USER)
        self.assertRaises(ValueError, Channel, "a", user_field="x")
        with self.assertRaisesRegex(ValueError, "ToldUser has no 'userId'"):
            Channel("a", events=[ToldUser], audience=Audience.USER, user_field="userId")


class EventTests(SynchronousTestCase):
    def setUp(self):
        self.channel = Channel("shop:prices", events=[PriceChanged])

    def test_an_event_is_checked_and_encoded(self):
        """An instance or a mapping of the wire, both end as the same JSON text."""
        for data in (PriceChanged("a", 1.5), {"sku": "a", "newPrice": 1.5}):
            prepared = self.channel.prepare(Event("price_changed", data, id="7"))
            self.assertEqual((bytes(prepared.data), prepared.id), (b'{"sku":"a","newPrice":1.5}', "7"))
        self.assertEqual(self.channel.typed(prepared).data, PriceChanged("a", 1.5))

    def test_a_bad_event_says_which_field_of_which_type(self):
        """And what was expected."""
        with self.assertRaisesRegex(EventError, r"^price_changed data.newPrice: Expected float, got str$"):
            self.channel.prepare(Event("price_changed", {"sku": "a", "newPrice": "1"}))

    def test_another_type_is_refused_with_those_that_there_are(self):
        """A typing mistake in the type is found by reading the error."""
        with self.assertRaisesRegex(
            UnknownEventType, "type: shop:prices has no event type 'price_change'; it has: price_changed"
        ):
            self.channel.prepare(Event("price_change", {}))
        with self.assertRaises(UnknownEventType):
            self.channel.check(Event("price_change", Raw(b"{}")))

    def test_a_channel_can_take_others(self):
        """With a class for all of them, or any object."""
        open_channel = Channel("x", events=[PriceChanged], others=dict)
        self.assertEqual(open_channel.typed(open_channel.prepare(Event("own", {"a": 1}))).data, {"a": 1})
        with self.assertRaises(EventError):
            open_channel.prepare(Event("own", [1]))
        classed = Channel("x", others=ToldUser)
        with self.assertRaisesRegex(EventError, "own data.userName: missing"):
            classed.prepare(Event("own", {}))

    def test_the_user_of_an_event(self):
        """Found in the data, by the member that the declaration names."""
        channel = Channel("told", others=ToldUser, audience=Audience.USER, user_field="userName")
        self.assertEqual(channel.user_of(channel.prepare(Event("hello", ToldUser("ann")))), "ann")
        self.assertEqual(self.channel.user_of(Event("price_changed", Raw(b"{}"))), "")

    def test_an_event_for_nobody_is_refused(self):
        """Where any object may come: when it is published, and when it is received."""
        channel = Channel("told", others=dict, audience=Audience.USER, user_field="userName")
        for check in (channel.prepare, channel.check):
            with self.assertRaisesRegex(EventError, "hello data.userName: missing"):
                check(Event("hello", Raw(b"{}")))
