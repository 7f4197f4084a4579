# Two commands for newcomers: `make demo` and `make test`. Everything lands in .venv; nothing is installed elsewhere,
# except a browser for the browser tests where none is found.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-$(shell cksum < requirements/run.txt | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.dev-$(shell cksum < requirements/dev.txt | cut -d' ' -f1)

.PHONY: help demo test test-fast lint lock clean

help:
	@echo "make demo    start Courseyard with demo courses on http://localhost:$(PORT)"
	@echo "make test    run all tests, the browser tests included"
	@echo "make lint    style, types, import rules, SQL, JavaScript"
	@echo "make lock    resolve the requirements anew (needs uv)"

demo: $(RUN_STAMP)
	@exec $(BIN)/courseyard demo --port $(PORT)

test: $(DEV_STAMP)
	@tools/browser.sh
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-fast: $(DEV_STAMP)
	$(BIN)/python -m pytest -m "not browser and not slow" $(ARGS)

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/squawk src/courseyard/db/sql/migrations/*.sql src/courseyard/db/sql/functions/*.sql
	tools/check-js.sh

lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url -q -o requirements/run.txt
	uv pip compile --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url -q -o requirements/build.txt
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url -q -o requirements/dev.txt

$(BIN)/python:
	@tools/check-python.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@rm -f $(VENV)/.run-* && touch $@

$(DEV_STAMP): $(RUN_STAMP)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@rm -f $(VENV)/.dev-* && touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
