"""The short form of `make faults`: nothing is lost in silence, nothing comes twice or out of order."""

import pytest
import pytest_twisted

from tests.faults.case import CASES, Case
from tests.faults.cases import CONTROLS
from tests.faults.run import run_case

SHORT = [case for case in CASES if case.is_short]
BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
@pytest_twisted.ensureDeferred
async def test_nothing_is_lost_in_silence(case: Case) -> None:
    """Every acknowledged event reaches every listener once and in order, or it is told."""
    verdict = await run_case(case)
    assert case.accepts(verdict), verdict


@pytest_twisted.ensureDeferred
async def test_the_judge_can_say_guilty() -> None:
    """Without reading the log after a loss, the same case is red."""
    name = "subscribers half-open"
    verdict = await run_case(BY_NAME[name], control=CONTROLS[name])
    assert verdict.silent > 100
