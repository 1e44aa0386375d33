"""The engine: one training step for every family, with exact resume."""

from ptheta.training.distributed import joined
from ptheta.training.loop import fit, training
from ptheta.training.options import Training
from ptheta.training.state import TrainState

__all__ = ["TrainState", "Training", "fit", "joined", "training"]
