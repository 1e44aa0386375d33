"""Undirected models, known up to a constant and sampled by Markov chains; and a chain that is a model by itself."""

from ptheta.energy.boltzmann import BoltzmannMachine
from ptheta.energy.dbm import DBM
from ptheta.energy.ebm import EBM
from ptheta.energy.gaussian_rbm import GaussianRBM
from ptheta.energy.gsn import GSN
from ptheta.energy.mcmc import Bridge, annealed_importance_sampling, annealing_schedule, bracketed_annealing, draw_bits
from ptheta.energy.rbm import RBM

__all__ = [
    "DBM",
    "EBM",
    "GSN",
    "RBM",
    "BoltzmannMachine",
    "Bridge",
    "GaussianRBM",
    "annealed_importance_sampling",
    "annealing_schedule",
    "bracketed_annealing",
    "draw_bits",
]
