"""Drives the consumers of this server: one for each channel with a history that somebody here wants by its name."""

from collections.abc import Callable
from typing import Protocol

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw.errors import BrokerAway, BrokerError, BrokerRefused
from pulsetw.model import Entry, Lineage, Notice, Page, Position
from pulsetw.policy.memory import Memory
from pulsetw.policy.recovery import Ask, Consumer, Cut, Deliver, Effect, Past, Placed, Tell

Sync = Callable[[str, Position | None, int], Deferred[Page]]

# Entries in one answer of the log: 100 KB with usual events; the broker bounds it in bytes.
_PAGE_ENTRIES = 200
# Channels whose log is being asked at the same time: enough to hide the round trip, few enough to leave Redis room.
_ASKED_AT_ONCE = 64
_ASK_AGAIN_S = 0.25
# A damaged log is asked less and less often: somebody has to mend it.
_DAMAGED_AGAIN_S = 8.0


class Recipient(Protocol):
    """Who gets what the consumers read."""

    def entry(self, channel: str, entry: Entry, *, again: bool) -> None:
        """The next entry of a channel's log; `again` where its id came before, at another place."""

    def past(self, channel: str, entries: tuple[Entry, ...]) -> None:
        """What the log held before anybody here listened."""

    def noticed(self, channel: str, notice: Notice) -> None:
        """Something may be missing, for everybody."""

    def cut(self, channel: str, notice: Notice) -> None:
        """What came after `notice.end` was on a dead branch."""

    def placed(self, channel: str, lineage: Lineage, top: int) -> None:
        """Where the log stands."""


@define(eq=False)
class _Channel:
    name: str
    consumer: Consumer
    lineage: Lineage | None = None
    is_subscribed: bool = False
    refusals: int = 0  # since the log could be read last; more than 0 = it is damaged
    waiting: list[Deferred[None]] = field(factory=list)


class Recovery:
    """Reads every channel's log from its end on, and after each loss of the broker from where it was.

    Attributes:
        damaged: names of the channels whose log cannot be read now, as somebody else has written to it.
        damages: how often that was found since the start.
    """

    _log = Logger()

    def __init__(
        self,
        sync: Sync,
        recipient: Recipient,
        clock: IReactorTime,
        is_up: Callable[[], bool],
        windows_bytes: int,
    ) -> None:
        """No channel yet.

        Args:
            sync: `IBroker.sync`.
            recipient: gets what is read.
            clock: for asking again.
            is_up: whether the broker is there.
            windows_bytes: what all channels remember of what they have read; the idlest forgets first.
        """
        self.damaged: set[str] = set()
        self.damages = 0
        self._sync = sync
        self._recipient = recipient
        self._clock = clock
        self._is_up = is_up
        self._windows: Memory[Consumer] = Memory(windows_bytes)
        self._channels: dict[str, _Channel] = {}
        self._gate = DeferredSemaphore(_ASKED_AT_ONCE)
        self._again: set[IDelayedCall] = set()
        self._behind: set[str] = set()  # names of those that are subscribed and not live
        self._on_caught_up: list[Deferred[None]] = []

    def place(self, channel: str) -> tuple[Lineage, int] | None:
        """Lineage and offset up to which the log of a channel has been given on; None = it is not read, or not yet."""
        found = self._channels.get(channel)
        if found is None or found.lineage is None or found.consumer.position is None:
            return None
        return found.lineage, found.consumer.position.offset

    def reads(self, channel: str) -> bool:
        """Whether the log of the channel is read here."""
        return channel in self._channels

    def add(self, channel: str, *, strict: bool) -> None:
        """Begins to read a channel; nothing is asked before it is `subscribed`. May be added again."""
        if channel not in self._channels:
            self._channels[channel] = _Channel(channel, Consumer(strict=strict))

    def subscribed(self, channel: str) -> Deferred[None]:
        """The broker's subscription stands.

        Returns:
            Fires when nothing is missed any more; waits as long as the broker is away. Fails with `BrokerAway` at
            `stop`. Fires, too, when the channel is removed before, and where its log is damaged.
        """
        found = self._channels.get(channel)
        if found is None or found.consumer.is_live or found.refusals:
            return succeed(None)
        live: Deferred[None] = Deferred()
        found.waiting.append(live)
        if not found.is_subscribed:
            found.is_subscribed = True
            self._behind.add(channel)
            if self._is_up():
                self._carry_out(found, found.consumer.subscribed())
        return live

    def remove(self, channel: str) -> None:
        """Reads a channel no more."""
        found = self._channels.pop(channel, None)
        if found is not None:
            found.consumer.lost()
            self._windows.remove(found.consumer)
            self.damaged.discard(channel)
            self._fire(found)
            self._behind.discard(channel)
            self._look_whether_caught_up()

    def appended(self, channel: str, entry: Entry) -> bool:
        """An entry that the broker brought; whether it belongs to a channel that is read here."""
        found = self._channels.get(channel)
        if found is None:
            return False
        consumer = found.consumer
        if consumer.follows(entry):
            # As below, without a list of effects: mostly there is this one.
            again = consumer.delivered(entry)
            self._windows.used(consumer)
            self._recipient.entry(channel, entry, again=again)
        else:
            self._carry_out(found, consumer.pushed(entry))
        return True

    def lost(self) -> None:
        """The broker is away."""
        for found in self._channels.values():
            found.consumer.lost()
            if found.is_subscribed:
                self._behind.add(found.name)

    def ready(self) -> Deferred[None]:
        """The broker is there again; every subscription that stood stands again.

        Returns:
            Fires when all channels have caught up, however often the broker is lost until then. One whose log the
            broker refuses to give, a damaged one, is not waited for.
        """
        for name in tuple(self._behind):
            found = self._channels.get(name)
            if found is not None:
                self._carry_out(found, found.consumer.subscribed())
        caught_up: Deferred[None] = Deferred()
        self._on_caught_up.append(caught_up)
        self._look_whether_caught_up()
        return caught_up

    def refresh(self) -> None:
        """Keeps the broker from forgetting the epochs of idle channels.

        To be called every 20 minutes, while the broker is there.
        """
        for found in tuple(self._channels.values()):
            if found.consumer.is_live:
                asked = self._gate.run(self._sync, found.name, found.consumer.position, 1)
                # One that fails says so by a lost link, or is asked again the next time: an epoch is kept for an hour.
                asked.addErrback(lambda failure: failure.trap(BrokerError))

    def stop(self) -> None:
        """Reads nothing any more."""
        for call in self._again:
            call.cancel()
        self._again.clear()
        self._behind.clear()
        self._on_caught_up.clear()
        channels, self._channels = self._channels, {}
        for found in channels.values():
            found.consumer.lost()
            waiting, found.waiting = found.waiting, []
            for live in waiting:
                live.errback(BrokerAway("shut down before the channel's log was read"))

    def _carry_out(self, found: _Channel, effects: list[Effect]) -> None:
        self._windows.used(found.consumer)
        if found.is_subscribed and not found.consumer.is_live:
            self._behind.add(found.name)
        for effect in effects:
            # Whoever is told may remove the channel.
            if self._channels.get(found.name) is not found:
                return
            match effect:
                case Deliver(entry, again):
                    self._recipient.entry(found.name, entry, again=again)
                case Past(entries):
                    self._recipient.past(found.name, entries)
                case Tell(notice):
                    self._log.warn(
                        "{channel}: publications may be missing ({reason}) from {start} to {end}",
                        channel=found.name,
                        reason=notice.reason,
                        start=notice.start,
                        end=notice.end,
                    )
                    self._recipient.noticed(found.name, notice)
                case Cut(notice):
                    self._recipient.cut(found.name, notice)
                case Placed(lineage, top):
                    found.lineage = lineage
                    self._recipient.placed(found.name, lineage, top)
                case Ask():
                    self._ask(found, effect)
        if found.consumer.is_live and found.name in self._behind:
            self._behind.discard(found.name)
            self._fire(found)
            self._look_whether_caught_up()

    def _ask(self, found: _Channel, ask: Ask) -> None:
        asked = self._gate.run(self._sync, found.name, ask.position, _PAGE_ENTRIES)
        asked.addCallbacks(
            self._answered, self._failed, callbackArgs=(found, ask.number), errbackArgs=(found, ask.number)
        )
        asked.addErrback(
            lambda failure: self._log.failure("Reading the log of {channel} failed", failure, channel=found.name)
        )

    def _answered(self, page: Page, found: _Channel, number: int) -> None:
        if found.refusals:
            self._is_mended(found)
        if self._channels.get(found.name) is found:
            self._carry_out(found, found.consumer.answered(number, page))

    def _failed(self, failure: Failure, found: _Channel, number: int) -> None:
        """The link may be fine: it is asked again a little later. If it is not, this question does not count then."""
        failure.trap(BrokerError)
        if self._channels.get(found.name) is not found:
            return
        error = failure.value
        wait_s = _ASK_AGAIN_S
        if isinstance(error, BrokerRefused) and not error.temporary:
            wait_s = min(_DAMAGED_AGAIN_S, _ASK_AGAIN_S * 2**found.refusals)
            self._is_damaged(found, error)

        def again() -> None:
            self._again.discard(call)
            if self._is_up() and self._channels.get(found.name) is found:
                self._carry_out(found, found.consumer.failed(number))

        call = self._clock.callLater(wait_s, again)
        self._again.add(call)

    def _is_damaged(self, found: _Channel, error: BrokerRefused) -> None:
        """It is asked on, and nobody else waits for it; those on the channel are told, once."""
        found.refusals += 1
        self._behind.discard(found.name)
        if found.refusals == 1:
            self.damages += 1
            self.damaged.add(found.name)
            self._log.error("The log of {channel} cannot be read: {error}", channel=found.name, error=str(error))
            self._recipient.noticed(found.name, Notice("dropped", found.consumer.position))
            # Whoever waits has been told: a relay starts, and clients get what comes live.
            self._fire(found)
        self._look_whether_caught_up()

    def _is_mended(self, found: _Channel) -> None:
        """What comes next is told to come after the place where reading had ended."""
        found.refusals = 0
        self.damaged.discard(found.name)
        self._log.warn("The log of {channel} can be read again", channel=found.name)
        here = found.consumer.position
        if here is not None and self._channels.get(found.name) is found:
            self._recipient.noticed(found.name, Notice("dropped", here, here))

    def _fire(self, found: _Channel) -> None:
        waiting, found.waiting = found.waiting, []
        for live in waiting:
            live.callback(None)

    def _look_whether_caught_up(self) -> None:
        if self._is_up() and not self._behind:
            waiting, self._on_caught_up = self._on_caught_up, []
            for caught_up in waiting:
                caught_up.callback(None)
