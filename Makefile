# `make check` looks, `make format` mends, `make test` runs; docs/development.md says more.
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)
PYTHON := $(if $(BIN),$(BIN)python,python3)
# A process a core, each with whole files, so that what a file's tests share is made once.
SIDE_BY_SIDE := -n logical --maxprocesses 8 --dist loadfile

.PHONY: help check format-check lint types imports dependencies dead-code spelling \
	format test mutants bench starter tune soak clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile

check: format-check lint types imports dependencies dead-code spelling ## every static check, no tests

format-check:
	$(BIN)ruff format --check .

lint:
	$(BIN)ruff check .

types:
	$(BIN)mypy

imports:
	$(BIN)lint-imports --no-logo

dependencies:
	$(BIN)deptry .

dead-code:
	$(BIN)vulture

spelling:
	$(BIN)codespell

format: ## rewrite the files as the checks want them
	$(BIN)ruff check --fix .
	$(BIN)ruff format .

test: ## the tests, without static checks and mutants
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

mutants: ## plant each catalogued bug and see the named test catch it
	$(PYTHON) -m tests.mutants

bench: ## ratios against naive twins and physical limits
	$(PYTHON) -m benchmarks

starter: ## train the starter model that ships as package data
	$(PYTHON) -m ttt.text_lm.starter

tune: ## search the shipped defaults again
	$(PYTHON) -m benchmarks.tune

soak: ## the long forms: slow tests and many more random examples
	CI=true HYPOTHESIS_PROFILE=soak $(PYTHON) -m pytest --timeout 3600 -m "slow or not slow"

clean: ## caches and builds; never artifacts, models or the environment
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -not -path './.venv/*' -type d -prune -exec rm -rf {} +
