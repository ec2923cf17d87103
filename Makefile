# Two commands matter: `make run` and `make test`. Both make their own environment from the locks.
PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
# The seed of drawn examples and of drawn faults.
SEED ?= 1

.PHONY: mutants run test test-deep test-wide ui bench lint types validate locks lock-check clean browser

run: $(VENV)/run.done
	$(BIN)/commonground build

# Three workers on two cores: some tests wait for a process.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

# Tests start many interpreters, and without bytecode each compiles the project.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/dev.done
	$(BIN)/python -m pytest $(PARALLEL) -m "not wide"

# The tests of the whole edition, in browsers, of several builds, and of more cases of one kind: see tests/breadth.py.
test-wide: export PYTHONDONTWRITEBYTECODE :=
test-wide: $(VENV)/dev.done
	$(BIN)/python -m pytest $(PARALLEL) -m wide

# The tests with drawn examples, twenty times as many and drawn by a seed: `make test-deep SEED=7`.
test-deep: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 2 --hypothesis-profile=deep --hypothesis-seed=$(SEED) \
		$$(grep -rl --include='test_*.py' '^from hypothesis' tests)

# Dagster's web server is an extra: a build does not need it.
ui: $(VENV)/ui.done
	$(BIN)/commonground ui

# Cost of real builds as ratios, each with a ceiling.
bench: $(VENV)/dev.done
	$(BIN)/python -m benchmarks.build_ratio

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/dev.done
	$(BIN)/mypy

validate: $(VENV)/dev.done
	$(BIN)/dg check defs
	$(BIN)/commonground validate --declarations

lock-check: $(VENV)/dev.done
	$(INSTALL) --check .ci/requirements.lock .ci/requirements-ui.lock .ci/requirements-dev.lock

# uv installs where it is on the machine, and pip where it is not, with the same hashes: see .ci/install.
INSTALL := PYTHON=$(PYTHON) UV=$(UV) sh .ci/install $(VENV)

$(VENV)/run.done: .ci/requirements.lock pyproject.toml
	$(INSTALL) .ci/requirements.lock
	$(INSTALL) .
	touch $@

$(VENV)/ui.done: .ci/requirements-ui.lock $(VENV)/run.done
	$(INSTALL) .ci/requirements-ui.lock
	touch $@

$(VENV)/dev.done: .ci/requirements-dev.lock $(VENV)/run.done
	$(INSTALL) .ci/requirements-dev.lock
	touch $@

COMPILE := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-strip-extras --no-header --extra build
# For maintainers, after pyproject.toml has changed: needs uv.
locks:
	$(COMPILE) -o .ci/requirements.lock
	$(COMPILE) --extra ui -o .ci/requirements-ui.lock -c .ci/requirements.lock
	$(COMPILE) --extra ui --extra dev --extra s3 --extra spark -o .ci/requirements-dev.lock -c .ci/requirements-ui.lock

# How many small faults the tests notice: `make mutants SEED=7`. Takes half an hour.
mutants: $(VENV)/dev.done
	$(BIN)/python -m benchmarks.mutants --seed $(SEED) --show

clean:
	rm -rf $(VENV) data .dagster .mypy_cache .ruff_cache .pytest_cache
