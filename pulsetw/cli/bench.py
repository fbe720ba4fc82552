"""``pulsetw bench``: loads a relay and tells how it bears it."""

import math
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

import click

from pulsetw import codec
from pulsetw.catalogue.names import check_name
from pulsetw.cli.load.marks import MAX_FRAME_BYTES
from pulsetw.cli.load.report import Report
from pulsetw.cli.load.run import Clocks, Load, Run
from pulsetw.cli.show import ProgressBar, table
from pulsetw.errors import ChannelError

_DEFAULT_RATE = 10.0
# For Python itself, the reactor, and connections to the operator's port.
_OWN_DESCRIPTORS = 32
_CONNECT_S = 5.0


def _address(*schemes: str) -> Callable[[click.Context, click.Parameter, str], str]:
    """Checks a URL: one of the schemes, a host, and neither a user nor a fragment."""
    expected = " or ".join(f"{scheme}://HOST:PORT" for scheme in schemes)

    def check(context: click.Context, parameter: click.Parameter, text: str) -> str:
        with suppress(ValueError):
            url = urlsplit(text)
            is_plain = text.isascii() and text.isprintable() and not url.fragment and "@" not in url.netloc
            if is_plain and url.scheme in schemes and url.hostname and url.port != 0:
                return text
        raise click.BadParameter(f"expected {expected}, found {text}", context, parameter)

    return check


def _channels(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for at, name in enumerate(names):
        if name in names[:at]:
            raise click.BadParameter(f"expected each name once, found {name} again", context, parameter)
        try:
            check_name(name)
        except ChannelError as error:
            raise click.BadParameter(str(error), context, parameter) from None
    return names


def _key(context: click.Context, parameter: click.Parameter, key: str) -> str:
    if not (key.isascii() and (key.isprintable() or not key)):
        raise click.BadParameter("expected printable ASCII", context, parameter)
    return key


def _positive(context: click.Context, parameter: click.Parameter, number: float | None) -> float | None:
    if number is not None and not 0 < number < math.inf:
        raise click.BadParameter(f"expected a number above 0, found {number:g}", context, parameter)
    return number


@click.command()
@click.argument("url", callback=_address("ws", "wss"))
@click.option("--clients", type=click.IntRange(1), default=100, show_default=True, help="Connections.")
@click.option(
    "--channel",
    "channels",
    metavar="NAME",
    callback=_channels,
    multiple=True,
    default=["bench:load"],
    show_default=True,
    help="Each client subscribes to it; may be given again and again. It takes events of any type.",
)
@click.option(
    "--connect-rate", type=float, callback=_positive, default=200.0, show_default=True, help="Connections a second."
)
@click.option(
    "--publish-to",
    metavar="URL",
    callback=_address("http", "https"),
    default="http://127.0.0.1:8081",
    show_default=True,
    help="The operator's port.",
)
@click.option(
    "--key", default="", callback=_key, envvar="PULSETW_KEY", show_envvar=True, help="For the operator's port."
)
@click.option("--rate", type=float, callback=_positive, help=f"Events a second.  [default: {_DEFAULT_RATE:g}]")
@click.option("--window", type=click.IntRange(1), help="Events on the way at once, instead of a rate.")
@click.option("--seconds", type=float, callback=_positive, default=10.0, show_default=True, help="How long to publish.")
@click.option(
    "--size", type=click.IntRange(0, MAX_FRAME_BYTES // 2), default=200, show_default=True, help="Bytes of data."
)
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
def bench(*, as_json: bool, rate: float | None, window: int | None, clients: int, **options: Any) -> None:
    """Load the relay at URL, such as ws://127.0.0.1:8080/ws, and report.

    Connects clients, publishes events, and counts what comes to whom. Exit status: 0 = every event came to every
    client, once and in order; 1 = something did not; 2 = wrong usage. Ctrl-C ends it with what there is.
    """
    if rate is not None and window is not None:
        raise click.UsageError("--rate and --window: expected one of them, found both")
    _allow_sockets(clients)
    report = _run(Load(clients=clients, rate=rate or _DEFAULT_RATE, window=window or 0, **options))
    if as_json:
        click.echo(codec.encode(report))
    else:
        table(report)
    sys.exit(1 if report.faults else 0)


def _allow_sockets(clients: int) -> None:
    """Takes as many descriptors as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and clients + _OWN_DESCRIPTORS > hard:
        raise click.BadParameter(
            f"expected at most {hard - _OWN_DESCRIPTORS}, found {clients}: this process may have {hard} descriptors "
            "(ulimit -Hn)",
            param_hint="'--clients'",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run(load: Load) -> Report:
    """Runs the reactor for as long as it takes."""
    from twisted.internet import reactor
    from twisted.web.client import Agent, HTTPConnectionPool

    core: Any = reactor
    reports: list[Report] = []
    agent = Agent(core, connectTimeout=_CONNECT_S, pool=HTTPConnectionPool(core))
    clocks = Clocks(lambda: time.monotonic_ns() // 1000, time.process_time)

    with ProgressBar() as bar:
        run = Run(core, clocks, load, secrets.token_hex(4), _endpoint(core, urlsplit(load.url)), agent, bar.tell)
        # Twisted's own handlers would complain about a second Ctrl-C while connections are closed.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: core.callFromThread(run.interrupt))
        run.start().addCallback(reports.append).addCallback(lambda _: core.stop())
        core.run(installSignalHandlers=False)
    return reports[0]


def _endpoint(reactor: Any, url: SplitResult) -> Any:
    from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
    from twisted.internet.ssl import optionsForClientTLS

    host = url.hostname or ""
    is_secure = url.scheme == "wss"
    endpoint = HostnameEndpoint(reactor, host.encode(), url.port or (443 if is_secure else 80))
    return wrapClientTLS(optionsForClientTLS(host), endpoint) if is_secure else endpoint
