"""`pulsetw.transport.frame`."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.transport.frame import text_frame


class TextFrameTests(SynchronousTestCase):
    def test_headers(self) -> None:
        """RFC 6455 5.2: the shortest length that fits, not masked, final."""
        for length, header in {
            0: "8100",
            1: "8101",
            125: "817d",
            126: "817e007e",
            65535: "817effff",
            65536: "817f0000000000010000",
        }.items():
            payload = b"x" * length
            self.assertEqual(text_frame(payload), bytes.fromhex(header) + payload)
