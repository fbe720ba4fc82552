# ruff: noqa: N803, N815 -- the names of an interface of Twisted's
"""Processes that are none: what a supervisor says to them, and what they say."""

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from pulsetw.workers.messages import ANSWERS_FD, Channel


@implementer(IProcessTransport)
class FakeProcess:
    """One process; it ends when the test says so.

    Attributes:
        heard: the messages that it was sent.
        signals: the signals that it was sent.
    """

    def __init__(self, protocol, pid):
        self.pid = pid
        self.heard = []
        self.signals = []
        self._protocol = protocol
        self._orders = Channel(self.heard.append)
        self._orders.makeConnection(None)
        self._answers = Channel(None)
        self._answers.makeConnection(_Pipe(lambda data: protocol.childDataReceived(ANSWERS_FD, data)))
        self._is_gone = False
        protocol.makeConnection(self)

    def say(self, message):
        self._answers.send(message)

    def end(self, status=0, signal=None):
        self._is_gone = True
        reason = ProcessTerminated(status, signal) if status or signal else ProcessDone(0)
        self._protocol.processEnded(Failure(reason))

    def write(self, data):
        self._orders.dataReceived(data)

    def signalProcess(self, signalID):
        if self._is_gone:
            raise ProcessExitedAlready
        self.signals.append(signalID)

    def writeSequence(self, data):
        self.write(b"".join(data))

    def writeToChild(self, childFD, data):
        self.write(data)

    def loseConnection(self):
        raise NotImplementedError

    closeStdin = closeStdout = closeStderr = loseConnection

    def closeChildFD(self, descriptor):
        raise NotImplementedError


class _Pipe:
    def __init__(self, write):
        self.write = write
