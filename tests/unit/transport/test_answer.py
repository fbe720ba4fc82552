"""`pulsetw.transport.answer`."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.transport.answer import answer


class AnswerTests(SynchronousTestCase):
    def test_answer(self) -> None:
        """A whole answer: a client need not wait for the end of the connection to read it."""
        self.assertEqual(
            answer(503, "später", ("Retry-After", "10")),
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 8\r\n"
            b"Connection: close\r\nRetry-After: 10\r\n\r\n" + "später\n".encode(),
        )
