"""Diffusion: models that learn to undo noise."""

from ptheta.diffusion.absorbing import AbsorbingDiffusion
from ptheta.diffusion.consistency import Consistency, ConsistencyStudent
from ptheta.diffusion.ddpm import DDPM
from ptheta.diffusion.edm import EDM
from ptheta.diffusion.gaussian import BoundTerms, GaussianDiffusion
from ptheta.diffusion.matching import FlowMatching, ProbabilityFlow
from ptheta.diffusion.multinomial import MultinomialDiffusion
from ptheta.diffusion.samplers import DDIM, Ancestral, Heun, Moment, Sampler
from ptheta.diffusion.schedules import CosineSchedule, LinearSchedule, Schedule
from ptheta.diffusion.tabular import TableDiffusion

__all__ = [
    "DDIM",
    "DDPM",
    "EDM",
    "AbsorbingDiffusion",
    "Ancestral",
    "BoundTerms",
    "Consistency",
    "ConsistencyStudent",
    "CosineSchedule",
    "FlowMatching",
    "GaussianDiffusion",
    "Heun",
    "LinearSchedule",
    "Moment",
    "MultinomialDiffusion",
    "ProbabilityFlow",
    "Sampler",
    "Schedule",
    "TableDiffusion",
]
