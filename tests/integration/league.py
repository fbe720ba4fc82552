"""The example league as tests have it: real processes, headless Chromium, and a relay made of words."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, Page, WebSocketRoute, expect, sync_playwright

ROOT = Path(__file__).parents[2]
LEAGUE = ROOT / "docs" / "examples" / "league"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
CLIENT = ROOT / "pulsetw" / "web" / "client.js"
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/javascript"}
LIMIT_MS = 30_000
START = {"offset": 5, "epoch": "e"}

# The table as the page shows it and as the league knows it; asks until they agree, then gives the league's seq.
AGREED_SEQ = """async ([after, limit]) => {
  const shown = () => [...document.querySelectorAll("#table tr")].map((row) =>
    [row.dataset.key, ...[".rank", ".value", ".wins", ".draws", ".losses"].map((part) =>
      Number(row.querySelector(part).textContent))]);
  for (const end = performance.now() + limit; performance.now() < end;) {
    const { seq, players } = await (await fetch("league.json?test")).json();
    await new Promise(requestAnimationFrame);
    const known = players.map(({ id, rank, rating, wins, draws, losses }) => [id, rank, rating, wins, draws, losses]);
    if (seq > after && JSON.stringify(shown()) === JSON.stringify(known)) return seq;
  }
  throw new Error(`the page and the league do not agree: ${JSON.stringify(shown())}`);
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(*command: str, **more: object) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block, however that is left."""

    # A shell in the background ignores Ctrl-C, and so would all that it starts.
    def hear_ctrl_c() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, cwd=ROOT, text=True, preexec_fn=hear_ctrl_c, **more) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                process.kill()


class Demo:
    """A relay and a league that know each other, on ports of their own."""

    def __init__(self, folder: Path, stack: ExitStack, broker: str = "memory://") -> None:
        self._broker = broker
        self.folder = folder
        self._stack = stack
        self._listen, self._admin, self._page = free_port(), free_port(), free_port()
        self.page_url = f"http://127.0.0.1:{self._page}/"
        self.ws_url = f"ws://127.0.0.1:{self._listen}/ws"
        self._config = folder / "relay.toml"
        self._config.write_text((LEAGUE / "relay.toml").read_text().replace(":8000", f":{self._page}"))
        with self._config.open("a") as config:
            config.write("[server]\ndrain_s = 1\n")  # over how long pages load again after a gap
        self.league = self.start_league()

    def start_league(self) -> subprocess.Popen[str]:
        options = ["--relay", f"http://127.0.0.1:{self._admin}", "--ws", self.ws_url, "--pace", "0.05", "--seed", "7"]
        listen = ["--listen", f"tcp:{self._page}:interface=127.0.0.1"]
        command = [sys.executable, str(LEAGUE / "league.py"), *options, *listen]
        log = self._stack.enter_context((self.folder / "league.log").open("a"))
        league = self._stack.enter_context(running(*command, stdout=subprocess.PIPE, stderr=log))
        assert league.stdout is not None
        assert league.stdout.readline() == f"The league's page: {self.page_url}\n"
        return league

    def stop_league(self) -> None:
        self.league.terminate()
        self.league.wait(10)

    def start_relay(self) -> subprocess.Popen[str]:
        ends = {"--listen": self._listen, "--admin": self._admin}
        flags = [word for flag, port in ends.items() for word in (flag, f"tcp:{port}:interface=127.0.0.1")]
        options = ["--config", str(self._config), "--broker", self._broker]
        command = [sys.executable, "-m", "twisted", "pulsetw", *options, *flags]
        log = self._stack.enter_context((self.folder / "relay.log").open("a"))
        return self._stack.enter_context(running(*command, stdout=log, stderr=log))

    def plays_on(self, events: int) -> None:
        """Waits until so many more events have happened."""
        target = self._seq() + events
        while self._seq() < target:
            assert self.league.poll() is None

    def _seq(self) -> int:
        with urlopen(f"{self.page_url}league.json", timeout=10) as answer:
            seq: int = json.load(answer)["seq"]
            return seq

    def publish(self, channel: str, kind: str, data: dict[str, object]) -> None:
        """What somebody who tries the relay out would do with curl."""
        body = json.dumps({"channel": channel, "type": kind, "data": data}).encode()
        url = f"http://127.0.0.1:{self._admin}/api/v1/publish"
        urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10).close()


@contextmanager
def demonstration(folder: Path, broker: str = "memory://") -> Iterator[Demo]:
    """A league of which no relay runs yet."""
    with ExitStack() as stack:
        yield Demo(folder, stack, broker)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """A page in which nothing goes wrong: no exception, no violation of its policy."""
    context = browser.new_context(viewport={"width": 1200, "height": 760})
    context.set_default_timeout(LIMIT_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    page.goto(url)
    yield page
    context.close()
    assert faults == []


def says(page: Page, words: str, limit_ms: int = LIMIT_MS) -> None:
    expect(page.locator("#connection")).to_contain_text(words, timeout=limit_ms)


def loads_of(page: Page) -> list[str]:
    """How often the page asks for the whole table from now on; what comes without is by events."""
    loads: list[str] = []
    page.on("request", lambda request: loads.append(request.url) if request.url.endswith("/league.json") else None)
    return loads


def agree(page: Page, after: int = -1) -> int:
    """Waits until the page shows what the league knows; gives the league's seq at that moment."""
    seq: int = page.evaluate(AGREED_SEQ, [after, LIMIT_MS])
    return seq


class ScriptedRelay:
    """Answers the page's WebSockets inside the browser; greets as a relay does, then says what a test wants.

    Attributes:
        sockets: the page's connections, the newest last.
        subscribed: by channel, the last command that subscribed to it.
    """

    def __init__(self, page: Page) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.subscribed: dict[str, dict[str, Any]] = {}
        # As from a relay, which need not run.
        page.route(re.compile("/client.js$"), lambda route: route.fulfill(path=CLIENT, headers=ANY_ORIGIN))
        page.route_web_socket(re.compile("^ws:"), self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda text: self._answer(socket, json.loads(text)))

    def _answer(self, socket: WebSocketRoute, command: dict[str, Any]) -> None:
        channel, since = command.get("channel"), command.get("since")
        place = START if since is None else {**since, "recovered": True}
        answers = {
            "connect": {"op": "connected", "id": command.get("id"), "client": "c", "user": "", "pingS": 25},
            "subscribe": {"op": "subscribed", "id": command.get("id"), "channel": channel, **place},
        }
        if command["op"] == "subscribe":
            self.subscribed[channel] = command
        if command["op"] in answers:
            socket.send(json.dumps(answers[command["op"]]))

    def say(self, **message: object) -> None:
        self.sockets[-1].send(json.dumps(message))


@contextmanager
def scripted(demo: Demo, browser: Browser) -> Iterator[tuple[Page, ScriptedRelay]]:
    with opened(browser, "about:blank") as page:
        relay = ScriptedRelay(page)
        page.clock.install()
        page.goto(demo.page_url)
        says(page, "connected to")
        yield page, relay
