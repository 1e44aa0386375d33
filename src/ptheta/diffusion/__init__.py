"""Diffusion: models that learn to undo noise."""

from ptheta.diffusion.ddpm import DDPM, BoundTerms
from ptheta.diffusion.samplers import DDIM, Ancestral, Sampler
from ptheta.diffusion.schedules import CosineSchedule, LinearSchedule, Schedule

__all__ = ["DDIM", "DDPM", "Ancestral", "BoundTerms", "CosineSchedule", "LinearSchedule", "Sampler", "Schedule"]
