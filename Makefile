# make install | test | test-all | lint | reproduce | clean-runs
# Every stage is a file: what is there is not made again, and an interrupted run goes on where it stopped.

PYTHON ?= python3
VENV ?= .venv
RUNS := runs
JOBS ?= 2
comma := ,
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
GBPLAN := $(BIN)/gbplan

.PHONY: install test test-all lint reproduce results clean-runs
.DELETE_ON_ERROR:

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -m ""

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# ---------------------------------------------------------------------------------------------------------- reproduce

DATASET := $(RUNS)/datasets/door-wall/expert-v0/data/main_data.hdf5
BASE := $(RUNS)/base/.done
HELD_OUT := $(RUNS)/evaluate
EVALUATE = $(GBPLAN) evaluate --config configs/door_wall/evaluate.yaml --overwrite --output $(@D)
GRADIENT_MPC := --planner configs/planners/gradient.yaml
GRADIENT_OPEN := --planner configs/planners/gradient_open_loop.yaml --replan_every null
CEM_MPC := --planner configs/planners/cem_equal_calls.yaml
CEM_OPEN := --planner configs/planners/cem_open_loop_equal_calls.yaml --replan_every null
FIELD_CEM := --planner configs/planners/cem.yaml
MODEL := --ckpt_path $(RUNS)/base/best.ckpt
PERFECT := --world_model PerfectDoorWallModel

# One evaluation per line: its place in the table, its name, what it evaluates, and what that needs.
RESULTS :=
define evaluation
RESULTS += $(HELD_OUT)/$(1)-$(2)/result.json
$(HELD_OUT)/$(1)-$(2)/result.json: $(4) | $(INSTALLED)
	$$(EVALUATE) --name $(2) $(3)
endef

$(eval $(call evaluation,00,expert,--policy ExpertPolicy))
$(eval $(call evaluation,01,straight-line,--policy StraightLinePolicy))
$(eval $(call evaluation,02,constant-action,--policy ConstantPolicy --policy.action [1.0$(comma)0.0]))
$(eval $(call evaluation,03,random,--policy RandomPolicy))
$(eval $(call evaluation,10,perfect-gradient-open,$(PERFECT) $(GRADIENT_OPEN)))
$(eval $(call evaluation,11,perfect-gradient-mpc,$(PERFECT) $(GRADIENT_MPC)))
$(eval $(call evaluation,20,base-gradient-open,$(MODEL) $(GRADIENT_OPEN),$(BASE)))
$(eval $(call evaluation,21,base-gradient-mpc,$(MODEL) $(GRADIENT_MPC),$(BASE)))
$(eval $(call evaluation,22,base-cem-open,$(MODEL) $(CEM_OPEN),$(BASE)))
$(eval $(call evaluation,23,base-cem-mpc,$(MODEL) $(CEM_MPC),$(BASE)))
# The field's CEM, 300 samples x 30 iterations, on as many tasks as time allows.
$(eval $(call evaluation,30,base-cem-300x30-open,$(MODEL) $(FIELD_CEM) --replan_every null --count 64,$(BASE)))
$(eval $(call evaluation,31,base-cem-300x30-mpc,$(MODEL) $(FIELD_CEM) --count 16 --kinds [detour],$(BASE)))

# Evaluations use one thread each and run side by side: more threads for networks this small only wait for each other.
reproduce: $(BASE)
	$(MAKE) --no-print-directory --jobs $(JOBS) results
	$(GBPLAN) report $(HELD_OUT) --output $(RUNS)/results.md

results: $(RESULTS)

$(DATASET): | $(INSTALLED)
	$(GBPLAN) collect --config configs/door_wall/collect.yaml

# An interrupted training goes on from its last checkpoint; a finished one, made from older data, is replaced.
$(BASE): $(DATASET)
	$(GBPLAN) fit --config configs/door_wall/base.yaml \
		$(if $(wildcard $@),--overwrite,$(addprefix --ckpt_path ,$(wildcard $(RUNS)/base/last.ckpt)))
	touch $@

clean-runs:
	rm -rf $(RUNS)/datasets $(RUNS)/base $(RUNS)/evaluate $(RUNS)/results.md
