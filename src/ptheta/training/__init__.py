"""The engine: one training step for every family, with exact resume."""

from ptheta.training.distributed import joined
from ptheta.training.loop import TrainState, fit, training
from ptheta.training.settings import Training

__all__ = ["TrainState", "Training", "fit", "joined", "training"]
