"""Where figures go: to the terminal, and into the documentation if that was asked for."""

import platform
import subprocess
import sys
import time
from pathlib import Path

from attrs import frozen

from tests.integration.processes import ROOT

PAGE = ROOT / "docs" / "explanation" / "performance.md"
PICTURES = ROOT / "docs" / "images"


def progress(line: str) -> None:
    """Says what is going on, apart from the figures."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@frozen
class Report:
    """Takes the figures of each part.

    Attributes:
        is_for_docs: they are written into the page, too.
        command: that made them.
    """

    is_for_docs: bool
    command: str

    def section(self, name: str, text: str, picture: str = "") -> None:
        """Shows a part's figures, and puts them between the page's two comments of its name.

        Args:
            picture: a chart as SVG, for the page only; "" = none.
        """
        text = f"{text}\n\n{self._origin()}"
        sys.stdout.write(f"\n## {name}\n\n{text}\n")
        sys.stdout.flush()
        if self.is_for_docs:
            if picture:
                (PICTURES / f"bench-{name}.svg").write_text(picture, encoding="utf-8")
                text = f"![The same as a chart](../images/bench-{name}.svg)\n\n{text}"
            PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), name, text), encoding="utf-8")

    def _origin(self) -> str:
        redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
        version = redis.partition("v=")[2].split()[0]
        return (
            f"*{time.strftime('%Y-%m-%d')}, `{self.command}`, {platform.machine()}, Linux {_kernel()}, "
            f"Python {platform.python_version()}, Redis {version}*"
        )


def between(page: str, name: str, text: str) -> str:
    """The page with the text between its two comments of that name."""
    start, end = f"<!-- bench {name} -->\n", f"<!-- end {name} -->"
    head, found, rest = page.partition(start)
    _, also_found, tail = rest.partition(end)
    if not (found and also_found):
        raise ValueError(f"{Path(PAGE).name} has no place for {name}")
    return f"{head}{start}\n{text}\n\n{end}{tail}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def spaced(count: int) -> str:
    """With a space for each thousand."""
    return f"{count:,}".replace(",", " ")


def _kernel() -> str:
    return ".".join(platform.release().split("-")[0].split(".")[:2])
