"""The example league: what its web server answers."""

import json
from random import Random

from season import Season
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest
from website import PAGE, website


class WebsiteTests(SynchronousTestCase):
    def get(self, path: bytes) -> tuple[DummyRequest, bytes]:
        season = Season("5ea5", 4, Random(1))  # noqa: S311  # a game's dice
        request = DummyRequest([path])
        resource = website(season, "ws://relay/ws").resource.getChildWithDefault(path, request)
        body = resource.render(request)
        return request, body if isinstance(body, bytes) else b"".join(request.written)

    def test_the_league_as_json(self) -> None:
        """A page learns from one document where the relay is, who plays, and what happened so far."""
        request, body = self.get(b"league.json")
        league = json.loads(body)
        self.assertEqual((league["relay"], league["season"], league["seq"]), ("ws://relay/ws", "5ea5", 0))
        self.assertEqual([player["rank"] for player in league["players"]], [1, 2, 3, 4])
        self.assertEqual(request.responseHeaders.getRawHeaders("content-type"), ["application/json"])

    def test_nothing_inline_may_run(self) -> None:
        """Scripts come from the league only; the page holds none inline, and neither styles."""
        for path in (b"index.html", b"league.json"):
            request, _ = self.get(path)
            (policy,) = request.responseHeaders.getRawHeaders("content-security-policy")
            self.assertIn("script-src 'self';", policy)
            self.assertNotIn("unsafe", policy)
        page = (PAGE / "index.html").read_text()
        for inline in ("<style", " style=", " onclick=", "<script>"):
            self.assertNotIn(inline, page)

    def test_strangers_words_are_text(self) -> None:
        """No script writes markup."""
        for script in PAGE.glob("*.js"):
            for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
                self.assertNotIn(way, script.read_text())
