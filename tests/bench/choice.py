"""What is wanted of all that can be measured: ``WORDS="W1 W1b pulsetw nchan RUNS=1"``."""

from collections.abc import Sequence

from attrs import frozen

from tests.bench.load.workloads import WORKLOADS, Workload
from tests.bench.peers.all import CONTENDERS
from tests.bench.peers.contender import Contender

PARTS = ("load", "pairs", "growth", "idle", "fairness", "million", "comeback", "slow")
_SETTINGS = ("RUNS", "SECONDS", "DOCS")


class UnknownWordError(Exception):
    """A word that names nothing."""

    def __init__(self, word: str) -> None:
        self.word = word

    def __str__(self) -> str:
        workloads = " ".join(workload.name for workload in WORKLOADS)
        contenders = " ".join(contender.name for contender in CONTENDERS)
        settings = " ".join(f"{name}=" for name in _SETTINGS)
        return (
            f"{self.word}: expected a part ({' '.join(PARTS)}), a workload ({workloads}), a server ({contenders}) "
            f"or a setting ({settings})"
        )


@frozen
class Choice:
    """What is measured, and for how long.

    Attributes:
        runs: of each cell; 0 = three, of pairs seven.
        seconds: of publishing in each run.
        is_for_docs: the page and its charts are written anew.
        command: as it was typed.
    """

    parts: tuple[str, ...] = PARTS
    workloads: tuple[Workload, ...] = WORKLOADS
    contenders: tuple[Contender, ...] = CONTENDERS
    runs: int = 0
    seconds: float = 4
    is_for_docs: bool = False
    command: str = "make bench"


def chosen(words: Sequence[str]) -> Choice:
    """What the words mean. No word of a kind = all of that kind; a workload or a server alone means the part `load`.

    Raises:
        UnknownWordError: a word names nothing, or a setting is no number.
    """
    settings: dict[str, float] = {}
    names = []
    for word in words:
        name, is_setting, value = word.partition("=")
        if not is_setting:
            names.append(word)
        elif name in _SETTINGS and value.replace(".", "", 1).isdigit():
            settings[name] = float(value)
        else:
            raise UnknownWordError(word)
    workloads = tuple(workload for workload in WORKLOADS if workload.name in names)
    contenders = tuple(contender for contender in CONTENDERS if _family(contender) & set(names))
    parts = tuple(part for part in PARTS if part in names)
    known = {
        *PARTS,
        *(workload.name for workload in WORKLOADS),
        *(name for each in CONTENDERS for name in _family(each)),
    }
    for name in names:
        if name not in known:
            raise UnknownWordError(name)
    shown = " ".join(word for word in words if not word.startswith("DOCS="))
    return Choice(
        parts or (("load",) if names else PARTS),
        workloads or WORKLOADS,
        contenders or CONTENDERS,
        int(settings.get("RUNS", 0)),
        settings.get("SECONDS", 4),
        bool(settings.get("DOCS", 0)),
        f'make bench WORDS="{shown}"' if shown else "make bench",
    )


def _family(contender: Contender) -> set[str]:
    """Its name, and the one that it shares with its variants."""
    return {contender.name, contender.name.partition("-")[0]}
