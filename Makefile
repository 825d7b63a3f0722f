# Every path is relative, so that a checkout in a folder with spaces works.
PYTHON ?= python3
PY := .venv/bin/python -P
GENERATE := .venv-generate/bin/python openapi/generate.py
BENCH := .venv-bench/bin/python
PYRIGHT := .venv-pyright/bin/python
DOCS := .venv-docs/bin/python -P
PIP := -m pip --disable-pip-version-check install --quiet
BUILD := --build-constraint constraints.txt
NEW_ENOUGH := $(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, %s is %d.%d. Try: make PYTHON=python3.12" % ((sys.executable,) + sys.version_info[:2]))'
TESTS ?=
PYTHONS := 3.11 3.12 3.13 3.14
MODULE ?=

# The tests start hundreds of processes: without this, each of them would compile the library anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-slow fuzz bench screenshots bench-export cassettes coverage mutants pythons lowest lint format types check check-rest generate check-generated api api-check spec-drift dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# -- for everyone

demo: .venv-demo/installed ## run the client against the sandbox on this machine: no key, no account
	.venv-demo/bin/python -P examples/demo.py

test: .venv/installed ## run the tests (TESTS="-k name" picks some)
	$(PY) -m pytest -n auto --dist loadgroup -m "not slow" $(TESTS)

# SOURCE_URL=https://…/blob/main makes links to files that are no pages lead there.
docs: .venv-docs/installed ## write what is made from the code, and build the site strictly into site/; CI can run it
	$(DOCS) docs/scripts/pages.py
	$(DOCS) docs/scripts/build.py

# -- for contributors

generate: .venv-generate/installed ## write generated_client/ from openapi/
	$(GENERATE)

check: test check-rest ## everything that CI runs

check-rest: lint types check-generated api-check test-slow ## `make check` without `make test`

test-slow: .venv/installed .venv-generate/installed .venv-docs/installed ## the tests that build, regenerate and install
	$(PY) -m pytest -n auto --dist loadgroup -m slow $(TESTS)

fuzz: .venv/installed ## over a hundred thousand broken answers, and as many walks over lists that move (20 minutes)
	$(PY) -m pytest -n auto --timeout=3600 --hypothesis-profile=long tests/fuzz tests/walk/test_guarantee.py tests/walk/test_machine.py tests/walk/test_resume.py $(TESTS)

# The second interpreter has what a user has, the project and its run-time dependencies: what imports cost depends on it.
bench: .venv-bench/installed .venv/installed ## measure against what one would use instead; writes docs/benchmarks.md and the table of docs/export.md (Linux, 9 minutes)
	PIP_PYTHON=.venv-bench/runtime/bin/python $(BENCH) $(PIP) --no-deps --force-reinstall $(BUILD) .
	$(BENCH) benchmarks/run.py --output docs/benchmarks.md
	$(PY) benchmarks/export.py

bench-export: .venv/installed ## the part of `make bench` that measures the export formats (1 minute)
	$(PY) benchmarks/export.py

cassettes: .venv/installed ## record cassettes/ afresh from the sandbox; LIVE=1 with GCORE_API_KEY: from the live API
	@case "$(LIVE)" in ''|1) ;; *) echo "LIVE is 1 or nothing, not '$(LIVE)'." >&2; exit 2;; esac
	$(if $(LIVE),@test -n "$$GCORE_API_KEY" || { echo 'Set GCORE_API_KEY: LIVE=1 asks the live API.' >&2; exit 2; },rm -rf cassettes/*/)
	GCORE_RECORD_LIVE=$(LIVE) $(PY) -m pytest tests/cassettes -m vcr -p no:randomly -q -r fE --record-mode=rewrite

coverage: .venv/installed ## branch coverage of the core by the fast tests; fails below 95 %
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest -n auto --dist loadgroup -m "not slow" -q $(TESTS)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

mutants: .venv-mutants/installed ## mutation tests of the core; MODULE=ordering for one; fails below 85 % (15 minutes)
	.venv-mutants/bin/python -P tests/mutants/run.py $(MODULE)

# pyenv shows only the versions that are named to it.
pythons: ## the fast tests under each of Python 3.11 to 3.14 that is installed
	@PYENV_VERSION=`pyenv versions --bare 2>/dev/null | paste -sd: -`; export PYENV_VERSION; \
	for version in $(PYTHONS); do \
		python=.venv-$$version/bin/python; \
		if ! python$$version -c '' 2>/dev/null; then echo "== Python $$version is not installed"; continue; fi; \
		echo "== Python $$version"; \
		if test -z "`find .venv-$$version/installed -newer pyproject.toml -newer constraints.txt 2>/dev/null`"; then \
			python$$version -m venv --clear .venv-$$version && \
			$$python -P $(PIP) --constraint constraints.txt pip && \
			$$python -P $(PIP) --constraint constraints.txt $(BUILD) --group dev --editable '.[sandbox]' && \
			touch .venv-$$version/installed || exit; \
		fi; \
		$$python -P -m pytest -n auto --dist loadgroup -m "not slow" -q $(TESTS) || exit; \
	done

lowest: .venv-lowest/installed ## the fast tests with the lowest versions that pyproject.toml allows
	.venv-lowest/bin/python -P -m pytest -n auto --dist loadgroup -m "not slow" -q $(TESTS)

screenshots: .venv/installed ## take the pictures of the command line: docs/screenshots/
	$(PY) examples/screenshots.py

lint: .venv/installed ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: .venv/installed ## let ruff mend what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# The second environment has the wheel, as a user has it.
types: .venv/installed .venv-pyright/installed ## mypy --strict: all that is typed; pyright: what users see
	$(PY) -m mypy gcore_invoices gcore_invoices_pytest.py generated_client/gcore_erp_api tests/typing examples openapi/generate.py openapi/drift.py tools docs/scripts/pages.py docs/scripts/build.py
	$(PYRIGHT) -P $(PIP) --no-deps --force-reinstall $(BUILD) .
	$(PYRIGHT) -P -m basedpyright --pythonpath $(PYRIGHT) --project tests/typing

check-generated: .venv-generate/installed ## fail, naming the files, if generated_client/ is not what openapi/ gives
	@$(GENERATE) --check

api: .venv/installed ## write api.txt, the public API, from the source
	@$(PY) tools/api.py

api-check: .venv/installed ## fail if the public API is not what api.txt says, or breaks what the last tag had
	@$(PY) tools/api.py --check

spec-drift: .venv/installed ## compare openapi/ with a published OpenAPI file: UPSTREAM=path-or-URL (FORMAT=json)
	@test -n "$$UPSTREAM" || { echo 'Say with what: make spec-drift UPSTREAM=path-or-URL' >&2; exit 2; }
	@$(PY) openapi/drift.py "$$UPSTREAM" --format $(or $(FORMAT),text)

dist: .venv/installed ## build what is released from the last commit, twice, and try it: dist/ (1 minute)
	@$(PY) tools/dist.py

clean: ## remove the environments and caches
	rm -rf .venv .venv-* .mutants .site site .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist

# -- environments: plain venv and pip, pinned

# What a user installs, so that a stranger waits for nothing else.
.venv-demo/installed: pyproject.toml constraints.txt gcore_invoices/_version.py
	@$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear .venv-demo
	.venv-demo/bin/python -P $(PIP) --constraint constraints.txt pip
	.venv-demo/bin/python -P $(PIP) --constraint constraints.txt $(BUILD) --editable '.[sandbox]'
	@touch $@

.venv/installed: pyproject.toml constraints.txt gcore_invoices/_version.py
	@$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear .venv
	$(PY) $(PIP) --constraint constraints.txt pip
	$(PY) $(PIP) --constraint constraints.txt --build-constraint constraints.txt --group dev --editable '.[cli,sandbox]'
	@touch $@

.venv-generate/installed: openapi/requirements.txt
	$(PYTHON) -m venv --clear .venv-generate
	.venv-generate/bin/python $(PIP) --no-deps --requirement openapi/requirements.txt
	@touch $@

.venv-docs/installed: docs/requirements.txt
	@$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear .venv-docs
	$(DOCS) $(PIP) --no-deps --requirement docs/requirements.txt
	@touch $@

.venv-lowest/installed: pyproject.toml constraints.txt tools/lowest.py
	$(PYTHON) -m venv --clear .venv-lowest
	$(PYTHON) tools/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -P $(PIP) --constraint constraints.txt pip
	.venv-lowest/bin/python -P $(PIP) --constraint .venv-lowest/constraints.txt $(BUILD) --group dev --editable '.[cli,sandbox]'
	@touch $@

.venv-mutants/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv-mutants
	.venv-mutants/bin/python -P $(PIP) --constraint constraints.txt pip
	.venv-mutants/bin/python -P $(PIP) --constraint constraints.txt $(BUILD) --group mutants --editable .
	@touch $@

.venv-bench/installed: benchmarks/requirements.txt pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv-bench
	$(BENCH) $(PIP) --constraint constraints.txt pip
	$(BENCH) $(PIP) --no-deps --requirement benchmarks/requirements.txt
	$(BENCH) $(PIP) --no-deps $(BUILD) --editable .
	$(PYTHON) -m venv --without-pip .venv-bench/runtime
	PIP_PYTHON=.venv-bench/runtime/bin/python $(BENCH) $(PIP) --constraint benchmarks/requirements.txt $(BUILD) .
	@touch $@

.venv-pyright/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv-pyright
	$(PYRIGHT) -P $(PIP) --constraint constraints.txt pip
	$(PYRIGHT) -P $(PIP) --constraint constraints.txt $(BUILD) --group pyright '.[cli,otel,parquet,prometheus,sandbox,testing,xlsx]'
	@touch $@
