"""Asks the broker how far logs go, for those who say that they have read further than this server has."""

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.errors import BrokerError, ChannelError
from pulsetw.hub.channel import Channel
from pulsetw.interfaces import Excerpt, IChannels
from pulsetw.model import Position


class Tops:
    """At most one question for each channel at a time; whoever comes meanwhile waits for its answer."""

    _log = Logger()

    def __init__(self, source: IChannels) -> None:
        """Nothing is asked; `source` has the logs."""
        self._source = source
        self._waiting: dict[Channel, list[Deferred[None]]] = {}

    def ask(self, channel: Channel, since: Position) -> Deferred[None]:
        """Whether the log goes as far as `since`; the channel is told.

        Returns:
            Fires when there is an answer, to this question or to another one, or none is to be had. Can be cancelled
            alone. Never fails.
        """
        is_asked = channel in self._waiting
        waiting = self._waiting.setdefault(channel, [])
        answered: Deferred[None] = Deferred(waiting.remove)
        waiting.append(answered)
        if not is_asked:
            asked = self._source.read(channel.name, since, 1).addCallback(self._answered, channel)
            asked.addErrback(self._failed).addCallback(self._end, channel)
        return answered

    def _answered(self, excerpt: Excerpt, channel: Channel) -> None:
        if channel.place[0] == excerpt.lineage:
            channel.reaches(excerpt.end)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(BrokerError, ChannelError):
            self._log.failure("Asking how far a log goes failed", failure)

    def _end(self, _: None, channel: Channel) -> None:
        waiting = self._waiting.pop(channel)
        while waiting:
            waiting.pop(0).callback(None)
