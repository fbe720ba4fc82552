"""The plans of docs/explanation/scaling.md."""

from attrs import evolve, fields

from tests.bench.report import between
from tests.bench.scaling.figures import Figures
from tests.bench.scaling.load import Load, option
from tests.bench.scaling.plan import plan
from tests.bench.scaling.show import checks, steps
from tests.integration.processes import ROOT

PAGE = ROOT / "docs" / "explanation" / "scaling.md"

_ONE = Load()
_TEN = evolve(_ONE, clients=1_000_000, events_per_s=1000, machines=10)
_HUNDRED = evolve(_ONE, clients=10_000_000, events_per_s=10_000, machines=100)
_FLEETS = evolve(_HUNDRED, fleets=10)
_OWN = evolve(_FLEETS, subscribers_per_channel=1, history_size=20, reconnect_s=300)


SHOWN = {
    "1 machine": _ONE,
    "10 machines": _TEN,
    "100 machines": _HUNDRED,
    "10 fleets": _FLEETS,
    "channels of their own": _OWN,
}
# Each of the fleets is the ten machines.
_WITH_STEPS = SHOWN.keys() - {"10 fleets"}


def written(page: str, figures: Figures) -> str:
    """The page with the tables that these figures make."""
    plans = {name: plan(load, figures) for name, load in SHOWN.items()}
    page = between(page, "plans", checks(plans))
    for name in _WITH_STEPS:
        page = between(page, name, f"    {command(SHOWN[name])}\n\n{steps(plans[name])}")
    return page


def command(load: Load) -> str:
    """What prints that plan."""
    asked = ((each, getattr(load, each.name)) for each in fields(Load))
    words = (f"{option(each)} {value}" for each, value in asked if value != each.default)
    return " ".join(("python -m tests.bench.scaling", *words))
