"""A season of a league: players, matches, the table. No network, no clock: a step goes in, events come out."""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Literal

from attrs import Factory, define, frozen
from elo import expected, gain

NAMES = [
    *("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Tony", "Frances", "Ken", "Margaret", "Dennis"),
    *("Hedy", "Niklaus", "Katherine", "Claude", "Joan", "Leslie", "Karen", "Linus", "Sophie", "Guido", "Annie", "Tim"),
]
"""The players there can be."""

FORM_LENGTH = 5
RECENT_MATCHES = 12
DRAWS = 0.08
GIANT = 150
"""By how many points an opponent must be better to count as a giant."""


@frozen
class Event:
    """What the backend tells the relay; its members are those of the relay's ``POST /api/v1/publish``."""

    channel: str
    type: str
    data: dict[str, object]
    id: str


@define
class Player:
    """One player, as the table shows it; `skill` is what the league does not know."""

    id: str
    name: str
    rating: int
    skill: float
    wins: int = 0
    draws: int = 0
    losses: int = 0
    form: str = ""
    streak: int = 0
    leader: bool = False


@define
class Match:
    """Two players, from being matched to the result."""

    match_id: str
    players: tuple[Player, Player]
    state: Literal["created", "started", "completed"] = "created"
    winner_id: str | None = None
    rating_changes: dict[str, int] = Factory(dict)

    @property
    def data(self) -> dict[str, object]:
        """The match on the wire."""
        first, second = self.players
        data: dict[str, object] = {"matchId": self.match_id, "player1Id": first.id, "player2Id": second.id}
        if self.state == "completed":
            data |= {"winnerId": self.winner_id, "ratingChanges": self.rating_changes}
        return data


class Season:
    """Plays a league.

    Attributes:
        name: hexadecimal, a part of each event's id. No two runs may share it: the relay takes an id that it has seen
            for a repetition.
        seq: the number of events so far, and the end of the last one's id.
    """

    def __init__(self, name: str, players: int, random: Random) -> None:
        """Puts the players at the ratings that the last season left them; 2 to ``len(NAMES)`` of them."""
        self.name = name
        self.seq = 0
        self._random = random
        self._players = [self._newcomer(player) for player in NAMES[:players]]
        self._matches: list[Match] = []
        self._numbers = count(1)
        self.table()[0].leader = True

    def table(self) -> list[Player]:
        """All players, the best first."""
        return sorted(self._players, key=lambda player: (-player.rating, player.id))

    def snapshot(self) -> dict[str, object]:
        """All that a page needs to begin; the events that it includes are those up to `seq`."""
        return {
            "season": self.name,
            "seq": self.seq,
            "players": [
                {
                    "id": player.id,
                    "name": player.name,
                    "rank": rank,
                    "rating": player.rating,
                    "wins": player.wins,
                    "draws": player.draws,
                    "losses": player.losses,
                    "form": player.form,
                }
                for rank, player in enumerate(self.table(), 1)
            ],
            "matches": [match.data | {"state": match.state} for match in self._matches],
        }

    def step(self) -> list[Event]:
        """Makes one thing happen, at one of the tables, and tells it."""
        open_matches = [match for match in self._matches if match.state != "completed"]
        busy = {player.id for match in open_matches for player in match.players}
        free = [player for player in self._players if player.id not in busy]
        tables = max(1, len(self._players) // 3)
        if not open_matches or (len(open_matches) < tables and self._random.random() < 0.45):
            return [self._create(free)]
        match = self._random.choice(open_matches)
        return [self._start(match)] if match.state == "created" else list(self._complete(match))

    def refresh(self) -> Event:
        """Tells all viewers to load the whole table: some events did not reach them."""
        return self._event("leaderboard:updates", "leaderboard_update", {"fullRefresh": True})

    def _newcomer(self, name: str) -> Player:
        skill = self._random.gauss(1500, 120)
        return Player(name.lower(), name, round(self._random.gauss(skill, 50)), skill)

    def _event(self, channel: str, kind: str, data: dict[str, object]) -> Event:
        self.seq += 1
        return Event(channel, kind, data, f"league-{self.name}-{self.seq}")

    def _create(self, free: list[Player]) -> Event:
        first, second = self._random.sample(free, 2)
        match = Match(f"{self.name}-match-{next(self._numbers)}", (first, second))
        self._matches.append(match)
        return self._event("match:events", "match_created", match.data)

    def _start(self, match: Match) -> Event:
        match.state = "started"
        return self._event("match:events", "match_started", match.data)

    def _complete(self, match: Match) -> Iterator[Event]:
        first, second = match.players
        ratings = {player.id: player.rating for player in self._players}
        before = self.table()
        score = self._play(first, second)
        points = gain(first.rating, second.rating, score)
        first.rating += points
        second.rating -= points
        match.state = "completed"
        match.winner_id = None if score == 0.5 else first.id if score == 1 else second.id
        match.rating_changes = {first.id: points, second.id: -points}
        _count_result(first, score)
        _count_result(second, 1 - score)
        self._forget_old_matches(match)

        yield self._event("match:events", "match_completed", match.data)
        changes = _rank_changes(before, ratings, self.table())
        if changes:
            affected = [change["playerId"] for change in changes]
            data: dict[str, object] = {"affectedPlayers": affected, "rankChanges": changes}
            yield self._event("leaderboard:updates", "leaderboard_update", data)
        yield from self._achievements(match, ratings)

    def _play(self, first: Player, second: Player) -> float:
        """The first player's score. Skills decide, and move: nobody is in the same form all season."""
        dice = self._random.random()
        score = 0.5 if dice < DRAWS else float(self._random.random() < expected(first.skill, second.skill))
        for player in (first, second):
            player.skill += (1500 - player.skill) * 0.02 + self._random.gauss(0, 25)
        return score

    def _forget_old_matches(self, match: Match) -> None:
        """Keeps the matches in the order of their last change, and the completed ones few."""
        self._matches.remove(match)
        self._matches.append(match)
        completed = [match for match in self._matches if match.state == "completed"]
        if len(completed) > RECENT_MATCHES:
            self._matches.remove(completed[0])

    def _achievements(self, match: Match, ratings: dict[str, int]) -> Iterator[Event]:
        """What the match brought its winner, and who leads the table now."""
        for player in self.table():
            earned: list[tuple[str, str]] = []
            if player.id == match.winner_id:
                opponent = next(other for other in match.players if other is not player)
                earned += _won(player, opponent, ratings[opponent.id] - ratings[player.id])
            leads = player is self.table()[0]
            if leads and not player.leader:
                earned.append(("top", "Top of the table!"))
            player.leader = leads
            for name, message in earned:
                metadata = {"achievement": name, "matchId": match.match_id}
                data: dict[str, object] = {"playerId": player.id, "message": message, "metadata": metadata}
                yield self._event("player:notifications", "achievement_unlocked", data)


def _count_result(player: Player, score: float) -> None:
    player.wins += score == 1
    player.draws += score == 0.5
    player.losses += score == 0
    player.streak = player.streak + 1 if score == 1 else 0
    letter = {1: "W", 0.5: "D", 0: "L"}[score]
    player.form = (player.form + letter)[-FORM_LENGTH:]


def _rank_changes(before: list[Player], ratings: dict[str, int], after: list[Player]) -> list[dict[str, object]]:
    """Those whose rank or rating moved."""
    old_ranks = {player.id: rank for rank, player in enumerate(before, 1)}
    changes: list[dict[str, object]] = [
        {
            "playerId": player.id,
            "oldRank": old_ranks[player.id],
            "newRank": rank,
            "ratingChange": player.rating - ratings[player.id],
        }
        for rank, player in enumerate(after, 1)
    ]
    return [change for change in changes if change["oldRank"] != change["newRank"] or change["ratingChange"]]


def _won(player: Player, opponent: Player, lead: int) -> Iterator[tuple[str, str]]:
    """The achievements of a win against an opponent who was better by `lead` points."""
    if player.wins == 1:
        yield "first_win", "First win of the season"
    if player.streak == 3:
        yield "three_in_a_row", "Three in a row"
    if player.streak == 5:
        yield "five_in_a_row", "Five in a row!"
    if lead >= GIANT:
        yield "giant_killer", f"Giant killer: {opponent.name} was {lead} points ahead"
