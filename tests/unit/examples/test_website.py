"""The example league: what its web server answers."""

import json
from random import Random

from season import Season
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest
from website import PAGE, website

POSITIONS = {"match:events": {"offset": 7, "epoch": "k3"}}


class WebsiteTests(SynchronousTestCase):
    def get(self, path: bytes) -> tuple[DummyRequest, bytes]:
        season = Season("5ea5", 4, Random(1))  # noqa: S311  # a game's dice
        request = DummyRequest([path])
        resource = website(season, "ws://relay:8080/ws", POSITIONS).resource.getChildWithDefault(path, request)
        body = resource.render(request)
        return request, body if isinstance(body, bytes) else b"".join(request.written)

    def test_the_league_as_json(self) -> None:
        """A page learns from one document who plays, what happened so far, and where it goes on in the channels."""
        request, body = self.get(b"league.json")
        league = json.loads(body)
        self.assertEqual((league["season"], league["seq"], league["positions"]), ("5ea5", 0, POSITIONS))
        self.assertEqual([player["rank"] for player in league["players"]], [1, 2, 3, 4])
        self.assertEqual(request.responseHeaders.getRawHeaders("content-type"), ["application/json"])

    def test_where_the_relay_is(self) -> None:
        """A page learns it from a module, before anything else."""
        request, body = self.get(b"address.js")
        self.assertEqual(body, b'export const RELAY = "ws://relay:8080/ws";\n')
        self.assertEqual(request.responseHeaders.getRawHeaders("content-type"), ["text/javascript"])

    def test_nothing_inline_may_run(self) -> None:
        """Scripts come from the league and its relay only; the page holds none inline, and neither styles."""
        for path in (b"index.html", b"league.js", b"league.json", b"address.js"):
            request, _ = self.get(path)
            (policy,) = request.responseHeaders.getRawHeaders("content-security-policy")
            self.assertIn("script-src 'self' http://relay:8080;", policy)
            self.assertNotIn("unsafe", policy)
        page = (PAGE / "index.html").read_text()
        for inline in ("<style", " style=", " onclick=", "<script>"):
            self.assertNotIn(inline, page)

    def test_strangers_words_are_text(self) -> None:
        """No script writes markup."""
        for script in PAGE.glob("*.js"):
            for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
                self.assertNotIn(way, script.read_text())
