"""The client for browsers is there for every page."""

from importlib.resources import files

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.web.sites import public_resource
from tests.unit.web.test_status import AWAY
from tests.unit.web.wire import STRANGER, ask, plain_site


class ScriptsTests(SynchronousTestCase):
    def test_it_is_served_to_pages_of_any_origin(self):
        """As a module, checked for a new release each time, also while the broker is away."""
        site = plain_site(public_resource(lambda: AWAY))
        for path, kind in (("/client.js", "text/javascript"), ("/client.d.ts", "application/typescript")):
            response = ask(site, "GET", path, peer=STRANGER, headers={"Origin": "https://elsewhere.example"})
            self.assertEqual(response.status, 200)
            self.assertEqual(response.body, files("pulsetw.web").joinpath(path[1:]).read_bytes())
            self.assertEqual(response.headers["content-type"], f"{kind}; charset=utf-8")
            self.assertEqual(response.headers["access-control-allow-origin"], "*")
            self.assertEqual(response.headers["cache-control"], "no-cache")
