# Every path is relative, so that a checkout in a folder with spaces works.
PYTHON ?= python3
PY := .venv/bin/python -P
GENERATE := .venv-generate/bin/python openapi/generate.py
PIP := -m pip --disable-pip-version-check install --quiet
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format types check check-rest generate check-generated clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# -- for everyone

demo: .venv/installed ## run the client against the sandbox on this machine: no key, no account
	$(PY) examples/demo.py

test: .venv/installed ## run the tests (TESTS="-k name" picks some)
	$(PY) -m pytest -n auto --dist loadgroup -m "not slow" $(TESTS)

# -- for contributors

generate: .venv-generate/installed ## write generated_client/ from openapi/
	$(GENERATE)

check: test check-rest ## everything that CI runs

check-rest: lint types check-generated test-slow ## `make check` without `make test`

test-slow: .venv/installed .venv-generate/installed ## the tests that build, regenerate and install
	$(PY) -m pytest -n auto --dist loadgroup -m slow $(TESTS)

lint: .venv/installed ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: .venv/installed ## let ruff mend what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: .venv/installed ## mypy --strict: the façade, the generated client, tests/typing
	$(PY) -m mypy gcore_invoices generated_client/gcore_erp_api tests/typing examples openapi/generate.py

check-generated: .venv-generate/installed ## fail, naming the files, if generated_client/ is not what openapi/ gives
	@$(GENERATE) --check

clean: ## remove the environments and caches
	rm -rf .venv .venv-generate .pytest_cache .mypy_cache .ruff_cache .hypothesis dist

# -- environments: plain venv and pip, pinned

.venv/installed: pyproject.toml constraints.txt gcore_invoices/_version.py
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, %s is %d.%d. Try: make PYTHON=python3.12" % ((sys.executable,) + sys.version_info[:2]))'
	$(PYTHON) -m venv --clear .venv
	$(PY) $(PIP) --constraint constraints.txt pip
	$(PY) $(PIP) --constraint constraints.txt --build-constraint constraints.txt --group dev --editable '.[sandbox]'
	@touch $@

.venv-generate/installed: openapi/requirements.txt
	$(PYTHON) -m venv --clear .venv-generate
	.venv-generate/bin/python $(PIP) --no-deps --requirement openapi/requirements.txt
	@touch $@
