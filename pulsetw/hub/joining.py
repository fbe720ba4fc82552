"""What is done with a channel as soon as it is followed, and its ring has what is wanted of it."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import TimeoutError as WaitedTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from pulsetw.errors import CommandError, ErrorCode
from pulsetw.hub.channel import Channel
from pulsetw.hub.following import Following
from pulsetw.hub.reading import Reading
from pulsetw.hub.tops import Tops
from pulsetw.model import Position

_Result = TypeVar("_Result")

# A client gives up on a subscription after 5 s (Centrifugo's clients do); it should get an answer before.
_JOIN_LIMIT_S = 4.0
# The log is read twice for one who joins: it may have come when a read from a later place was on its way.
_READS = 2


class Joining:
    """Lets clients into channels."""

    def __init__(
        self,
        clock: IReactorTime,
        reading: Reading,
        tops: Tops,
        follow: Callable[[str], Following],
        release: Callable[[Following], None],
    ) -> None:
        """Nobody waits.

        Args:
            clock: for what waits.
            reading: takes back what rings have forgotten.
            tops: asks how far logs go.
            follow: gives a channel by its name, followed from now on.
            release: called when a channel is not needed here any more.
        """
        self._clock = clock
        self._reading = reading
        self._tops = tops
        self._follow = follow
        self._release = release

    def use(
        self,
        name: str,
        since: Position | None,
        newest: int,
        then: Callable[[Channel], _Result | Deferred[_Result]],
    ) -> Deferred[_Result]:
        """Waits until a channel can be used.

        Args:
            name: the channel's name.
            since: its ring is to have what comes after this place, if the broker still has it.
            newest: without a place that is known here, it is to have so many of the newest.
            then: what is done with it.

        Returns:
            Fires with what `then` gives, at once or later. Fails as `IChannels.follow` does, with `CommandError` when
            the broker does not answer in time.
        """

        def late(failure: Failure) -> Failure:
            if failure.check(WaitedTooLong):
                raise CommandError(ErrorCode.NOT_AVAILABLE, "the broker is away")
            return failure

        def done(outcome: _Result | Failure) -> _Result | Failure:
            following.holds -= 1
            self._release(following)
            return outcome

        following = self._follow(name)
        following.holds += 1
        if following.stands and self._reach(following.channel, since, newest) is None:
            # Most joins: without the Deferreds below, which take a sixth of a handshake.
            return succeed(None).addCallback(lambda _: then(following.channel)).addBoth(done)
        until = self._clock.seconds() + _JOIN_LIMIT_S
        standing = following.when_standing()
        standing.addTimeout(_JOIN_LIMIT_S, self._clock)
        whole = standing.addErrback(late).addCallback(
            lambda _: self._reach_back(following.channel, since, newest, until, _READS)
        )
        return whole.addCallback(lambda _: then(following.channel)).addBoth(done)

    def _reach_back(
        self, channel: Channel, since: Position | None, newest: int, until: float, reads: int
    ) -> Deferred[None]:
        """Fires when the ring has what is wanted, or as much as there is to be had before `until`."""
        left_s = until - self._clock.seconds()
        if reads == 0 or left_s <= 0:
            return succeed(None)
        reach = self._reach(channel, since, newest)
        if reach is None:
            return succeed(None)
        read = reach()
        read.addTimeout(left_s, self._clock)
        read.addErrback(lambda failure: failure.trap(WaitedTooLong) and None)
        return read.addCallback(lambda _: self._reach_back(channel, since, newest, until, reads - 1))

    def _reach(self, channel: Channel, since: Position | None, newest: int) -> Callable[[], Deferred[None]] | None:
        """What is to be asked of the broker first; None = nothing."""
        if since is not None and channel.is_beyond(since):
            return partial(self._tops.ask, channel, since)
        start = channel.lacks(since, newest) if since is not None or newest else None
        return None if start is None else partial(self._reading.read, channel, start)
