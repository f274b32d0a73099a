# run · test · check · bench · docs: each sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := setup.cfg pyproject.toml $(shell find pomerium_tw policy_grammar twisted/plugins -type f -not -name '*.pyc' -not -name dropin.cache)
export PYTHON

.PHONY: run test check bench bench-policy docs soak clean

run: .venv/run.stamp  ## Start the demo on https://*.localhost:8443
	@$(BIN)/pomerium-tw demo

test: .venv/test.stamp  ## The whole test suite
	@scripts/browser
	@scripts/programs
	PYTHONPATH=. $(BIN)/python -m pytest

check: .venv/check.stamp  ## Style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

bench: .venv/bench.stamp  ## Side by side with the peers; needs nginx, wrk and h2load
	PYTHONPATH=. $(BIN)/python -m bench

bench-policy: .venv/bench.stamp  ## The policy engine side by side with Cedar and Rego
	PYTHONPATH=. $(BIN)/python -m bench.policy

docs: .venv/docs.stamp  ## The manual, in docs/_build/html
	PYTHONPATH=. $(BIN)/sphinx-build -W -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

soak: .venv/test.stamp  ## The long campaigns
	PYTHONPATH=. SOAK=1 $(BIN)/python -m pytest

clean:
	rm -rf .venv build docs/_build *.egg-info

.venv/run.stamp: $(SOURCES)
	@scripts/install ""
	@touch $@

# What development needs changes with setup.cfg alone: tests and checks read the checkout.
.venv/test.stamp: setup.cfg
	@scripts/install test
	@touch $@

.venv/check.stamp: setup.cfg
	@scripts/install check
	@touch $@

.venv/docs.stamp: setup.cfg
	@scripts/install docs
	@touch $@

.venv/bench.stamp: setup.cfg
	@scripts/install bench
	@touch $@
