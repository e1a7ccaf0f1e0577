"""Your own world model, trained online and planned through: one whose network says how much of an action gets through.

What gbplan asks of a predictor is one step, from latents and actions to the next latents, in standardised units. It is
planned through by autograd, step by step; give it a ``rollout`` of its own where it knows a faster way.

    python examples/own_world_model.py            # some two minutes; writes runs/own_world_model
"""

import argparse
from pathlib import Path

import lightning as L
import torch
from torch import Tensor, nn

from gbplan.callbacks import OnlineWorldModeling
from gbplan.data import TrajectoryDataModule, collect, make_vector_env
from gbplan.evaluation import evaluate, sample_tasks
from gbplan.modules import WorldModelModule
from gbplan.networks import IdentityEncoder, Predictor, WorldModel
from gbplan.objectives import ReachGoal
from gbplan.planners import GradientPlanner
from gbplan.policies import ExpertPolicy, PlannerPolicy


class GatedPredictor(Predictor):
    """Moves a latent by what the action would do in the open, as far as a gate between 0 and 1 lets it.

    A wall is a gate that closes: it depends on where the agent stands and where it wants to go.
    """

    def __init__(self, latent_dim: int, action_dim: int, width: int = 128) -> None:
        """Build the gate, a perceptron of two hidden layers, and what an action does in the open, a linear map."""
        super().__init__()
        self.latent_shape, self.action_dim = (latent_dim,), action_dim
        self.open = nn.Linear(action_dim, latent_dim)
        for parameter in self.open.parameters():
            nn.init.zeros_(parameter)  # or the gate would learn to close before what it lets through has a direction
        self.gate = nn.Sequential(
            nn.Linear(latent_dim + action_dim, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, latent_dim),
            nn.Sigmoid(),
        )

    def forward(self, latent: Tensor, action: Tensor) -> Tensor:
        """Predict the next latents, ``(..., latent_dim)``."""
        return latent + self.gate(torch.cat([latent, action], dim=-1)) * self.open(action)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/own_world_model"))
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    root, dataset = str(arguments.folder / "datasets"), "door-wall/few-v0"
    collect("DoorWall-v0", dataset, ExpertPolicy(action_noise=0.3), arguments.episodes, root=root, overwrite=True)

    L.seed_everything(0)
    model = WorldModel(IdentityEncoder(dim=2), GatedPredictor(latent_dim=2, action_dim=2))
    module = WorldModelModule(model, rollout_steps=5)
    planner = GradientPlanner(horizon=50, num_samples=64, restarts=2, iterations=10)
    online = OnlineWorldModeling(planner, tasks_per_round=100, every_n_epochs=5, first_round_after=10)
    trainer = L.Trainer(
        default_root_dir=arguments.folder,
        max_epochs=10 + 5 * arguments.rounds,
        callbacks=[online],
        reload_dataloaders_every_n_epochs=1,  # or new transitions would not be trained on
        accelerator="cpu",
        enable_checkpointing=False,
    )
    tasks = sample_tasks("DoorWall-v0", "detour", arguments.tasks, split="validation")
    policy = PlannerPolicy(model, ReachGoal(), planner, replan_every=5)
    trainer.fit(module, TrajectoryDataModule([dataset], root=root, batch_size=256, steps=5))

    envs = make_vector_env("DoorWall-v0", arguments.tasks)
    model.eval()
    print(f"after {online.rounds} rounds of planning: {evaluate(policy, envs, tasks).summary()}")
