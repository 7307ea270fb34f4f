# The one set of recipes for people and for CI. Each target does its own set-up.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
READY := .venv/.installed

# The first Python on the path that is new enough, whatever it is called there.
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
endif

.PHONY: help
help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: broker-needs $(READY)  ## A broker, two workers, the live page, the synthesised history, the four tables (ARGS=--exit: end when they agree)
	@$(BIN)/utresa demo $(ARGS)

.PHONY: test
test: broker-needs browser-needs asyncapi-needs sample-needs lint  ## Everything that must be green: lint, then every rung of tests up to the real broker, side by side
	@$(BIN)/python -m tests.lanes $(ARGS)

.PHONY: unit
unit: $(READY)  ## The tests of the rules alone, in under a minute
	$(BIN)/pytest tests/unit $(ARGS)

.PHONY: oracle
oracle: $(READY)  ## Four answers on 10 000 random histories (UTRESA_ORACLE_HISTORIES: how many): domain, recount, live, SQL
	UTRESA_ORACLE_HISTORIES=$${UTRESA_ORACLE_HISTORIES:-10000} $(BIN)/pytest tests/oracle $(ARGS)

.PHONY: simulate
simulate: $(READY)  ## Workers simulated under every fault (SEEDS=1000 or 500-900, JOBS=2; of one: SEED=7, TRACE=1)
	@$(BIN)/python -m tests.simulation $${SEED:+--seed $$SEED} $${TRACE:+--trace} --seeds $${SEEDS:-1000} --jobs $${JOBS:-1}

.PHONY: mutants
mutants: broker-needs $(READY)  ## Known-bad changes, one by one in a copy of the tree: the tests must notice each
	UTRESA_MUTANTS=all $(BIN)/pytest tests/mutants $(ARGS)

.PHONY: faults
faults: broker-needs $(READY)  ## The long run of faults, some hours (SECTION="kills zombies": some of it, as in deploy/faults.md)
	@$(BIN)/python -m tests.faults.results run $(SECTION); code=$$?; $(MAKE) --no-print-directory faults-report; exit $$code

.PHONY: faults-report
faults-report: $(READY)  ## deploy/faults.md from what the sections of the long run have seen
	@$(BIN)/python -m tests.faults.results page

.PHONY: screenshot
screenshot: broker-needs browser-needs $(READY)  ## The README's picture of the page anew, as Chromium shows it to the tests
	@$(BIN)/pytest -q tests/page/test_browser.py -k photographed
	@cp build/screenshots/report.png deploy/page.png

.PHONY: dashboard
dashboard: $(READY)  ## Renew deploy/grafana/utresa.json from generate.py
	$(BIN)/python deploy/grafana/generate.py

.PHONY: bench
bench: broker-needs $(READY) build/bench/venv/.installed build/bench/kafka-streams/.built  ## How fast, beside Kafka Streams, Quix and Faust (SCALE=1: a million records, RECORDS=, ROUNDS=3, PART="throughput latency")
	@$(BIN)/python -m tests.bench $(PART)

.PHONY: bench-page
bench-page: $(READY)  ## deploy/bench.md from what the bench has measured last
	@$(BIN)/python -m tests.bench page

.PHONY: bench-quick
bench-quick: $(READY)  ## Whether a step has become slower than the committed ratios say, in under two minutes
	@$(BIN)/python -m tests.bench.quick

.PHONY: lint
lint: $(READY)  ## ruff, mypy and the import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(READY)  ## Put the code into its form, and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: docs
docs: $(READY)  ## Renew what is generated in deploy/: the topics' pages and the AsyncAPI document
	@$(BIN)/python -m utresa.catalogue deploy/topics

.PHONY: lock
lock: $(READY)  ## Renew requirements.lock from pyproject.toml (ARGS=--upgrade: newest versions)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--extra page --group dev --output-file requirements.lock $(ARGS) pyproject.toml

.PHONY: broker-start
broker-start: broker-needs $(READY)  ## Start the local Kafka, or say where it runs
	@$(BIN)/utresa broker start

.PHONY: broker-stop
broker-stop: $(READY)  ## Stop the local Kafka; its data stay
	@$(BIN)/utresa broker stop

.PHONY: ci
ci:  ## What CI runs
	@.ci/run

.PHONY: clean
clean:  ## Stop the local Kafka and remove all that make has made
	@if [ -x $(BIN)/utresa ]; then $(BIN)/utresa broker stop; fi
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Java and Maven are asked for by the targets that start a broker, and before anything is downloaded.
.PHONY: broker-needs
broker-needs: python-needs
	@if [ -z "$$UTRESA_KAFKA" ]; then $(PYTHON) connectors/utresa_connectors/local_broker.py; fi

# Nobody has to have a browser or Prometheus: without them their tests say what is missing, and are skipped. CI has to.
AXE := build/axe/node_modules/axe-core

.PHONY: browser-needs
browser-needs:  ## What the tests of the page look with: axe-core, by npm; in CI Chromium and Prometheus too, from Debian
	@if [ -n "$$CI" ] && ! { command -v chromium && command -v prometheus; } >/dev/null; then \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium prometheus >/dev/null; \
	fi
	@if [ ! -e $(AXE) ] && command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix build/axe axe-core@4.14.1 \
			|| echo "axe-core could not be fetched: the page is not judged by it" >&2; \
	fi

# The same of AsyncAPI's official parser, which judges deploy/topics/asyncapi.json.
ASYNCAPI := build/asyncapi/node_modules/@asyncapi/parser

.PHONY: asyncapi-needs
asyncapi-needs:
	@if [ ! -e $(ASYNCAPI) ] && command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix build/asyncapi \
			@asyncapi/parser@3.6.6 @asyncapi/avro-schema-parser@3.1.0 \
			|| echo "AsyncAPI's parser could not be fetched: asyncapi.json is not judged by it" >&2; \
	fi

# And of the jars that the sample in Java is run with; where a Kafka is given, nobody has to have Maven.
SAMPLE_JARS := build/sample-jars

.PHONY: sample-needs
sample-needs:
	@if [ ! $(SAMPLE_JARS) -nt deploy/samples/pom.xml ] && command -v mvn >/dev/null; then \
		rm -rf $(SAMPLE_JARS); mvn --batch-mode --quiet --file deploy/samples/pom.xml dependency:copy-dependencies \
			|| { rm -rf $(SAMPLE_JARS); echo "The jars of the sample in Java could not be fetched: it is not run" >&2; }; \
	fi

.PHONY: python-needs
python-needs:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is missing. Debian: sudo apt-get install python3 python3-venv; macOS: brew install python" >&2; \
		exit 1; \
	fi

$(READY): .venv/.locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# A new lock gets a new environment, so that nothing is in it that the lock does not name.
.venv/.locked: requirements.lock | python-needs
	@echo "Setting up .venv from requirements.lock …"
	@$(PYTHON) -m venv --clear .venv || { \
		echo "Python's venv module is missing. Debian: sudo apt-get install python3-venv; macOS: brew install python" >&2; \
		exit 1; \
	}
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@touch $@

# Quix Streams has an environment of its own, with ours behind it: nothing of it is in our lock.
build/bench/venv/.installed: tests/bench/requirements.txt | $(READY)
	@echo "Setting up Quix Streams for the bench …"
	@$(PYTHON) -m venv --clear build/bench/venv
	@build/bench/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		>"$$(build/bench/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/behind.pth"
	@touch $@

build/bench/kafka-streams/.built: tests/bench/kafka-streams/pom.xml $(wildcard tests/bench/kafka-streams/src/main/java/utresa/*.java)
	@command -v javac >/dev/null || { \
		echo "The bench compiles Java, and javac is missing. Debian: sudo apt-get install openjdk-17-jdk-headless; macOS: brew install --cask temurin" >&2; \
		exit 1; \
	}
	@echo "Building the Kafka Streams contender with Maven …"
	@mvn --batch-mode --quiet --file $< compile dependency:copy-dependencies
	@touch $@
