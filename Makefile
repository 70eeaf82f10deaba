# Everything a developer, CI or a curious stranger runs. `make help` lists it.

# The distribution's own Python first: Debian builds it with profile-guided optimisation, pyenv does
# not unless asked, and the services then take a fifth more CPU.
PYTHON ?= $(strip $(if $(shell /usr/bin/python3.11 -c 'import ensurepip' 2>/dev/null && echo is-there),\
          /usr/bin/python3.11,python3.11))
VENV   ?= .venv
PY      = $(VENV)/bin/python
STAMP   = $(VENV)/.installed
ARGS   ?=

PACKAGES = libs/contracts libs/runtime libs/telecom libs/smpp \
           services/ingest services/router services/carrier-adapter services/receipts \
           services/voice-fallback tools/cli tools/simulators tools/demo deploy/local

# mypy names modules after their folders, and a folder with a hyphen cannot be a module:
# the tests inside these are checked from their own folder.
HYPHENATED = services/carrier-adapter services/voice-fallback

# Those of some folders that hold Python: mypy refuses the others.
with-python = $(foreach d,$(1),$(if $(shell find $(d) -name '*.py' -print -quit 2>/dev/null),$(d)))

NEEDS_SERVERS = integration or e2e or fault or docker

.DEFAULT_GOAL := help
.PHONY: help install lock lint format type test unit contract integration e2e fault docker bench bench-failover bench-kannel bench-shaping bench-smsc \
        demo up down status restart kill logs topics asyncapi openapi schemas check clean

help: ## this list
	@echo "Yizhan: shipment events become SMS, receipts and phone calls."
	@echo "Start with 'make demo'. The first run downloads what is needed into .venv and .local."
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS='...' is passed on, e.g.  make unit ARGS='-k shard -x'"
	@echo "  Servers: YIZHAN_SERVERS=url|docker|local forces one way to get Kafka and MongoDB;"
	@echo "  with YIZHAN_KAFKA_URL and YIZHAN_MONGO_URL set, those are used."

# --- the environment ---------------------------------------------------------------------------

install: $(STAMP) ## make .venv with everything, by plain pip, hashes checked

$(STAMP): requirements.lock $(PACKAGES:%=%/pyproject.toml)
	@command -v $(PYTHON) >/dev/null || { echo "Yizhan needs Python 3.11 and '$(PYTHON)' was not \
	found. Install it (Debian: apt-get install python3.11 python3.11-venv), or name another: \
	make install PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Yizhan is \
	locked for Python 3.11; '$(PYTHON)' is $$($(PYTHON) -V). Set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { echo "No venv could be made: on Debian, \
	apt-get install python3.11-venv"; exit 1; }
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		$(PACKAGES:%=-e %)
	@touch $@

RESOLVE = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: $(STAMP) ## requirements*.in -> requirements*.lock (ARGS=--upgrade for newer versions)
	$(RESOLVE) $(ARGS) requirements.in --output-file requirements.lock
	$(RESOLVE) requirements.services.in --output-file requirements.services.lock

# --- checks ------------------------------------------------------------------------------------

lint: $(STAMP) ## ruff, format and who may import whom
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

format: $(STAMP) ## let ruff repair what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

type: $(STAMP) ## mypy --strict over everything, tests included
	$(VENV)/bin/mypy conftest.py .ci/hygiene.py $(call with-python,$(PACKAGES:%=%/src) \
		$(patsubst %,%/tests,$(filter-out $(HYPHENATED),$(PACKAGES))) tests bench)
	@for d in $(call with-python,$(HYPHENATED:%=%/tests)); do (cd $$d/.. && \
		$(abspath $(VENV))/bin/mypy --config-file $(CURDIR)/pyproject.toml tests) || exit 1; done

check: lint type test ## lint + type + test

# --- tests: on real servers --------------------------------------------------------------------

test: $(STAMP) ## every suite
	$(PY) -m pytest $(ARGS)

unit: $(STAMP) ## no sockets, seconds
	$(PY) -m pytest -m "not ($(NEEDS_SERVERS))" $(ARGS)

contract: $(STAMP) ## events, topics, schemas, imports
	$(PY) -m pytest libs/contracts/tests tests/contract $(ARGS)

integration: $(STAMP) ## one service at a time against real Kafka and MongoDB
	$(PY) -m pytest -m integration $(ARGS)

e2e: $(STAMP) ## all services together
	$(PY) -m pytest -m e2e $(ARGS)

fault: $(STAMP) ## kill -9 of everything, on servers of its own
	$(PY) -m pytest -m fault $(ARGS)

docker: $(STAMP) ## what needs a Docker engine
	$(PY) -m pytest -m docker $(ARGS)

bench: $(STAMP) ## messages per second and where the time goes
	$(PY) -m bench $(ARGS)

bench-failover: $(STAMP) ## ARGS='queue' or 'break [FAULT ...]': three routers, a carrier broken by command
	$(PY) -m bench.failover $(ARGS)

bench-kannel: $(STAMP) ## Yizhan and Debian's Kannel in turns (needs node; installs kannel as root)
	$(PY) -m bench.kannel $(ARGS)

bench-shaping: $(STAMP) ## ARGS='one|three|rebalances|lanes|kill|dies': what a channel is held to
	$(PY) -m bench.shaping $(ARGS)

bench-smsc: $(STAMP) ## everything over SMPP against npm's message centre (needs node)
	$(PY) -m bench.smsc $(ARGS)

# --- running -----------------------------------------------------------------------------------

demo: $(STAMP) ## a few hundred shipments from event to receipt, one carrier broken; ends by itself
	$(PY) -m yizhan_demo $(ARGS)

up: $(STAMP) ## start Kafka, MongoDB, simulators and services; addresses in .local/stack.json
	$(PY) -m yizhan_local up $(ARGS)

down: $(STAMP) ## stop what `make up` started
	$(PY) -m yizhan_local down $(ARGS)

status: $(STAMP) ## what runs, since when, where
	$(PY) -m yizhan_local status $(ARGS)

restart: $(STAMP) ## SERVICE=router: stop it, start it again with the present configuration
	@test -n "$(SERVICE)" || { echo "Which one? make restart SERVICE=router"; exit 2; }
	$(PY) -m yizhan_local restart $(SERVICE)

kill: $(STAMP) ## SERVICE=router: kill -9; the supervisor starts it again
	@test -n "$(SERVICE)" || { echo "Which one? make kill SERVICE=router"; exit 2; }
	$(PY) -m yizhan_local kill $(SERVICE)

logs: $(STAMP) ## follow the logs; SERVICE=router for one of them
	$(PY) -m yizhan_local logs $(SERVICE)

topics: $(STAMP) ## create the topics that are missing (YIZHAN_KAFKA_URL, default: the running stack)
	$(PY) -m yizhan_local run yizhan_cli topics apply $(ARGS)

# --- generated files ----------------------------------------------------------------------------

asyncapi: $(STAMP) ## docs/asyncapi from the topic registry
	$(PY) -m yizhan_cli asyncapi $(ARGS)

openapi: $(STAMP) ## docs/openapi from the routes of ingest and receipts
	@mkdir -p docs/openapi
	@for service in ingest receipts; do \
		$(PY) -m $$service openapi > docs/openapi/$$service.yaml.new && \
		mv docs/openapi/$$service.yaml.new docs/openapi/$$service.yaml || exit 1; done

schemas: $(STAMP) ## JSON schema snapshots of every event
	$(PY) -m yizhan_cli schemas $(ARGS)

clean: ## remove caches and .local (stops the stack first); .venv stays
	@if [ -x $(PY) ] && [ -d .local ]; then $(PY) -m yizhan_local down --servers || true; fi
	rm -rf .local .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench/out
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
