"""The example league: a season, played without network or clock."""

from random import Random

from elo import gain
from season import GIANT, NAMES, RECENT_MATCHES, Event, Season
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Catalogue
from pulsetw.catalogue.builtin import builtin_channels
from pulsetw.model import Event as RelayEvent

STEPS = 500
SEEDS = range(8)


def season(seed: int = 1, players: int = 12) -> Season:
    return Season("5ea5", players, Random(seed))  # noqa: S311  # a game's dice


def played(seed: int = 1, players: int = 12, steps: int = STEPS) -> list[Event]:
    one = season(seed, players)
    return [event for _ in range(steps) for event in one.step()]


class EventTests(SynchronousTestCase):
    def test_the_relay_would_take_every_event(self) -> None:
        """What a season tells is what the catalogue declares, to the last member."""
        catalogue = Catalogue(builtin_channels(), {})
        for seed in SEEDS:
            for event in [*played(seed), season(seed).refresh()]:
                catalogue.channel(event.channel).prepare(RelayEvent(event.type, event.data))

    def test_ids_count(self) -> None:
        """A page can tell which events a snapshot includes."""
        events = played()
        self.assertEqual([event.id for event in events], [f"league-5ea5-{seq}" for seq in range(1, len(events) + 1)])

    def test_match_results_are_left_to_the_relay(self) -> None:
        """It makes them from match_completed; a second one would be one too many."""
        self.assertNotIn("match_result", {event.type for event in played()})

    def test_a_seed_plays_the_same_season_again(self) -> None:
        """Whoever looks for a fault can have it again."""
        self.assertEqual(played(3), played(3))
        self.assertNotEqual(played(3), played(4))

    def test_a_match_is_created_started_completed(self) -> None:
        """Each match goes through its states in order, between the same two players."""
        stories: dict[object, list[tuple[str, object, object]]] = {}
        for event in played():
            if event.channel == "match:events":
                line = (event.type, event.data["player1Id"], event.data["player2Id"])
                stories.setdefault(event.data["matchId"], []).append(line)
        for story in stories.values():
            types = [line[0] for line in story]
            self.assertEqual(types, ["match_created", "match_started", "match_completed"][: len(types)])
            self.assertEqual(len({line[1:] for line in story}), 1)
            self.assertNotEqual(story[0][1], story[0][2])

    def test_several_matches_at_once(self) -> None:
        """Tables are played at the same time, nobody plays at two of them."""
        one = season()
        most = 0
        for _ in range(STEPS):
            one.step()
            matches = [match for match in one.snapshot()["matches"] if match["state"] != "completed"]
            busy = [match[side] for match in matches for side in ("player1Id", "player2Id")]
            self.assertEqual(len(busy), len(set(busy)))
            most = max(most, len(matches))
        self.assertEqual(most, 4)

    def test_the_smallest_and_the_largest_league(self) -> None:
        """Two players find each other, and all names can play."""
        for players in (2, 3, len(NAMES)):
            self.assertIn("match_completed", {event.type for event in played(players=players)})


class TableTests(SynchronousTestCase):
    def test_points_are_neither_made_nor_lost(self) -> None:
        """The sum of all ratings stays as it was."""
        for seed in SEEDS:
            one = season(seed)
            total = sum(player.rating for player in one.table())
            for _ in range(STEPS):
                one.step()
            self.assertEqual(sum(player.rating for player in one.table()), total)

    def test_ranks_count_and_ratings_fall(self) -> None:
        """The snapshot's table is in order, each rank taken once."""
        one = season()
        for _ in range(STEPS):
            one.step()
            players = one.snapshot()["players"]
            self.assertEqual([player["rank"] for player in players], list(range(1, 13)))
            ratings = [player["rating"] for player in players]
            self.assertEqual(ratings, sorted(ratings, reverse=True))

    def test_the_events_lead_from_one_snapshot_to_the_next(self) -> None:
        """Who begins with a snapshot and applies the rank changes has the table, without asking again."""
        one = season()
        table = {player["id"]: (player["rank"], player["rating"]) for player in one.snapshot()["players"]}
        for _ in range(STEPS):
            for event in one.step():
                for change in event.data.get("rankChanges", []):
                    rank, rating = table[change["playerId"]]
                    self.assertEqual(rank, change["oldRank"])
                    table[change["playerId"]] = (change["newRank"], rating + change["ratingChange"])
            expected = {player["id"]: (player["rank"], player["rating"]) for player in one.snapshot()["players"]}
            self.assertEqual(table, expected)

    def test_only_those_who_moved_are_named(self) -> None:
        """A change without a change would make rows flash for nothing."""
        for event in played():
            if event.type == "leaderboard_update":
                changes = event.data["rankChanges"]
                self.assertEqual([change["playerId"] for change in changes], event.data["affectedPlayers"])
                for change in changes:
                    self.assertTrue(change["ratingChange"] or change["oldRank"] != change["newRank"])

    def test_results_add_up(self) -> None:
        """One's win is another's loss, and the form shows the last results."""
        one = season()
        for _ in range(STEPS):
            one.step()
        table = one.table()
        self.assertEqual(sum(player.wins for player in table), sum(player.losses for player in table))
        for player in table:
            self.assertEqual(len(player.form), min(5, player.wins + player.draws + player.losses))

    def test_the_snapshot_stays_small(self) -> None:
        """Completed matches are forgotten, the oldest first."""
        one = season()
        for _ in range(STEPS):
            one.step()
        states = [match["state"] for match in one.snapshot()["matches"]]
        self.assertEqual(states.count("completed"), RECENT_MATCHES)


class AchievementTests(SynchronousTestCase):
    def unlocked(self, seed: int) -> list[tuple[str, str, str]]:
        return [
            (event.data["metadata"]["achievement"], event.data["playerId"], event.data["metadata"]["matchId"])
            for event in played(seed)
            if event.type == "achievement_unlocked"
        ]

    def test_each_kind_is_earned(self) -> None:
        """A season has something to tell to everybody."""
        kinds = {kind for seed in SEEDS for kind, _, _ in self.unlocked(seed)}
        self.assertEqual(kinds, {"first_win", "three_in_a_row", "five_in_a_row", "top", "giant_killer"})

    def test_the_first_win_comes_once(self) -> None:
        """Nobody wins for the first time again."""
        for seed in SEEDS:
            first = [player for kind, player, _ in self.unlocked(seed) if kind == "first_win"]
            self.assertEqual(len(first), len(set(first)))

    def test_a_streak_is_told_once(self) -> None:
        """Three and five wins in a row are told when they are reached, not at each win after."""
        for seed in SEEDS:
            streaks: dict[object, int] = {}
            expected: list[tuple[str, object]] = []
            for event in played(seed):
                if event.type == "match_completed":
                    for player in (event.data["player1Id"], event.data["player2Id"]):
                        won = event.data["winnerId"] == player
                        streaks[player] = streaks.get(player, 0) + 1 if won else 0
                        kind = {3: "three_in_a_row", 5: "five_in_a_row"}.get(streaks[player])
                        expected += [(kind, player)] if kind else []
            told = [(kind, player) for kind, player, _ in self.unlocked(seed) if kind.endswith("in_a_row")]
            self.assertEqual(told, expected)

    def test_a_giant_was_far_ahead(self) -> None:
        """A giant killer's opponent lost at least as many points as so great an upset is worth."""
        for seed in SEEDS:
            completed = {e.data["matchId"]: e.data for e in played(seed) if e.type == "match_completed"}
            for kind, player, match in self.unlocked(seed):
                if kind == "giant_killer":
                    self.assertEqual(completed[match]["winnerId"], player)
                    points = completed[match]["ratingChanges"][player]
                    self.assertGreaterEqual(points, gain(1500, 1500 + GIANT, 1))
