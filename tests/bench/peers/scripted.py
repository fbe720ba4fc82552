"""The relays that are a small script of ours each, in Node and in Python."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from tests.bench.load import templates
from tests.bench.load.programs import CACHE, Missing
from tests.bench.peers.contender import Contender, Place

_HERE = Path(__file__).parent
_NODE, _PYTHON = CACHE / "node", CACHE / "python"
_BACKLOG = "1024"


def _plain() -> bytes:
    return templates.published(f"bench:{templates.CHANNEL}", templates.message())


@cache
def _node_packages() -> None:
    """Raises `Missing` where they cannot be installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing("node and npm are not installed")
    wanted, package = _HERE / "package.json", _NODE / "package.json"
    if package.exists() and package.read_bytes() == wanted.read_bytes() and (_NODE / "node_modules").exists():
        return
    _NODE.mkdir(parents=True, exist_ok=True)
    shutil.copy(wanted, package)
    if subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=_NODE, check=False).returncode:
        package.unlink()
        raise Missing("npm cannot install ws, redis and socket.io")


@cache
def _python_packages() -> None:
    """Raises `Missing` where they cannot be installed."""
    wanted, installed = _HERE / "requirements.txt", _PYTHON / "installed.txt"
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    make = [sys.executable, "-m", "venv", "--clear", str(_PYTHON)]
    fill = [str(_PYTHON / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)]
    if any(subprocess.run(command, check=False).returncode for command in (make, fill)):
        raise Missing("pip cannot install Starlette, Django Channels and their servers")
    shutil.copy(wanted, installed)


def _node_version(*packages: str) -> str:
    _node_packages()
    versions = []
    for package in packages:
        described = json.loads((_NODE / "node_modules" / package / "package.json").read_text())
        versions.append(f"{package} {described['version']}")
    return f"{', '.join(versions)}, Node {_said('node', '--version')}"


def _python_version(*packages: str, python: Path = _PYTHON / "bin" / "python") -> str:
    if python.is_relative_to(_PYTHON):
        _python_packages()
    code = "import sys\nfrom importlib.metadata import version\nprint(*(f'{p} {version(p)},' for p in sys.argv[1:]))"
    return f"{_said(str(python), '-c', code, *packages)} {_said(str(python), '--version')}"


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _node(script: str, place: Place) -> Sequence[str]:
    return ["env", f"NODE_PATH={_NODE / 'node_modules'}", "node", str(_HERE / script), *_ports(place)]


def _twisted(place: Place) -> Sequence[str]:
    return [sys.executable, str(_HERE / "naive_twisted.py"), *_ports(place)]


def _uvicorn(script: str, place: Place) -> Sequence[str]:
    options = ("--host", "127.0.0.1", "--port", str(place.port), "--backlog", _BACKLOG, "--log-level", "warning")
    return [*_environment(place), str(_PYTHON / "bin" / "uvicorn"), f"{script}:app", "--app-dir", str(_HERE), *options]


def _daphne(script: str, place: Place) -> Sequence[str]:
    endpoint = f"tcp:{place.port}:interface=127.0.0.1:backlog={_BACKLOG}"
    words = ("--verbosity", "0", "--endpoint", endpoint, f"{script}:app")
    return [*_environment(place), f"PYTHONPATH={_HERE}", str(_PYTHON / "bin" / "daphne"), *words]


def _environment(place: Place) -> list[str]:
    return ["env", f"REDIS_PORT={place.redis_port}"]


def _ports(place: Place) -> list[str]:
    return [str(place.port), str(place.redis_port)]


CONTENDERS = (
    Contender(
        "ws", "Node ws + redis", partial(_node_version, "ws", "redis"), partial(_node, "ws_server.js"), "/%05d", _plain
    ),
    Contender(
        "socket.io",
        "Socket.IO + redis-adapter",
        partial(_node_version, "socket.io", "@socket.io/redis-adapter"),
        partial(_node, "socket_io_server.js"),
        "/socket.io/?EIO=4&transport=websocket&room=r%05d",
        templates.for_socket_io,
        hello=("40",),
        confirm='"joined"',
        is_engine_io=True,
    ),
    Contender(
        "twisted",
        "naive Twisted: sendMessage + txredisapi",
        partial(_python_version, "twisted", "autobahn", "txredisapi", python=Path(sys.executable)),
        _twisted,
        "/%05d",
        _plain,
    ),
    Contender(
        "starlette",
        "Starlette + redis.asyncio, uvicorn",
        partial(_python_version, "starlette", "redis", "uvicorn"),
        partial(_uvicorn, "starlette_server"),
        "/%05d",
        _plain,
    ),
    Contender(
        "channels",
        "Django Channels, uvicorn",
        partial(_python_version, "channels", "channels-redis", "uvicorn"),
        partial(_uvicorn, "channels_server"),
        "/%05d",
        templates.for_channels,
    ),
    Contender(
        "channels-daphne",
        "Django Channels, Daphne",
        partial(_python_version, "channels", "channels-redis", "daphne"),
        partial(_daphne, "channels_server"),
        "/%05d",
        templates.for_channels,
    ),
)
