"""``python -m tests.bench.scaling --clients 1000000 --machines 10``: what that takes; docs/explanation/scaling.md."""

import json
import sys
from typing import Any

import click
from attrs import fields
from rich.console import Console

from tests.bench.scaling.figures import Figures, NoFigureError
from tests.bench.scaling.load import Load, option
from tests.bench.scaling.page import PAGE, written
from tests.bench.scaling.plan import plan
from tests.bench.scaling.show import document, show

_MOST = 1e12


def _bounded(context: click.Context, parameter: click.Parameter, number: float | None) -> float | None:
    bounds = f"0 to {_MOST:g}" if parameter.name in _MAY_BE_ZERO else f"a number above 0 and below {_MOST:g}"
    if number is None or 0 < number < _MOST or (number == 0 and parameter.name in _MAY_BE_ZERO):
        return number
    raise click.BadParameter(f"expected {bounds}, found {number:g}", context, parameter)


_MAY_BE_ZERO = {each.name for each in fields(Load) if each.metadata["may_be_zero"]}
_OPTIONS: list[click.Parameter] = [
    *(
        click.Option(
            [option(each)],
            type=each.type,
            default=each.default,
            show_default=True,
            callback=_bounded,
            help=each.metadata["what"],
        )
        for each in fields(Load)
    ),
    *(
        click.Option(
            [option(each)],
            type=float,
            callback=_bounded,
            help=f"{each.metadata['what']}  [{each.metadata['source']}]",
        )
        for each in fields(Figures)
    ),
    click.Option(["--json", "as_json"], is_flag=True, help="The plan as one JSON object."),
    click.Option(["--docs"], is_flag=True, help="Write the plans of docs/explanation/scaling.md anew."),
]


def _run(*, as_json: bool, docs: bool, **numbers: Any) -> None:
    if numbers["fleets"] > numbers["machines"]:
        raise click.UsageError("--fleets: expected at most one for each of --machines")
    load = Load(**{each.name: numbers[each.name] for each in fields(Load)})
    named = {each.name: numbers[each.name] for each in fields(Figures) if numbers[each.name] is not None}
    try:
        figures = Figures.read(named)
    except NoFigureError as error:
        raise click.ClickException(str(error)) from None
    if docs:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")
    elif as_json:
        json.dump(document(plan(load, figures)), sys.stdout)
    else:
        show(plan(load, figures), Console(highlight=False))


main = click.Command(
    "scaling",
    callback=_run,
    params=_OPTIONS,
    help="What a load takes, in relays, machines and Redis, by measured costs.",
)

if __name__ == "__main__":
    main(prog_name="python -m tests.bench.scaling")
