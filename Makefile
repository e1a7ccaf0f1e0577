# make install | test | test-all | lint | reproduce | ablations | planners | robustness | figures | documents | benchmarks | clean-runs
# Every stage is a file: what is there is not made again, and an interrupted run goes on where it stopped.

PYTHON ?= python3
VENV ?= .venv
RUNS := runs
JOBS ?= 2
comma := ,
space := $(subst ,, )
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
GBPLAN := $(BIN)/gbplan

.PHONY: install test test-all lint reproduce results ablations planners robustness studies figures documents benchmarks clean-runs
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
# make reproduce                          one training seed
# make reproduce SEEDS="0 1 2"            three of them, ablations, and all planners: the results in README.md
# make reproduce FULL=1                   and three times the model calls, and the field's CEM (300 samples x 30 iterations)
# What is done already is kept, so the second goes on from the first.

SEEDS ?= 0
FULL ?=
FINETUNED := finetune noise adversarial pgd
METHODS := base $(FINETUNED) online online_noise online_adversarial
PLACES := base=2 finetune=3 noise=4 adversarial=5 pgd=6 online=7 online_noise=8 online_adversarial=9
DATASET := $(RUNS)/datasets/door-wall/expert-v0/data/main_data.hdf5
HELD_OUT := $(RUNS)/evaluate

# Where the runs of a training seed lie: those of seed 0 where the configurations say.
folder = $(RUNS)$(if $(filter-out 0,$(1)),/seed$(1))

# The configurations of a method: that of the base model, and what changes.
configs = configs/door_wall/base.yaml $(patsubst %,configs/door_wall/%.yaml,$(filter-out base,$(1)))

# A training of a method with a seed: its name, seed, what it is made from, and more arguments.
# An interrupted training goes on from its last checkpoint, unless that is older than what it is made from.
GO_ON = if test -e $(@D)/last.ckpt && test -z "$$(find $^ -newer $(@D)/last.ckpt)"; \
	then how="--ckpt_path $(@D)/last.ckpt"; else how=--overwrite; fi

define training
$(call folder,$(2))/$(1)/.done: $(call configs,$(1)) $(3) | $(INSTALLED)
	rm -f $$@
	$$(GO_ON); $(GBPLAN) fit $(addprefix --config ,$(call configs,$(1))) --seed_everything $(2) --data.seed $(2) \
		--trainer.default_root_dir $$(@D) $(4) $$$$how
	touch $$@
endef

# The trainings of a seed, which decides first weights, split and order of the data, and the tasks of rounds; the expert's
# data and the noise of attacks and planners are the same for all seeds.
define trainings
$(eval BASE := $(call folder,$(1))/base)
$(eval FROM_BASE := --model.init_args.init_from $(BASE)/best.ckpt)
$(eval ROUNDS = --online.tasks.seed $(shell expr $(1) + 1) --online.write_to)
$(eval $(call training,base,$(1),$(DATASET),))
$(foreach m,$(FINETUNED),$(eval $(call training,$(m),$(1),$(BASE)/.done,$(FROM_BASE))))
$(eval $(call training,online,$(1),$(BASE)/.done,$(FROM_BASE) $(ROUNDS) door-wall/online-seed$(1)-v0 --online.overwrite true))
$(eval $(call training,online_noise,$(1),$(BASE)/.done,$(FROM_BASE) $(ROUNDS) null))
$(eval $(call training,online_adversarial,$(1),$(BASE)/.done,$(FROM_BASE) $(ROUNDS) null))
endef
$(foreach seed,$(sort 0 $(SEEDS)),$(call trainings,$(seed)))

# A method trained otherwise: its name, a folder, what it is made from, its configurations, and more arguments.
define again
$(2)/$(1)/.done: $(3) $(4) | $(INSTALLED)
	rm -f $$@
	$$(GO_ON); $$(GBPLAN) fit $(addprefix --config ,$(4)) --trainer.default_root_dir $$(@D) $(5) $$$$how
	touch $$@
endef

# One evaluation per line: its place in the table, its name, what it evaluates, and what that needs. It is made again
# when a configuration it names has changed, or the planner that its agent names.
planner_of = $(foreach agent,$(filter configs/agents/%.yaml,$(1)),$(patsubst ../%,configs/%,$(shell sed -n 's/^planner: //p' $(agent))))
RESULTS :=
define evaluation
RESULTS += $(HELD_OUT)/$(1)-$(2)$(5)/result.json
$(HELD_OUT)/$(1)-$(2)$(5)/result.json: configs/door_wall/evaluate.yaml $(filter %.yaml,$(3)) $(call planner_of,$(3)) $(4) | $(INSTALLED)
	$$(GBPLAN) evaluate --config configs/door_wall/evaluate.yaml --overwrite --output $$(@D) --name $(2) $(3)
endef

GRADIENT_OPEN := --agent configs/agents/gradient_open_loop.yaml
GRADIENT_MPC := --agent configs/agents/gradient_mpc.yaml
CEM_OPEN := --agent configs/agents/cem_open_loop.yaml
CEM_MPC := --agent configs/agents/cem_mpc.yaml
GRADIENT_384 := --agent configs/agents/gradient_mpc_384.yaml --kinds [detour]
CEM_384 := --agent configs/agents/cem_mpc_384.yaml --kinds [detour]
FIELD_CEM := --agent configs/agents/cem_300x30_mpc.yaml
PERFECT := --simulator true

$(eval $(call evaluation,00,expert,--policy ExpertPolicy))
$(eval $(call evaluation,01,straight-line,--policy StraightLinePolicy))
$(eval $(call evaluation,02,constant-action,--policy ConstantPolicy --policy.action [1.0$(comma)0.0]))
$(eval $(call evaluation,03,random,--policy RandomPolicy))
$(eval $(call evaluation,10,perfect-gradient-open,$(PERFECT) $(GRADIENT_OPEN)))
$(eval $(call evaluation,11,perfect-gradient-mpc,$(PERFECT) $(GRADIENT_MPC)))
$(eval $(call evaluation,12,perfect-cem-open,$(PERFECT) $(CEM_OPEN)))
$(eval $(call evaluation,13,perfect-cem-mpc,$(PERFECT) $(CEM_MPC)))

# The evaluations of a method's model: method, seed, and its place in the table.
define evaluations
$(eval RUN := $(call folder,$(2))/$(1))
$(eval MODEL := --ckpt_path $(RUN)/best.ckpt)
$(eval SUFFIX := $(addprefix -seed,$(filter-out 0,$(2))))
$(eval $(call evaluation,$(3)0,$(1)-gradient-open,$(MODEL) $(GRADIENT_OPEN),$(RUN)/.done,$(SUFFIX)))
$(eval $(call evaluation,$(3)1,$(1)-gradient-mpc,$(MODEL) $(GRADIENT_MPC),$(RUN)/.done,$(SUFFIX)))
$(eval $(call evaluation,$(3)2,$(1)-cem-open,$(MODEL) $(CEM_OPEN),$(RUN)/.done,$(SUFFIX)))
$(eval $(call evaluation,$(3)3,$(1)-cem-mpc,$(MODEL) $(CEM_MPC),$(RUN)/.done,$(SUFFIX)))
$(if $(FULL),$(if $(filter base online%,$(1)),$(call larger_evaluations,$(1),$(2),$(3))))
$(if $(FULL),$(call field_evaluations,$(1),$(2),$(3),$(if $(filter online%,$(1)),64,16)))
endef

# Three times the model calls.
define larger_evaluations
$(eval $(call evaluation,$(3)6,$(1)-gradient-mpc-384,$(MODEL) $(GRADIENT_384),$(RUN)/.done,$(SUFFIX)))
$(eval $(call evaluation,$(3)7,$(1)-cem-mpc-384,$(MODEL) $(CEM_384),$(RUN)/.done,$(SUFFIX)))
endef

# The field's CEM, on as many tasks as time allows: its last argument, when replanning.
define field_evaluations
$(eval $(call evaluation,$(3)4,$(1)-cem-300x30-open,$(MODEL) $(FIELD_CEM) --agent.replan_every null --tasks.count 64,$(RUN)/.done,$(SUFFIX)))
$(eval $(call evaluation,$(3)5,$(1)-cem-300x30-mpc,$(MODEL) $(FIELD_CEM) --tasks.count $(4) --kinds [detour],$(RUN)/.done,$(SUFFIX)))
endef

$(foreach seed,$(SEEDS),$(foreach m,$(METHODS),$(call evaluations,$(m),$(seed),$(patsubst $(m)=%,%,$(filter $(m)=%,$(PLACES))))))

SEVERAL := $(word 2,$(SEEDS))

# Trainings and evaluations use one thread each and run side by side: more threads for networks this small only wait
# for each other.
reproduce: $(INSTALLED)
	$(MAKE) --no-print-directory --jobs $(JOBS) results $(if $(SEVERAL),ablations)
	$(if $(SEVERAL),$(MAKE) --no-print-directory planners)
	$(GBPLAN) report $(HELD_OUT) --output $(RUNS)/results.md

results: $(RESULTS)

$(DATASET): configs/door_wall/collect.yaml | $(INSTALLED)
	$(GBPLAN) collect --config $< $(if $(wildcard $@),--overwrite)

# ----------------------------------------------------------------------------------------------- ablations and planners
# make ablations                          training seed 0 with one thing changed, and other draws of the planner's noise
# make planners                           all planners, on the base and the online model of seed 0

ABLATED := $(RUNS)/ablations
ABLATIONS :=

# An evaluation on detour tasks: its name, what it plans with, and what that needs.
define ablated
ABLATIONS += $(ABLATED)/$(1)/result.json
$(ABLATED)/$(1)/result.json: configs/door_wall/evaluate.yaml $(filter %.yaml,$(2)) $(call planner_of,$(2)) $(3) | $(INSTALLED)
	$$(GBPLAN) evaluate --config configs/door_wall/evaluate.yaml --kinds [detour] --overwrite --output $$(@D) --name $(1) $(2)
endef

# A training with one thing changed: its name, the method, and the change.
define ablation
$(eval DONE := $(ABLATED)/$(1)/.done)
$(eval $(call again,$(1),$(ABLATED),$(RUNS)/base/.done,$(call configs,$(2)),--model.init_args.init_from $(RUNS)/base/best.ckpt $(3)))
$(eval $(call ablated,$(1)-gradient-open,$(GRADIENT_OPEN) --ckpt_path $(ABLATED)/$(1)/best.ckpt,$(DONE)))
$(eval $(call ablated,$(1)-gradient-mpc,$(GRADIENT_MPC) --ckpt_path $(ABLATED)/$(1)/best.ckpt,$(DONE)))
endef

$(call ablation,finetune-rollout_loss,finetune,--model.init_args.rollout_steps 10 --data.steps 10)
$(call ablation,online-teacher_forcing,online,--model.init_args.rollout_steps 1 --data.steps 1 --online.write_to null)
$(call ablation,online_noise-unperturbed,online_noise,--model.init_args.attack NoAttack)
$(foreach draw,0 1 2 3,$(eval $(call ablated,online_adversarial-draw-$(draw),$(GRADIENT_MPC) --agent.seed $(draw) --ckpt_path $(RUNS)/online_adversarial/best.ckpt,$(RUNS)/online_adversarial/.done)))

ablations: $(ABLATIONS)

$(eval $(call again,init_network,$(RUNS),$(DATASET),configs/door_wall/init_network.yaml))

planners: $(RUNS)/planners/.done

$(RUNS)/planners/.done: $(foreach m,init_network base online,$(RUNS)/$(m)/.done) $(wildcard configs/planners/*.yaml) | $(INSTALLED)
	test ! -e $@ || rm -rf $(@D)
	mkdir -p $(@D)
	$(BIN)/python benchmarks/planner_comparison.py --jobs $(JOBS)
	touch $@

# ---------------------------------------------------------------------------------------------------------- robustness
# make robustness                         models of seed 0 in worlds they were not trained on: configs/worlds/
#                                         and models trained again in other worlds:            configs/retrained/
# make robustness TASKS=128               on fewer tasks than 512

WORLDS := $(basename $(notdir $(wildcard configs/worlds/*.yaml)))
ELSEWHERE := $(RUNS)/robustness
TASKS ?= 512
STUDIED := base adversarial online online_adversarial

# A study: its name, its configurations, what it plans with, and what else it needs.
STUDIES :=
define study
STUDIES += $(ELSEWHERE)/$(1)/result.json
$(ELSEWHERE)/$(1)/result.json: configs/door_wall/evaluate.yaml $(2) $(filter %.yaml,$(3)) $(call planner_of,$(3)) $(4) | $(INSTALLED)
	$$(GBPLAN) evaluate $(addprefix --config ,configs/door_wall/evaluate.yaml $(2)) --diagnostic_tasks 0 --overwrite \
		--output $$(@D) --name $(1) $(3)
endef

# The models of a folder in a world: the world, its configuration, and the folder.
define studies
$(foreach m,$(STUDIED),$(eval $(call study,$(1)-$(m)-gradient-mpc,$(2),--kinds [detour] --tasks.count $(TASKS) $(GRADIENT_MPC) --ckpt_path $(3)/$(m)/best.ckpt,$(3)/$(m)/.done)))
$(foreach m,$(STUDIED),$(eval $(call study,$(1)-$(m)-cem-mpc,$(2),--kinds [detour] --tasks.count $(TASKS) $(CEM_MPC) --ckpt_path $(3)/$(m)/best.ckpt,$(3)/$(m)/.done)))
endef

# All methods trained again: the world, and the configuration that online training has besides.
define retrained
$(eval EXPERT := $(RUNS)/datasets/door-wall/$(subst _,-,$(1))-expert-v0/data/main_data.hdf5)
$(eval OTHER := configs/retrained/$(1))
$(eval FROM_BASE := --model.init_args.init_from $(RUNS)/$(1)/base/$(3).ckpt)
$(eval $(EXPERT): configs/door_wall/collect.yaml $(OTHER)/collect.yaml | $(INSTALLED) ; \
	$$(GBPLAN) collect $$(addprefix --config ,$$^) --overwrite)
$(eval $(call again,base,$(RUNS)/$(1),$(EXPERT),configs/door_wall/base.yaml $(OTHER)/fit.yaml))
$(foreach m,$(filter-out base,$(STUDIED)),$(eval $(call again,$(m),$(RUNS)/$(1),$(RUNS)/$(1)/base/.done,$(call configs,$(m)) $(OTHER)/fit.yaml $(if $(filter online%,$(m)),$(2)),$(FROM_BASE) $(if $(filter online,$(m)),$(4)))))
endef

$(call retrained,velocity,,best,--online.write_to null)
$(call retrained,small_steps,configs/retrained/small_steps/online.yaml,last)

$(foreach w,$(WORLDS),$(call studies,$(w),configs/worlds/$(w).yaml,$(RUNS)))
$(call studies,velocity,configs/retrained/velocity/evaluate.yaml,$(RUNS)/velocity)

# A lenient protocol, in small steps: open loop, and within 1.0 of the goal at some step.
LENIENT := configs/retrained/small_steps/evaluate.yaml
LONG := --agent.planner.horizon 200
$(eval $(call study,small_steps-straight-line,$(LENIENT),--policy StraightLinePolicy))
$(eval $(call study,small_steps-expert,$(LENIENT),--policy ExpertPolicy))
$(foreach m,$(STUDIED),$(eval $(call study,small_steps-$(m)-gradient-open,$(LENIENT),$(GRADIENT_OPEN) $(LONG) --ckpt_path $(RUNS)/small_steps/$(m)/last.ckpt,$(RUNS)/small_steps/$(m)/.done)))
$(foreach m,$(STUDIED),$(eval $(call study,small_steps-$(m)-cem-open,$(LENIENT),$(CEM_OPEN) $(LONG) --ckpt_path $(RUNS)/small_steps/$(m)/last.ckpt,$(RUNS)/small_steps/$(m)/.done)))

robustness: $(INSTALLED)
	$(MAKE) --no-print-directory --jobs $(JOBS) studies
	$(GBPLAN) report $(ELSEWHERE) --output $(ELSEWHERE)/results.md

studies: $(STUDIES)

# ------------------------------------------------------------------------------------------------------------- figures
# make figures                            of all results there are, and a page with table, figures and settings
#                                         and of the planners, where benchmarks/planner_comparison.py has been run
# make documents                          tables and figures of README.md and docs/, from what is in runs/ and benchmarks/

COMPARED := base-gradient-mpc adversarial-gradient-mpc online-gradient-mpc online_adversarial-gradient-mpc
TRAININGS = $(call comma_list,$(wildcard $(METHODS:%=$(RUNS)/%) $(RUNS)/seed*))
comma_list = [$(subst $(space),$(comma),$(strip $(1)))]

figures: $(INSTALLED)
	$(GBPLAN) report $(HELD_OUT) --trainings $(TRAININGS) --kinds [detour] --figures $(RUNS)/figures \
		--names $(call comma_list,$(COMPARED) online_adversarial-cem-mpc)
	$(GBPLAN) report $(HELD_OUT) --trainings $(TRAININGS) --kinds [detour] --html $(RUNS)/report.html \
		--names $(call comma_list,expert straight-line perfect-gradient-mpc $(METHODS:%=%-gradient-mpc))
	test ! -d $(RUNS)/planners || $(GBPLAN) report $(RUNS)/planners --names '["base-*","online-*"]' --figures $(RUNS)/figures/planners

documents: figures
	for name in see_the_gap see_the_landscape; do $(BIN)/python examples/$$name.py --output docs/figures/$$name.png || exit; done
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_tables.py README.md docs/results.md $(if $(wildcard $(ELSEWHERE)),docs/robustness.md)
	for figure in docs/figures/*.png; do name=$${figure##*/}; made=$(RUNS)/figures/$$(echo $$name | sed s:^planners-:planners/:); \
		test ! -e $$made || cp $$made $$figure; done

# ---------------------------------------------------------------------------------------------------------- benchmarks
# make benchmarks                         speed, on a machine that does nothing else; beside the packages of other makers
#                                         that are installed: stable-worldmodel, torchrl, pytorch-mppi

TIMED := vector_env rendering training_throughput rollout plan_time planners start_up

benchmarks: $(RUNS)/online_adversarial/.done | $(INSTALLED)
	for name in $(TIMED); do $(BIN)/python benchmarks/$$name.py || exit; done

clean-runs:
	rm -rf $(RUNS)/datasets $(foreach m,$(METHODS) init_network ablations planners,$(RUNS)/$(m)) $(RUNS)/seed* $(HELD_OUT) $(RUNS)/results.md \
		$(ELSEWHERE) $(RUNS)/velocity $(RUNS)/small_steps $(RUNS)/figures $(RUNS)/report.html
