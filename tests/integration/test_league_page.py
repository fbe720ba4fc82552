"""The example league: a real relay, a real league, and its page in headless Chromium."""

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
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect, sync_playwright

ROOT = Path(__file__).parents[2]
LEAGUE = ROOT / "docs" / "examples" / "league"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
LIMIT_MS = 30_000

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
ORDER = "[...document.querySelectorAll('#table tr')].map((row) => row.dataset.key).join()"


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

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._listen, self._admin, self._page = free_port(), free_port(), free_port()
        self.page_url = f"http://127.0.0.1:{self._page}/"
        self.ws_url = f"ws://127.0.0.1:{self._listen}/ws"
        self._config = folder / "relay.toml"
        self._config.write_text((LEAGUE / "relay.toml").read_text().replace(":8000", f":{self._page}"))
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
        command = [sys.executable, "-m", "twisted", "pulsetw", "--config", str(self._config), *flags]
        log = self._stack.enter_context((self.folder / "relay.log").open("a"))
        return self._stack.enter_context(running(*command, stdout=log, stderr=log))

    def publish(self, channel: str, kind: str, data: dict[str, object]) -> None:
        """What somebody who tries the relay out would do with curl."""
        body = json.dumps({"channel": channel, "type": kind, "data": data}).encode()
        url = f"http://127.0.0.1:{self._admin}/api/v1/publish"
        urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10).close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with ExitStack() as stack:
        yield Demo(tmp_path, stack)


@pytest.fixture
def browser() -> Iterator[Browser]:
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


def says(page: Page, words: str) -> None:
    expect(page.locator("#connection")).to_contain_text(words, timeout=LIMIT_MS)


def agree(page: Page, after: int = -1) -> int:
    """Waits until the page shows what the league knows; gives the league's seq at that moment."""
    seq: int = page.evaluate(AGREED_SEQ, [after, LIMIT_MS])
    return seq


def table_moves(page: Page) -> None:
    page.wait_for_function(f"(before) => {ORDER} !== before", arg=page.evaluate(ORDER))


def test_the_table_moves(demo: Demo, browser: Browser) -> None:
    """The order changes while one looks, and stays right by the events alone, without loading it again."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, f"connected to {demo.ws_url}")
        agree(page)
        loads: list[str] = []
        page.on("request", lambda request: loads.append(request.url) if request.url.endswith(".json") else None)
        table_moves(page)
        seq = -1
        for _ in range(3):
            seq = agree(page, seq)
            table_moves(page)
        assert loads == []
        for state in ("created", "started", "completed"):
            page.wait_for_selector(f"#matches li[data-state={state}]")


def test_a_player_gets_that_players_notifications(demo: Demo, browser: Browser) -> None:
    """Results, which the relay makes, and achievements reach the chosen player's page and no other."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page, opened(browser, f"{demo.page_url}#grace") as other:
        for one, player in ((page, "ada"), (other, "grace")):
            if player == "ada":
                one.select_option("#player", "ada")
            says(one, f"as {player.title()}")
            for kind in ("match_result", "achievement_unlocked"):
                one.wait_for_selector(f"#notifications li[data-type={kind}]")
        assert page.url.endswith("#ada")
        for one, player in ((page, "ada"), (other, "grace")):
            rows = one.locator("#notifications li")
            assert {row.get_attribute("data-player") for row in rows.all()} == {player}


def test_what_strangers_write_is_text(demo: Demo, browser: Browser) -> None:
    """Markup in an event is shown, not run."""
    demo.start_relay()
    with opened(browser, f"{demo.page_url}#ada") as page:
        says(page, "as Ada")
        message = "<img src=x onerror='document.title = \"broken\"'>"
        demo.publish("player:notifications", "greeting", {"playerId": "ada", "message": message})
        page.wait_for_selector("#notifications li[data-type=greeting]")
        assert page.locator("#notifications li[data-type=greeting] .words").inner_text() == message
        assert page.locator("main img").count() == 0


def test_a_full_refresh_loads_the_table_again(demo: Demo, browser: Browser) -> None:
    """Whoever publishes it is obeyed."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, "connected")
        agree(page)
        with page.expect_request("**/league.json"):
            demo.publish("leaderboard:updates", "leaderboard_update", {"fullRefresh": True})


def test_the_page_comes_back_with_the_relay(demo: Demo, browser: Browser) -> None:
    """A relay that is killed and started again costs nobody a click."""
    relay = demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, "connected to")
        seq = agree(page)
        relay.kill()
        says(page, "reconnecting in")
        demo.start_relay()
        says(page, "connected to")
        # The first time the table has been loaded; 50 events later it must have come by events.
        agree(page, agree(page, seq) + 50)
    told = (demo.folder / "league.log").read_text().splitlines()
    assert [line.split(" (")[0] for line in told][-2:] == ["league: the relay is away", "league: the relay is back"]


def test_the_page_follows_a_new_season(demo: Demo, browser: Browser) -> None:
    """A league that is started again begins anew, and the page with it."""
    demo.start_relay()
    with opened(browser, demo.page_url) as page:
        says(page, "connected to")
        agree(page, 100)
        demo.stop_league()
        demo.start_league()
        page.wait_for_function("() => Number(document.querySelector('#table .wins').textContent) <= 1")
        agree(page)
        table_moves(page)


def test_the_league_ends_by_ctrl_c(demo: Demo) -> None:
    """Without a traceback."""
    demo.league.send_signal(signal.SIGINT)
    assert demo.league.wait(10) == 0
    assert "Traceback" not in (demo.folder / "league.log").read_text()


class ScriptedRelay:
    """Answers the page's WebSockets inside the browser; greets as a relay does, then says what a test wants."""

    def __init__(self, page: Page) -> None:
        self.sockets: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("^ws:"), self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda text: self._answer(socket, json.loads(text)))

    def _answer(self, socket: WebSocketRoute, command: dict[str, object]) -> None:
        answers = {
            "connect": {"op": "connected", "id": command.get("id"), "client": "c", "user": "", "pingS": 25},
            "subscribe": {"op": "subscribed", "id": command.get("id"), "channel": command.get("channel")},
        }
        if command["op"] in answers:
            socket.send(json.dumps(answers[str(command["op"])]))

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


def test_the_relay_says_when_to_come_back(demo: Demo, browser: Browser) -> None:
    """A draining relay spreads its clients over time; the page obeys."""
    with scripted(demo, browser) as (page, relay):
        goodbye = {"op": "disconnect", "code": 3001, "reason": "draining"}
        relay.say(**goodbye, reconnect=True, reconnectAfterMs=600_000)
        relay.sockets[-1].close(code=3001, reason="draining")
        says(page, "reconnecting in 600 s")
        page.clock.fast_forward(500_000)
        says(page, "reconnecting in")
        assert len(relay.sockets) == 1
        page.clock.fast_forward(110_000)
        says(page, "connected to")
        assert len(relay.sockets) == 2


def test_the_page_stays_away_when_told(demo: Demo, browser: Browser) -> None:
    """Who was thrown out does not knock again."""
    with scripted(demo, browser) as (page, relay):
        relay.say(op="disconnect", code=3500, reason="enough", reconnect=False)
        relay.sockets[-1].close(code=3500, reason="enough")
        says(page, "the relay said: enough")
        page.clock.fast_forward(3_600_000)
        says(page, "the relay said: enough")
        assert len(relay.sockets) == 1


def test_a_gap_loads_the_table_again(demo: Demo, browser: Browser) -> None:
    """Where events were missed the page asks for the whole, when the relay says."""
    with scripted(demo, browser) as (page, relay), page.expect_request("**/league.json"):
        relay.say(op="gap", channel="match:events", reason="slow", reloadAfterMs=5_000)
        page.clock.fast_forward(6_000)


def test_a_silent_relay_is_left(demo: Demo, browser: Browser) -> None:
    """After a silence the page asks; without an answer it connects anew."""
    with scripted(demo, browser) as (page, relay):
        page.clock.fast_forward(25_500)
        page.clock.fast_forward(10_500)
        page.wait_for_function("() => document.getElementById('connection').dataset.state !== 'connected'")
        page.clock.fast_forward(1_000)
        says(page, "connected to")
        assert len(relay.sockets) == 2
