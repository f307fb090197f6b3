# Everything a newcomer types. Each target sets up what it needs; nothing has to be done by hand before.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
UV_ENV := .uv
UV := $(UV_ENV)/bin/uv

export PYTHONDONTWRITEBYTECODE ?=
export UV_LINK_MODE ?= copy

.PHONY: help run setup test test-long demo bench requirements lint types contracts check lock system-packages fuzz clean dashboards

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup  ## set everything up and start the gate with its embedded defaults
	@exec $(VENV)/bin/sekimori up

setup: $(STAMP)  ## the virtual environment, and nothing else

# A uv of our own, locked by hash: one on the PATH may be a shim that cannot run.
$(UV): requirements/uv.txt
	@command -v python3 >/dev/null || { echo "python3 is needed. On Debian: apt-get install python3 python3-venv" >&2; exit 2; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || deploy/setup/system-packages python3-venv
	@rm -rf $(UV_ENV) && python3 -m venv $(UV_ENV)
	@$(UV_ENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/uv.txt

$(STAMP): $(UV) requirements/dev.txt requirements/runtime.txt pyproject.toml .python-version
	@deploy/setup/python-venv $(UV) $(VENV)
	@$(UV) pip sync --quiet --require-hashes --no-build --compile-bytecode --python $(PY) requirements/dev.txt
	@$(UV) pip install --quiet --offline --no-deps --no-build-isolation --python $(PY) -e .
	@touch $@

system-packages: ## what the tests need from the system: a browser, Prometheus, Squid, OpenLDAP, fonts
	@deploy/setup/system-packages chromium prometheus fonts-noto-cjk fonts-ipaexfont-gothic libatomic1 libnss3-tools softhsm2 \
	  slapd ldap-utils squid-openssl openssh-client curl openssl
	@deploy/setup/sigsum || echo "sigsum-verify could not be installed; the tests that use it are skipped" >&2

test: setup system-packages  ## every test that CI runs
	@$(PY) -m pytest -m "not long" $(PYTEST_ARGS)

test-long: setup system-packages  ## what takes longer than CI allows
	@$(PY) -m pytest -m "long" $(PYTEST_ARGS)

demo: setup  ## the main job, guided, against a stand-in for the AI services
	@$(PY) deploy/demo/demo.py

bench: setup  ## every benchmark, one JSON object a line
	@$(VENV)/bin/sekimori bench all --json

requirements: setup  ## which requirement rows are proven by which tests
	@$(PY) docs/requirements/trace.py

lint: setup  ## style
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

types: setup  ## types
	@$(VENV)/bin/mypy

contracts: setup  ## which room may import which
	@$(VENV)/bin/lint-imports --no-cache

check: lint types contracts  ## lint, types and contracts

dashboards: setup  ## write the Grafana dashboard and the Prometheus rules anew
	@$(PY) dashboards/generate.py

lock: $(UV)  ## resolve the dependencies anew
	@export UV_CUSTOM_COMPILE_COMMAND='make lock'; \
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.12 pyproject.toml -o requirements/runtime.txt && \
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.12 --group dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt && \
	echo uv | $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.8 - -o requirements/uv.txt

fuzz: setup  ## look for inputs that make a reader stumble, for a quarter of an hour
	@$(PY) tests/fuzz/workbook_harness.py -max_total_time=300 -max_len=16384 -timeout=10 -rss_limit_mb=1024
	@$(PY) tests/fuzz/harness.py -max_total_time=600 -max_len=65536 -timeout=10 -rss_limit_mb=1024

clean:  ## remove what was built here (never data or keys)
	@rm -rf $(VENV) $(UV_ENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage*
