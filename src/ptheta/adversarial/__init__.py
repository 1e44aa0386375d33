"""Models without a likelihood, trained against a discriminator."""

from ptheta.adversarial.gan import GAN, GeneratorCost, MaximumLikelihood, Minimax, NonSaturating

__all__ = ["GAN", "GeneratorCost", "MaximumLikelihood", "Minimax", "NonSaturating"]
