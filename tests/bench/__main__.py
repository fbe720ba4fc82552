"""``make bench``: what pulsetw costs, beside others; see docs/explanation/performance.md."""

import sys

from tests.bench import comeback, fairness, million, slow
from tests.bench.choice import UnknownWordError, chosen
from tests.bench.load import growth, matrix
from tests.bench.report import Report, progress

_PARTS = {
    "load": matrix.load,
    "pairs": matrix.pairs,
    "growth": growth.growth,
    "idle": growth.idle,
    "fairness": fairness.fairness,
    "million": million.million,
}
_PROGRAMS = {"comeback": comeback.main, "slow": slow.main}


def main() -> int:
    """Measures what the command's words say; 1 where pulsetw lost, repeated or reordered anything."""
    try:
        choice = chosen(sys.argv[1:])
    except UnknownWordError as error:
        progress(str(error))
        return 2
    report = Report(choice.is_for_docs, choice.command)
    wrongs = []
    for part in choice.parts:
        progress(f"{part} ...")
        if part in _PARTS:
            wrongs += _PARTS[part](choice, report)
        else:
            _PROGRAMS[part]()
    for wrong in wrongs:
        progress(f"WRONG: {wrong}")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
