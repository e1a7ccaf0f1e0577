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
# A world model predicts what follows an action. A planner looks for the actions whose imagined outcome is best, and in
# doing so it also finds the actions about which the model is wrong in the planner's favour. Its plans succeed in
# imagination and fail in the world. This notebook shows that gap on the smallest task that has it, explains where it
# comes from, and closes it with a few rounds of online training, on two processor cores and in a few minutes.
#
# It needs the package and nothing else: the base model comes with it.

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
torch.set_num_threads(1)  # networks this small gain nothing from a second one

# %% [markdown]
# These numbers decide how long the notebook takes:

# %%
TASKS = 256  # held-out tasks that the models are judged by
EPISODES = 500  # of the expert, to train on beside the planner's own
ROUNDS = 6  # of online training
NEW_TASKS = 100  # of each kind, in each round

# %% [markdown]
# ## A plan through the wall
#
# In `DoorWall-v0` a point moves in a square room that a wall divides; the wall has one door. The tasks below are
# *detour* tasks: the straight way to the goal is blocked. The base model, a small perceptron, was trained on the steps
# of an expert who always takes the door. The planner refines random action sequences by gradient descent through the
# model.
#
# Dashed lines show where the model predicts that the plan leads; solid lines show what happens when the plan is
# executed.

# %%
base = gbplan.load_pretrained("door-wall/base")
planner = GradientPlanner(horizon=50, num_samples=78, restarts=2, iterations=12)
plan_once = Agent(planner, replan_every=None)

few = TaskSet("DoorWall-v0", kind="detour", count=4, min_distance=1.0).draw()
room = make_vector_env("DoorWall-v0", len(few))


def show(model, agent=plan_once):
    """Draw where the first plan of four tasks leads in imagination, and what happens."""
    result = evaluate(agent.policy(model), room, few)
    positions = result.trajectories.observations["achieved_goal"]
    executed = [positions[episode] for episode in result.trajectories.episodes()]
    walls = room.unwrapped.background()
    return plot_paths(executed, few.goals, result.success, list(result.imagined), walls, result.radius)


show(base)

# %% [markdown]
# All four plans arrive, in imagination, through walls. The expert never ran into one, so nothing in the data shows that
# walls are solid, and descent finds a short way through them.
#
# ## The model is right where its data are
#
# The error of the same model in rollouts from the start of held-out tasks, in units of the room, which is 4 wide: for
# the expert's actions, and for those that were planned through the model. A validation loss measures the first and not
# the second.

# %%
tasks = TaskSet("DoorWall-v0", kind="detour", count=TASKS, min_distance=1.0).draw()
envs = make_vector_env("DoorWall-v0", TASKS)


def error_curves(model):
    """Error of the model by step of a rollout, along the expert's episodes and along executed plans."""
    found = evaluate(plan_once.policy(model), envs, tasks).metrics
    print(f"believed {found['believed_success']['rate']:.1%}, reached {found['success']['rate']:.1%}, one plan each")
    errors = {"expert's actions": found["model_error"]["expert"], "planned actions": found["model_error"]["planned"]}
    return {name: Curve(np.arange(1, 1 + len(e["by_step"])), e["by_step"]) for name, e in errors.items()}


before = error_curves(base)
plot_panels({"base model": before}, x="steps imagined", y="error, units of the room")

# %% [markdown]
# ## Close the gap
#
# The cure is to train where the planner goes. *Online world modeling* (Parthasarathy et al., [arXiv
# 2512.09929](https://arxiv.org/abs/2512.09929)) plans new training tasks with the model as it is, executes the plans,
# adds what really happened to the data, and trains on. `OnlineWorldModeling` is a Lightning callback that does so; the
# rest is ordinary training. (The package's other cure, adversarial world modeling, replaces the module by
# `AdversarialWorldModelModule`: [the next notebook](robust_world_model.ipynb).)

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
    reload_dataloaders_every_n_epochs=1,  # new transitions join the data
    logger=CSVLogger(folder, name="", version=""),
    limit_val_batches=0,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    accelerator="cpu",
)
trainer.fit(module, TrajectoryDataModule(["door-wall/few-v0"], root=folder, batch_size=512, steps=10))
ours.eval()
print(f"{online.rounds} rounds, {online.transitions:,} transitions of the planner's own")

# %% [markdown]
# In each round the callback logs the outcome of the tasks before the model learns from them: the share that the model's
# first plans solve in imagination, and the share that the agent solves.

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
# The planning loss of the first task on one plane of action sequences: through the expert's actions, the base model's
# plan and the finetuned model's plan. Dark is low. In truth a narrow valley leads through the expert's actions, with a
# cliff beside it, where the point begins to meet the wall. The base model sees no cliff, and its plan lies where the
# valley is wide. The finetuned model sees one.

# %%
one = few.select(np.array([0]))
alone = make_vector_env("DoorWall-v0", 1)


def first_plan(policy):
    """The first plan of a policy on the first task, (H, A)."""
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
# The same four tasks, planned once through the finetuned model. Three of the plans go through the door now, or close to
# its edge; the second still crosses the wall.

# %%
show(ours)

# %% [markdown]
# Its error for planned actions is now about that for the expert's: the gap is closed. The price is a larger error for
# the expert's.

# %%
plot_panels({"base model": before, "finetuned": error_curves(ours)}, x="steps imagined", y="error, units of the room")

# %% [markdown]
# Replanning corrects most of what is left. This is the same model on the same tasks, with a new plan every five steps:

# %%
show(ours, agent)

# %% [markdown]
# The package's tables judge models in this way, on held-out detour tasks. The last model below comes with the package:
# it was trained for longer, online and adversarially.

# %%
models = {"base": base, "finetuned here": ours, "shipped": gbplan.load_pretrained("door-wall/online-adversarial")}
for name, model in models.items():
    print(f"{name:>14}: {evaluate(agent.policy(model), envs, tasks).summary()}")

# %% [markdown]
# The numbers in brackets are 95 % intervals over the tasks. Tables with five training seeds, and with the controls that
# separate the attack's effect from that of any noise, are in [Results](../results.md).
