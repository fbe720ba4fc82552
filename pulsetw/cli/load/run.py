"""One run from its first connection to its report."""

import gc
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from pulsetw.cli.load.crowd import Crowd
from pulsetw.cli.load.ledger import Ledger
from pulsetw.cli.load.marks import Marks
from pulsetw.cli.load.pace import Rate, Window
from pulsetw.cli.load.publisher import Publisher, Target
from pulsetw.cli.load.report import Connections, Deliveries, Publishing, Report
from pulsetw.cli.load.strain import Gauge, Strain

_TICK_S = 0.05
# A bar that is drawn takes 2 ms, which latencies would have in them.
_TICKS_PER_TELLING = 4
# After the last event nothing may come for so long before what lacks is lost.
SILENCE_S = 3.0


@frozen
class Load:
    """What a run is to do.

    Attributes:
        url: of the relay's WebSocket.
        publish_to: of its operator's port.
        channels: each listener subscribes to all, events go round them.
        key: for publishing; "" = none.
        clients: listeners, 1 or more.
        connect_rate: of them a second.
        window: events in flight; 0 = at a rate.
        rate: events a second; counts only without a window.
        seconds: for how long events are published.
        size: bytes of an event's data.
    """

    url: str
    publish_to: str
    channels: Sequence[str]
    key: str
    clients: int
    connect_rate: float
    window: int
    rate: float
    seconds: float
    size: int


@frozen
class Progress:
    """How far a run is.

    Attributes:
        phase: one of connecting, publishing, waiting (for what is on its way).
        share: of the phase, 0 to 1.
        subscribed: listeners.
        published: events.
        arrived: deliveries.
    """

    phase: str
    share: float
    subscribed: int
    published: int
    arrived: int


@frozen
class Clocks:
    """What a run reads time from.

    Attributes:
        now_us: never goes back, in microseconds.
        cpu_s: seconds of a core that this process has had.
    """

    now_us: Callable[[], int]
    cpu_s: Callable[[], float]


class Run:
    """Connects, publishes, waits for what is on its way, and tells."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        clocks: Clocks,
        load: Load,
        name: str,
        endpoint: IStreamClientEndpoint,
        agent: IAgent,
        tell: Callable[[Progress], object],
    ) -> None:
        """Does nothing before `start`.

        Args:
            reactor: for what waits.
            clocks: for what is measured.
            load: what to do.
            name: letters and digits, no two runs the same.
            endpoint: the way to the relay.
            agent: the way to its operator's port.
            tell: called now and then.

        Raises:
            Exception: Autobahn's, for an address that is none of a WebSocket.
        """
        marks = Marks(name, load.size)
        self._reactor = reactor
        self._clocks = clocks
        self._load = load
        self._tell = tell
        self._ledger = Ledger(len(load.channels), self._event_done)
        self._crowd = Crowd(reactor, clocks.now_us, endpoint, load.url, load.channels, marks, self._ledger)
        target = Target(load.publish_to, load.key, load.channels)
        self._publisher = Publisher(reactor, clocks.now_us, agent, target, marks, self._ledger)
        self._began_us = clocks.now_us()
        self._gauge = Gauge(clocks.now_us, clocks.cpu_s)
        self._connecting: Strain | None = None
        self._publishing_us: int | None = None
        self._interrupted = False
        self._is_over = False
        self._due_us = 0
        self._ticks = 0
        self._ticking: IDelayedCall | None = None
        self._done: Deferred[Report] = Deferred()

    def start(self) -> Deferred[Report]:
        """Begins.

        Returns:
            Fires with what was found, when no connection is left. Never fails.
        """
        gathered = self._crowd.gather(self._load.clients, self._load.connect_rate).addCallback(self._gathered)
        gathered.addErrback(lambda failure: self._log.failure("Publishing did not begin", failure))
        self._plan_tick()
        return self._done

    def interrupt(self) -> None:
        """Ends it now, and what is on its way is not lost; nothing where it has ended."""
        self._interrupted = True
        self._end()

    def _event_done(self) -> None:
        self._publisher.look()

    def _gathered(self, _: None) -> None:
        if self._is_over:
            return
        if not self._crowd.subscribed:
            self._end()
            return
        self._connecting = self._gauge.read()
        self._gauge = Gauge(self._clocks.now_us, self._clocks.cpu_s)
        self._publishing_us = self._clocks.now_us()
        window = self._load.window
        self._publisher.start(Window(window) if window else Rate(self._load.rate, self._publishing_us))

    def _plan_tick(self) -> None:
        self._due_us = self._clocks.now_us() + int(_TICK_S * 1_000_000)
        self._ticking = self._reactor.callLater(_TICK_S, self._tick)

    def _tick(self) -> None:
        now_us = self._clocks.now_us()
        self._gauge.late(now_us - self._due_us)
        self._crowd.give_up_late()
        if self._publishing_us is None:
            # A full collection with 10 000 connections takes 0.3 s, which would count as the relay's.
            gc.freeze()
        else:
            if now_us - self._publishing_us >= self._load.seconds * 1_000_000 or not self._crowd.listening:
                self._publisher.stop()
            if self._publisher.is_over and self._is_silent(now_us):
                self._end()
        if not self._is_over:
            self._ticks += 1
            if self._ticks % _TICKS_PER_TELLING == 0:
                self._tell(self._progress(now_us))
            self._plan_tick()

    def _is_silent(self, now_us: int) -> bool:
        """Whether nothing more is to come."""
        last_us = max(self._publisher.last_us, self._ledger.last_us)
        return not self._ledger.awaited or now_us - last_us >= SILENCE_S * 1_000_000

    def _progress(self, now_us: int) -> Progress:
        if self._publishing_us is None:
            phase, share = "connecting", self._crowd.settled / self._load.clients
        elif self._publisher.is_over:
            phase, share = "waiting", 1.0
        else:
            passed_s = (now_us - self._publishing_us) / 1_000_000
            phase, share = "publishing", min(1.0, passed_s / self._load.seconds)
        return Progress(phase, share, self._crowd.subscribed, self._publisher.published, self._ledger.arrived)

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._ticking is not None and self._ticking.active():
            self._ticking.cancel()
        self._publisher.stop()
        report = self._report()
        self._crowd.leave().addCallback(lambda _: self._done.callback(report))

    def _report(self) -> Report:
        strain = self._gauge.read()
        return Report(
            self._load.url,
            self._interrupted,
            self._connections(),
            self._published(),
            self._deliveries(),
            self._connecting or strain,
            strain if self._connecting is not None else None,
        )

    def _passed_us(self, last_us: int) -> int:
        """From the first request to what came last, and at least as long as publishing was to take or has taken."""
        if self._publishing_us is None:
            return 0
        planned_us = int(self._load.seconds * 1_000_000)
        return max(last_us - self._publishing_us, min(planned_us, self._clocks.now_us() - self._publishing_us))

    def _connections(self) -> Connections:
        crowd = self._crowd
        passed_us = (crowd.gathered_us or self._clocks.now_us()) - self._began_us
        return Connections(
            self._load.clients,
            crowd.handshakes.count,
            crowd.subscribed,
            _per_second(crowd.handshakes.count, passed_us),
            dict(crowd.failures),
            dict(crowd.refusals),
            dict(crowd.disconnects),
            crowd.handshakes.percentiles(),
        )

    def _published(self) -> Publishing:
        publisher = self._publisher
        passed_us = self._passed_us(publisher.last_us)
        return Publishing(
            None if self._load.window else self._load.rate,
            self._load.window,
            passed_us / 1_000_000,
            publisher.published,
            _per_second(publisher.published, passed_us),
            dict(publisher.failures),
            publisher.error,
        )

    def _deliveries(self) -> Deliveries:
        ledger, crowd = self._ledger, self._crowd
        return Deliveries(
            ledger.expected,
            ledger.arrived,
            _per_second(ledger.arrived, self._passed_us(ledger.last_us)),
            ledger.written_off if self._interrupted else ledger.lost,
            ledger.duplicates,
            ledger.out_of_order,
            dict(crowd.gaps),
            crowd.strangers,
            ledger.latency.percentiles(),
        )


def _per_second(count: int, passed_us: int) -> float:
    return count * 1_000_000 / passed_us if count and passed_us > 0 else 0.0
