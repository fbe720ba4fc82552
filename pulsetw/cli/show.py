"""What ``pulsetw bench`` shows to people."""

from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from pulsetw.cli.load.histogram import Percentiles
from pulsetw.cli.load.report import Report
from pulsetw.cli.load.run import Progress
from pulsetw.errors import ErrorCode

_UNKNOWN_CHANNEL = 'The relay\'s file makes channels for any event by a line such as [channels."bench:*"].'


class ProgressBar:
    """How far a run is, on standard error; nothing where that is no terminal."""

    def __init__(self) -> None:
        """Shows nothing before it is entered."""
        console = Console(stderr=True)
        columns = (TextColumn("{task.description:10}"), BarColumn(), TextColumn("{task.fields[numbers]}"))
        # Its own refreshing would take a thread.
        self._bar = Bar(*columns, console=console, auto_refresh=False, transient=True, disable=not console.is_terminal)
        self._task: TaskID = self._bar.add_task("connecting", total=1, numbers="")

    def tell(self, now: Progress) -> None:
        """Shows it."""
        numbers = f"{now.subscribed} clients, {now.published} events, {now.arrived} deliveries"
        self._bar.update(self._task, description=now.phase, completed=now.share, numbers=numbers, refresh=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()


def table(report: Report) -> None:
    """Prints a report."""
    console = Console(highlight=False)
    rows = Table(box=box.SIMPLE_HEAD, title=escape(report.url), title_justify="left")
    rows.add_column("")
    rows.add_column("count", justify="right")
    rows.add_column("per second", justify="right")
    for name in ("p50 ms", "p90 ms", "p99 ms", "max ms"):
        rows.add_column(name, justify="right")
    connections, publishing, deliveries = report.connections, report.publishing, report.deliveries
    rows.add_row(
        "connections",
        f"{connections.made}",
        f"{connections.per_second:.1f}",
        *_times(connections.made, connections.handshake_ms),
    )
    rows.add_row("subscribed", f"{connections.subscribed}")
    rows.add_row("published", f"{publishing.published}", f"{publishing.per_second:.1f}")
    rows.add_row(
        "deliveries",
        f"{deliveries.arrived}",
        f"{deliveries.per_second:.1f}",
        *_times(deliveries.arrived, deliveries.latency_ms),
    )
    for name, count in (
        ("lost", deliveries.lost),
        ("duplicates", deliveries.duplicates),
        ("out of order", deliveries.out_of_order),
        ("of others", deliveries.strangers),
    ):
        rows.add_row(name, f"{count}")
    console.print(rows)
    for fault in report.faults:
        console.print(escape(fault), style="red")
    if any(refusal.startswith(f"{ErrorCode.UNKNOWN_CHANNEL} ") for refusal in connections.refusals):
        console.print(escape(_UNKNOWN_CHANNEL))
    for warning in report.warnings:
        console.print(escape(warning), style="yellow")
    if report.interrupted:
        console.print("interrupted: what was on its way is not counted as lost")


def _times(count: int, times: Percentiles) -> list[str]:
    return [f"{value:.1f}" for value in (times.p50, times.p90, times.p99, times.max)] if count else []
