"""From a request to a method, and from its answer back to the wire."""

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.web.answer import bare_error, json_answer, json_error
from pulsetw.web.routes import Route, Routes
from tests.unit.web.wire import Connection, ask, plain_site, request


class Broken(Exception):
    """Something that nobody expects."""


def serve(method, *, errors=json_error):
    """A site with one path, which POST and GET reach."""
    return plain_site(Routes({b"/x": Route({b"GET": method, b"POST": method})}, errors))


class MethodTests(SynchronousTestCase):
    def setUp(self):
        self.site = plain_site(
            Routes(
                {
                    b"/get": Route({b"GET": lambda _: json_answer(200, {"a": 1})}),
                    b"/post": Route({b"POST": lambda _: json_answer(200, {})}),
                },
                json_error,
            )
        )

    def test_head_is_get_without_the_body(self):
        got, headed = ask(self.site, "GET", "/get"), ask(self.site, "HEAD", "/get")
        self.assertEqual((headed.status, headed.body), (200, b""))
        self.assertEqual(headed.headers["content-length"], str(len(got.body)))
        self.assertEqual(headed.headers["content-type"], got.headers["content-type"])

    def test_other_methods_are_told_which_there_are(self):
        for method, path, allowed in (
            ("POST", "/get", "GET, HEAD"),
            ("GET", "/post", "POST"),
            ("HEAD", "/post", "POST"),
            ("OPTIONS", "/post", "POST"),
            ("BREW", "/get", "GET, HEAD"),
        ):
            response = ask(self.site, method, path)
            self.assertEqual((response.status, response.headers["allow"]), (405, allowed), method)

    def test_a_path_that_is_not_there(self):
        response = ask(self.site, "GET", "/nothing?key=secret")
        self.assertEqual((response.status, response.error["code"]), (404, 107))
        self.assertNotIn(b"secret", response.body)

    def test_a_query_belongs_to_no_path(self):
        self.assertEqual(ask(self.site, "GET", "/get?a=b").status, 200)

    def test_nothing_is_cached_and_the_server_is_not_named(self):
        for path in ("/get", "/nothing"):
            headers = ask(self.site, "GET", path).headers
            self.assertEqual(headers["cache-control"], "no-store")
            self.assertEqual(headers["content-type"], "application/json")
            self.assertNotIn("server", headers)


class FailureTests(SynchronousTestCase):
    """An unknown exception costs its sender one answer, and is logged once."""

    def failing(self, method, *, errors=json_error):
        response = ask(serve(method, errors=errors), "GET", "/x")
        (failure,) = self.flushLoggedErrors(Broken)
        self.assertIn("secret", str(failure.value))
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"secret", response.body)
        return response

    def test_raised(self):
        def method(_request):
            raise Broken("secret")

        self.assertEqual(self.failing(method).error, {"code": 100, "message": "internal error"})

    def test_later(self):
        def method(_request):
            deferred = Deferred()
            deferred.errback(Failure(Broken("secret")))
            return deferred

        self.failing(method)

    def test_the_public_is_told_less(self):
        def method(_request):
            raise Broken("secret")

        self.assertEqual(self.failing(method, errors=bare_error).body, b"refused\n")


class GoneTests(SynchronousTestCase):
    def test_a_client_that_left_before_its_answer_is_no_error(self):
        answers = Deferred()
        connection = Connection(serve(lambda _: answers))
        connection.send(request("GET", "/x"))
        connection.lose()
        answers.callback(json_answer(200, {}))
        self.assertEqual(connection.responses(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_our_own_mistake_is_logged_all_the_same(self):
        answers = Deferred()
        connection = Connection(serve(lambda _: answers))
        connection.send(request("GET", "/x"))
        connection.lose()
        answers.errback(Failure(Broken("mistake")))
        self.assertEqual(len(self.flushLoggedErrors(Broken)), 1)

    def test_an_answer_may_come_later(self):
        answers = Deferred()
        connection = Connection(serve(lambda _: answers))
        connection.send(request("GET", "/x") + request("GET", "/nothing"))
        self.assertEqual(connection.responses(), [])
        answers.callback(json_answer(200, {"late": True}))
        late, other = connection.responses()
        self.assertEqual((late.json, other.status), ({"late": True}, 404))
