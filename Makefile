# Every target sets itself up on first use: .ci/setup makes the environment, or finds it ready.
# PYTHON= picks the interpreter, VENV= another place for the environment, ARGS= goes on to the command,
# WORKERS=0 runs the tests in one process.

VENV ?= .venv
PYTHON ?=
ARGS ?=
WORKERS ?= 2
export VENV PYTHON
# Compiled once and kept: the SDKs of Azure and Graph are large, and every test process would compile them anew.
unexport PYTHONDONTWRITEBYTECODE
IN := $(VENV)/bin
CORE := shared/journal.py,shared/execution.py,shared/limits.py,shared/plan.py

.DEFAULT_GOAL := help
.PHONY: help setup run serve test faults check coverage mutants bench lint types imports format generated lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@.ci/setup

run: setup ## play a leaked secret on the practice tenant and watch it be contained
	@$(IN)/python -m drill run drill/scenarios/leaked-secret.yaml $(ARGS)

serve: setup ## the same in real time over loopback, to look at and to call
	@$(IN)/python -m drill serve $(ARGS)

test: setup ## all tests
	@$(IN)/python -m pytest -rs -n $(WORKERS) --dist loadfile $(ARGS)

coverage: setup ## every line and branch of the engine's core is reached by its own tests, in seconds
	@$(IN)/python -m coverage run --data-file=.coverage-core --branch --include=$(CORE) -m pytest tests/engine
	@$(IN)/python -m coverage report --data-file=.coverage-core --show-missing --fail-under=100

mutants: setup ## break the engine's core in a thousand ways, and see that its tests notice (minutes)
	@nice -n 15 $(IN)/python -m tests.engine.mutants

bench: setup ## measure against the limits; ratios taken in one run
	@$(IN)/python -m tests.benchmarks $(ARGS)

faults: setup ## strike the engine with faults; ARGS="--depth full|quick|N --jobs N --shard K/N", "replay CELL"
	@$(IN)/python -m tests.faults $(ARGS)

check: lint imports types ## formatting, lint, strict types, import rules
	@echo "Formatting, lint, types and import rules hold."

lint: setup
	@$(IN)/ruff format --check --quiet . || { echo "Not formatted as agreed: make format"; exit 1; }
	@$(IN)/ruff check --quiet .

types: setup
	@out=$$($(IN)/basedpyright --threads --pythonpath $(IN)/python 2>&1) || { echo "$$out"; exit 1; }

imports: setup
	@out=$$($(IN)/lint-imports --no-logo 2>&1) || { echo "$$out"; exit 1; }

format: setup ## format, and mend what lint can mend
	@$(IN)/ruff check --fix --quiet .; $(IN)/ruff format --quiet .

generated: setup ## write the files anew that are made from the catalogues: permissions, the policy's schema and reference
	@$(IN)/python -m infra.permissions
	@$(IN)/python -m drill schema

lock: setup ## write the two requirement files anew from pyproject.toml
	@.ci/setup lock

clean: ## remove the environments and everything else that was made here
	rm -rf .venv .venv-* .tools .cordon .pytest_cache .ruff_cache .import_linter_cache build
