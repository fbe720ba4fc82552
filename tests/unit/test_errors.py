"""Codes and texts."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.errors import (
    DISCONNECT_TEXTS,
    ERROR_TEXTS,
    CommandError,
    ConfigError,
    Disconnect,
    DisconnectCode,
    ErrorCode,
    EventError,
    PublishError,
    TooManyWaiting,
)


class TableTests(SynchronousTestCase):
    def test_every_code_has_a_text(self):
        """A client never gets a number alone."""
        self.assertEqual(set(ERROR_TEXTS), set(ErrorCode))
        self.assertEqual(set(DISCONNECT_TEXTS), set(DisconnectCode))

    def test_ranges_carry_the_meaning(self):
        """Errors are 100-199; below 3500 a client may come back, from there it stays away."""
        self.assertTrue(all(100 <= code <= 199 for code in ErrorCode))
        self.assertTrue(all(3000 <= code <= 3999 for code in DisconnectCode))
        self.assertTrue(Disconnect(DisconnectCode.DRAINING).reconnect)
        self.assertFalse(Disconnect(DisconnectCode.BAD_REQUEST).reconnect)

    def test_a_close_reason_fits_its_frame(self):
        """RFC 6455 5.5: 123 bytes of UTF-8, checked when it is made."""
        Disconnect(DisconnectCode.KICKED, "é" * 61)
        with self.assertRaisesRegex(ValueError, "123 bytes"):
            Disconnect(DisconnectCode.KICKED, "é" * 62)


class WordingTests(SynchronousTestCase):
    def test_errors_name_what_was_wrong(self):
        """The subject comes first, then what was found."""
        cases = [
            (ConfigError("limits.ping_s", "expected a number"), "limits.ping_s: expected a number"),
            (EventError("match_created", "data.matchId", "missing"), "match_created data.matchId: missing"),
            (EventError("", "", "JSON is malformed"), "JSON is malformed"),
            (CommandError(ErrorCode.PERMISSION_DENIED), "103 permission denied"),
            (Disconnect(DisconnectCode.DRAINING), "3001 draining"),
            (
                PublishError("a:b", "7", "unknown", "no answer", 4),
                "event 7 to a:b: unknown after 4 tries: no answer",
            ),
            (TooManyWaiting("a:b", "7", 9), "event 7 to a:b: not sent: 9 publishes wait already"),
        ]
        self.assertEqual([str(error) for error, _ in cases], [text for _, text in cases])

    def test_only_what_passes_is_temporary(self):
        """A client tries again what may succeed, and nothing else."""
        self.assertTrue(CommandError(ErrorCode.NOT_AVAILABLE).temporary)
        self.assertFalse(CommandError(ErrorCode.PERMISSION_DENIED).temporary)
