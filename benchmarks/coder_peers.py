"""pythae's autoencoders over networks of ours, behind the calls that the benchmarks need.

    pip install -c constraints.txt -e '.[peers]' && pip install --no-deps pythae==0.1.2 cloudpickle

Its own encoders and decoders answer with named outputs, probabilities and log-variances: the classes below say what our
networks give in those words. Its samplers decode draws of the normal prior, which is what ``drawn`` does. Its trainers
take torch's Adam as it comes; here every step takes the same fused Adam as ours.
"""

from collections.abc import Callable
from typing import Any

import torch
from pythae.models.adversarial_ae import Adversarial_AE, Adversarial_AE_Config
from pythae.models.ae import AE, AEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
from pythae.models.vae import VAE, VAEConfig
from pythae.models.vq_vae import VQVAE, VQVAEConfig
from torch import Tensor, nn

Map = Callable[[Tensor], Tensor]


class Encoder(BaseEncoder):
    """A network's outputs as codes, or as means and log-variances.

    Args:
        network: Maps bits, put at -1 and 1, to codes, or to means and log standard deviations.
        gaussian: Whether it is the latter.
        grid: Whether codes are vectors (B, h, w, width); pythae wants the width first.
    """

    def __init__(self, network: nn.Module, *, gaussian: bool = False, grid: bool = False) -> None:
        super().__init__()
        self.network, self.gaussian, self.grid = network, gaussian, grid

    def forward(self, x: Tensor) -> Any:
        h = self.network(2 * x - 1)
        if not self.gaussian:
            return ModelOutput(embedding=h.movedim(-1, 1) if self.grid else h)
        mean, log_std = h.chunk(2, 1)
        return ModelOutput(embedding=mean, log_covariance=2 * log_std)


class Decoder(BaseDecoder):
    """A network's outputs as probabilities of bits.

    Args:
        network: Maps codes to logits.
        grid: Whether codes are vectors whose width comes last.
        last: What is done to the outputs.
    """

    def __init__(self, network: nn.Module, *, grid: bool = False, last: Map = torch.sigmoid) -> None:
        super().__init__()
        self.network, self.grid, self.last = network, grid, last

    def forward(self, z: Tensor) -> Any:
        h = self.network(z.movedim(1, -1) if self.grid else z)
        return ModelOutput(reconstruction=self.last(h))


class Critic(BaseDiscriminator):
    """A network's logit as a probability."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> Any:
        return ModelOutput(embedding=self.network(z).sigmoid())


def autoencoder(encoder: nn.Module, decoder: nn.Module, shape: tuple[int, ...], latent: int) -> AE:
    """An error of bits; the decoder's outputs are near -1 and 1."""
    halved: Map = lambda h: (h + 1) / 2  # noqa: E731
    return AE(AEConfig(input_dim=shape, latent_dim=latent), Encoder(encoder), Decoder(decoder, last=halved))


def vae(encoder: nn.Module, decoder: nn.Module, shape: tuple[int, ...], latent: int) -> VAE:
    config = VAEConfig(input_dim=shape, latent_dim=latent, reconstruction_loss="bce")
    return VAE(config, Encoder(encoder, gaussian=True), Decoder(decoder))


def vq_vae(encoder: nn.Module, decoder: nn.Module, shape: tuple[int, ...], codewords: int, price: float) -> VQVAE:
    """A squared error of probabilities: it has no other. The codebook follows running averages; none is ever reset."""
    config = VQVAEConfig(
        input_dim=shape, num_embeddings=codewords, use_ema=True, decay=0.99, commitment_loss_factor=price
    )
    return VQVAE(config, Encoder(encoder, grid=True), Decoder(decoder, grid=True))


def aae(encoder: nn.Module, decoder: nn.Module, critic: nn.Module, shape: tuple[int, ...], latent: int) -> Any:
    """Codes without noise of their own; the squared error of outputs within (0, 1)."""
    config = Adversarial_AE_Config(input_dim=shape, latent_dim=latent, deterministic_posterior=True)
    halved: Map = lambda h: (h.tanh() + 1) / 2  # noqa: E731
    spread = _Spread(encoder, latent)
    return Adversarial_AE(config, Encoder(spread, gaussian=True), Decoder(decoder, last=halved), Critic(critic))


class _Spread(nn.Module):
    """Codes beside log standard deviations of nothing: pythae asks its encoder for some."""

    def __init__(self, network: nn.Module, latent: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("nothing", torch.zeros(1, latent))

    def forward(self, x: Tensor) -> Tensor:
        z = self.network(x)
        return torch.cat([z, self.get_buffer("nothing").expand(len(z), -1)], 1)


def drawn(model: Any, n: int, latent: int) -> Tensor:
    """What its sampler of a normal prior draws: means."""
    return model.decoder(torch.randn(n, latent)).reconstruction
