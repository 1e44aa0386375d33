"""Models without a likelihood, trained against a discriminator."""

from ptheta.adversarial.aae import AAE
from ptheta.adversarial.conditional import ConditionalGAN
from ptheta.adversarial.ctgan import CTGAN
from ptheta.adversarial.cyclegan import CycleGAN
from ptheta.adversarial.fidelity import Absolute, Features, Fidelity, Squared
from ptheta.adversarial.games import (
    DivergenceGame,
    Game,
    GeneratorCost,
    Hinge,
    MaximumLikelihood,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from ptheta.adversarial.gan import GAN
from ptheta.adversarial.infogan import InfoGAN
from ptheta.adversarial.penalties import Penalty, UnitSlopes, ZeroSlopes
from ptheta.adversarial.progressive import ProgressiveGAN
from ptheta.adversarial.puzzle import PuzzleGAN
from ptheta.adversarial.semi_supervised import SemiSupervisedGAN
from ptheta.adversarial.stargan import StarGAN
from ptheta.adversarial.text_to_image import TextToImage

__all__ = [
    "AAE",
    "CTGAN",
    "GAN",
    "Absolute",
    "ConditionalGAN",
    "CycleGAN",
    "DivergenceGame",
    "Features",
    "Fidelity",
    "Game",
    "GeneratorCost",
    "Hinge",
    "InfoGAN",
    "MaximumLikelihood",
    "Minimax",
    "NonSaturating",
    "Penalty",
    "ProgressiveGAN",
    "PuzzleGAN",
    "Relativistic",
    "SemiSupervisedGAN",
    "Squared",
    "StarGAN",
    "TextToImage",
    "UnitSlopes",
    "Wasserstein",
    "ZeroSlopes",
]
