"""The four channels of a game's servers, after which this system was ordered."""

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from pulsetw.catalogue.channel import Audience, Channel, Derived
from pulsetw.model import Event

LEADERBOARD_UPDATES = "leaderboard:updates"
MATCH_EVENTS = "match:events"
PLAYER_NOTIFICATIONS = "player:notifications"
SYSTEM_EVENTS = "system:events"


@frozen
class RankChange:
    """How one player moved."""

    player_id: str
    old_rank: int
    new_rank: int
    rating_change: float


@frozen
class LeaderboardUpdate:
    """The leaderboard moved; with `full_refresh` a client should load all of it."""

    player_id: str | None = None
    affected_players: list[str] | None = None
    rank_changes: list[RankChange] | None = None
    full_refresh: bool | None = None


@frozen
class _Match:
    match_id: str
    player1_id: str
    player2_id: str
    winner_id: str | None = None
    rating_changes: Mapping[str, float] | None = None


@frozen
class MatchCreated(_Match):
    """Two players will meet."""


@frozen
class MatchStarted(_Match):
    """Two players are playing."""


@frozen
class MatchUpdated(_Match):
    """Something about a match changed."""


@frozen
class MatchCompleted(_Match):
    """A match is over; without `winner_id` it was a draw."""


@frozen
class Notification:
    """Something that one player should know."""

    player_id: str
    message: str
    metadata: Mapping[str, object] | None = None


@frozen
class AchievementUnlocked(Notification):
    """A player earned something."""


@frozen
class MatchResult(Notification):
    """How a match ended for one of its players."""


@frozen
class ServerStarted:
    """A relay accepts clients."""

    name: str
    version: str


@frozen
class ServerStopping:
    """A relay is about to leave."""

    name: str


@frozen
class ServerHeartbeat:
    """A relay lives."""

    name: str
    version: str
    uptime_s: int
    connections: int


@frozen
class DisconnectPlayer:
    """Every server closes the player's connections, and the clients stay away."""

    player_id: str
    reason: str = field(default="")


def match_results(event: Event) -> Iterable[Derived]:
    """What `match_completed` means for both players."""
    match = event.data
    if isinstance(match, MatchCompleted):
        for player, opponent in ((match.player1_id, match.player2_id), (match.player2_id, match.player1_id)):
            outcome = "draw" if match.winner_id is None else "won" if match.winner_id == player else "lost"
            change = (match.rating_changes or {}).get(player)
            metadata: dict[str, object] = {"matchId": match.match_id, "opponentId": opponent, "outcome": outcome}
            if change is not None:
                metadata["ratingChange"] = change
            message = {"draw": "Draw against", "won": "You won against", "lost": "You lost to"}[outcome]
            yield Derived(
                PLAYER_NOTIFICATIONS, MatchResult(player, f"{message} {opponent}", metadata), f"{event.id}:result"
            )


def builtin_channels() -> list[Channel]:
    """The declarations of the four channels."""
    return [
        Channel(LEADERBOARD_UPDATES, events=[LeaderboardUpdate]),
        Channel(MATCH_EVENTS, events=[MatchCreated, MatchStarted, MatchCompleted, MatchUpdated], derive=match_results),
        Channel(
            PLAYER_NOTIFICATIONS,
            events=[AchievementUnlocked, MatchResult],
            others=Notification,
            audience=Audience.USER,
            user_field="playerId",
        ),
        Channel(
            SYSTEM_EVENTS,
            events=[ServerStarted, ServerStopping, ServerHeartbeat, DisconnectPlayer],
            others=dict,
            audience=Audience.SERVERS,
        ),
    ]
