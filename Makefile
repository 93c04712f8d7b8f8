# `make` without a target prints the list of targets. A target installs what it needs into .venv; outside the repository
# it writes only caches.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
MEMBERS := shared $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml)) local cli loadtest
SOURCES := shared services local cli loadtest bench observability tests
SCRIPTS := $(wildcard .ci/* k8s/*.sh locks/*.sh)
FAST := tests/unit tests/api tests/model tests/test_rules.py tests/test_locks.py tests/test_documents.py
# The packages that run the system are a subset of those that test it: `make run` installs the subset, or keeps a
# complete .venv.
RUN_READY := $(if $(wildcard .venv/.ready),.venv/.ready,.venv/.ready-run)

##@ Use it

.PHONY: help
help: ## Print this list.
	@awk -F':.*## ' '/^##@ /{printf "%s%s\n", (n++ ? "\n" : ""), substr($$0, 5)} /^[a-z][a-z-]*:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(RUN_READY) ## Run the whole system here, on https://localhost:8443, until Ctrl-C (ONCE=1: until one order is processed; PORT_OFFSET=1000: on other ports; OBSERVE=1: with Prometheus and Zipkin).
	@exec $(BIN)/local-stack run $(if $(ONCE),--once) $(if $(OBSERVE),--observe) $(if $(PORT_OFFSET),--port-offset $(PORT_OFFSET)) $(ARGS)

.PHONY: load
load: $(RUN_READY) ## Place orders on what `make run` runs, and see each PROCESSED once (ARGS="--rate 100 --duration 60 --users 8 --items 5").
	@exec $(BIN)/retail load $(ARGS)

.PHONY: clean
clean: ## Remove the data, secrets, logs and the environment of this checkout (refused while `make run` is up).
	@[ -w . ] || { echo "clean: this checkout belongs to another user" >&2; exit 1; }
	@if [ -x $(BIN)/local-stack ]; then $(BIN)/local-stack clean; fi
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis

##@ Test it

.PHONY: test
test: .venv/.ready ## Run every test on real MongoDB and real Kafka.
	@exec $(BIN)/pytest $(ARGS)

.PHONY: test-fast
test-fast: .venv/.ready ## Run the tests that need no server, on up to 8 cores (FAST=tests/unit/shared: only those).
	@exec $(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadfile $(FAST) $(ARGS)

.PHONY: test-abuse
test-abuse: .venv/.ready ## Attack the proxies, on one machine and as in the chart, while a quiet user places orders (5 minutes).
	@ABUSE_TESTS=1 exec $(BIN)/pytest tests/abuse $(ARGS)

.PHONY: test-observability
test-observability: .venv/.ready ## Break the system under load, and see on a real Prometheus that the right alerts fire (5 minutes).
	@OBSERVABILITY_TESTS=1 exec $(BIN)/pytest tests/observability $(ARGS)

.PHONY: test-clients
test-clients: .venv/.ready-clients ## Generate clients from the OpenAPI documents, use them, and try the API by its documents (2 minutes).
	@CLIENT_TESTS=1 exec $(BIN)/pytest tests/clients $(ARGS)

.venv/.ready-clients: .venv/.ready locks/clients.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv/clients
	@$(BIN)/uv pip sync --quiet --python .venv/clients/bin/python --require-hashes locks/clients.txt && touch $@

.PHONY: coverage
coverage: .venv/.ready ## Report the branch coverage of services, shared and cli by the unit and API tests, and fail below the floor.
	@exec $(BIN)/pytest --quiet --numprocesses auto --dist loadfile tests/unit tests/api --cov --cov-report=term $(ARGS)

.PHONY: test-fresh
test-fresh: ## Run `make run ONCE=1` and `make test-fast` on newly installed Debian systems (needs root; ROOT=trixie for one).
	@exec .ci/fresh

##@ Change it

.PHONY: lint
lint: .venv/.ready ## Check style (ruff), types (mypy, strict) and shell scripts (shellcheck).
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/shellcheck $(SCRIPTS) && $(BIN)/mypy $(SOURCES)

.PHONY: hooks
hooks: .venv/.ready ## Check staged files before each commit (pre-commit).
	@$(BIN)/pre-commit install

.PHONY: fmt
fmt: .venv/.ready ## Format the code and fix what ruff can fix.
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

.PHONY: lock
lock: .venv/.ready ## Compile the hashed locks from the pyproject files.
	@locks/compile.sh

.PHONY: lock-check
lock-check: .venv/.ready ## Fail if a lock does not match the pyproject files.
	@locks/compile.sh --check

.PHONY: settings-docs
settings-docs: .venv/.ready ## Write the README's table of settings from the code.
	@$(BIN)/python docs/tables.py settings

.PHONY: metrics-docs
metrics-docs: .venv/.ready ## Write the table of metrics in docs/observability.md from the code.
	@$(BIN)/python docs/tables.py metrics

.PHONY: pictures
pictures: .venv/.ready ## Draw the pictures of docs/observability.md from a system under load (5 minutes).
	@PYTHONPATH=tests exec $(BIN)/python -m support.pictures

.PHONY: dashboards
dashboards: .venv/.ready ## Write the chart's dashboards from observability/boards.
	@$(BIN)/python -m observability.write

.PHONY: screenshots
screenshots: .venv/.ready ## Take the pictures of the docs from what `PROCESSOR_REFUSED_ITEMS=anvil make run` runs (ARGS=FILE: another stack.json).
	@$(BIN)/python docs/screenshots.py $(ARGS)

.PHONY: venv
venv: .venv/.ready ## Make or refresh .venv from the locks.

-include k8s/kind.mk
-include tests/faults/faults.mk
-include bench/bench.mk

# A .venv that was moved or copied with its checkout is made again.
ifneq ($(shell cat .venv/.made-in 2>/dev/null),$(shell pwd -P))
.PHONY: .venv/.ready .venv/.ready-run
endif

INSTALL_FROM := locks/bootstrap.txt locks/install.sh $(MEMBERS:%=%/pyproject.toml)

.venv/.ready: locks/dev.txt $(INSTALL_FROM)
	@PYTHON="$(PYTHON)" locks/install.sh dev

.venv/.ready-run: locks/run.txt $(INSTALL_FROM)
	@PYTHON="$(PYTHON)" locks/install.sh run
