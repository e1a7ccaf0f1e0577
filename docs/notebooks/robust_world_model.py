# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Make your own world model robust
#
# This notebook defines an environment and a network, and makes gradient planning work with them. A model trained on
# random data fails when a planner uses it. Finetuning it online, alone or together with adversarial training, raises
# its success to about two thirds of the tasks.
#
# The environment is Gymnasium's pendulum. Its motor is too weak to lift it directly, so a plan has to swing it up, and
# arrive at an angle near the top almost at rest. The data are random pushes at a hanging pendulum, so the model has
# hardly seen the upper half of the circle, where every plan ends.

# %%
import copy
import tempfile

import gymnasium as gym
import lightning as L
import numpy as np
import torch
from torch import nn

from gbplan.attacks import FGSM
from gbplan.callbacks import OnlineWorldModeling
from gbplan.data import TrajectoryDataModule, collect, make_vector_env
from gbplan.evaluation import TaskSet, evaluate
from gbplan.modules import AdversarialWorldModelModule, WorldModelModule
from gbplan.networks import IdentityEncoder, Predictor, WorldModel
from gbplan.objectives import ReachGoal
from gbplan.planners import CEMPlanner, GradientPlanner
from gbplan.plots import Curve, plot_panels, plot_success
from gbplan.policies import Agent, RandomPolicy

# %matplotlib inline
torch.set_num_threads(1)  # a second thread does not make networks this small faster

# %% [markdown]
# These numbers decide how long the notebook takes:

# %%
EPISODES = 100  # episodes of random pushes
EPOCHS = 20  # epochs of base training
ROUNDS = 10  # rounds of online training
NEW_TASKS = 32  # training tasks in each round
TASKS = 128  # held-out tasks to evaluate on

# %% [markdown]
# ## The environment
#
# gbplan needs a goal-conditioned Gymnasium environment with a `reset` that sets a task, `info["is_success"]` and a time
# limit ([Your environment](../your_environment.md)). `compute_success` is optional. With it, results also show in how
# many tasks the model believes that its plan succeeds.

# %%
TOP_SPEED = 8.0  # of the pendulum, in radians per second


class PendulumGoal(gym.Wrapper):
    """`Pendulum-v1` with a goal: come to rest at an angle near the top, which differs in each episode."""

    def __init__(self):
        super().__init__(gym.make("Pendulum-v1").unwrapped)
        # The position of the tip, and the speed as a fraction of the top speed.
        state = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
        self.observation_space = gym.spaces.Dict(observation=state, achieved_goal=state, desired_goal=state)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)  # fraction of the motor's maximum torque

    def reset(self, *, seed=None, options=None):
        options = options or {}
        super().reset(seed=seed)
        angle, target = np.pi + self.np_random.uniform(-0.5, 0.5), self.np_random.uniform(-0.6, 0.6)
        x, y, speed = options.get("state", [np.cos(angle), np.sin(angle), 0.0])
        self.unwrapped.state = np.array([np.arctan2(y, x), TOP_SPEED * speed])
        self.goal = np.asarray(options.get("goal", [np.cos(target), np.sin(target), 0.0]), np.float32)
        return self._observe(), self._info()

    def step(self, action):
        super().step(self.unwrapped.max_torque * np.asarray(action))
        info = self._info()
        return self._observe(), float(info["is_success"]) - 1, info["is_success"], False, info

    def compute_success(self, achieved, desired):
        return np.linalg.norm(np.asarray(achieved) - np.asarray(desired), axis=-1) < 0.1

    def _observe(self):
        angle, speed = self.unwrapped.state
        state = np.float32([np.cos(angle), np.sin(angle), speed / TOP_SPEED])
        return {"observation": state, "achieved_goal": state.copy(), "desired_goal": self.goal.copy()}

    def _info(self):
        return {"is_success": bool(self.compute_success(self._observe()["achieved_goal"], self.goal))}


gym.register("PendulumGoal-v0", entry_point="__main__:PendulumGoal", max_episode_steps=100)

# %% [markdown]
# ## The world model
#
# A predictor computes the next latent, in standardised units. Here the latent is the state itself. One model step is
# four environment steps, so an action of the model is four motor actions side by side, and a plan of twenty-five model
# steps reaches the end of an episode.

# %%
BLOCK = 4


class Swing(Predictor):
    """A perceptron that predicts the change of the state."""

    latent_shape, action_dim = (3,), BLOCK

    def __init__(self, width=128):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 + BLOCK, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 3)
        )

    def forward(self, latents, actions):  # (B, 1, 3) and (B, 1, 4) to (B, 3)
        latent = latents[:, -1]
        return latent + self.layers(torch.cat([latent, actions[:, -1]], dim=-1))


def new_model():
    return WorldModel(IdentityEncoder(dim=3, goal_indices=[0, 1, 2]), Swing(), action_block=BLOCK)


# %% [markdown]
# ## Base training
#
# Training uses Lightning: a module, a data module and a trainer. The loss is the error of rollouts of four model steps.

# %%
folder = tempfile.mkdtemp()
L.seed_everything(0)
collect("PendulumGoal-v0", "pendulum/random-v0", RandomPolicy(), EPISODES, num_envs=16, root=folder, progress=False)


def fit(module, epochs, callbacks=()):
    """Train on the dataset and on the transitions that callbacks add to it."""
    trainer = L.Trainer(
        default_root_dir=tempfile.mkdtemp(),  # for the transitions of online training
        max_epochs=epochs,
        callbacks=list(callbacks),
        reload_dataloaders_every_n_epochs=1,  # so that training uses the transitions that callbacks add
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(module, TrajectoryDataModule(["pendulum/random-v0"], root=folder, batch_size=256, steps=4))
    return module.world_model.eval()


base = fit(WorldModelModule(new_model(), rollout_steps=4), EPOCHS)

# %% [markdown]
# ## Before
#
# The agent plans by gradient descent and replans every two model steps. The tasks are held out: training tasks are
# never drawn from their seeds.

# %%
planner = GradientPlanner(horizon=25, num_samples=78, restarts=2, iterations=12)
agent = Agent(planner, ReachGoal(tau=0.02), replan_every=2)
tasks = TaskSet("PendulumGoal-v0", count=TASKS).draw()
envs = make_vector_env("PendulumGoal-v0", TASKS)
results = {"base": evaluate(agent.policy(base), envs, tasks)}
print(results["base"].summary())

# %% [markdown]
# ## Three finetunings
#
# `OnlineWorldModeling` draws new tasks from the training seeds, plans them, executes the plans, and adds the real
# transitions to the data. `AdversarialWorldModelModule` trains on perturbed states and actions within a small radius of
# the data. It finds them by one step along the sign of the loss's gradient (FGSM). Its factors give the radius as a
# fraction of each dimension's standard deviation. One is a callback and the other a module, so they can be combined.
# All three finetunings start from the base model.


# %%
def rounds():
    """Return the callback for online training, with a round every five epochs."""
    new = TaskSet(count=NEW_TASKS, split="training", seed=1)
    return [OnlineWorldModeling(agent, new, every_n_epochs=5, figure_tasks=0)]


def adversarial(model):
    return AdversarialWorldModelModule(model, FGSM(step_size=1.25), latent_factor=0.03, action_factor=0.03)


def online(model):
    return WorldModelModule(model, rollout_steps=4)


models = {
    "adversarial": fit(adversarial(copy.deepcopy(base)), EPOCHS),
    "online": fit(online(copy.deepcopy(base)), 5 * ROUNDS, rounds()),
    "online + adversarial": fit(adversarial(copy.deepcopy(base)), 5 * ROUNDS, rounds()),
}

# %% [markdown]
# ## After

# %%
for name, model in models.items():
    results[name] = evaluate(agent.policy(model), envs, tasks)
for name, result in results.items():
    print(f"{name:>20}: {result.summary()}")

success = [result.metrics["success"] for result in results.values()]
rate, low, high = ([one[key] for one in success] for key in ("rate", "low", "high"))
believed = [result.metrics["believed_success"]["rate"] for result in results.values()]
plot_success(list(results), rate, low, high, believed, f"{TASKS} held-out tasks, 95 % intervals")

# %% [markdown]
# The attack alone helps little: it makes the model robust near the data, but the goals are far from the data. (Part of
# its gain may come from the longer training, which has twice as many epochs in total.) Online data help most. One
# training seed cannot show whether the attack also helps when online data are used. Where two intervals overlap, train
# several seeds and compare them in pairs with `gbplan report --compare`, as in [Results](../results.md) for
# `DoorWall-v0`.
#
# The next figure shows the models' errors for the executed actions, in rollouts from the start of each episode:

# %%
errors = {name: result.metrics["model_error"]["planned"]["by_step"] for name, result in results.items()}
curves = {name: Curve(np.arange(1, 1 + len(error)), error) for name, error in errors.items()}
plot_panels({"": curves}, x="model steps imagined", y="error of the state, its own units")

# %% [markdown]
# The finetuned models also work with a planner that they were not trained with. These are the results of CEM with the
# same number of model rollouts:

# %%
cem = Agent(CEMPlanner(horizon=25, num_samples=32, num_elites=4, iterations=4), ReachGoal(tau=0.02), replan_every=2)
for name, model in {"base": base, **models}.items():
    print(f"{name:>20}: {evaluate(cem.policy(model), envs, tasks).summary()}")

# %% [markdown]
# What to read next: [Your model](../your_model.md) explains encoders and predictors. [Start](../start.md) shows the
# same training on the command line, which saves checkpoints and can resume interrupted runs.
