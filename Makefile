# `make` prints what there is. Everything runs in .venv, which the first target that needs it sets up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
GOOGLEAPIS := build/googleapis/google/rpc/status.proto

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check lint format proto-deps generate generated-check bench clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the server, the Python SDK and the tools

$(READY): pyproject.toml clients/python/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "LeaseMQ needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Say which with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "setting up .venv (a minute or so, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -e ./clients/python -e '.[dev]'
	@touch $@

demo: $(READY) ## watch real email, clean-up and webhook jobs go through the broker (under a minute after set-up)
	@$(BIN)/python examples/demo.py

run: $(READY) ## run the broker alone on 127.0.0.1:7878, its data in ./leasemq-data
	@$(BIN)/leasemq serve

test: lint generated-check ## everything: lint, types, contract, generated code, all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

check: test ## the same: what CI runs, and what is green before each commit

lint: $(READY) $(GOOGLEAPIS) ## ruff, mypy, buf lint
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code

format: $(READY) $(GOOGLEAPIS) ## let ruff and buf write the code as they want it
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .
	$(BIN)/buf format --write

proto-deps: $(GOOGLEAPIS) ## google/rpc/status.proto, from the googleapis-common-protos package

$(GOOGLEAPIS): $(READY)
	@mkdir -p $(dir $@)
	@cp "$$($(BIN)/python -c 'import google.rpc.status_pb2 as it; print(it.__file__[:-len("_pb2.py")] + ".proto")')" $@

generate: $(READY) $(GOOGLEAPIS) ## write the stubs from proto/: Python, and Go and TypeScript where their tools are
	@tools/generate

generated-check: $(READY) $(GOOGLEAPIS)
	@tools/generate --check

bench: $(READY) ## compare with BullMQ on the same store, and write docs/benchmarks.md (about 7 minutes; close other programs)
	$(BIN)/python -m bench --write docs/benchmarks.md

clean: ## remove what was made: .venv, build, caches (not ./leasemq-data)
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis examples/polyglot/typescript/node_modules examples/polyglot/typescript/dist bench/bullmq/node_modules
