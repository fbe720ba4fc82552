"""The four channels of the game, held against the design's table."""

import json

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.catalogue import Audience, Catalogue
from pulsetw.catalogue.builtin import (
    MatchCompleted,
    MatchResult,
    builtin_channels,
    match_results,
)
from pulsetw.errors import EventError, UnknownEventType
from pulsetw.model import Event

MATCH = {"matchId": "m", "player1Id": "a", "player2Id": "b"}
FULL_MATCH = {**MATCH, "winnerId": "a", "ratingChanges": {"a": 8.5, "b": -8.5}}
RANK = {"playerId": "a", "oldRank": 2, "newRank": 1, "ratingChange": 8.5}

# channel, type, the least data, the fullest data
TABLE = [
    (
        "leaderboard:updates",
        "leaderboard_update",
        {},
        {"playerId": "a", "affectedPlayers": ["a", "b"], "rankChanges": [RANK], "fullRefresh": True},
    ),
    *(("match:events", f"match_{step}", MATCH, FULL_MATCH) for step in ("created", "started", "completed", "updated")),
    *(
        (
            "player:notifications",
            kind,
            {"playerId": "a", "message": "hi"},
            {"playerId": "a", "message": "hi", "metadata": {"any": [1, {"thing": None}]}},
        )
        for kind in ("achievement_unlocked", "match_result", "of_the_applications_own")
    ),
    ("system:events", "server_started", {"name": "s", "version": "1"}, {"name": "s", "version": "1"}),
    ("system:events", "server_stopping", {"name": "s"}, {"name": "s"}),
    ("system:events", "disconnect_player", {"playerId": "a"}, {"playerId": "a", "reason": "cheating"}),
    ("system:events", "of_the_applications_own", {}, {"any": [1]}),
]


class TableTests(SynchronousTestCase):
    def setUp(self):
        self.catalogue = Catalogue(builtin_channels(), {})

    def test_each_type_takes_its_least_and_its_fullest_data(self):
        """And gives it on unchanged."""
        for name, kind, least, fullest in TABLE:
            for data in (least, fullest):
                prepared = self.catalogue.channel(name).prepare(Event(kind, data))
                self.assertEqual(json.loads(bytes(prepared.data)), data, kind)

    def test_each_required_member_is_required(self):
        """Without it the event is refused, and the error names it."""
        for name, kind, least, _ in TABLE:
            for member in least:
                data = {key: value for key, value in least.items() if key != member}
                with self.assertRaisesRegex(EventError, rf"{kind} data.{member}: missing"):
                    self.catalogue.channel(name).prepare(Event(kind, data))

    def test_audiences(self):
        """All, all, that player only, servers only."""
        audiences = {channel.name: channel.audience for channel in builtin_channels()}
        self.assertEqual(
            audiences,
            {
                "leaderboard:updates": Audience.ALL,
                "match:events": Audience.ALL,
                "player:notifications": Audience.USER,
                "system:events": Audience.SERVERS,
            },
        )

    def test_leaderboard_and_matches_take_no_other_types(self):
        """Only notifications and system events have the application's own."""
        for name in ("leaderboard:updates", "match:events"):
            with self.assertRaises(UnknownEventType):
                self.catalogue.channel(name).prepare(Event("other", {}))


class MatchResultTests(SynchronousTestCase):
    def results(self, **members):
        event = Event("match_completed", MatchCompleted("m", "a", "b", **members), id="7")
        return list(match_results(event))

    def test_both_players_are_told(self):
        """On the channel of notifications, with the match's id, so that all servers agree."""
        won, lost = self.results(winner_id="b", rating_changes={"a": -8.5, "b": 8.5})
        self.assertEqual((won.channel, won.id, lost.id), ("player:notifications", "7:result", "7:result"))
        self.assertEqual(
            won.data,
            MatchResult(
                "a", "You lost to b", {"matchId": "m", "opponentId": "b", "outcome": "lost", "ratingChange": -8.5}
            ),
        )
        self.assertEqual((lost.data.player_id, lost.data.message), ("b", "You won against a"))

    def test_without_a_winner_it_was_a_draw(self):
        """And without rating changes none is told."""
        first, _ = self.results()
        self.assertEqual(first.data.metadata, {"matchId": "m", "opponentId": "b", "outcome": "draw"})

    def test_other_matches_give_no_result(self):
        """Only a completed match has one."""
        self.assertEqual(list(match_results(Event("match_created", {}))), [])
