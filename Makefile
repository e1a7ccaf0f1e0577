# make install | test | test-end-to-end | test-all | lint | site | notebooks | reproduce | documents | benchmarks | clean
#
# make reproduce                                    the table of DoorWall-v0, of one training seed
# make reproduce SEEDS="0 1 2 3 4" FULL=1           of five, and with larger budgets of the planners
# make reproduce TASK=robustness                    another file of experiments/, and the seeds it says
# What is done already is kept, and what was interrupted goes on.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TASK ?= door_wall
FULL ?= 0
JOBS ?= 2
TIMED := vector_env rendering encoding training_throughput rollout plan_time planners start_up transformer_plans

.PHONY: install test test-end-to-end test-all lint site notebooks reproduce documents benchmarks clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

test: $(INSTALLED) # says at its end what it skipped and left out; JOBS tests at once, and two need some 3 GB
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

test-end-to-end: $(INSTALLED) # whole commands and trainings
	$(BIN)/python -m pytest -m "end_to_end and not slow" --numprocesses $(JOBS) --dist loadfile

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -m "" --numprocesses $(JOBS) --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy

site: $(INSTALLED) # python -m http.server --directory site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: $(INSTALLED) # runs them, and keeps them with their outputs
	$(BIN)/python docs/make_notebooks.py

reproduce: $(INSTALLED)
	PATH="$(abspath $(BIN)):$$PATH" snakemake --snakefile experiments/Snakefile --cores $(JOBS) --nolock --rerun-incomplete \
		--quiet rules --config task=$(TASK) seeds="$(SEEDS)" full=$(FULL)

documents: $(INSTALLED)
	PATH="$(abspath $(BIN)):$$PATH" sh docs/make_documents.sh

benchmarks: $(INSTALLED) # on a machine that does nothing else; needs what `make reproduce` trains
	for name in $(TIMED); do $(BIN)/python benchmarks/$$name.py || exit; done

clean: # all that was made
	rm -rf runs site
