"""A client of a relay, without I/O: what happens goes in, what is to be done comes out.

1.  Each connection begins with ``connect`` and one ``subscribe`` for each channel, from where it stands.
2.  A channel's events are given from the answer to *that* subscribe on: what an older subscription still sends is not.
3.  An event at or before the position, on its epoch, is dropped; so is one whose id was given before, within a window.
    The second moves the position.
4.  What may be missing is given as a gap: what the relay tells, a new connection to a channel without positions, and
    an event that cannot be read here.
5.  After a silence as long as the relay said it asks, with ``ping``; after some more it gives the connection up.
6.  Each wait is random, from 0 to a longest one that doubles (full jitter), and at least what the relay said. Who has
    been told to stay away does.

Vectors for this and for ``client.js``: ``tests/vectors/client.json``. Times are milliseconds of any one clock.
"""

import math
from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen

from pulsetw.client.effects import Close, Effect, Ended, Give, Open, Send, State, Tell
from pulsetw.client.following import Following, Members, text, whole
from pulsetw.errors import ErrorCode
from pulsetw.model import Position
from pulsetw.policy.backoff import Backoff

_CONNECT_ID = 1
_MAX_WAIT_MS = 3_600_000


@frozen
class ClientOptions:
    """What a client may cost and how patient it is.

    Attributes:
        first_wait_s: the longest first wait before another try, in seconds; it doubles.
        max_wait_s: the longest wait, in seconds, where the relay does not ask for a longer one.
        connect_s: from the try to connect to the end of the handshake, in seconds.
        pong_s: after our ``ping``, in seconds.
        window_ids: ids of given events that are remembered for each channel.
        max_channels: subscriptions at a time.
        max_message_bytes: of a message from the relay; a longer one is not kept, and a gap (``dropped``) stands for it.
    """

    first_wait_s: float = 0.5
    max_wait_s: float = 20.0
    connect_s: float = 20.0
    pong_s: float = 10.0
    window_ids: int = 1000
    max_channels: int = 1000
    max_message_bytes: int = 1_048_576


@define(eq=False)
class ClientState:
    """All of a client but its socket and its clock.

    Attributes:
        options: see there.
        dice: gives a random number from 0 to 1.
        token: says who the client is; "" = nobody.
        channels: what it is subscribed to, by name.
    """

    options: ClientOptions
    dice: Callable[[], float]
    token: str = ""
    channels: dict[str, Following] = field(factory=dict, init=False)
    _phase: str = field(default="closed", init=False)
    _next_id: int = field(default=_CONNECT_ID + 1, init=False)
    _failures: int = field(default=0, init=False)
    _greeted_ms: float | None = field(default=None, init=False)
    _ping_ms: float = field(default=25_000, init=False)
    _heard_ms: float = field(default=0, init=False)
    _pinged_ms: float | None = field(default=None, init=False)
    _wait_until_ms: float = field(default=0, init=False)

    @property
    def due_ms(self) -> float | None:
        """When `tick` should be called; None = no time matters."""
        if self._phase in ("waiting", "opening"):
            return self._wait_until_ms
        if self._phase != "open":
            return None
        retries = [each.retry_ms for each in self.channels.values() if each.retry_ms is not None]
        return min([*retries, *self._silence_ends()], default=None)

    def start(self, now_ms: float) -> list[Effect]:
        """Connects, unless it does already."""
        return self._open(now_ms) if self._phase in ("closed", "away") else []

    def stop(self, now_ms: float) -> list[Effect]:  # noqa: ARG002 -- as all the others
        """Ends it; subscriptions stay for another start."""
        if self._phase == "closed":
            return []
        effects = self._close()
        self._phase = "closed"
        return [*effects, State("closed")]

    def subscribe(self, now_ms: float, channel: str, since: Position | None = None, last: int = 0) -> list[Effect]:  # noqa: ARG002
        """Wants a channel's events.

        Raises:
            ValueError: it is subscribed to already, or there are too many.
        """
        if channel in self.channels:
            raise ValueError(f"already subscribed to {channel}")
        if len(self.channels) >= self.options.max_channels:
            raise ValueError(f"expected at most {self.options.max_channels} channels")
        self.channels[channel] = Following(channel, since, last, self.options.window_ids)
        return [self._ask(self.channels[channel])] if self._phase == "open" else []

    def unsubscribe(self, now_ms: float, channel: str) -> list[Effect]:  # noqa: ARG002
        """Wants no more of it, at once."""
        following = self.channels.pop(channel, None)
        if following is None or self._phase != "open" or not (following.is_live or following.asked):
            return []
        return [Send({"op": "unsubscribe", "id": self._new_id(), "channel": channel})]

    def opened(self, now_ms: float) -> list[Effect]:
        """The connection stands, its handshake is done."""
        if self._phase != "opening":
            return []
        self._phase = "open"
        self.heard(now_ms)
        token = {"token": self.token} if self.token else {}
        connect = Send({"op": "connect", "id": _CONNECT_ID, **token})
        return [connect, *(self._ask(each) for each in self.channels.values())]

    def lost(self, now_ms: float, code: int = 0, reason: str = "") -> list[Effect]:
        """The connection is gone, or did not come to be; with the code of its close frame."""
        if self._phase not in ("opening", "open"):
            return []
        return self._wait(now_ms, code, reason, reconnect=not 3500 <= code < 4000)

    def heard(self, now_ms: float) -> None:
        """A sign of life that is no message."""
        self._heard_ms, self._pinged_ms = now_ms, None

    def message(self, now_ms: float, message: object) -> list[Effect]:
        """A message, as its JSON reads; None = it was none."""
        if self._phase != "open":
            return []
        if not isinstance(message, dict):
            return self._give_up(now_ms, "not a JSON object")
        self.heard(now_ms)
        op = message.get("op")
        if op is None:
            return self._event(message)
        handle = _HANDLERS.get(op) if isinstance(op, str) else None
        return handle(self, now_ms, message) if handle else []

    def unread(self, now_ms: float, outline: Members) -> list[Effect]:
        """A message whose event cannot be given, without the event's data; no members = it may be of any channel."""
        if self._phase != "open":
            return []
        self.heard(now_ms)
        named = [self._live(outline)] if outline else [each for each in self.channels.values() if each.is_live]
        gaps = [each.unread(outline) for each in named if each is not None]
        return [Tell(gap) for gap in gaps if gap is not None]

    def tick(self, now_ms: float) -> list[Effect]:
        """Time has passed."""
        if self._phase == "waiting" and now_ms >= self._wait_until_ms:
            return self._open(now_ms)
        if self._phase == "opening" and now_ms >= self._wait_until_ms:
            return self._give_up(now_ms, "no connection")
        if self._phase != "open":
            return []
        effects: list[Effect] = []
        if any(now_ms >= end for end in self._silence_ends()):
            if self._pinged_ms is not None:
                return self._give_up(now_ms, "silent")
            self._pinged_ms = now_ms
            effects.append(Send({"op": "ping", "id": self._new_id()}))
        late = [each for each in self.channels.values() if each.retry_ms is not None and now_ms >= each.retry_ms]
        return [*effects, *(self._ask(each) for each in late)]

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _ask(self, following: Following) -> Send:
        return Send(following.ask(self._new_id()))

    def _silence_ends(self) -> list[float]:
        if self._ping_ms == 0:
            return []
        if self._pinged_ms is not None:
            return [self._pinged_ms + self.options.pong_s * 1000]
        return [self._heard_ms + self._ping_ms]

    def _open(self, now_ms: float) -> list[Effect]:
        self._phase = "opening"
        self._wait_until_ms = now_ms + self.options.connect_s * 1000
        self._next_id = _CONNECT_ID + 1
        return [State("connecting"), Open()]

    def _close(self) -> list[Effect]:
        for each in self.channels.values():
            each.cut()
        return [Close()] if self._phase in ("opening", "open") else []

    def _give_up(self, now_ms: float, reason: str) -> list[Effect]:
        return [*self._close(), *self._wait(now_ms, 0, reason)]

    def _wait(
        self, now_ms: float, code: int, reason: str, *, reconnect: bool = True, after_ms: int = 0
    ) -> list[Effect]:
        self._close()
        stood_ms = 0 if self._greeted_ms is None else now_ms - self._greeted_ms
        self._greeted_ms = None
        if not reconnect:
            self._phase, self._failures = "away", 0
            return [State("away", code, reason)]
        # One that came and went at once was no success: else a relay that refuses late would be stormed.
        self._failures = 1 if stood_ms >= self.options.max_wait_s * 1000 else self._failures + 1
        wait_ms = max(self._jitter_ms(self._failures), min(after_ms, _MAX_WAIT_MS))
        self._phase, self._wait_until_ms = "waiting", now_ms + wait_ms
        return [State("waiting", code, reason, retry_ms=wait_ms)]

    def _jitter_ms(self, failures: int) -> int:
        backoff = Backoff(self.options.first_wait_s, max_s=self.options.max_wait_s, jitter=1.0)
        return math.floor(backoff.delay_s(failures, self.dice()) * 1000)

    def _live(self, message: Members) -> Following | None:
        following = self.channels.get(text(message.get("channel")))
        return following if following is not None and following.is_live else None

    def _asked(self, message: Members) -> Following | None:
        """The subscription to whose command a message answers."""
        answered = whole(message.get("id"))
        if answered is None:
            return None
        return next((each for each in self.channels.values() if each.asked == answered), None)

    def _event(self, message: Members) -> list[Effect]:
        following = self._live(message)
        publication = following.event(message) if following is not None else None
        return [Give(publication)] if publication is not None else []

    def _connected(self, now_ms: float, message: Members) -> list[Effect]:
        ping_s = whole(message.get("pingS"))
        self._ping_ms = 25_000 if ping_s is None else min(ping_s * 1000, _MAX_WAIT_MS)
        self._greeted_ms = now_ms
        return [State("connected", client=text(message.get("client")), user=text(message.get("user")))]

    def _subscribed(self, now_ms: float, message: Members) -> list[Effect]:  # noqa: ARG002 -- the table's
        following = self._asked(message)
        gap = following.subscribed(message) if following is not None else None
        return [Tell(gap)] if gap is not None else []

    def _unsubscribed(self, now_ms: float, message: Members) -> list[Effect]:
        following = self._live(message)
        if following is None or message.get("id") is not None:
            return []
        return self._over(now_ms, following, message, text(message.get("reason")))

    def _error(self, now_ms: float, message: Members) -> list[Effect]:
        code, words = whole(message.get("code")) or 0, text(message.get("message"))
        if message.get("id") == _CONNECT_ID:
            reconnect = message.get("temporary") is True
            return [*self._close(), *self._wait(now_ms, code, words, reconnect=reconnect)]
        following = self._asked(message)
        if following is None:
            return []
        if code == ErrorCode.ALREADY_SUBSCRIBED:
            # A channel whose events come to their user without subscribing.
            gap = following.subscribed({})
            return [Tell(gap)] if gap is not None else []
        return self._over(now_ms, following, message, words)

    def _over(self, now_ms: float, following: Following, message: Members, reason: str) -> list[Effect]:
        """For now, or for good."""
        following.cut()
        if message.get("temporary") is True:
            following.failures += 1
            following.retry_ms = now_ms + self._jitter_ms(following.failures)
            return []
        del self.channels[following.channel]
        return [Ended(following.channel, whole(message.get("code")) or 0, reason)]

    def _gap(self, now_ms: float, message: Members) -> list[Effect]:  # noqa: ARG002 -- the table's
        following = self._live(message)
        return [Tell(following.gap(message))] if following is not None else []

    def _position(self, now_ms: float, message: Members) -> list[Effect]:  # noqa: ARG002 -- the table's
        following = self._live(message)
        if following is not None:
            following.moved(message)
        return []

    def _stale(self, now_ms: float, message: Members) -> list[Effect]:  # noqa: ARG002 -- the table's
        return [State("stale", since=whole(message.get("since")))]

    def _fresh(self, now_ms: float, message: Members) -> list[Effect]:  # noqa: ARG002 -- the table's
        return [State("fresh")]

    def _disconnect(self, now_ms: float, message: Members) -> list[Effect]:
        code, reason = whole(message.get("code")) or 0, text(message.get("reason"))
        after_ms = whole(message.get("reconnectAfterMs")) or 0
        reconnect = message.get("reconnect") is not False and not 3500 <= code < 4000
        return [*self._close(), *self._wait(now_ms, code, reason, reconnect=reconnect, after_ms=after_ms)]


_HANDLERS: dict[str, Callable[[ClientState, float, Any], list[Effect]]] = {
    "connected": ClientState._connected,
    "subscribed": ClientState._subscribed,
    "unsubscribed": ClientState._unsubscribed,
    "error": ClientState._error,
    "gap": ClientState._gap,
    "position": ClientState._position,
    "stale": ClientState._stale,
    "fresh": ClientState._fresh,
    "disconnect": ClientState._disconnect,
}
