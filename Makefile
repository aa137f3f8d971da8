# make run       set everything up and open the app
# make test      set up, lint, check types, build the documentation, test: 15 minutes on 2 cores
# make test-all  the same with the long tests and hundreds of examples a property, before a release
# make coverage  print the coverage of lines and branches by all tests except the browser tests
# make bench     measure the speeds that docs/speed.md and docs/live.md quote
# make docs      build the documentation as a site in build/docs; a warning is an error
# make lock      write requirements.lock: the app's packages with hashes; UPGRADE=1 takes the newest
# make audit     look the locked packages up among known vulnerabilities, and search for secrets
# make hostile   hostile files, many users and kills: the table of docs/safety.md
# make fuzz      search for input that our parsers do not withstand; SECONDS=600; needs Linux
# make live      check live imagery against the real archives; needs the internet

VENV   := .venv
BIN    := $(VENV)/bin
# Modules are compiled when they are first imported: to compile all of torch took half of the time.
PIP    := -m pip install --quiet --disable-pip-version-check --no-compile
HOST   ?= 127.0.0.1
PORT   ?= 8501

.DEFAULT_GOAL := help
.PHONY: help run test test-all coverage check docs ready stac-server tools-of-tests bench hostile fuzz live lock audit setup clean

help:
	@sed -n 's/^# make/make/p' Makefile

$(BIN)/python:
	bash tools/make_venv.sh $(VENV)

# A marker file for each requirements file, so that an unchanged set-up is skipped.
$(VENV)/.app: $(BIN)/python requirements.txt requirements-basemap.txt pyproject.toml
	$(BIN)/python $(PIP) -r requirements.txt
	$(BIN)/python $(PIP) --no-deps -r requirements-basemap.txt
	$(BIN)/python $(PIP) --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt
	$(BIN)/python $(PIP) -r requirements-dev.txt
	touch $@

# MLflow, an extra of the app that only the long tests need.
$(VENV)/.mlflow: $(VENV)/.dev requirements-mlflow.txt
	$(BIN)/python $(PIP) -r requirements-mlflow.txt
	touch $@

static/tiles: $(VENV)/.app
	$(BIN)/python tools/unpack_basemap.py

setup: $(VENV)/.app static/tiles

# One person's app, unless other computers can reach it: corrections stay when the page is reloaded.
run: setup
	LANDCOVER_PERSONAL=1 $(BIN)/python -m streamlit run app.py --server.address $(HOST) --server.port $(PORT)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A real catalogue to search, and a browser. Without them, tests use recordings or are skipped. One
# after the other, because both may install packages of the system.
stac-server: $(BIN)/python
	bash tools/stac_server.sh $(VENV)-stac

tools-of-tests: $(VENV)/.dev stac-server
	bash tools/find_browser.sh $(BIN)/python

ready: setup check docs tools-of-tests

# Two kinds of tests run separately: browser tests, one file a worker, because some files have servers
# of their own; and tests that start processes, because a pool of them once died next to another
# worker. Each worker has one thread; with more, they wait for each other. Browser tests wait a lot, so
# there is one worker more than cores. A worker that dies ends the run, which would otherwise wait
# forever. Bytecode is kept, because tests start many processes that would all compile the same modules.
export PYTHONDONTWRITEBYTECODE :=
POOL := tests/datasets/test_memory_mapped.py
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
MAIN := $(PYTEST) --numprocesses=auto --max-worker-restart=0 --dist=worksteal \
    --ignore=tests/browser --ignore=$(POOL)
BROWSER := $(PYTEST) --numprocesses=$(shell expr $(CORES) + 1) --max-worker-restart=0 \
    --dist=loadfile tests/browser

# What comes before the tests is done two at a time.
test:
	$(MAKE) --jobs=2 ready
	$(MAIN) -m "not slow"
	$(PYTEST) -m "not slow" $(POOL)
	$(BROWSER) -m "not slow"

test-all: $(VENV)/.mlflow
	$(MAKE) --jobs=2 ready
	$(MAIN) --hypothesis-profile=all
	$(PYTEST) --hypothesis-profile=all $(POOL)
	$(BROWSER)

coverage: setup $(VENV)/.dev $(VENV)/.mlflow tools-of-tests
	$(MAIN) --hypothesis-profile=all --cov=landcover --cov=pages --cov=app --cov-branch \
	    --cov-report=json:build/coverage.json
	@$(BIN)/python -c 'import json; t = json.load(open("build/coverage.json"))["totals"]; \
	    print("lines {percent_statements_covered:.2f} %, branches {percent_branches_covered:.2f} %".format(**t))'

# Other readers of imagery to compare with, separate from the app's packages.
$(VENV)-bench/.done: requirements-bench.txt
	bash tools/make_venv.sh $(VENV)-bench
	$(VENV)-bench/bin/python $(PIP) -r requirements-bench.txt
	touch $@

bench: setup $(VENV)/.dev $(VENV)-bench/.done
	bash tools/find_browser.sh $(BIN)/python
	bash tools/stac_server.sh $(VENV)-stac
	$(BIN)/python tools/bench.py
	$(BIN)/python -m tools.bench_live

hostile: setup $(VENV)/.dev
	bash tools/find_browser.sh $(BIN)/python
	$(BIN)/python -m tools.hostile

# The fuzzer, with the app's packages, separate from them.
$(VENV)-fuzz/.done: requirements-fuzz.txt requirements.txt requirements-basemap.txt
	bash tools/make_venv.sh $(VENV)-fuzz
	$(VENV)-fuzz/bin/python $(PIP) -r requirements.txt
	$(VENV)-fuzz/bin/python $(PIP) --no-deps -r requirements-basemap.txt
	$(VENV)-fuzz/bin/python $(PIP) -r requirements-fuzz.txt
	touch $@

SECONDS ?= 600
fuzz: $(VENV)-fuzz/.done
	$(VENV)-fuzz/bin/python -m tools.hostile.fuzz --seconds $(SECONDS)

live: $(VENV)/.app
	$(BIN)/python -m tools.live_check

# What looks at the app's packages from outside has an environment of its own.
$(VENV)-audit/.done: requirements-audit.txt
	bash tools/make_venv.sh $(VENV)-audit
	$(VENV)-audit/bin/python $(PIP) -r requirements-audit.txt
	touch $@

lock: $(VENV)-audit/.done
	$(VENV)-audit/bin/python tools/lock.py --uv $(VENV)-audit/bin/uv $(if $(UPGRADE),--upgrade)

audit: $(VENV)-audit/.done $(VENV)/.dev
	$(VENV)-audit/bin/python tools/lock.py --uv $(VENV)-audit/bin/uv --check
	$(VENV)-audit/bin/python tools/audit.py $(if $(ONLINE),--online)
	$(BIN)/python tools/secret_scan.py

clean:
	rm -rf $(VENV) $(VENV)-stac $(VENV)-bench $(VENV)-audit $(VENV)-fuzz static/tiles static/places build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
