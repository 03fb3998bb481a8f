# What a person does with this repository. Needs Python 3.11 or newer, make and the package
# registries; no root, no server. `make` alone lists the targets.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The first interpreter that is new enough; `make PYTHON=python3.12 …` names another one.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)

VENV := .venv
RUN := $(VENV)/bin/python
# One stamp for what the product runs on, one for what it takes to check a change.
READY := $(VENV)/.requirements
READY_DEV := $(VENV)/.requirements-dev
PIP := $(RUN) -m pip --disable-pip-version-check install --quiet --require-hashes
PIN := $(RUN) -m uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11

CATALOGUES := $(wildcard app/translations/*/LC_MESSAGES/*.po)
TEXTS := $(VENV)/.translations

N ?= 50
SEED ?= 1
FAULTS ?= 1400
POINTS ?= 100000
HOURS ?= 24
SPEED ?= 60
# Chaos rigs side by side, and kills in one run of a rig.
RIGS ?= 1
PER_RUN ?= 100

.PHONY: help
help: ## List the targets.
	@echo "Tiedolla. Start with: make demo"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(READY) ## Make the virtual environment with what the product runs on.

.PHONY: demo
demo: $(READY) $(TEXTS) ## Run everything on this machine, with simulated outside systems.
	@exec $(RUN) -m deploy.demo --stop-with-parent

.PHONY: demo-clean
demo-clean: $(READY) ## Remove the demo's data.
	@$(RUN) -m deploy.demo --clean

.PHONY: test
test: $(READY_DEV) $(TEXTS) ## Run the tests, side by side, each process on a private PostgreSQL and Valkey.
	$(RUN) -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

.PHONY: sure
sure: format-check lint types imports migrations translations test ## Check everything that a change must pass.

.PHONY: format
format: $(READY_DEV) ## Lay the code out.
	$(RUN) -m ruff format
	$(RUN) -m ruff check --fix

.PHONY: format-check
format-check: $(READY_DEV)
	$(RUN) -m ruff format --check

.PHONY: lint
lint: $(READY_DEV) ## Look for mistakes.
	$(RUN) -m ruff check

.PHONY: types
types: $(READY_DEV) ## Check the types.
	$(RUN) -m mypy

.PHONY: imports
imports: $(READY_DEV) ## Check that the rooms import only downhill.
	$(RUN) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

.PHONY: migrations
migrations: $(READY_DEV) ## Check that the migrations make what the models say.
	$(RUN) -m deploy.with_servers sh -c '$(RUN) -m flask db upgrade && $(RUN) -m flask db check'

.PHONY: translations
translations: $(READY_DEV) $(TEXTS) ## Check that Finnish and Swedish are complete.
	$(RUN) -m app.web.translations check

.PHONY: bench
bench: $(READY_DEV) $(TEXTS) ## Measure; results under bench/results.
	$(RUN) -m bench

.PHONY: storm
storm: $(READY_DEV) $(TEXTS) ## Play a storm of FAULTS faults on POINTS points, SPEED times as fast, and judge every message.
	$(RUN) -m bench.storm --faults $(FAULTS) --points $(POINTS) --hours $(HOURS) --speed $(SPEED) --seed $(SEED)

.PHONY: chaos
chaos: $(READY_DEV) $(TEXTS) ## Kill processes while work flows, N times in all from a SEED on, and check the promises.
	$(RUN) -m tests.chaos --kills $(N) --seed $(SEED) --rigs $(RIGS) --per-run $(PER_RUN)

.PHONY: forge
forge: $(READY_DEV) $(TEXTS) ## Forge and alter N messages of outside systems (100,000 unless N is given): none is taken.
	$(RUN) -m tests.forge --count $(if $(filter file,$(origin N)),100000,$(N)) --seed $(SEED)

.PHONY: assets
assets: ## Build the style sheet and script; the results are committed.
	cd app/static && npm ci && npm run build

.PHONY: screenshots
screenshots: $(READY_DEV) $(TEXTS) ## Take the README's screenshots from a running demo; needs Chromium.
	$(RUN) -m docs.screenshots

.PHONY: lock
lock: $(READY_DEV) ## Pin what requirements.in and requirements-dev.in ask for, with hashes.
	$(PIN) requirements.in --output-file requirements.txt
	$(PIN) requirements-dev.in --output-file requirements-dev.txt

# A half-made environment has no pip and is made again; the stamps say that installing succeeded.
$(RUN):
	@test -n "$(PYTHON)" || { echo "Tiedolla needs Python 3.11 or newer."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(READY): requirements.txt | $(RUN)
	@$(RUN) -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what Tiedolla runs on; the first time takes about half a minute."
	$(PIP) -r requirements.txt
	@touch $@

$(READY_DEV): requirements-dev.txt $(READY)
	$(PIP) -r requirements-dev.txt
	@touch $@

$(TEXTS): $(CATALOGUES) | $(READY)
	$(RUN) -m app.web.translations compile
	@touch $@
