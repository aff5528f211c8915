# Every target works as the first command in a fresh clone; a second call installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_FLAGS := --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install demo ui test custody long e2e crashes scale-test shards s3-servers s3-matrix bench lint docs lock wheel clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(STAMP): requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked dependencies (once, one to three minutes) ..."
	@# Quiet unless it fails: pip warns of each index that it cannot reach, once a package.
	@{ $(BIN)/pip install $(PIP_FLAGS) --require-hashes --requirement requirements.lock && \
	   $(BIN)/pip install $(PIP_FLAGS) --no-deps --no-build-isolation --editable . ; } >$(VENV)/install.log 2>&1 || \
	  { cat $(VENV)/install.log; exit 1; }
	@touch $@

install: $(STAMP) ## Make .venv with the locked dependencies and the package

demo: $(STAMP) ## Archive a small school on this machine, three runs, checked (KEEP=1 leaves it up)
	@$(BIN)/python -m deployments.local.demo $(if $(KEEP),--keep)

ui: $(STAMP) ## The whole product on this machine, to be used in a browser; Ctrl-C stops it
	@$(BIN)/python -m deployments.local.ui

test: $(STAMP) ## Run the tests: rules, real servers, faults, rate, Prefect (twenty minutes on two cores)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not long" \
	  tests/unit tests/property tests/contract tests/faults tests/compat
	@# What measures a rate or starts a Prefect server has the machine for itself.
	$(BIN)/python -m pytest tests/rate tests/orchestration

custody: $(STAMP) ## Run the tests of verify, find, export, erase and what else looks after an archive
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not long" tests/custody

long: $(STAMP) ## Run the tests that the two above leave out: large archives, many kills, memory (ten minutes)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m long tests/faults tests/compat tests/custody

e2e: $(STAMP) ## Run the tests with a real Prefect server, workers and a browser (needs Chromium)
	$(BIN)/python -m pytest tests/e2e

crashes: $(STAMP) ## Run the tests of runs that lose process, worker or Prefect server (five minutes)
	$(BIN)/python -m pytest tests/scale/test_lost_processes.py

scale-test: $(STAMP) ## Two accounts, three workers, PostgreSQL and Redis on this machine, one worker killed on the way
	$(BIN)/python -m pytest -s tests/scale/test_two_accounts.py

shards: $(STAMP) ## Run the tests of a backfill in shards on a real Prefect server (three minutes)
	$(BIN)/python -m pytest tests/scale/test_backfill_in_shards.py

s3-servers: $(STAMP) ## Start the S3 servers that this machine can run without a container, until Ctrl-C
	$(BIN)/python -m tests.s3_servers.serve

s3-matrix: $(STAMP) ## The main job on each of those servers, as a table (an hour; SERVERS="ceph swift" for some)
	$(BIN)/python -m tests.s3_servers.matrix $(SERVERS)

bench: $(STAMP) ## Measure speed, requests and memory beside what one would write without this program
	$(BIN)/python -m benchmarks.bench

lint: $(STAMP) ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@! git grep -n "__import__(" -- src flows tasks  # which neither of the two sees
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deployments/compose.yaml

docs: $(STAMP) ## Write the outputs in docs/commands.md anew, from the real commands
	$(BIN)/python -m tests.support.command_docs

wheel: $(STAMP) ## Build the wheel into dist/
	@rm -rf dist
	$(BIN)/pip wheel $(PIP_FLAGS) --no-deps --no-build-isolation --no-index --wheel-dir dist .

lock: ## Resolve pyproject.toml anew into requirements.lock (needs the network)
	@$(PYTHON) -m venv build/lock && build/lock/bin/pip install $(PIP_FLAGS) uv
	build/lock/bin/uv pip compile --quiet --universal --generate-hashes --all-extras --upgrade \
	  --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean: ## Remove .venv and everything built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
