# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Plan with a stable-worldmodel model
#
# [stable-worldmodel](https://github.com/galilai-group/stable-worldmodel) trains world models from pictures and plans
# with them. This notebook connects such a model to gbplan by two small classes, without changing the model. It can then
# be used with gbplan's planners, evaluated on fixed held-out tasks, and finetuned.
#
# If stable-worldmodel is installed, the notebook uses its `LeWM` (tested with version 0.1.1, which also needs
# torchvision, opencv-python-headless and imageio, and a torch version that fits torchvision). Otherwise it uses a class
# with the same methods, and the first output tells you so.

# %%
import tempfile
import warnings
from types import SimpleNamespace

import lightning as L
import numpy as np
import torch
from torch import nn

from gbplan.data import TrajectoryDataModule, collect, make_vector_env
from gbplan.envs import RandomWalkPolicy
from gbplan.evaluation import TaskSet, evaluate
from gbplan.modules import VICReg, WorldModelModule
from gbplan.networks import Encoder, Predictor, Probe, WorldModel
from gbplan.objectives import GoalMSE, ReachGoal
from gbplan.planners import CEMPlanner, GradientPlanner, PlanningProblem
from gbplan.planners.noise import Knots
from gbplan.plots import plot_paths
from gbplan.policies import Agent, ExpertPolicy, MixedPolicy

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from stable_worldmodel.wm.lewm import LeWM
    print("the model is stable-worldmodel's LeWM")
except ImportError as error:
    LeWM = None
    print(f"stable-worldmodel is not installed here ({error}); the notebook uses a class with the same methods")

# %matplotlib inline
torch.set_num_threads(1)

# %% [markdown]
# These numbers decide how long the notebook takes:

# %%
EPISODES = 300  # training episodes
EPOCHS = 8
TASKS = 64  # held-out tasks to evaluate on

# %% [markdown]
# ## The model
#
# A `LeWM` has three parts: an encoder of pictures, an encoder of actions, and a predictor of the next embedding. The
# cells below use three of its members: `encode(info)` reads `info["pixels"]`, `(B, T, C, H, W)`, and adds
# `info["emb"]`, `(B, T, D)`; `action_encoder` encodes actions; and `predict(emb, act_emb)` returns the embeddings one
# step later.

# %%
SIZE, DIM, BLOCK = 32, 8, 5  # pixels along an edge; numbers in an embedding; environment steps in a model step


class Eyes(nn.Module):
    """Encoder: finds the positions of DIM / 2 features in the picture, by convolutions and a spatial softmax.

    LeWM expects the interface of the vision transformers in the transformers library.
    """

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, DIM // 2, 5, padding=2)
        )
        self.register_buffer("places", torch.linspace(-2, 2, SIZE))

    def forward(self, pixels, interpolate_pos_encoding=True):
        share = self.layers(pixels).flatten(2).softmax(-1).unflatten(-1, (SIZE, SIZE))
        where = torch.cat([(share.sum(axis) * self.places).sum(-1) for axis in (2, 3)], dim=-1)
        return SimpleNamespace(last_hidden_state=where[:, None])


class Step(nn.Module):
    """Predictor: computes the next embedding from the last one and the embedded action."""

    num_frames = 1

    def __init__(self, width=128):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * DIM, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, DIM)
        )

    def forward(self, emb, act_emb):
        return emb + self.layers(torch.cat([emb, act_emb], dim=-1))


class StandIn(nn.Module):
    """Replacement for LeWM if stable-worldmodel is not installed; it has only the methods that are used here."""

    def __init__(self, encoder, predictor, action_encoder):
        super().__init__()
        self.encoder, self.predictor, self.action_encoder = encoder, predictor, action_encoder

    def encode(self, info):
        found = self.encoder(info["pixels"].flatten(0, 1)).last_hidden_state[:, 0]
        return info | {"emb": found.unflatten(0, info["pixels"].shape[:2])}

    def predict(self, emb, act_emb):
        return self.predictor(emb, act_emb)

    def get_cost(self, info, candidates):
        """Return the squared distance of the last embedding to the goal's, (B, S), for candidates (B, S, H, A)."""
        emb, goal = (self.encode({"pixels": info[key][:, 0]})["emb"] for key in ("pixels", "goal"))
        rows, last = candidates.flatten(0, 1), emb.repeat_interleave(candidates.shape[1], dim=0)
        for t in range(rows.shape[1]):
            last = self.predict(last, self.action_encoder(rows[:, t : t + 1]))
        return (last[:, 0].unflatten(0, candidates.shape[:2]) - goal).square().sum(-1)


L.seed_everything(0)
foreign = (LeWM or StandIn)(Eyes(), Step(), nn.Linear(2 * BLOCK, DIM))

# %% [markdown]
# ## The adapter
#
# gbplan's `WorldModel` combines an encoder and a predictor. Here each of them is a class of a few lines that calls the
# foreign model. The result can be used like any other world model in gbplan.

# %%


class ForeignEncoder(Encoder):
    """Turns pictures into embeddings; goals are pictures, too."""

    observation_keys, goal_keys, latent_shape = ("pixels",), ("desired_pixels",), (DIM,)

    def __init__(self, model):
        super().__init__(frozen=False)
        self.model = model

    def encode(self, observations):
        return self._embed(observations["pixels"])

    def encode_goal(self, observations):
        return self._embed(observations["desired_pixels"])

    def goal_features(self, latent):
        return latent

    def _embed(self, pictures):  # (..., H, W, C), uint8, to (..., D)
        frames = pictures.reshape(-1, 1, *pictures.shape[-3:]).movedim(-1, 2) / 255 - 0.5  # (N, 1, C, H, W)
        return self.model.encode({"pixels": frames})["emb"].reshape(*pictures.shape[:-3], DIM)


class ForeignPredictor(Predictor):
    """Computes the next embedding from embeddings and actions."""

    latent_shape, action_dim, history = (DIM,), 2 * BLOCK, Step.num_frames

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, latents, actions):  # (B, K, D) and (B, K, A) to (B, D)
        return self.model.predict(latents, self.model.action_encoder(actions))[:, -1]


def adapt(model):
    """Wrap a foreign model; the probe decodes positions from embeddings, for figures and tables."""
    adapted = WorldModel(ForeignEncoder(model), ForeignPredictor(model), action_block=BLOCK, probe=Probe(DIM, 2))
    adapted.normalizer.fitted.fill_(1)  # the model has its own scale of latents and actions, so do not rescale them
    return adapted


# %% [markdown]
# ## Weights
#
# If you have a checkpoint, load it into `foreign` here. This notebook instead trains the model, through the adapter, on
# pictures of `DoorWall-v0`. The loss is the error of the next embedding, plus a regulariser that predicts the actions
# from neighbouring embeddings, so that the embeddings cannot all become equal.

# %%
folder, pictures = tempfile.mkdtemp(), {"size": SIZE}
walks = MixedPolicy([ExpertPolicy(action_noise=0.3), RandomWalkPolicy(min_speed=0.5)], weights=[4, 1])
collect("DoorWallPixels-v0", "pictures/mixed-v0", walks, EPISODES, env_kwargs=pictures, root=folder, progress=False)

model = adapt(foreign)
module = WorldModelModule(
    model,
    optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=3e-3),
    scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS),
    validation_horizons=[1, 3],
    regularizer=VICReg(DIM, 2 * BLOCK, inverse_weight=5.0),
)
trainer = L.Trainer(
    max_epochs=EPOCHS,
    limit_val_batches=0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    accelerator="cpu",
)
data = TrajectoryDataModule(["pictures/mixed-v0"], root=folder, batch_size=128, steps=1, validation_steps=3)
trainer.fit(module, data)
model = model.eval()

# %% [markdown]
# ## The same costs
#
# This cell checks that the adapted model computes the same costs. For candidate plans of one task, it compares the
# model's own `get_cost`, which stable-worldmodel's solvers minimise, with the cost of a `PlanningProblem`. The factor
# `DIM` is needed because `GoalMSE` is a mean over the embedding's numbers, and `get_cost` a sum.

# %%
tasks = TaskSet("DoorWallPixels-v0", env_kwargs=pictures, kind="detour", count=TASKS, min_distance=1.0).draw()
envs = make_vector_env("DoorWallPixels-v0", TASKS, pictures)
seen, _ = envs.reset(options={"state": tasks.states, "goal": tasks.goals})
first = {key: seen[key][:1, None] for key in ("pixels", "desired_pixels")}  # one task, one frame
problem = PlanningProblem.from_observations(model, GoalMSE(), first, bounds=(-np.ones(2), np.ones(2)))
candidates = torch.rand(1, 256, 10, 2 * BLOCK) * 2 - 1  # (B, S, H, A)


def frames(pictures):  # (B, T, H, W, C) to (B, S, T, C, H, W), the layout of get_cost
    return (torch.as_tensor(pictures).movedim(-1, 2) / 255 - 0.5)[:, None].expand(-1, 256, -1, -1, -1, -1)


info = {"pixels": frames(first["pixels"]), "goal": frames(first["desired_pixels"]), "action": candidates[:, :, :1]}
with torch.no_grad():
    theirs, ours = foreign.get_cost(info, candidates), problem.cost(candidates) * DIM
print(f"largest difference {(theirs - ours).abs().max():.1e}, of costs from {ours.min():.2f} to {ours.max():.2f}")

# %% [markdown]
# ## Plan
#
# The agents plan ten blocks ahead and replan after each block. In the held-out tasks, the wall blocks the straight line
# to the goal. Both planners use 128 model rollouts per plan and respect the action bounds (the solvers of
# stable-worldmodel leave the bounds to the environment). A task counts as believed if, according to the probe, the
# first plan reaches the goal.

# %%
planners = {
    "gradient": GradientPlanner(horizon=10, iterations=12, num_samples=78, restarts=2, noise=Knots(5)),
    "CEM": CEMPlanner(horizon=10, iterations=2, num_samples=64, num_elites=4, noise=Knots(5)),
}
results = {}
for name, planner in planners.items():
    results[name] = evaluate(Agent(planner, ReachGoal(tau=0.05), replan_every=1).policy(model), envs, tasks)
    print(f"{name:>8}: {results[name].summary()}")

# %%
result = results["gradient"]
positions = result.trajectories.observations["achieved_goal"]
executed = [positions[episode] for episode in result.trajectories.episodes()][:8]
walls = envs.unwrapped.background()
plot_paths(executed, tasks.goals[:8], result.success[:8], list(result.imagined[:8]), walls, result.radius)

# %% [markdown]
# Dashed lines are the imagined paths of the first plans; solid lines are the executed paths, with a new plan after each
# block. The agent only sees pictures. This model, too, shows [the gap of gradient
# planning](why_gradient_planning_fails.ipynb): it believes that more plans succeed than really do, and several plans
# cross the wall.
#
# What to read next: with a frozen encoder ([Your model](../your_model.md#an-encoder)), the predictor can be finetuned
# in its latents, online and adversarially, as in [another notebook](robust_world_model.ipynb).
