# Everything runs below this folder: Python packages in .venv, servers and their data in .local.
PYTHON := .venv/bin/python
COMPILE := .local/uv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header -q

# The rows of the large file of bench-memory.
ROWS := 10000000
# How long soak takes, and the seed of its first exercise if one is to be repeated.
MINUTES := 30
SEED :=

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-faults test-losses test-deploy soak bench bench-imports bench-memory bench-schedule lock clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

setup: ## Install what is missing (servers by apt-get, Python packages into .venv)
	@deploy/local/setup.sh

demo: setup ## Show the connector at work, from a customer's file to Leadbay's leads
	@$(PYTHON) -m deploy.local demo

up: setup ## Start the whole stack and leave it running
	@$(PYTHON) -m deploy.local up

down: ## Stop what "make up" started
	@$(PYTHON) -m deploy.local down

test: setup ## Check format, lint, types and tests
	@$(PYTHON) -m deploy.local.check

test-faults: setup ## Inject every fault with three seeds and compare the ledger (a quarter of an hour)
	@$(PYTHON) -m pytest --quiet --durations=10 --numprocesses=3 -m slow --junitxml=.local/faults.xml tests/faults

test-losses: setup ## Try what waits or kills: losses of the queue, killed services, a frozen blob store, lost connections (three minutes)
	@$(PYTHON) -m pytest --quiet --durations=10 --numprocesses=2 -m slow tests/integration tests/pipeline

test-deploy: setup ## Fire every alert on a real Prometheus, ask every panel, and carry out the image's steps (four minutes)
	@$(PYTHON) -m pytest --quiet --durations=10 --numprocesses=2 -m slow tests/monitoring tests/unit/deploy

soak: setup ## Inject two or three faults at a time, drawn at random (MINUTES=30; SEED=n repeats an exercise)
	@$(PYTHON) -m tests.faults.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

bench: setup ## Compare downloads and polls with OpenSSH's own client (takes four minutes, wants an idle machine)
	@$(PYTHON) -m tests.bench.download
	@$(PYTHON) -m tests.bench.servers
	@$(PYTHON) -m tests.bench.polls

bench-imports: setup ## Compare imports with COPY and a hand-written sync, into docs/performance.md (thirteen minutes, wants an idle machine)
	@$(PYTHON) -m tests.bench.imports --write
	@$(PYTHON) -m tests.bench.latency --write
	@$(PYTHON) -m tests.bench.scaling --write

bench-memory: setup ## Import a file of 5 GB, into docs/performance.md (40 GB of disk; with ROWS=1000000 less)
	@$(PYTHON) -m tests.bench.memory --write --rows $(ROWS)

bench-schedule: setup ## Measure a scheduler with up to 100,000 connectors, into docs/performance.md (five minutes, wants an idle machine)
	@$(PYTHON) -m tests.bench.schedule --write

lock: setup ## Lock the packages of pyproject.toml again, with hashes
	@$(PYTHON) -m venv .local/uv
	@.local/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(COMPILE) -o requirements.txt
	@$(COMPILE) --extra otel -o requirements-otel.txt
	@$(COMPILE) --extra otel --extra dev -o requirements-dev.txt

clean: ## Stop the stack and remove .venv, .local and caches
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m deploy.local down; fi
	@rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
