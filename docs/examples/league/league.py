"""A league of chess players: the backend of an example page, which learns all that happens through a pulsetw relay.

The relay is told over HTTP, by its documented API, and could be anywhere. Nothing here imports pulsetw.
"""

import secrets
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from random import Random
from urllib.parse import urlsplit

from publisher import Publisher
from season import NAMES, Season
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater, react
from twisted.web.client import Agent, HTTPConnectionPool
from website import website


def main() -> None:
    """Plays until Ctrl-C."""
    react(play, [options()])


def options() -> Namespace:
    """What the command line says."""
    parser = ArgumentParser(description="Plays a league and publishes what happens to a pulsetw relay.")
    parser.add_argument("--relay", default="http://127.0.0.1:8081", help="the relay's operator port (%(default)s)")
    parser.add_argument(
        "--ws", type=_websocket, default="ws://127.0.0.1:8080/ws", help="where the page connects to (%(default)s)"
    )
    parser.add_argument(
        "--listen", default="tcp:8000:interface=127.0.0.1", help="endpoint of the page's own server (%(default)s)"
    )
    parser.add_argument("--pace", type=_pace, default=1.0, help="seconds between two steps (%(default)s)")
    parser.add_argument(
        "--players", type=int, default=12, choices=range(2, len(NAMES) + 1), metavar="N", help="2 to 24 (%(default)s)"
    )
    parser.add_argument("--seed", type=int, help="plays the same season again")
    return parser.parse_args()


async def play(reactor: IReactorTime, chosen: Namespace) -> None:
    """Serves the page and plays; never fires by itself."""
    # `react` calls this before the reactor runs, and a Ctrl-C would not find its handler yet.
    await deferLater(reactor, 0)
    season = Season(secrets.token_hex(4), chosen.players, Random(chosen.seed))  # noqa: S311  # a game's dice
    agent = Agent(reactor, connectTimeout=5, pool=HTTPConnectionPool(reactor, persistent=True))
    publisher = Publisher(agent, reactor, chosen.relay, tell=_tell, lost=lambda: publisher.publish(season.refresh()))

    def step() -> None:
        for event in season.step():
            publisher.publish(event)

    try:
        port = await serverFromString(reactor, chosen.listen).listen(website(season, chosen.ws, publisher.positions))
    except CannotListenError as error:
        raise SystemExit(f"league: {error}") from None
    address = port.getHost()
    print(f"The league's page: http://{address.host}:{address.port}/", flush=True)
    await LoopingCall(step).start(chosen.pace)


def _pace(text: str) -> float:
    pace = float(text)
    if not 0.001 <= pace <= 3600:
        raise ArgumentTypeError("takes 0.001 to 3600 seconds")
    return pace


def _websocket(text: str) -> str:
    if urlsplit(text).scheme not in ("ws", "wss") or not urlsplit(text).netloc:
        raise ArgumentTypeError("takes an address such as wss://relay.example.org/ws")
    return text


def _tell(words: str) -> None:
    print(f"league: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
