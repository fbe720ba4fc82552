"""Elo's arithmetic: what a result is worth."""

K = 32
"""The most points that one match can move."""


def expected(rating: float, opponent: float) -> float:
    """The score that a player should reach against an opponent: 0.5 between equals, towards 1 for the stronger."""
    return 1 / (1 + 10 ** ((opponent - rating) / 400))


def gain(rating: float, opponent: float, score: float) -> int:
    """The points that a player wins, and the opponent loses.

    Args:
        rating: the player's, before the match.
        opponent: the opponent's, before the match.
        score: 1 for a win, 0.5 for a draw, 0 for a loss.
    """
    return round(K * (score - expected(rating, opponent)))
