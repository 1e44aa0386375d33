"""Latent-variable models: a code z, a decoder p(x | z), and a bound on the likelihood; and maps to codes and back."""

from ptheta.latent.autoencoder import Autoencoder
from ptheta.latent.codebooks import Codebook, FiniteScalars, Quantiser
from ptheta.latent.ladder import LadderVAE
from ptheta.latent.latent import Coded, Latent, LatentBound
from ptheta.latent.priors import MixturePrior, StandardNormal, VampPrior
from ptheta.latent.vae import VAE
from ptheta.latent.vqvae import VQVAE

__all__ = [
    "VAE",
    "VQVAE",
    "Autoencoder",
    "Codebook",
    "Coded",
    "FiniteScalars",
    "LadderVAE",
    "Latent",
    "LatentBound",
    "MixturePrior",
    "Quantiser",
    "StandardNormal",
    "VampPrior",
]
