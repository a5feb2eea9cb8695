# `make demo` and `make test` set up all they need on a bare Debian or macOS; `make help` lists the rest.
# Plain POSIX shell and GNU make 3.81 (what macOS ships).
#
#   PYTHON=python3.12    another interpreter
#   CHROMIUM=/path/to    the browser for tests; otherwise one is looked for, then installed
#   PIP_FLAGS=...        more options for pip, such as an index that has CPU-only builds of torch

SHELL = /bin/sh
.DEFAULT_GOAL = help
PYTHON = python3
PIP_FLAGS =
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)
# Built with two smaller files beside it, see js/build.mjs.
BUNDLE = saewidgets/static/widget.js
# Tests and demo run from what is in the repository: nothing asks a model hub.
OFFLINE = HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
PYTEST = $(OFFLINE) $(BIN)/python -m pytest

# An exported CHROMIUM, and one named on make's command line, both reach the tests.
.PHONY: help demo test setup browser js lint types unit leaks js-test notebooks e2e docs dist demo-model bench peers lock clean

help:
	@echo "make demo        set up and show the embedded model in a terminal, a page, and JupyterLab"
	@echo "make test        set up and run everything that guards a change"
	@echo "make setup       .venv with all dependencies, and the front-end bundle"
	@echo "make js          the front-end bundle, $(BUNDLE)"
	@echo "make lint types  ruff, biome; mypy, tsc"
	@echo "make unit        Python tests outside JupyterLab (js-test: the front end's)"
	@echo "make notebooks   execute every notebook"
	@echo "make e2e         the widgets in a real JupyterLab, through Chromium"
	@echo "make docs        the documentation, strictly, in docs/_build/html"
	@echo "make dist        wheel and sdist in dist/, the same bytes each time; tried in a fresh environment"
	@echo "make demo-model  train the embedded model and its dictionaries again (up to 90 minutes)"
	@echo "make bench       the benchmarks"
	@echo "make peers       SAELens folders against sae-lens itself, in an environment of its own (see tests/peers)"
	@echo "make clean       remove what was built, but not .venv and not build/demo-model"

# ---------------------------------------------------------------------------------------------------- the two commands

demo: $(VENV)/.lab $(BUNDLE)
	$(OFFLINE) $(BIN)/saewidgets demo

# Each stage is timed; those joined by + run side by side. The last line counts the tests of all.
test: setup browser
	@MAKE="$(MAKE)" $(BIN)/python tests/stages.py lint js-test unit leaks notebooks types+docs dist e2e

setup: $(VENV)/.all $(BUNDLE)

# ------------------------------------------------------------------------------------------------------------ environment

# Asked before the long downloads: a missing tool is said at once.
define FRONT_END_TOOLS
	@command -v git >/dev/null 2>&1 || { echo "saewidgets needs git; it is not on the PATH." >&2; exit 1; }
	@command -v node >/dev/null 2>&1 || { echo "saewidgets needs Node 20 or newer to build its front end; 'node' is not on the PATH." >&2; exit 1; }
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { \
		echo "saewidgets needs Node 20 or newer to build its front end; this is $$(node --version). See nodejs.org (Debian 12 ships 18)." >&2; exit 1; }
	@command -v npm >/dev/null 2>&1 || { echo "saewidgets needs npm to build its front end; it is not on the PATH (Debian: apt-get install npm)." >&2; exit 1; }
endef

# Debian ships venv apart from Python; as root we fetch it, otherwise we say how.
$(BIN)/python:
	$(FRONT_END_TOOLS)
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "saewidgets needs Python 3.11 or newer; '$(PYTHON)' is not on the PATH." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "saewidgets needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && apt-get -qq update && apt-get -qq install -y python3-venv; } || { \
		echo "This Python has no venv module. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "== making $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# torch goes first and alone, through its pin, before anything else can ask for a build of its own; it is the one long
# download, so pip shows its progress.
$(VENV)/.lab: pyproject.toml constraints.txt | $(BIN)/python
	@echo "== installing the package and JupyterLab (a few minutes the first time)"
	@$(PIP) torch
	@$(PIP) --quiet -e '.[lab]'
	@touch $@

$(VENV)/.all: $(VENV)/.lab
	@echo "== installing what tests and documentation need"
	@$(PIP) --quiet -e '.[lab,test,docs,dev]'
	@touch $@

# Looks for Chromium and installs one where there is none; the tests find it as this does.
browser: setup
	@$(BIN)/python tests/browser.py

js: $(BUNDLE)

js/node_modules/.stamp: js/package.json js/package-lock.json
	$(FRONT_END_TOOLS)
	@echo "== installing the front end's tools"
	@cd js && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(BUNDLE): js/node_modules/.stamp js/build.mjs js/tsconfig.json $(shell find js/src -type f 2>/dev/null)
	@echo "== building $(BUNDLE)"
	@cd js && npm run --silent build
	@touch $@

# ----------------------------------------------------------------------------------------------------------------- stages

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd js && npm run --silent check

types: setup
	$(BIN)/mypy

# Two processes, a file at a time, each with one thread: on two cores twice as fast as one process with two.
unit: setup browser
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 --dist loadfile tests --ignore=tests/build --ignore=tests/e2e --ignore=tests/leaks --ignore=tests/test_notebooks.py

# In a process of their own: one that freed much memory before would swallow a leak.
leaks: setup
	$(PYTEST) tests/leaks

js-test: setup
	cd js && npm test --silent

notebooks: setup
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 tests/test_notebooks.py

e2e: setup browser
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 --dist loadfile tests/e2e

docs: setup
	$(OFFLINE) $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(PYTEST) tests/build/test_docs.py

# Files in the packages bear the date of the commit, so that the same commit gives the same bytes. Outside git (in an
# unpacked sdist) it is a fixed day, the one hatchling takes.
EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),1580601600)

# On a disk, not in memory as the other tests: an environment with torch in it is large.
dist: setup
	rm -rf dist
	SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m build --no-isolation --outdir dist .
	TMPDIR=$(or $(TMPDIR),/tmp) $(PYTEST) tests/build/test_dist.py tests/build/test_reproducible.py

# ------------------------------------------------------------------------------------------------------------------- other

demo-model: setup
	$(OFFLINE) $(BIN)/python -m saewidgets.demo.recipe

bench: setup browser
	@$(PIP) --quiet -e '.[benchmarks]'
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(OFFLINE) $(BIN)/python $$file || exit 1; done

# Not a guard of every change: another library in an environment of its own, a long download the first time.
peers: setup
	@$(OFFLINE) $(BIN)/python tests/peers/saelens.py $(PIP_FLAGS)

# After an upgrade: the pins of this environment, without builds of one machine (+cpu) and without what only Linux needs.
lock: setup
	@$(PIP) --quiet -e '.[lab,test,docs,dev,benchmarks]'
	@{ grep -E '^(#|appnope=)' constraints.txt; $(BIN)/python -m pip freeze --all --exclude-editable | sed 's/+[a-z0-9.]*$$//' | \
		grep -Ev '^(pip==|wheel==|nvidia|cuda|triton)| @ '; } > constraints.new && mv constraints.new constraints.txt

clean:
	rm -rf build/results dist docs/_build saewidgets/static js/node_modules js/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis saewidgets-demo.html
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
