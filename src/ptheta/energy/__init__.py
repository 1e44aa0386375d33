"""Undirected models: known up to a constant, sampled by Markov chains."""

from ptheta.energy.mcmc import Bridge, annealed_importance_sampling, annealing_schedule, draw_bits
from ptheta.energy.rbm import RBM

__all__ = ["RBM", "Bridge", "annealed_importance_sampling", "annealing_schedule", "draw_bits"]
