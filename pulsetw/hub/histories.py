"""What clients ask of histories: from the ring, and from the broker's log where that goes further back."""

from collections.abc import Iterable

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from pulsetw.codec import text_of
from pulsetw.commands import History
from pulsetw.errors import BrokerError, ChannelError
from pulsetw.hub.channel import Channel
from pulsetw.hub.joining import Joining
from pulsetw.interfaces import Excerpt, IChannels
from pulsetw.model import Position, Publication

# Of one answer, in bytes of data: as much as a transport takes before its client is slow.
_ANSWER_BYTES = 65536

Found = tuple[tuple[Publication, ...], Position | None]
"""Publications, oldest first, and the place where the channel's log ends."""


class Histories:
    """Answers one command after the other."""

    def __init__(self, source: IChannels, joining: Joining) -> None:
        """Nothing was asked.

        Args:
            source: has the logs.
            joining: lets into channels.
        """
        self._source = source
        self._joining = joining

    def read(self, command: History) -> Deferred[Found]:
        """See `pulsetw.hub.connection.Members.history`: as much as fits in one answer, one event at least."""
        return self._joining.use(
            command.channel, command.since, command.limit, lambda channel: self._read(channel, command)
        )

    def _read(self, channel: Channel, command: History) -> Deferred[Found]:
        place = channel.before_ring(command.since)
        if place is None:
            return succeed(self._of_ring(channel, command))
        asked = self._source.read(channel.name, place, command.limit)
        return asked.addCallbacks(self._of_log, self._not_read, callbackArgs=(channel,), errbackArgs=(channel, command))

    def _of_log(self, excerpt: Excerpt, channel: Channel) -> Found:
        return _first_that_fit(excerpt.publications), channel.position

    def _of_ring(self, channel: Channel, command: History) -> Found:
        found = channel.history(command.since, command.limit)
        if command.since is None:
            return _first_that_fit(reversed(found))[::-1], channel.position
        return _first_that_fit(found), channel.position

    def _not_read(self, failure: Failure, channel: Channel, command: History) -> Found:
        failure.trap(BrokerError, ChannelError)
        return self._of_ring(channel, command)


def _first_that_fit(publications: Iterable[Publication]) -> tuple[Publication, ...]:
    fitting: list[Publication] = []
    left = _ANSWER_BYTES
    for publication in publications:
        left -= len(text_of(publication.event))
        if fitting and left < 0:
            break
        fitting.append(publication)
    return tuple(fitting)
