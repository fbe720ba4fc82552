"""What the documentation tells people to do is done here, word for word; only ports are free ones."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.integration.clients import connect, hang_up
from tests.integration.processes import ROOT, RelayProcess, free_port
from tests.integration.redis_server import RedisServer
from tests.integration.waiting import until


def blocks(page: str, language: str) -> list[str]:
    """The code of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


class Ports:
    """Free ports in the place of the documented ones."""

    def __init__(self) -> None:
        self.relay, self.admin, self.league = free_port(), free_port(), free_port()

    def __call__(self, text: str) -> str:
        for documented, free in (("8080", self.relay), ("8081", self.admin), ("8000", self.league)):
            text = text.replace(f":{documented}", f":{free}")
        return text

    @property
    def environ(self) -> dict[str, str]:
        """For programs that read their settings from the environment."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "PULSETW_"))},
            "PULSETW_SERVER_LISTEN": f"tcp:{self.relay}:interface=127.0.0.1",
            "PULSETW_SERVER_ADMIN": f"tcp:{self.admin}:interface=127.0.0.1",
            "RELAY_PORT": str(self.relay),
            "ADMIN_PORT": str(self.admin),
            "LEAGUE_PORT": str(self.league),
            "PACE": "0.1",
        }


class Program:
    """A process whose output is read, in a session of its own; ended by its group's id, with all it started."""

    def __init__(self, command: list[str] | str, cwd: Path, environ: dict[str, str]) -> None:
        self._path = cwd / f"output-{free_port()}"
        with self._path.open("w") as output:
            self.process = subprocess.Popen(
                command,
                shell=isinstance(command, str),
                cwd=cwd if not isinstance(command, str) else ROOT,
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell in the background ignores Ctrl-C, and so would all that it starts.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    @property
    def output(self) -> str:
        return self._path.read_text()

    def end(self, number: int = signal.SIGINT) -> int:
        """Ctrl-C reaches all processes of a terminal."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        return self.process.wait(20)


@pytest.fixture
def ports() -> Ports:
    return Ports()


@pytest.fixture
def bin_first(ports: Ports) -> dict[str, str]:
    """The environment's own programs come first, as in an activated environment."""
    environ = ports.environ
    return {**environ, "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}"}


@pytest_twisted.ensureDeferred
async def test_the_embedding_page(tmp_path: Path, ports: Ports, bin_first: dict[str, str]) -> None:
    """Its code runs as it stands, prints what it hears, and serves clients."""
    [code] = blocks("docs/how-to/embed.md", "python")
    (tmp_path / "newsroom.py").write_text(code)
    program = Program(["twistd", "-ny", "newsroom.py"], tmp_path, bin_first)
    try:
        heard = "news:today: headline {'text': 'It works'}"
        await until(lambda: heard in program.output, f"it hears itself: {program.output}", 20)
        client = await connect(ports("ws://127.0.0.1:8080/ws?channels=news:today"))
        await until(lambda: client.events, "a headline comes")
        assert client.events[0]["data"] == {"text": "It works"}
        await hang_up(client)
    finally:
        await deferToThread(program.end)
    assert "Traceback" not in program.output, program.output


@pytest_twisted.ensureDeferred
async def test_the_page_about_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module, its settings and its request fit each other; the user of an event gets it, others do not."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "channels.py").write_text(blocks("docs/how-to/declare-channels.md", "python")[0])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    rules = "\n".join(blocks("docs/how-to/declare-channels.md", "toml"))
    relay = RelayProcess(tmp_path / "relay", config=f'[auth]\nanonymous = "named"\n{rules}')
    try:
        await relay.becomes(ready=True)
        clients = [await connect(f"{relay.websocket}?user={user}&channels=shop:prices") for user in ("ann", "bob")]
        for client in clients:
            client.command(op="ping")
            await until(lambda client=client: client.ops("pong"), "the subscription stands")
        [command] = blocks("docs/how-to/declare-channels.md", "sh")
        admin = relay.admin.removeprefix("http://")
        await deferToThread(subprocess.run, command.replace("127.0.0.1:8081", admin), shell=True, check=True)
        await relay.publish(channel="shop:orders", type="order_shipped", data={"customerId": "bob", "orderId": "7"})
        await until(lambda: len(clients[1].events) == 2, "both events come")
        assert [event["data"] for event in clients[1].events] == [
            {"sku": "tea", "newPrice": 2.5},
            {"customerId": "bob", "orderId": "7"},
        ]
        assert len(clients[0].events) == 1
        status, _, answer = await relay.publish(channel="shop:prices", type="price_changed", data={"sku": 7})
        assert (status, answer["error"]["field"]) == (400, "data.sku")
        await hang_up(*clients)
    finally:
        relay.close()


@pytest_twisted.ensureDeferred
async def test_the_readmes_first_commands(tmp_path: Path, ports: Ports) -> None:
    """`make run`, then an event of one's own, health, statistics, and a client; Ctrl-C ends all of it."""
    run, curl, listen, _, _ = blocks("README.md", "sh")
    assert run == "make run\n"
    program = Program(["make", "-C", str(ROOT), "run"], tmp_path, ports.environ)
    listener = None
    try:
        await until(lambda: "The league's page: " in program.output, f"it starts: {program.output}", 60)
        assert ports("http://127.0.0.1:8000/") in program.output
        done = await deferToThread(subprocess.run, ports(curl), shell=True, check=True, capture_output=True, text=True)
        published, health, stats = done.stdout.splitlines()
        assert json.loads(published) == {}
        assert json.loads(health)["ready"] is True
        assert json.loads(stats)["publisher"]["channel_stats"]["player:notifications"] >= 1
        here = listen.replace(".venv/bin/python", sys.executable)
        listener = Program(ports(here), tmp_path, ports.environ)
        await until(lambda: '"type":"match_' in listener.output, f"matches come: {listener.output}", 20)
    finally:
        if listener is not None:
            await deferToThread(listener.end)
        status = await deferToThread(program.end)
    assert "Traceback" not in program.output
    # make itself ends by the signal; what it started has ended in order.
    assert (status, "All is closed" in program.output) == (-signal.SIGINT, True), program.output


@pytest_twisted.ensureDeferred
async def test_installing_running_and_uninstalling(tmp_path: Path, ports: Ports) -> None:
    """`pip install .` into an empty environment: twistd lists and runs it; uninstalling leaves Twisted whole."""
    *_, commands, test = blocks("README.md", "sh")
    assert test == "make test\n"
    install, run = commands.splitlines()
    assert (install, run.split()[0]) == ("pip install .", "twistd")
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".venv", ".git", ".cache", "*.egg-info", ".hypothesis", "build")
    shutil.copytree(ROOT, source, ignore=ignored)
    await deferToThread(subprocess.run, [sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    environ = {**ports.environ, "PATH": f"{tmp_path / 'env' / 'bin'}:{os.environ['PATH']}"}

    def do(command: str) -> str:
        done = subprocess.run(command, shell=True, check=False, cwd=source, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    await deferToThread(do, install + " --quiet")
    assert re.search(r"^ +pulsetw +An event relay", await deferToThread(do, "cd / && twistd --help"), re.MULTILINE)
    with RedisServer() as redis:
        command = run.replace(":6379", f":{redis.port}").replace("tcp:8080", "tcp:8080:interface=127.0.0.1")
        program = Program(ports(command).split(), tmp_path, environ)
        try:
            await until(lambda: "Listening for clients" in program.output, f"it starts: {program.output}", 20)
            await hang_up(await connect(ports("ws://127.0.0.1:8080/ws")))
        finally:
            await deferToThread(program.end)
    await deferToThread(do, "pip uninstall --yes --quiet pulsetw")
    left = await deferToThread(do, "cd / && twistd --help && python -c 'import twisted.web.server'")
    assert "pulsetw" not in left
    assert re.search(r"^ +web +", left, re.MULTILINE)
