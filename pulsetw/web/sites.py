"""What stands at which path, for operators and for the public."""

from collections.abc import Callable

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from pulsetw.web.answer import Answer, bare_error, json_answer, json_error
from pulsetw.web.api import Api, Publisher, Stats
from pulsetw.web.channel import OperatorSite
from pulsetw.web.guard import Guard
from pulsetw.web.routes import Route, Routes, WebRequest
from pulsetw.web.scripts import scripts
from pulsetw.web.status import Readiness, operator_health, public_health


@frozen
class OperatorOptions:
    """The settings of the operator's port.

    Attributes:
        api_keys: each of them opens it; none = only programs on the same machine may use it.
        hosts: names and addresses, besides loopback's, by which it may be called.
        body_bytes: the body of a request, at most.
        head_bytes: the head of a request, at most.
        batch_events: events in one batch, at most.
    """

    api_keys: tuple[str, ...] = field(default=(), repr=False)
    hosts: tuple[str, ...] = ()
    body_bytes: int = 1024 * 1024
    head_bytes: int = 16 * 1024
    batch_events: int = 1000


def operator_site(
    reactor: IReactorTime,
    publisher: Publisher,
    stats: Stats,
    readiness: Callable[[], Readiness],
    options: OperatorOptions,
) -> OperatorSite:
    """The factory for the operator's endpoints.

    Args:
        reactor: gives the time for idle connections.
        publisher: publishes what is posted.
        stats: from the name of a part of the relay to what tells its numbers.
        readiness: tells whether the relay is of use, at any time.
        options: the settings.
    """
    guard = Guard(options.api_keys, options.hosts)
    api = Api(publisher, stats, options.batch_events)
    routes = {path: Route(methods) for path, methods in api.paths.items()}
    routes.update({path: Route(methods, open=True) for path, methods in operator_health(readiness).items()})
    paths = sorted(path.decode() for path in routes)

    def index(_request: WebRequest) -> Answer:
        return json_answer(200, {"name": "pulsetw", "paths": paths})

    routes[b"/"] = Route({b"GET": index}, open=True)
    return OperatorSite(
        Routes(routes, json_error, guard),
        guard,
        reactor=reactor,
        body_bytes=options.body_bytes,
        head_bytes=options.head_bytes,
    )


def public_resource(readiness: Callable[[], Readiness]) -> Routes:
    """What the public port serves over HTTP: its health in a word, and our client for browsers."""
    public = {**public_health(readiness), **scripts()}
    routes = {path: Route(methods, open=True) for path, methods in public.items()}
    return Routes(routes, bare_error)
