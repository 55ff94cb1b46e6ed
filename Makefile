# Everything a developer runs. Each target first sets up .venv, and again only when the pinned packages change.

PYTHON ?= python3
DATA ?= .onhand/kafka
BIN := .venv/bin
READY := .venv/.ready
COMPILE := .venv/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

.PHONY: help setup demo test lint lint-style lint-types lint-imports bench kafka guards contracts lock clean
.DEFAULT_GOAL := help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## the virtual environment .venv (PYTHON=python3.12 to choose another Python)

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "onhand needs Python 3.11 or newer, and $(PYTHON) is not that: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing the pinned packages into .venv; the first time takes a minute or two."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## the whole story on servers of its own, start to end
	@$(BIN)/onhand demo

test: $(READY) ## the tests (ARGS="-k sync" to choose)
	@$(BIN)/python -m pytest $(ARGS)

lint: lint-style lint-types lint-imports ## style, types and import directions

lint-style: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

lint-types: $(READY)
	@$(BIN)/mypy

lint-imports: $(READY)
	@$(BIN)/lint-imports

bench: $(READY) ## measure (ONLY=sync ROWS=1000000 for one part)
	@$(BIN)/python -m infra.bench $(if $(ONLY),--only $(ONLY)) $(if $(ROWS),--rows $(ROWS))

kafka: $(READY) ## Apache Kafka without Docker until Ctrl-C; needs Java 17 and Maven (DATA=directory)
	@$(BIN)/python -m infra.stack.apache_kafka $(DATA)

guards: $(READY) ## take the guards of the promises out one by one, and run the tests that must fail (ONLY='name')
	@$(BIN)/python -m tests.guards $(if $(ONLY),"$(ONLY)")

contracts: $(READY) ## write schemas/generated again after a change of schemas
	@$(BIN)/python -m infra.contracts

lock: $(READY) ## compile the two requirements files from pyproject.toml
	@$(PYTHON) -m venv .venv/lock
	@.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(COMPILE) --quiet pyproject.toml -o requirements.txt
	$(COMPILE) --quiet --extra dev pyproject.toml -o requirements-dev.txt

clean: ## remove what was built; the data in .onhand stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache infra/kafka/target
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
