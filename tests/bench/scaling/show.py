"""A plan for people: on the terminal, and as Markdown for the documentation."""

from typing import Any

from attrs import asdict
from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.report import table
from tests.bench.scaling.arithmetic import rounded
from tests.bench.scaling.plan import Check, Plan

_STEPS = ["", "arithmetic", "result"]
_CHECKS = ["", "events alone", "events together", "there is", "enough?"]


def show(plan: Plan, console: Console) -> None:
    """Prints its steps, and what they come to."""
    for title, lines in plan.parts.items():
        steps = _table(title, _STEPS)
        for line in lines:
            steps.add_row(line.what, line.arithmetic, line.text)
        console.print(steps)
    checks = _table("enough?", _CHECKS)
    for check in plan.checks:
        checks.add_row(*_words(check), style="" if check.verdict == "enough" else "red")
    console.print(checks)
    console.print(fleets(plan))


def steps(plan: Plan) -> str:
    """The steps of a plan as a Markdown table."""
    rows = [
        [f"{title}: {line.what}", line.arithmetic, line.text] for title, lines in plan.parts.items() for line in lines
    ]
    return table(_STEPS, rows)


def checks(plans: dict[str, Plan]) -> str:
    """What plans come to, side by side, as a Markdown table."""
    names = list(dict.fromkeys(check.what for plan in plans.values() for check in plan.checks))
    rows = [[name, *(_cell(plan, name) for plan in plans.values())] for name in names]
    rows.append(["fewest fleets", *(rounded(plan.fleets) if plan.fleets else "none" for plan in plans.values())])
    return table(["", *plans], rows)


def document(plan: Plan) -> dict[str, Any]:
    """A plan for programs."""
    return {
        "load": asdict(plan.load),
        "steps": {title: [asdict(line) for line in lines] for title, lines in plan.parts.items()},
        "checks": [asdict(check) | {"verdict": check.verdict} for check in plan.checks],
        "fewest_fleets": plan.fleets,
    }


def fleets(plan: Plan) -> str:
    """Whether one Redis is enough."""
    if not plan.fleets:
        return "No number of fleets makes Redis enough, up to a thousand."
    return f"Fewest fleets, each with a Redis of its own: {plan.fleets}."


def _cell(plan: Plan, name: str) -> str:
    for check in plan.checks:
        if check.what == name:
            mark = "" if check.verdict == "enough" else f" **{check.verdict}**"
            return f"{_used(check)}{mark}"
    return "-"


def _used(check: Check) -> str:
    used = rounded(check.alone) if check.alone == check.joined else f"{rounded(check.joined)} to {rounded(check.alone)}"
    return f"{used} of {rounded(check.limit)} {check.unit}"


def _words(check: Check) -> list[str]:
    return [
        check.what,
        f"{rounded(check.alone)} {check.unit}",
        f"{rounded(check.joined)} {check.unit}",
        f"{rounded(check.limit)} {check.unit}",
        check.verdict,
    ]


def _table(title: str, columns: list[str]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for column in columns:
        made.add_column(column)
    return made
