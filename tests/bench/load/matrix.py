"""Every workload against every server, and the pairs that decide who is ahead."""

from collections import defaultdict
from statistics import median

from attrs import define, field

from tests.bench.chart import Column, dots
from tests.bench.choice import Choice
from tests.bench.load import wsload
from tests.bench.load.workloads import Result, Workload, faults
from tests.bench.peers.all import installed
from tests.bench.peers.compiled import LIMIT, NCHAN
from tests.bench.peers.contender import Contender
from tests.bench.peers.relay import WITH_HISTORY
from tests.bench.peers.server import Server
from tests.bench.report import Report, progress, table

_RUNS, _PAIRS = 3, 7


@define
class Cell:
    """One workload against one server, some runs of it.

    Attributes:
        faults: what was not as it should be, by run.
    """

    results: list[Result] = field(factory=list)
    faults: list[str] = field(factory=list)

    def medians(self, workload: Workload) -> list[float]:
        """One for each of the workload's figures."""
        return [median(map(figure.read, self.results)) for figure in workload.figures]


Cells = dict[tuple[Contender, Workload], Cell]


def measure(contender: Contender, workload: Workload, seconds: float) -> tuple[Result | None, str]:
    """One run against a server that was started for it, and what was wrong.

    Returns:
        No result where nothing could be measured.
    """
    try:
        with Server(contender) as server:
            result = wsload.run(server, workload, seconds)
    except RuntimeError as error:
        progress(f"{workload.name} {contender.name}: {error}")
        return None, str(error)
    wrong = faults(workload, result)
    figures = ", ".join(f"{figure.title}: {figure.text(figure.read(result))}" for figure in workload.figures)
    progress(f"{workload.name} {contender.name}: {figures}{f' ({wrong})' if wrong else ''}")
    return result, wrong


def load(choice: Choice, report: Report) -> list[str]:
    """The table; what was wrong with pulsetw."""
    versions = installed(choice.contenders)
    cells: Cells = defaultdict(Cell)
    for _ in range(choice.runs or _RUNS):
        for workload in choice.workloads:
            for contender in versions:
                if not contender.takes_part(workload):
                    continue
                result, wrong = measure(contender, workload, choice.seconds)
                cell = cells[contender, workload]
                if result is not None:
                    cell.results.append(result)
                if wrong:
                    cell.faults.append(wrong)
    report.section("load", _text(choice, cells, versions), _chart(choice, cells, versions))
    return [
        f"{workload.name} {contender.name}: {fault}"
        for (contender, workload), cell in cells.items()
        for fault in cell.faults
        if contender.name.startswith(WITH_HISTORY.name)
    ]


def pairs(choice: Choice, report: Report) -> list[str]:
    """pulsetw and another by turns, so that a noisy machine is noisy for both; what was wrong with pulsetw."""
    workloads = {workload.name: workload for workload in choice.workloads}
    versions = installed((LIMIT, NCHAN))
    wanted = [("W1b", 0, LIMIT, "1.3"), ("W1b", 0, NCHAN, "1.0"), ("W2", 1, NCHAN, "1.0")]
    rows, wrongs = [], []
    for name, number, other, bound in wanted:
        if name not in workloads or other not in versions:
            continue
        workload, ratios = workloads[name], []
        for _ in range(choice.runs or _PAIRS):
            (ours, wrong), (theirs, _) = (measure(each, workload, choice.seconds) for each in (WITH_HISTORY, other))
            wrongs += [f"{name}: {wrong}"] if wrong else []
            if ours is not None and theirs is not None:
                figure = workload.figures[number]
                ratios.append(figure.read(ours) / figure.read(theirs))
        if ratios:
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            title = workload.figures[number].title
            rows.append([f"{title}: pulsetw / {other.title}", f"{median(ratios):.2f}", spread, str(len(ratios)), bound])
    report.section("pairs", table(["ratio", "median", "all", "pairs", "must stay within"], rows))
    return wrongs


def _text(choice: Choice, cells: Cells, versions: dict[Contender, str]) -> str:
    figures = [figure for workload in choice.workloads for figure in workload.figures]
    notes: list[str] = []
    rows = [[contender.title, *_values(choice, cells, contender, notes)] for contender in _taking_part(cells, versions)]
    rows.append(["**pulsetw must stay within**", *(figure.bound or "-" for figure in figures)])
    used = sorted({versions[contender] for contender in _taking_part(cells, versions)})
    lines = [table(["CPU of the server", *(figure.title for figure in figures)], rows)]
    if notes:
        lines.append("\n".join(notes))
    lines.append(f"Median of {choice.runs or _RUNS}, {choice.seconds:g} s each. Versions: {'; '.join(used)}.")
    return "\n\n".join(lines)


def _values(choice: Choice, cells: Cells, contender: Contender, notes: list[str]) -> list[str]:
    """Its cells; an asterisk where messages were missing, twice or late, and a note that says so."""
    texts = []
    for workload in choice.workloads:
        cell = cells.get((contender, workload), Cell())
        if not cell.results:
            texts += ["-"] * len(workload.figures)
        else:
            mark = "\\*" if cell.faults else ""
            medians = zip(workload.figures, cell.medians(workload), strict=True)
            texts += [f"{figure.text(value)}{mark}" for figure, value in medians]
        if cell.faults:
            notes.append(f"* {contender.title}, {workload.name}: {cell.faults[-1]}")
    return texts


def _chart(choice: Choice, cells: Cells, versions: dict[Contender, str]) -> str:
    taking_part = _taking_part(cells, versions)
    columns = []
    for workload in choice.workloads:
        for number, figure in enumerate(workload.figures):
            values = [
                cell.medians(workload)[number] if (cell := cells.get((contender, workload))) and cell.results else None
                for contender in taking_part
            ]
            columns.append(Column(figure.title, values, figure.text))
    return dots([contender.title for contender in taking_part], columns)


def _taking_part(cells: Cells, versions: dict[Contender, str]) -> list[Contender]:
    return [contender for contender in versions if any(contender is each for each, _ in cells)]
