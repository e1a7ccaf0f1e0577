"""Trajectories in memory and on disk, and the batches made of them."""
