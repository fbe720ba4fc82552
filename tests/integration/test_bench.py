"""The short form of `make bench`: pulsetw alone, and what it counts, not how fast it is."""

import pytest

from tests.bench import million
from tests.bench.choice import PARTS, Choice, UnknownWordError, chosen
from tests.bench.load import wsload
from tests.bench.load.workloads import WORKLOADS, Workload, faults
from tests.bench.peers.contender import Contender
from tests.bench.peers.relay import PERSONAL, PLAIN, WITH_HISTORY
from tests.bench.peers.server import Server
from tests.bench.report import between

_BY_NAME = {workload.name: workload for workload in WORKLOADS}


@pytest.mark.parametrize(
    ("contender", "workload"),
    [
        (WITH_HISTORY, _BY_NAME["W1"]),
        (WITH_HISTORY, _BY_NAME["W5"]),
        (PLAIN, _BY_NAME["W1"]),
        (PLAIN, _BY_NAME["W5"]),
        (PERSONAL, _BY_NAME["W6"]),
    ],
    ids=lambda each: each.name,
)
def test_under_full_load_all_comes_once_and_in_order(contender: Contender, workload: Workload) -> None:
    """A subscriber gets each message of its channel, and each user what is meant for them."""
    with Server(contender) as server:
        result = wsload.run(server, workload, 1)
    assert faults(workload, result) == ""
    assert result["deliveries"] == result["expected"] > workload.connections


def test_clients_that_sleep_are_cut_off_or_leave_get_each_event_once() -> None:
    """The short form of a million deliveries."""
    outcome = million.run(million.Load(clients=200, events=400, pace_s=0.01), limit_s=60)
    assert not outcome.wrongs, outcome.faults[:10]
    assert min(outcome.slept, outcome.resets, outcome.closes) > 0


def test_words_choose_what_is_measured() -> None:
    """A workload or a server alone means the table; a family's name means its variants, too."""
    choice = chosen(["W1", "W1b", "nchan", "RUNS=1", "SECONDS=0.5", "DOCS=1"])
    assert choice.parts == ("load",)
    assert [workload.name for workload in choice.workloads] == ["W1", "W1b"]
    assert [contender.name for contender in choice.contenders] == ["nchan", "nchan-redis"]
    assert (choice.runs, choice.seconds, choice.is_for_docs) == (1, 0.5, True)
    assert choice.command == 'make bench WORDS="W1 W1b nchan RUNS=1 SECONDS=0.5"'
    assert chosen(["fairness"]).parts == ("fairness",)
    assert chosen([]) == Choice()
    assert Choice().parts == PARTS


@pytest.mark.parametrize("word", ["W9", "RUNS=many", "PACE=1", ""])
def test_a_word_that_names_nothing_is_refused(word: str) -> None:
    """The error says what there is."""
    with pytest.raises(UnknownWordError, match=r"expected a part \(load pairs "):
        chosen([word])


def test_figures_take_the_place_of_the_last_ones() -> None:
    """A page keeps everything else; one without a place for them is refused."""
    page = "a\n<!-- bench load -->\nold\n<!-- end load -->\nb\n"
    new = "a\n<!-- bench load -->\n\nnew\n\n<!-- end load -->\nb\n"
    assert between(page, "load", "new") == new
    assert between(new, "load", "new") == new
    with pytest.raises(ValueError, match="no place for growth"):
        between(page, "growth", "new")
