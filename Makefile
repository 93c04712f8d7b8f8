# Bare `make` prints this list. Everything a target needs, it installs into .venv (nothing outside the repository but caches).
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
MEMBERS := shared services/order-api services/auth-api services/order-processor local cli
SOURCES := shared services local cli tests

.PHONY: help
help: ## Print this list.
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/.ready ## Start the whole system on this machine and serve on https://localhost:8443 until Ctrl-C (ONCE=1: stop after the tour).
	@exec $(BIN)/local-stack run $(if $(ONCE),--once) $(ARGS)

.PHONY: test
test: .venv/.ready ## Run every test on real MongoDB and real Kafka.
	@exec $(BIN)/pytest $(ARGS)

.PHONY: test-fast
test-fast: .venv/.ready ## Run the tests that need no server: pure rules, HTTP rules with fakes, rules over the whole system.
	@exec $(BIN)/pytest tests/unit tests/api tests/model tests/test_rules.py $(ARGS)

.PHONY: load
load: .venv/.ready ## Place orders on what `make run` runs, and see each PROCESSED once (ARGS="--rate 100 --duration 60 --users 8 --items 5").
	@exec $(BIN)/retail load $(ARGS)

.PHONY: lint
lint: .venv/.ready ## Check style (ruff) and types (mypy, strict).
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy $(SOURCES)

.PHONY: fmt
fmt: .venv/.ready ## Format the code and mend what ruff can mend.
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

.PHONY: lock
lock: .venv/.ready ## Compile the hashed locks anew from the pyproject files.
	@locks/compile.sh

.PHONY: lock-check
lock-check: .venv/.ready ## Fail if a lock does not match the pyproject files.
	@locks/compile.sh --check

.PHONY: settings-docs
settings-docs: .venv/.ready ## Write the README's table of settings from the code.
	@$(BIN)/python docs/settings_table.py

.PHONY: venv
venv: .venv/.ready ## Make or refresh .venv from the locks.

.PHONY: clean
clean: ## Remove the data, secrets, logs and the environment of this checkout (refused while `make run` is up).
	@if [ -x $(BIN)/local-stack ]; then $(BIN)/local-stack clean; fi
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

-include k8s/kind.mk
-include tests/faults/faults.mk

.venv/.ready: locks/dev.txt locks/bootstrap.txt $(MEMBERS:%=%/pyproject.toml) locks/install.sh
	@PYTHON=$(PYTHON) locks/install.sh
