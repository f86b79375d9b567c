# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo shop test lint types unit tools bench lock clean

help:           ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

install: $(STAMP) ## create .venv and install exactly what requirements.lock pins

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "dropoff needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV) (some 1.2 GB, once) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)  ## simulate, train, register, serve and replay live sessions; stays up until Ctrl-C
	@$(BIN)/dropoff demo $(DEMO_ARGS)

shop: $(STAMP)  ## a small shop in the browser, with the service and the demo's model; stays up until Ctrl-C
	@test -e $${DROPOFF_HOME:-.dropoff}/models/ecommerce/champion || $(BIN)/dropoff demo --no-serve
	@$(BIN)/python examples/shop/serve.py $(SHOP_ARGS)

test: lint unit ## lint, types, layers and every test

lint: $(STAMP)  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist loadgroup $(TEST_ARGS)

tools:          ## put helm, docker compose and hadolint into .tools/, for the tests of deploy/
	@.ci/tools

bench: $(STAMP) ## measure what the README and docs/benchmarks.md state
	$(BIN)/python -m benchmarks

lock: $(STAMP)  ## resolve requirements.lock anew (needs uv in the virtual environment)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--extra dev --no-header -o requirements.lock pyproject.toml

clean:          ## remove what runs leave behind; keeps .venv
	rm -rf .dropoff .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
