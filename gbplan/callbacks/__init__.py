"""Lightning callbacks: what happens around the training of a world model."""

from gbplan.callbacks.online_world_modeling import OnlineWorldModeling

__all__ = ["OnlineWorldModeling"]
