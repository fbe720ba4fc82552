"""pulsetw itself, everything on."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.load.templates import CHANNEL, HISTORY_SIZE, appended, event, event_for_user, published
from tests.bench.peers.contender import Contender, Place

_NAME = f"bench:{CHANNEL}"
_PATH = "/ws?channels=bench:%05d"


def _version() -> str:
    from pulsetw.version import __version__

    return f"pulsetw {__version__}"


def _command(place: Place, history_size: int, *more: str) -> Sequence[str]:
    rule = f'[auth]\nanonymous = "named"\n[channels."bench:*"]\nhistory_size = {history_size}\n'
    (place.folder / "relay.toml").write_text(rule)
    listen, admin = (f"tcp:{port}:interface=127.0.0.1" for port in (place.port, place.port + 1))
    twistd = str(Path(sys.executable).with_name("twistd"))
    broker = f"redis://127.0.0.1:{place.redis_port}/0"
    words = ("--config", "relay.toml", "--listen", listen, "--admin", admin, "--broker", broker, *more)
    return [twistd, "-n", "pulsetw", *words]


WITH_HISTORY = Contender(
    "pulsetw",
    "pulsetw, with history",
    _version,
    lambda place: _command(place, HISTORY_SIZE),
    _PATH,
    lambda: appended(_NAME, event()),
)
PLAIN = Contender(
    "pulsetw-plain",
    "pulsetw, without history",
    _version,
    lambda place: _command(place, 0),
    _PATH,
    lambda: published(_NAME, event()),
)
WORKERS = Contender(
    "pulsetw-workers",
    "pulsetw, with history, two workers",
    _version,
    lambda place: _command(place, HISTORY_SIZE, "--workers", "2"),
    _PATH,
    lambda: appended(_NAME, event()),
    only=("W1", "W1b", "W1x", "W3"),
)
PERSONAL = Contender(
    "pulsetw-personal",
    "pulsetw, a channel with an audience",
    _version,
    lambda place: _command(place, 0),
    "/ws?user=%05d",
    lambda: published("player:notifications", event_for_user()),
    only=("W6", "W6x"),
)
