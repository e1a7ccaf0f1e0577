# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Why gradient planning fails
#
# A world model predicts what follows an action. A planner searches for the actions with the best predicted outcome.
# This search also finds the actions for which the prediction is too optimistic. Such plans succeed in imagination and
# fail when they are executed. This notebook shows the gap on the smallest task that has it, explains where it comes
# from, and closes it with a few rounds of online training. It runs in a few minutes on two processor cores.
#
# Only the package is needed: it contains the base model.

# %%
import tempfile

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import CSVLogger

import gbplan
from gbplan.callbacks import OnlineWorldModeling
from gbplan.data import TrajectoryDataModule, collect, make_vector_env
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import TaskSet, evaluate, landscape
from gbplan.modules import WorldModelModule
from gbplan.objectives import ReachGoal
from gbplan.planners import GradientPlanner
from gbplan.plots import Curve, plot_landscape, plot_panels, plot_paths
from gbplan.policies import Agent, ExpertPolicy

# %matplotlib inline
torch.set_num_threads(1)  # a second thread does not make networks this small faster

# %% [markdown]
# These numbers decide how long the notebook takes:

# %%
TASKS = 256  # held-out tasks to evaluate on
EPISODES = 500  # expert episodes in the training data
ROUNDS = 6  # rounds of online training
NEW_TASKS = 100  # training tasks of each kind in each round

# %% [markdown]
# ## A plan through the wall
#
# In `DoorWall-v0` a point moves in a square room. A wall with one door divides the room. The tasks below are *detour*
# tasks: the wall blocks the straight line to the goal. The base model, a small perceptron, was trained on episodes of
# an expert that always goes through the door. The planner refines random action sequences by gradient descent through
# the model.
#
# Dashed lines are the paths that the model predicts for the plans. Solid lines are the paths when the plans are
# executed.

# %%
base = gbplan.load_pretrained("door-wall/base")
planner = GradientPlanner(horizon=50, num_samples=78, restarts=2, iterations=12)
plan_once = Agent(planner, replan_every=None)

few = TaskSet("DoorWall-v0", kind="detour", count=4, min_distance=1.0).draw()
room = make_vector_env("DoorWall-v0", len(few))


def show(model, agent=plan_once):
    """Draw the imagined path of the first plan and the executed path, for four tasks."""
    result = evaluate(agent.policy(model), room, few)
    positions = result.trajectories.observations["achieved_goal"]
    executed = [positions[episode] for episode in result.trajectories.episodes()]
    walls = room.unwrapped.background()
    return plot_paths(executed, few.goals, result.success, list(result.imagined), walls, result.radius)


show(base)

# %% [markdown]
# In imagination all four plans reach the goal, through walls. The expert hardly ever touched a wall, so the data hardly
# show that walls are solid, and gradient descent finds a short path through them.
#
# ## The model is right where its data are
#
# The next figure shows the error of the same model in rollouts from the start of held-out tasks. The unit is that of
# the room, which is 4 units wide. One curve is for the expert's actions, the other for actions that were planned
# through the model. A validation loss measures only the first.

# %%
tasks = TaskSet("DoorWall-v0", kind="detour", count=TASKS, min_distance=1.0).draw()
envs = make_vector_env("DoorWall-v0", TASKS)


def error_curves(model):
    """Return the model's error at each step of a rollout, along the expert's episodes and along executed plans."""
    found = evaluate(plan_once.policy(model), envs, tasks).metrics
    print(f"believed {found['believed_success']['rate']:.1%}, reached {found['success']['rate']:.1%}, one plan each")
    errors = {"expert's actions": found["model_error"]["expert"], "planned actions": found["model_error"]["planned"]}
    return {name: Curve(np.arange(1, 1 + len(e["by_step"])), e["by_step"]) for name, e in errors.items()}


before = error_curves(base)
plot_panels({"base model": before}, x="steps imagined", y="error, units of the room")

# %% [markdown]
# ## Close the gap
#
# The remedy is to train the model on the states that the planner visits. *Online world modeling* (Parthasarathy et al.,
# [arXiv 2512.09929](https://arxiv.org/abs/2512.09929)) plans new training tasks with the current model, executes the
# plans, adds the real transitions to the data, and continues training. The Lightning callback `OnlineWorldModeling`
# does this; everything else is ordinary training. (The package's other remedy is adversarial world modeling, with the
# module `AdversarialWorldModelModule`. [The next notebook](robust_world_model.ipynb) uses both.)

# %%
folder = tempfile.mkdtemp()
collect("DoorWall-v0", "door-wall/few-v0", ExpertPolicy(action_noise=0.3), EPISODES, root=folder, progress=False)
L.seed_everything(0)

ours = gbplan.load_pretrained("door-wall/base")  # training starts from the base model
agent = Agent(planner, replan_every=5)
online = OnlineWorldModeling(
    agent, TaskSet(count=NEW_TASKS, split="training", seed=1), kinds=["uniform", "detour"], every_n_epochs=3
)
module = WorldModelModule(ours, rollout_steps=10)
trainer = L.Trainer(
    default_root_dir=folder,
    max_epochs=3 * ROUNDS,
    callbacks=[online],
    reload_dataloaders_every_n_epochs=1,  # so that training uses the new transitions
    logger=CSVLogger(folder, name="", version=""),
    limit_val_batches=0,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    accelerator="cpu",
)
trainer.fit(module, TrajectoryDataModule(["door-wall/few-v0"], root=folder, batch_size=512, steps=10))
ours.eval()
print(f"{online.rounds} rounds, {online.transitions:,} transitions from executing the planner's actions")

# %% [markdown]
# In each round the callback logs two numbers before the model trains on the new transitions: the share of tasks that
# the first plans solve in imagination (*believed*), and the share that the agent really solves (*reached*).

# %%
log = np.genfromtxt(f"{folder}/metrics.csv", delimiter=",", names=True, deletechars="")
log = log[np.isfinite(log["online/round"])]
curves = {
    "believed": Curve(log["online/round"], log["online/believed_success"]),
    "reached": Curve(log["online/round"], log["online/success"], log["online/success_low"], log["online/success_high"]),
}
plot_panels({"": curves}, x="round", y="share of the round's tasks", percent=True, markers=True)

# %% [markdown]
# ## What descent sees
#
# The next figure shows the planning loss of the first task on a plane in the space of action sequences. The plane goes
# through the expert's actions, the base model's plan and the finetuned model's plan. Dark means low loss. The true loss
# has a cliff close to the expert's actions: beyond it, the point runs into the wall. The base model's loss has no such
# cliff; it is low in a wide region around the model's plan. The finetuned model's loss has the cliff.

# %%
one = few.select(np.array([0]))
alone = make_vector_env("DoorWall-v0", 1)


def first_plan(policy):
    """Return the first plan of a policy on the first task, (H, A)."""
    evaluate(policy, alone, one)
    return policy.first_plan.actions[0]


steps = evaluate(ExpertPolicy(), alone, one).trajectories.actions[: planner.horizon]
expert = np.zeros((planner.horizon, 2))  # stands still at the goal
expert[: len(steps)] = steps
plane = expert, first_plan(plan_once.policy(base)), first_plan(plan_once.policy(ours))
found = landscape({"truth": PerfectDoorWallModel(), "base": base, "finetuned": ours}, ReachGoal(), one, *plane)
marks = {"expert": (0.0, 0.0), "base model's plan": (1.0, 0.0), "finetuned model's plan": (0.0, 1.0)}
plot_landscape(found.alpha, found.beta, found.loss, marks)

# %% [markdown]
# ## A plan through the door
#
# These are the same four tasks, planned once through the finetuned model. Three plans now go through the door or close
# to its edge. The second plan still crosses the wall.

# %%
show(ours)

# %% [markdown]
# The finetuned model's error for planned actions is now about as large as its error for the expert's actions: the gap
# is closed. In return, its error for the expert's actions is larger than the base model's.

# %%
plot_panels({"base model": before, "finetuned": error_curves(ours)}, x="steps imagined", y="error, units of the room")

# %% [markdown]
# Replanning corrects most of the remaining errors. This is the same model on the same tasks, with a new plan every five
# steps:

# %%
show(ours, agent)

# %% [markdown]
# The tables in the documentation compare models in this way, on held-out detour tasks. The last model below is part of
# the package. It was trained for longer, online and adversarially.

# %%
models = {"base": base, "finetuned here": ours, "shipped": gbplan.load_pretrained("door-wall/online-adversarial")}
for name, model in models.items():
    print(f"{name:>14}: {evaluate(agent.policy(model), envs, tasks).summary()}")

# %% [markdown]
# The numbers in brackets are 95 % intervals over the tasks. [Results](../results.md) has tables with five training
# seeds, and with controls that separate the effect of the attack from the effect of random noise.
