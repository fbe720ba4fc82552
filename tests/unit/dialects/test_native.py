"""``pulse.v1``, held against the vectors that authors of clients can use too."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw import commands
from pulsetw.commands import Published
from pulsetw.dialects.native import NativeDialect
from pulsetw.errors import CommandError, Disconnect, DisconnectCode, ErrorCode
from pulsetw.model import Degraded, Event, Notice, Position, Publication

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "native.json").read_text())


def position(members):
    """A place with its branch in the epoch, as clients see it."""
    return Position.from_wire(members["offset"], members["epoch"])


def notice(members):
    """Why, from where and to where."""
    start, end = members.get("from"), members.get("to")
    return Notice(members["reason"], start and position(start), end and position(end))


def publication(members):
    """Of channel a:b."""
    return Publication("a:b", Event("t", Raw(b"{}"), 5, "s", "i"), position(members))


KEYS = ["op", "id", "channel", "data", "type", "since", "offset", "epoch", "last", "limit"]

BUILD = {
    "error": lambda code: CommandError(ErrorCode(code)),
    "disconnect": lambda code: Disconnect(DisconnectCode(code)),
    "position": position,
    "since": lambda since: since if isinstance(since, int) else position(since),
    "gap": notice,
    "notice": notice,
    "publications": lambda places: tuple(map(publication, places)),
}


def build(members):
    """The members of a command or message as Python has them."""
    return {key: BUILD[key](value) if key in BUILD and value is not None else value for key, value in members.items()}


class VectorTests(SynchronousTestCase):
    def setUp(self):
        self.dialect = NativeDialect()

    def test_commands(self):
        """Each command's text is understood; members that it does not have are ignored."""
        for vector in VECTORS["commands"]:
            expected = getattr(commands, vector["command"])(**build(vector["members"]))
            self.assertEqual(self.dialect.decode(vector["text"].encode()), expected, vector["text"])

    def test_malformed(self):
        """The error says what was expected, and answers to whatever of the command could be read."""
        for vector in VECTORS["malformed"]:
            with self.assertRaises(commands.MalformedCommand) as caught:
                self.dialect.decode(vector["text"].encode())
            error = caught.exception
            self.assertEqual(
                (error.code, error.id, error.channel), (ErrorCode.BAD_REQUEST, vector["id"], vector["channel"]), vector
            )
            self.assertIn(vector["words"], error.message)

    def test_messages(self):
        """Everything that a relay can say, to the byte."""
        for vector in VECTORS["messages"]:
            message = getattr(commands, vector["message"])(**build(vector["members"]))
            self.assertEqual(self.dialect.encode(message).decode(), vector["text"])
        told = {vector["message"] for vector in VECTORS["messages"]}
        self.assertEqual(told, {kind.__name__ for kind in commands.Message.__args__})


class PublicationTests(SynchronousTestCase):
    def test_an_event_goes_out_as_its_envelope_and_the_channel(self):
        """With tags and position only where there are any; never with `exclude`."""
        event = Event("t", Raw(b'{"a":1}'), 5, "s", "i")
        plain = json.loads(NativeDialect().encode_publication(Publication("a:b", event, exclude="c")))
        envelope = {"type": "t", "channel": "a:b", "timestamp": 5, "serverId": "s", "id": "i", "data": {"a": 1}}
        self.assertEqual(plain, envelope)
        tagged = Publication("a:b", Event("t", Raw(b'{"a":1}'), 5, "s", "i", {"k": "v"}), Position(3, "e"))
        self.assertEqual(
            json.loads(NativeDialect().encode_publication(tagged)),
            {**envelope, "tags": {"k": "v"}, "offset": 3, "epoch": "e"},
        )

    def test_an_event_that_comes_before_its_place_says_so(self):
        """The broker is away; it may come again."""
        publication = Publication("a:b", Event("t", Raw(b"{}"), 5, "s", "i"), degraded=True)
        self.assertIs(json.loads(NativeDialect().encode_publication(publication))["degraded"], True)

    def test_a_publish_that_waits_for_the_broker_says_so(self):
        """It is in this relay's memory only."""
        text = NativeDialect().encode(Published(4, "a:b", Degraded()))
        self.assertEqual(text, b'{"op":"published","id":4,"channel":"a:b","degraded":true}')

    def test_published_data_passes_as_text(self):
        """It is checked where the channel is known."""
        command = NativeDialect().decode(
            b'{"op":"publish","id":1,"channel":"a","type":"t","data":{"x": 1},"tags":{"k":"v"}}'
        )
        self.assertEqual((command.channel, command.event.type, command.event.tags), ("a", "t", {"k": "v"}))
        self.assertEqual(bytes(command.event.data), b'{"x": 1}')


class HostileTests(SynchronousTestCase):
    @given(
        st.one_of(
            st.binary(max_size=100),
            st.recursive(
                st.none() | st.integers() | st.text(max_size=9),
                lambda s: st.lists(s) | st.dictionaries(st.sampled_from(KEYS), s),
            ).map(lambda v: json.dumps(v).encode()),
        )
    )
    def test_any_text_is_a_command_or_malformed(self, text):
        """Nothing else is ever raised, and the error can be told."""
        dialect = NativeDialect()
        try:
            dialect.decode(text)
        except commands.MalformedCommand as error:
            json.loads(dialect.encode(commands.Failed(error.id, error, error.channel)))

    def test_deep_json_is_malformed(self):
        """Not a crash."""
        with self.assertRaises(commands.MalformedCommand):
            NativeDialect().decode(b'{"op":' + b"[" * 100_000)
