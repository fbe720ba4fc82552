"""A client of a relay, for Twisted programs."""

from pulsetw.client.client import Client, Subscription
from pulsetw.client.effects import Ended, State
from pulsetw.client.state import ClientOptions
from pulsetw.model import Position

__all__ = ["Client", "ClientOptions", "Ended", "Position", "State", "Subscription"]
