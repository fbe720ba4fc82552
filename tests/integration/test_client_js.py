"""``client.js`` in headless Chromium: the vectors of the Python client, and a real relay."""

import json
import signal
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page

from tests.integration.league import LIMIT_MS
from tests.integration.processes import ROOT, RelayProcess, free_port

VECTORS = (ROOT / "tests" / "vectors" / "client.json").read_text()

# Gives what differs, and how many steps were taken.
RUN_VECTORS = """async (text) => {
  const { ClientState } = await import("/client.js");
  const sorted = (value) => JSON.stringify(value, (_, each) => each && typeof each === "object" && !Array.isArray(each)
    ? Object.fromEntries(Object.entries(each).sort()) : each);
  const wrong = [];
  let steps = 0;
  for (const vector of JSON.parse(text).cases) {
    const state = new ClientState({ ...vector.options, dice: () => vector.dice ?? 0.5 });
    for (const step of vector.steps) {
      const gives = state[step.do](step.at, ...(step.with ?? []))
        .map((effect) => effect.event ? { event: [effect.event.channel, effect.event.id] } : effect);
      const positions = Object.fromEntries([...state.channels].map(([name, each]) => [name, each.position]));
      const found = sorted({ gives, due: state.dueMs, positions });
      const expected = sorted({ gives: step.gives, due: step.due, positions: step.positions ?? {} });
      if (found !== expected) wrong.push([vector.name, step.do, found, expected]);
      steps += 1;
    }
  }
  return { wrong, steps };
}"""

LISTEN = """async (url) => {
  const { PulseClient } = await import("/client.js");
  window.client = new PulseClient(url, { firstWaitMs: 100, maxWaitMs: 500 });
  Object.assign(window, { numbers: [], gaps: [], ends: [], states: [] });
  client.onState = ({ state }) => states.push(state);
  const onEvent = ({ data }) => {
    numbers.push(data.n);
    throw new Error("a callback that fails costs nobody else");
  };
  window.subscription = client.subscribe("news:a", { onEvent, onGap: (gap) => gaps.push(gap) });
  client.subscribe("unknown", { onEvent, onEnd: (ended) => ends.push(ended) });
}"""


class Handler(SimpleHTTPRequestHandler):
    """Our module, and an empty page."""

    def do_GET(self) -> None:
        if self.path == "/client.js":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>client</title>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    folder = str(ROOT / "pulsetw" / "web")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            context = browser.new_context()
            context.set_default_timeout(LIMIT_MS)
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            yield page
            context.close()
        finally:
            server.shutdown()
            thread.join()


def publish(relay: RelayProcess, number: int) -> None:
    body = json.dumps({"channel": "news:a", "type": "t", "data": {"n": number}}).encode()
    request = Request(f"{relay.admin}/api/v1/publish", body, {"Content-Type": "application/json"})
    urlopen(request, timeout=10).close()


def test_the_browser_keeps_the_vectors(page: Page) -> None:
    """Step by step the same as the Python client."""
    result = page.evaluate(RUN_VECTORS, VECTORS)
    assert result["wrong"] == []
    assert result["steps"] == sum(len(vector["steps"]) for vector in json.loads(VECTORS)["cases"])


def test_it_comes_back_and_tells_that_it_was_away(page: Page, tmp_path: Path) -> None:
    """Events, a refusal, a gap for the relay's restart, events again, and silence after it is closed."""
    origin = page.evaluate("location.origin")
    config = f'[auth]\norigins = ["{origin}"]\n[channels."news:*"]\n'
    relay = RelayProcess(tmp_path / "one", config=config, listen=free_port())
    try:
        page.evaluate(LISTEN, relay.websocket)
        page.wait_for_function("subscription.isLive")
        page.wait_for_function("ends.length")
        assert page.evaluate("ends.map(({ channel, code }) => [channel, code])") == [["unknown", 102]]
        publish(relay, 1)
        page.wait_for_function("numbers.length === 1")
        relay.signal(signal.SIGKILL)
        page.wait_for_function("!subscription.isLive")
        relay.close()
        relay = RelayProcess(tmp_path / "two", config=config, listen=relay.port)
        page.wait_for_function("subscription.isLive")
        publish(relay, 2)
        page.wait_for_function("numbers.length === 2")
        assert page.evaluate("numbers") == [1, 2]
        assert page.evaluate("gaps") == [{"channel": "news:a", "reason": "reconnected"}]
        page.evaluate("client.close()")
        assert page.evaluate("[states.includes('waiting'), states.at(-1)]") == [True, "closed"]
    finally:
        relay.close()


def test_closed_at_once_it_never_connects(page: Page) -> None:
    """Nothing is started behind the back of who closed it."""
    states = page.evaluate("""async () => {
      const { PulseClient } = await import("/client.js");
      const states = [];
      const client = new PulseClient("ws://127.0.0.1:9/ws");
      client.onState = ({ state }) => states.push(state);
      client.close();
      await new Promise(requestAnimationFrame);
      return states;
    }""")
    assert states == []
