"""How cost grows with subscribers, channels and connections, and what connections cost that do nothing."""

from collections.abc import Iterable
from math import nan
from statistics import median

from attrs import define, field

from tests.bench.chart import Panel, lines
from tests.bench.choice import Choice
from tests.bench.load.matrix import measure
from tests.bench.load.workloads import Result, Workload, per_delivery, per_message
from tests.bench.peers.contender import Contender
from tests.bench.peers.relay import PLAIN, WITH_HISTORY
from tests.bench.report import Report, spaced, table

_SUBSCRIBERS = (10, 100, 1000, 5000, 15_000)
_CHANNELS = (1, 100, 10_000)
_CONNECTIONS = (1, 5000, 15_000)
_RUNS = 3
# So many times the chosen seconds: two rounds of pings where four are chosen.
_IDLE_TIMES = 13
_IDLE_CONNECTIONS = 5000
_JOINED, _ALONE = "8 messages undelivered, µs per delivery", "1 message undelivered, µs per delivery"
_LOGGED, _PLAIN = "with history, µs per publication", "without history, µs per publication"
_MEMORY, _EACH = "memory, MiB", "KiB per connection"


@define
class _Series:
    """Measures one thing after the other, and keeps what went wrong."""

    choice: Choice
    wrongs: list[str] = field(factory=list)

    def results(self, contender: Contender, workload: Workload, seconds: float = 0) -> list[Result]:
        """Some runs; those that failed are left out."""
        found = []
        for _ in range(self.choice.runs or _RUNS):
            result, wrong = measure(contender, workload, seconds or self.choice.seconds)
            if result is not None:
                found.append(result)
            if wrong:
                self.wrongs.append(f"{workload.name} {contender.name}: {wrong}")
        return found

    def figure(self, contender: Contender, workload: Workload) -> float:
        """The median of the workload's only figure."""
        return _median(workload.figures[0].read(result) for result in self.results(contender, workload))


def growth(choice: Choice, report: Report) -> list[str]:
    """Three tables and a chart; what was wrong."""
    series = _Series(choice)
    joined, alone = (
        [series.figure(WITH_HISTORY, _one_channel(count, window)) for count in _SUBSCRIBERS] for window in (8, 1)
    )
    logged, plain = (
        [series.figure(contender, _many_channels(count)) for count in _CHANNELS] for contender in (WITH_HISTORY, PLAIN)
    )
    memory = [_mebibytes(series, count) for count in _CONNECTIONS]
    each = [(all_of_them - memory[0]) * 1024 / count for all_of_them, count in zip(memory, _CONNECTIONS, strict=True)]
    tables = [
        _table("subscribers of one channel", _SUBSCRIBERS, {_JOINED: joined, _ALONE: alone}, 2),
        _table("channels with one subscriber each", _CHANNELS, {_LOGGED: logged, _PLAIN: plain}, 1),
        _table("connections, each with a subscription", _CONNECTIONS, {_MEMORY: memory, _EACH: each}, 1),
    ]
    panels = [
        Panel("µs per delivery, by subscribers", _SUBSCRIBERS, {_JOINED: joined, _ALONE: alone}),
        Panel("µs per publication, by channels", _CHANNELS, {_LOGGED: logged, _PLAIN: plain}),
        Panel("MiB, by connections", _CONNECTIONS, {_MEMORY: memory}, is_logarithmic=False),
    ]
    report.section("growth", "\n\n".join(tables), lines(panels))
    return series.wrongs


def idle(choice: Choice, report: Report) -> list[str]:
    """What a connection costs that only answers pings; what was wrong."""
    series = _Series(choice)
    seconds = _IDLE_TIMES * choice.seconds
    few, many = (
        _median(result["server_cpu_s"] for result in series.results(WITH_HISTORY, _silent(count), seconds))
        for count in (1, _IDLE_CONNECTIONS)
    )
    each = (many - few) / (_IDLE_CONNECTIONS - 1) / seconds * 1e6
    row = [
        spaced(_IDLE_CONNECTIONS),
        f"{seconds:g} s",
        f"{few:.2f} s",
        f"{many:.2f} s",
        f"{each:.2f}",
        "1.5",
    ]
    head = [
        "connections",
        "measured for",
        "CPU of one",
        "CPU of all",
        "µs per connection and second",
        "must stay within",
    ]
    report.section("idle", table(head, [row]))
    return series.wrongs


def _one_channel(subscribers: int, window: int) -> Workload:
    name = f"{subscribers} subscribers"
    return Workload(name, "", per_delivery(name), subscribers, window=window)


def _many_channels(channels: int) -> Workload:
    name = f"{channels} channels"
    return Workload(name, "", per_message(name), channels, channels, window=64)


def _silent(connections: int) -> Workload:
    return Workload(f"{connections} connections", "", (), connections)


def _mebibytes(series: _Series, connections: int) -> float:
    return _median(result["rss1_kb"] / 1024 for result in series.results(WITH_HISTORY, _silent(connections), 0.1))


def _median(values: Iterable[float]) -> float:
    """nan = nothing could be measured."""
    found = list(values)
    return median(found) if found else nan


def _table(what: str, at: tuple[int, ...], columns: dict[str, list[float]], digits: int) -> str:
    rows = [
        [spaced(count), *(f"{value:.{digits}f}" for value in values)]
        for count, *values in zip(at, *columns.values(), strict=True)
    ]
    return table([what, *columns], rows)
