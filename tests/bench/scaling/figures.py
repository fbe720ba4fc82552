"""What was measured: read from the tables of the documentation, so that a plan never has figures of its own."""

import re
from typing import Any, Self

from attrs import field, fields, frozen

from tests.integration.processes import ROOT

_FOLDER = ROOT / "docs" / "explanation"
_number = re.compile(r"\d[\d ]*(?:\.\d+)?")


class NoFigureError(Exception):
    """A table of the documentation lacks a cell, or it holds no number."""

    def __init__(self, source: "Source") -> None:
        self.source = source

    def __str__(self) -> str:
        return f"expected a number in {self.source}: measure it again, or give one as an option"


@frozen
class Source:
    """A cell of a table.

    Attributes:
        page: of docs/explanation.
        row: what it begins with, up to the end of a cell.
        column: its title.
    """

    page: str
    row: str
    column: str

    def __str__(self) -> str:
        return f"{self.page}, row “{self.row}”, column “{self.column}”"

    def read(self) -> float:
        """The first number in that cell.

        Raises:
            NoFigureError: there is none.
        """
        columns: list[str] = []
        for line in (_FOLDER / self.page).read_text(encoding="utf-8").splitlines():
            if not line.startswith("|"):
                columns = []
            elif not columns:
                columns = _cells(line)
            elif self.column in columns and line.startswith(f"| {self.row} |"):
                found = _number.match(_cells(line)[columns.index(self.column)])
                if found:
                    return float(found[0].replace(" ", ""))
        raise NoFigureError(self)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _measured(what: str, page: str, row: str, column: str) -> Any:
    source = Source(page, row, column)
    return field(metadata={"what": what, "source": source})


def _load(what: str, column: str, row: str = "pulsetw, with history") -> Any:
    return _measured(what, "performance.md", row, column)


def _trial(what: str, row: str) -> Any:
    return _measured(what, "scaling.md", row, "figure")


@frozen
class Figures:
    """Measured costs; times are CPU in µs."""

    joined_us: float = _load("a delivery, where events come faster than they go out", "W1, µs per delivery")
    alone_us: float = _load("a delivery, where each event comes alone", "W1b, µs per delivery")
    message_us: float = _load("an event to a relay process, and to one client", "W5, µs per message")
    plain_message_us: float = _load("the same without history", "W5, µs per message", "pulsetw, without history")
    handshake_us: float = _load("a client that connects and subscribes", "W4, µs per handshake")
    connection_kib: float = _load("memory of the relay for a connection", "W3, KiB per connection")
    ping_us: float = _measured(
        "a silent connection, each second", "performance.md", "5 000", "µs per connection and second"
    )
    reads: float = _measured(
        "reads of a log by one relay process while clients come back",
        "figures.md",
        "5000 | 120",
        "most of one channel by one relay",
    )
    follow_us: float = _trial("a channel that no other client of the process follows", "relay, µs to follow a channel")
    channel_kib: float = _trial("memory of such a channel, without its events", "relay, KiB per channel")
    kernel_kib: float = _trial("memory of the kernel for a connection", "kernel, KiB per idle connection")
    process_mib: float = _trial("memory of a relay process", "relay, MiB of a process without clients")
    tls_handshake_us: float = _trial("a handshake where the relay speaks TLS", "relay with TLS, µs per handshake")
    tls_connection_kib: float = _trial("memory of such a connection", "relay with TLS, KiB per connection")
    publish_us: float = _trial("a PUBLISH, for Redis", "Redis, µs per PUBLISH")
    append_us: float = _trial("a publish into a history, for Redis", "Redis, µs per publish into a history")
    copy_alone_us: float = _trial("a copy to a relay process, for Redis", "Redis, µs per copy to a relay, one by one")
    copy_joined_us: float = _trial("the same, where many go at once", "Redis, µs per copy to a relay, 32 at once")
    read_us: float = _trial("a read of a log, for Redis", "Redis, µs per read of a log, 0 events missed")
    read_100_us: float = _trial("the same with 100 events", "Redis, µs per read of a log, 100 events missed")
    post_us: float = _trial("an event in a POST of its own", "relay, µs per event of POST publish")
    kept_bytes: float = _trial("memory of Redis for an event of 200 bytes", "Redis, bytes per event of a history")
    log_bytes: float = _trial("memory of Redis for a channel with a history", "Redis, bytes of a history of one event")
    id_bytes: float = _trial("memory of Redis for its id", "Redis, bytes per id of an event")

    def receive_us(self, *, has_history: bool) -> float:
        """An event to a relay process, whoever gets it there."""
        return max(0, (self.message_us if has_history else self.plain_message_us) - self.alone_us)

    @classmethod
    def read(cls, known: dict[str, float]) -> Self:
        """All of them, from the documentation where they are not known.

        Raises:
            NoFigureError: a table lacks one.
        """
        missing = {each.name: each.metadata["source"] for each in fields(cls) if each.name not in known}
        return cls(**known, **{name: source.read() for name, source in missing.items()})
