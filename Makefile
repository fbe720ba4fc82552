# make run    the relay and the example league, to look at; RELAY_PORT=, ADMIN_PORT=, LEAGUE_PORT= choose the ports
# make test   all checks and tests
# make faults   breaks Redis, links, relays and clients, and prints who lost what; WORDS="..." chooses the cases
# make bench   what deliveries, connections and publications cost, here and elsewhere: docs/explanation/performance.md;
#              WORDS="W1 pulsetw nchan RUNS=1" chooses, DOCS=1 writes the figures into that page
# make simulate   random histories of a failing broker, more than the tests have; N= says how many of each kind, SEED=
#                 where they begin
# make picture   the README's picture of the league, anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat
# What an installation depends on; the sources themselves are used in place.
DECLARED := setup.py pyproject.toml pulsetw/version.py twisted/plugins/pulsetw_plugin.py

export RELAY_PORT ADMIN_PORT LEAGUE_PORT PACE

.PHONY: run test lint unit integration simulate faults bench picture clean

run: $(VENV)/.installed
	@$(BIN)/python docs/examples/league/run.py

test: lint unit integration
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.installed-test
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m twisted.trial --temp-directory .cache/trial tests.unit

integration: $(VENV)/.installed-test unit
	@tests/install redis-server redis-server
	@tests/install chromium chromium
	$(BIN)/coverage run -m pytest

faults: $(VENV)/.installed-test
	@tests/install redis-server redis-server
	$(BIN)/python -m tests.faults $(WORDS)

bench: $(VENV)/.installed-test
	@tests/install redis-server redis-server
	$(BIN)/python -m tests.bench $(WORDS) $(if $(DOCS),DOCS=1)

simulate: $(VENV)/.installed-test
	$(BIN)/python -m tests.simulator $(or $(N),100000) $(or $(SEED),0)

picture: $(VENV)/.installed-test
	@tests/install chromium chromium
	$(BIN)/python docs/examples/league/picture.py

clean:
	rm -rf $(VENV) .cache build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "pulsetw needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || tests/install --always python3-venv
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python $(DECLARED)
	@echo "Installing what the relay needs ..."
	@$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: $(BIN)/python $(DECLARED)
	@echo "Installing what the tests need ..."
	@$(PIP_INSTALL) -e '.[test]'
	@touch $@ $(VENV)/.installed
