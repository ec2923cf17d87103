# Two commands matter: `make run` and `make test`. Both make their own environment from the locks.
PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin

.PHONY: mutants run test ui lint types validate locks lock-check clean browser

run: $(VENV)/run.done
	$(BIN)/commonground build

test: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

ui: $(VENV)/run.done
	$(BIN)/commonground ui

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/dev.done
	$(BIN)/mypy

validate: $(VENV)/dev.done
	$(BIN)/python -m dagster definitions validate -w workspace.yaml

lock-check: $(VENV)/dev.done
	$(BIN)/python -m pip install --quiet --dry-run --require-hashes --no-deps -r .ci/requirements.lock -r .ci/requirements-dev.lock
	$(BIN)/python -m pip check

# --no-deps: the locks are complete, and pip need not work them out again.
# --no-build-isolation: the build backend is in the lock too, so nothing comes unhashed.
$(VENV)/run.done: .ci/requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r .ci/requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev.done: .ci/requirements-dev.lock $(VENV)/run.done
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r .ci/requirements-dev.lock
	touch $@

# For maintainers, after pyproject.toml has changed: needs uv.
locks:
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header --extra build -o .ci/requirements.lock
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header --extra build --extra dev -o .ci/requirements-dev.lock -c .ci/requirements.lock

# How many small faults the tests notice: `make mutants SEED=7`. Takes half an hour.
SEED ?= 1
mutants: $(VENV)/dev.done
	$(BIN)/python -m benchmarks.mutants --seed $(SEED) --show

clean:
	rm -rf $(VENV) data .dagster .mypy_cache .ruff_cache .pytest_cache
