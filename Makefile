# What people type. Everything runs in .venv, which `make` creates from exact pins.

PYTHON ?= python3
CONFIG ?= config/smoke.yaml
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake
# Downloads of real students stay outside the checkout, for the next one to find.
REAL := $(or $(SFTSTUDY_REAL),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sftstudy-real)
PYTEST := $(BIN)/pytest

.DEFAULT_GOAL := help
# A value that somebody typed, as one word of the shell; nothing stays nothing.
quoted = $(if $(1),'$(subst ','\'',$(1))')

.DELETE_ON_ERROR:
.PHONY: help demo example models status explain keep-results forecast power cost test test-fast \
	test-deploy test-real test-engines chaos lint format config-docs table-docs lock check-envs \
	check-slurm bench bench-long bench-grid bench-stats bench-hardware

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

##@ Run a study

demo: .venv/.installed  ## The smoke study, from raw data to the report (minutes)
	$(SNAKEMAKE) --profile profiles/smoke

example: .venv/.installed models  ## A real student on real rows (a quarter of an hour)
	$(SNAKEMAKE) --profile profiles/smoke --configfile config/example.yaml

forecast: .venv/.installed  ## What a study will need: jobs, hours, disk
	@$(BIN)/python tools/forecast.py --configfile $(call quoted,$(CONFIG))

power: .venv/.installed  ## How likely a study proves what it must, and at what cost
	@$(BIN)/python tools/power.py --configfile $(call quoted,$(CONFIG))

check-slurm: .venv/.installed  ## What a cluster would refuse, and what to change
	$(BIN)/python tools/check_slurm.py --configfile $(call quoted,$(CONFIG))

##>   A study of your own is a file, and Snakemake runs it (README.md):
##>     .venv/bin/snakemake --profile profiles/local --configfile config/mine.yaml
##>     make forecast CONFIG=config/mine.yaml
##>     make power CONFIG=config/mine.yaml

##@ Look at one

status: .venv/.installed  ## How far a study is, and what failed
	@$(BIN)/python tools/status.py --configfile $(call quoted,$(CONFIG)) $(if $(STUDENT),--student $(call quoted,$(STUDENT)))

explain: .venv/.installed  ## Where a file comes from, back to its sources (FILE=)
	@$(BIN)/python tools/explain.py $(call quoted,$(FILE))

cost: .venv/.installed  ## What its jobs have cost so far: seconds, tokens, MFU
	@$(BIN)/python tools/cost.py --configfile $(call quoted,$(CONFIG))

keep-results: .venv/.installed  ## Keep results that only newer code would make again
	@$(BIN)/python tools/keep_results.py --configfile $(call quoted,$(CONFIG))

##>   Without CONFIG= they look at the smoke study:
##>     make status CONFIG=config/mine.yaml
##>     make status CONFIG=config/mine.yaml STUDENT=SmolLM2-135M-Instruct
##>     make explain FILE=results/mine/report/index.html

##@ Work on this code

# One thread each: on busy cores, threads that wait for each other cost more than they bring.
test-fast test test-real: export OMP_NUM_THREADS = 1

test-fast: .venv/.installed lint  ## The quick tests (under three minutes)
	$(PYTEST) -m "not slow and not deploy and not engines and not real" -n 2

test: .venv/.installed lint check-envs  ## All tests that need no conda and no Slurm (half an hour)
	$(PYTEST) -m "not deploy and not engines and not real"

test-deploy: .venv/.installed  ## Tests that build conda environments and start a Slurm
	$(PYTEST) -m deploy

test-real: .venv/.installed  ## Tests on real tokenizers and a student (ten minutes)
	@echo "What is not yet in $(REAL) is brought there first (0.2 GB)"
	$(PYTEST) tests/real -n 2 --dist loadfile

test-engines: .venv/.installed  ## Build vLLM for CPU and hold its replies against ours
	@echo "What is not yet in $(REAL) is brought and built there first (3.4 GB)"
	$(PYTEST) tests/engines

chaos: .venv/.installed  ## Kill a study 30 times and compare (up to 45 minutes)
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

config-docs: .venv/.installed  ## Write the key reference of config/README.md anew
	$(BIN)/python tools/document_config.py

lock: .venv/.installed  ## Resolve envs/*.in into envs/*.yaml, requirements.txt
	$(BIN)/python tools/lock_envs.py

check-envs: .venv/.installed  ## Check that all environments are pinned and agree
	$(BIN)/python tools/check_envs.py

models: .venv/.installed  ## Bring the student of `make example` (98 MB)
	@mkdir -p models
	@file=$$($(BIN)/python tools/fetch_smollm2.py "$(REAL)") && ln -sf "$$file" models/

bench: .venv/.installed  ## Measure prefix sharing
	$(BIN)/python benchmarks/bench_prefix_training.py
	$(BIN)/python benchmarks/bench_prefix_generation.py
	$(BIN)/python benchmarks/bench_group_batches.py

bench-long: .venv/.installed models  ## Measure long replies of a real student (half an hour)
	$(BIN)/python benchmarks/bench_long_replies.py

bench-grid: .venv/.installed  ## Measure Snakemake on 5,000 and 20,000 cells
	$(BIN)/python benchmarks/bench_grid.py

bench-stats: .venv/.installed  ## Simulate studies with known truth
	$(BIN)/python benchmarks/bench_stats.py
	$(BIN)/python benchmarks/bench_runs.py
	$(BIN)/python benchmarks/bench_samples.py
	$(BIN)/python benchmarks/bench_review.py

bench-hardware: .venv/.installed  ## Measure exactness, speed and memory on a GPU
	$(BIN)/python benchmarks/bench_gpu.py

help:  ## Show this list
	@awk -F ':.*## ' '/^##@ / {print "\n" substr($$0, 5)} /^##> / {print substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-14s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)
