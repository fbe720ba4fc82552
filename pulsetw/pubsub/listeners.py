"""Who listens to what on this server."""

from collections.abc import Callable

from attrs import define, field, frozen

from pulsetw.catalogue import is_pattern
from pulsetw.catalogue.names import matcher
from pulsetw.interfaces import IFollower
from pulsetw.model import Event, Notice

Callback = Callable[[str, Event], object]
Missed = Callable[[str, Notice], object]

# Routes are kept for so many channels; strangers can publish to any name that a pattern matches.
_MAX_ROUTES = 10_000


@frozen
class Route:
    """Where the publications of one channel go.

    Attributes:
        followers: take the publications themselves.
        callbacks: each callback once, with whether it wants this server's own events.
        missed: what is called where publications may be missing, each once.
    """

    followers: tuple[IFollower, ...]
    callbacks: tuple[tuple[Callback, bool], ...]
    missed: tuple[Missed, ...]


@frozen
class _Wish:
    own: bool
    missed: Missed | None


@define
class _Interest:
    followers: list[IFollower] = field(factory=list)
    callbacks: dict[Callback, _Wish] = field(factory=dict)

    @property
    def missed(self) -> list[Missed]:
        return [wish.missed for wish in self.callbacks.values() if wish.missed is not None]


class Listeners:
    """Callbacks by channel or pattern, followers by channel.

    Attributes:
        all_followers: each follower, with how many channels it follows.
    """

    def __init__(self) -> None:
        self.all_followers: dict[IFollower, int] = {}
        self._interests: dict[str, _Interest] = {}
        self._patterns: set[str] = set()
        self._routes: dict[str, Route] = {}

    def has(self, name: str) -> bool:
        """Whether somebody listens to the channel or pattern by this name."""
        return name in self._interests

    def add_callback(self, name: str, callback: Callback, *, own: bool, missed: Missed | None = None) -> bool:
        """Whether this is the first one who listens to the name."""
        is_first = name not in self._interests
        self._interest(name).callbacks[callback] = _Wish(own, missed)
        return is_first

    def remove_callbacks(self, name: str, callback: Callback | None) -> bool:
        """Takes out one callback, or all; whether nobody listens to the name any more."""
        interest = self._interest(name)
        if callback is None:
            interest.callbacks.clear()
        else:
            interest.callbacks.pop(callback, None)
        return self._forget_if_empty(name)

    def add_follower(self, channel: str, follower: IFollower) -> bool:
        """Whether this is the first one who listens to the channel by its name."""
        is_first = channel not in self._interests
        self._interest(channel).followers.append(follower)
        self.all_followers[follower] = self.all_followers.get(follower, 0) + 1
        return is_first

    def remove_follower(self, channel: str, follower: IFollower) -> bool:
        """Takes it out; whether nobody listens to the channel by its name any more."""
        self._interest(channel).followers.remove(follower)
        self.all_followers[follower] -= 1
        if not self.all_followers[follower]:
            del self.all_followers[follower]
        return self._forget_if_empty(channel)

    def followers(self, channel: str) -> list[IFollower]:
        """Those who follow the channel."""
        interest = self._interests.get(channel)
        return [] if interest is None else list(interest.followers)

    def missed(self, name: str) -> list[Missed]:
        """What is called where publications may be missing for the channel or pattern by this very name, each once."""
        interest = self._interests.get(name)
        return [] if interest is None else list(dict.fromkeys(interest.missed))

    def route(self, channel: str) -> Route:
        """Where a publication of the channel goes."""
        route = self._routes.get(channel)
        if route is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            route = self._routes[channel] = self._make_route(channel)
        return route

    def _make_route(self, channel: str) -> Route:
        followers: list[IFollower] = []
        callbacks: dict[Callback, bool] = {}
        missed: list[Missed] = []
        names = [name for name in self._patterns if matcher(name)(channel)]
        for name in (channel, *names):
            interest = self._interests.get(name)
            if interest is not None:
                followers.extend(interest.followers)
                missed.extend(interest.missed)
                for callback, wish in interest.callbacks.items():
                    callbacks[callback] = callbacks.get(callback, False) or wish.own
        return Route(tuple(followers), tuple(callbacks.items()), tuple(dict.fromkeys(missed)))

    def _interest(self, name: str) -> _Interest:
        """To be changed: the routes that it is part of are made anew."""
        if is_pattern(name):
            self._patterns.add(name)
            self._routes.clear()
        else:
            self._routes.pop(name, None)
        return self._interests.setdefault(name, _Interest())

    def _forget_if_empty(self, name: str) -> bool:
        interest = self._interests[name]
        if interest.followers or interest.callbacks:
            return False
        del self._interests[name]
        self._patterns.discard(name)
        return True
