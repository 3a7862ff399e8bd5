# python3 and make are all that is needed; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow lint types imports coverage wheel-smoke clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)  ## the main job on the bundled data
	$(BIN)/spiking-pvae run

test: $(READY)  ## the quick tests
	$(BIN)/python -m pytest --numprocesses 2 -m "not slow"

test-slow: $(READY)  ## the tests that take longer
	$(BIN)/python -m pytest --numprocesses 2 -m slow

lint: $(READY)  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## strict typing
	$(BIN)/mypy

imports: $(READY)  ## who may import whom
	$(BIN)/lint-imports

coverage: $(READY)  ## line and branch coverage of the quick tests
	$(BIN)/python -m pytest --numprocesses 2 -m "not slow" --cov --cov-report=term-missing:skip-covered

wheel-smoke: $(READY)  ## build the wheel by way of the sdist, install it elsewhere, use it
	rm -rf dist build
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python tests/wheel_smoke.py dist

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
