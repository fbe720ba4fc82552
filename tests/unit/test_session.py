"""What one client may do, and in which order it is answered."""

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue, Rule
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.commands import (
    Connect,
    Connected,
    Failed,
    History,
    HistoryRead,
    Ping,
    Pong,
    Publish,
    Published,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from pulsetw.errors import CommandError, ErrorCode
from pulsetw.model import Event, Notice, Position
from pulsetw.session import CatchUp, Join, Leave, Read, Relay, Send, Session, SessionLimits, Standing

RULES = {
    "open:*": Rule(publish="everybody"),
    "kept:*": Rule(history_size=10),
    "members:*": Rule(subscribe="users", publish="users"),
}


def session(user="", channels=128):
    return Session("c1", user, Catalogue(builtin_channels(), RULES), SessionLimits(channels=channels, ping_s=25))


class SessionTests(SynchronousTestCase):
    def assert_failed(self, effects, code, id=7, channel=""):
        [effect] = effects
        failed = effect.message
        self.assertIsInstance(failed, Failed)
        self.assertEqual((failed.id, failed.error.code, failed.channel), (id, code, channel))

    def subscribe(self, state, channel, id=7):
        effects = state.command(Subscribe(id, channel))
        for effect in list(effects):
            if isinstance(effect, Join):
                effects = state.joined(effect, Standing())
        return effects

    def test_connect_tells_who_the_client_is(self):
        """Once, and first."""
        state = session("ann")
        self.assertEqual(state.command(Connect(1)), [Send(Connected(1, "c1", "ann", 25))])
        self.assert_failed(state.command(Connect(7)), ErrorCode.BAD_REQUEST)
        late = session()
        late.command(Ping(1))
        self.assert_failed(late.command(Connect(7)), ErrorCode.BAD_REQUEST)

    def test_ping(self):
        """A browser cannot see WebSocket pings."""
        self.assertEqual(session().command(Ping(3)), [Send(Pong(3))])

    def test_a_subscription_is_told_when_it_stands(self):
        """With the position where its events start."""
        state = session()
        command = Subscribe(2, "match:events")
        self.assertEqual(state.command(command), [Join(command)])
        self.assertEqual(
            state.joined(Join(command), Standing(Position(4, "e"))),
            [Send(Subscribed(2, "match:events", Position(4, "e")))],
        )
        self.assertEqual(state.channels, {"match:events"})

    def test_who_comes_back_is_told_what_it_missed_and_then_given_the_rest(self):
        """In this order, so that events come after the answer."""
        state = session()
        since, here = Position(4, "e"), Position(9, "e")
        gap = Notice("trimmed", since, here)
        command = Subscribe(2, "match:events", since)
        self.assertEqual(
            state.joined(Join(command), Standing(here, False, gap, 0)),
            [Send(Subscribed(2, "match:events", here, False, gap, 0)), CatchUp("match:events")],
        )
        late = Subscribe(3, "open:1", last=5)
        self.assertEqual(
            state.joined(Join(late), Standing(here)), [Send(Subscribed(3, "open:1", here)), CatchUp("open:1")]
        )

    def test_history_is_for_those_who_may_subscribe(self):
        """On channels that keep one."""
        state = session()
        self.assert_failed(state.command(History(7, "open:1")), ErrorCode.BAD_REQUEST, channel="open:1")
        self.assert_failed(state.command(History(7, "members:1")), ErrorCode.PERMISSION_DENIED, channel="members:1")
        command = History(7, "kept:1", limit=5)
        self.assertEqual(state.command(command), [Read(command)])
        here = Position(9, "e")
        self.assertEqual(state.read(command, (), here), [Send(HistoryRead(7, "kept:1", (), here))])
        error = CommandError(ErrorCode.NOT_AVAILABLE)
        self.assert_failed(state.read_failed(command, error), ErrorCode.NOT_AVAILABLE, channel="kept:1")

    def test_a_subscription_that_fails_is_none(self):
        """The client may try again."""
        state = session()
        command = Subscribe(7, "match:events")
        effects = state.join_failed(Join(command), CommandError(ErrorCode.NOT_AVAILABLE))
        self.assert_failed(effects, ErrorCode.NOT_AVAILABLE, channel="match:events")
        self.assertEqual(state.command(command), [Join(command)])

    def test_refusals_of_a_subscription(self):
        """Each with its code and its channel."""
        state = session()
        self.subscribe(state, "open:1")
        for channel, code in (
            ("open:1", ErrorCode.ALREADY_SUBSCRIBED),
            ("nowhere", ErrorCode.UNKNOWN_CHANNEL),
            ("a,b", ErrorCode.UNKNOWN_CHANNEL),
            ("open:*", ErrorCode.UNKNOWN_CHANNEL),
            ("pulsetw:{open:1}:log", ErrorCode.UNKNOWN_CHANNEL),
            ("members:1", ErrorCode.PERMISSION_DENIED),
            ("system:events", ErrorCode.PERMISSION_DENIED),
            ("player:notifications", ErrorCode.PERMISSION_DENIED),
        ):
            self.assert_failed(state.command(Subscribe(7, channel)), code, channel=channel)
        own = session("ann").command(Subscribe(7, "player:notifications"))
        self.assert_failed(own, ErrorCode.ALREADY_SUBSCRIBED, channel="player:notifications")

    def test_a_connection_has_so_many_channels_and_no_more(self):
        """0 is no bound; leaving one makes room."""
        state = session(channels=2)
        self.subscribe(state, "open:1")
        self.subscribe(state, "open:2")
        self.assert_failed(self.subscribe(state, "open:3"), ErrorCode.LIMIT_EXCEEDED, channel="open:3")
        state.command(Unsubscribe(1, "open:1"))
        self.assertEqual(self.subscribe(state, "open:3"), [Send(Subscribed(7, "open:3"))])
        free = session(channels=0)
        for number in range(300):
            self.subscribe(free, f"open:{number}")
        self.assertEqual(len(free.channels), 300)

    def test_unsubscribing_always_succeeds(self):
        """It leaves before it answers: nothing follows on the channel."""
        state = session()
        self.subscribe(state, "open:1")
        told = Send(Unsubscribed(5, "open:1"))
        self.assertEqual(state.command(Unsubscribe(5, "open:1")), [Leave("open:1"), told])
        self.assertEqual(state.command(Unsubscribe(5, "open:1")), [told])

    def test_publishing_is_off_unless_a_rule_allows_it(self):
        """For the channel, and for this client."""
        event = Event("t", Raw(b"{}"))
        for user, channel, code in (
            ("", "match:events", ErrorCode.PERMISSION_DENIED),
            ("", "members:1", ErrorCode.PERMISSION_DENIED),
            ("ann", "system:events", ErrorCode.PERMISSION_DENIED),
            ("", "nowhere", ErrorCode.UNKNOWN_CHANNEL),
        ):
            self.assert_failed(session(user).command(Publish(7, channel, event)), code, channel=channel)
        command = Publish(7, "members:1", event)
        state = session("ann")
        self.assertEqual(state.command(command), [Relay(command)])
        self.assertEqual(state.relayed(command, None), [Send(Published(7, "members:1"))])
        error = CommandError(ErrorCode.BAD_REQUEST)
        self.assert_failed(state.relay_failed(command, error), ErrorCode.BAD_REQUEST, channel="members:1")

    def test_channels_of_the_url_are_quiet(self):
        """A client that sends nothing gets bare events; of what is refused it is told, one by one."""
        state = session(channels=4)
        effects = state.begin(["open:1", "nowhere", "open:1", "open:2", "open:3", "open:4"])
        joins = [effect for effect in effects if isinstance(effect, Join)]
        self.assertEqual([join.command.channel for join in joins], ["open:1", "open:2"])
        self.assertEqual([state.joined(join, Standing()) for join in joins], [[], []])
        refused = [effect.message for effect in effects if isinstance(effect, Send)]
        self.assertEqual(
            [(failed.channel, failed.error.code) for failed in refused],
            [
                ("nowhere", ErrorCode.UNKNOWN_CHANNEL),
                ("open:1", ErrorCode.ALREADY_SUBSCRIBED),
                ("", ErrorCode.LIMIT_EXCEEDED),
            ],
        )
