"""Define your own world model, train it online, and plan through it: a perceptron on Fourier features.

A predictor computes the next latents from latents and actions, in standardised units. Planners call it step by step
and use autograd; override its ``rollout`` if you have a faster method.

    python examples/own_world_model.py            # takes about two minutes; writes runs/own_world_model
"""

import argparse
from pathlib import Path

import lightning as L
import torch
from torch import Tensor, nn

from gbplan.callbacks import OnlineWorldModeling
from gbplan.data import TrajectoryDataModule, collect, make_vector_env
from gbplan.evaluation import TaskSet, evaluate
from gbplan.modules import WorldModelModule
from gbplan.networks import IdentityEncoder, Predictor, WorldModel
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, ExpertPolicy


class FourierPredictor(Predictor):
    """Predicts the change of a latent by a perceptron on Fourier features, which quickly learns abrupt changes.

    A wall is such an abrupt change. Source of the features: Tancik et al., Fourier features let networks learn high
    frequency functions, 2020.
    """

    frequencies: Tensor

    def __init__(self, latent_dim: int, action_dim: int, width: int = 128, features: int = 32) -> None:
        """Draw the frequencies from N(0, 1), and build the perceptron with two hidden layers."""
        super().__init__()
        self.latent_shape, self.action_dim = (latent_dim,), action_dim
        self.register_buffer("frequencies", torch.randn(latent_dim + action_dim, features))
        self.net = nn.Sequential(
            nn.Linear(2 * features + latent_dim + action_dim, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, latent_dim),
        )

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents, ``(..., latent_dim)``."""
        latent, action = latents[:, -1], actions[:, -1]
        inputs = torch.cat([latent, action], dim=-1)
        phase = inputs @ self.frequencies
        return latent + self.net(torch.cat([inputs, phase.sin(), phase.cos()], dim=-1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/own_world_model"))
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tasks_per_round", type=int, default=200)
    parser.add_argument("--tasks", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    root, dataset = str(arguments.folder / "datasets"), "door-wall/few-v0"
    collect("DoorWall-v0", dataset, ExpertPolicy(action_noise=0.3), arguments.episodes, root=root, overwrite=True)

    L.seed_everything(0)
    epochs = 2 + 3 * arguments.rounds
    model = WorldModel(IdentityEncoder(dim=2), FourierPredictor(latent_dim=2, action_dim=2))
    module = WorldModelModule(
        model,
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=3e-3),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs),
        rollout_steps=10,
    )
    agent = Agent(GradientPlanner(horizon=50, num_samples=64, restarts=2, iterations=10))
    kinds = ["uniform", "detour"]
    new = TaskSet(count=arguments.tasks_per_round // len(kinds), split="training", seed=1)
    online = OnlineWorldModeling(agent, new, kinds, every_n_epochs=3, first_round_after=3)
    trainer = L.Trainer(
        default_root_dir=arguments.folder,
        max_epochs=epochs,
        log_every_n_steps=10,
        callbacks=[online],
        reload_dataloaders_every_n_epochs=1,  # so that training uses the new transitions
        accelerator="cpu",
        enable_checkpointing=False,
    )
    tasks = TaskSet("DoorWall-v0", kind="detour", count=arguments.tasks, split="validation", min_distance=1.0).draw()
    trainer.fit(module, TrajectoryDataModule([dataset], root=root, batch_size=512, steps=10))

    envs = make_vector_env("DoorWall-v0", arguments.tasks)
    model.eval()
    print(f"after {online.rounds} rounds: {evaluate(agent.policy(model), envs, tasks).summary()}")
