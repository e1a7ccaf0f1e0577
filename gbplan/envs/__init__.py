"""Gymnasium environments, their experts and their geometry. Needs numpy and gymnasium only."""

from gbplan.envs.policy import Observation, Policy

__all__ = ["Observation", "Policy"]
