"""Latent-variable models: a code z, a decoder p(x | z), and a bound on the likelihood."""

from ptheta.latent.priors import MixturePrior, StandardNormal
from ptheta.latent.vae import VAE

__all__ = ["VAE", "MixturePrior", "StandardNormal"]
