# Requires Python 3.11 or later and make. Everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Many tests wait for a server or a process that they started, so there are more workers than CPUs.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 3 // 2)')
.PHONY: help setup demo bench test kits test-all lint check ci pictures release

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' Makefile

setup: $(BIN)/.installed ## Install the tools into .venv

$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Error: Python 3.11 or later is required. Run: make PYTHON=python3.13 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.13.9'
	$(BIN)/uv pip install --quiet --python .venv --group dev
	@touch $@

demo: setup ## Bake the default project, start it and call it (ONCE=1 stops then, PORT=8001 changes the port)
	@$(BIN)/python scripts/demo.py $(if $(ONCE),--once)

bench: setup ## Compare the default project with a minimal service (needs wrk)
	@$(BIN)/python scripts/benchmark.py

test: setup ## Bake every combination, lint each code and test a selection
	$(BIN)/pytest -n $(WORKERS) --ignore=tests/kits $(ARGS)

kits: setup ## Run the tests that start projects as in production
	$(BIN)/pytest -n $(WORKERS) tests/kits $(ARGS)

test-all: test kits ## Run both

lint: setup ## Lint the template
	$(BIN)/ruff format --check hooks scripts tests
	$(BIN)/ruff check hooks scripts tests

check: lint ## Lint the template and check what is quick to check in the bakes
	$(BIN)/pytest -n logical -m "not slow" --quick --ignore=tests/kits

ci: check ## Run what the workflow ci.yml runs

pictures: setup ## Make the pictures of README.md (needs Chromium and npm)
	$(BIN)/python scripts/pictures.py

release: ## Create a version from the changes in CHANGELOG.md, and its tag
	@$(PYTHON) scripts/release.py
