"""A coder and a prior over its codes make a distribution: draw a code, then decode it.

    Latent(Autoencoder(...), GaussianMixture(...))     a mixture on an autoencoder's codes
    LatentBound(VQVAE(...), PixelCNN(...))             a codebook and an autoregressive prior
    LatentBound(VAE(...), DDPM(...))                   latent diffusion

It is fitted in two stages: the coder to the events, then the prior to the codes of the events, with the coder fixed.
Any model of the code space may be the prior; its context is that of the events.

``Latent`` decodes a code to a point, so it has no score. ``LatentBound`` wants a coder whose decoder is a law p(x | z)
and draws from it; with the coder's posterior q(z | x), and the prior's own exact or bounded log p(z),

    log p(x) >= E_q [log p(x | z) - log q(z | x) + log p(z)]

where a posterior that is certain of one symbol, as that of a VQ-VAE, has log q = 0.

Sampling costs a draw of the prior and a pass of the decoder, scoring a pass of the coder and a score of the prior.

Known limits:
    The prior is fitted to one draw of the posterior for each event, and the coder never hears of the prior.

References:
    Neural Discrete Representation Learning (van den Oord, Vinyals & Kavukcuoglu, 2017)
    https://arxiv.org/abs/1711.00937
    High-Resolution Image Synthesis with Latent Diffusion Models (Rombach et al., 2021)
    https://arxiv.org/abs/2112.10752
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.model import Distribution
from ptheta.noise import Noise
from ptheta.protocols import HasCode, HasCodeLaw, HasElbo, HasLogProb

__all__ = ["Coded", "Latent", "LatentBound"]

CHUNK = 500  # events coded or decoded at a time


class Coded(nn.Module, Distribution):
    """A coder, and a prior over its codes, fitted one after the other."""

    def __init__(self, coder: Any, prior: Distribution) -> None:
        super().__init__()
        if prior.space != coder.code_space:
            raise ValueError(f"the prior should model the codes, {coder.code_space}, but it models {prior.space}.")
        self.coder: Any = coder
        self.prior: Any = prior
        self.space, self.context_space = coder.space, prior.context_space

    @abstractmethod
    def code(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The codes that the prior is fitted to, with shape (B, *code_space.shape)."""

    @abstractmethod
    def decoded(self, z: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """An event for each code, with shape (B, *space.shape)."""

    def fit(self, data: Any, **training: Any) -> Self:
        """Fits the coder, then the prior to its codes.

        Args:
            data: A ``Dataset``.
            **training: Those of both fits.

        Returns:
            The model itself.
        """
        self.coder.fit(data, **training)
        self.prior.fit(self.coded(data), **training)
        return self

    @torch.no_grad()
    def coded(self, data: Dataset) -> Dataset:
        """The codes of a data set, as a data set.

        Args:
            data: Events.

        Returns:
            Their codes, with the contexts that the prior takes.
        """
        mode = self.coder.training
        self.coder.eval()
        try:
            parts = {name: self._coded(getattr(data, name), Noise(0).at(name)) for name in ("train", "valid", "test")}
        finally:
            self.coder.train(mode)
        named = replace(data, space=self.prior.space, name=f"codes of {data.name}", **parts)
        return named if self.context_space is not None else named.without_context()

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events, with shape (n, *space.shape): codes from the prior, decoded."""
        self.check_context(n, context)
        noise = noise or Noise()
        codes = self.prior.sample(n, context, noise=noise)
        return torch.cat([self.decoded(codes[r], self._seen(context, r), noise.rows(r.start)) for r in _chunks(n)])

    def _coded(self, events: Events, noise: Noise) -> Events:
        codes = [
            self.code(events.x[r], self._seen(events.context, r), noise.rows(r.start)) for r in _chunks(len(events))
        ]
        return Events(torch.cat(codes), events.context)

    def _seen(self, context: Tensor | None, rows: slice) -> Tensor | None:
        """What the coder sees of the contexts of some rows."""
        return None if context is None or self.coder.context_space is None else context[rows]


@final
class Latent(Coded):
    """A prior over the codes of a coder, as a distribution over events that has no score.

    Args:
        coder: A model with ``encode``, ``decode`` and a ``code_space``.
        prior: A distribution over the code space.

    Example:
        >>> from ptheta import Levels, Noise
        >>> from ptheta.latent import Autoencoder, StandardNormal
        >>> model = Latent(Autoencoder(Levels((3,), 5), latent=2), StandardNormal(2))
        >>> model.sample(4, noise=Noise(0)).shape
        torch.Size([4, 3])
    """

    def __init__(self, coder: Any, prior: Distribution) -> None:
        if not isinstance(coder, HasCode):
            raise ValueError(f"the coder should encode and decode, but {type(coder).__name__} does not.")
        super().__init__(coder, prior)

    def code(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        return self.coder.encode(x, context)

    def decoded(self, z: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        return self.coder.decode(z, context)


@final
class LatentBound(Coded):
    """A prior over the codes of a coder with a law p(x | z), as a distribution whose likelihood is known from below.

    Args:
        coder: A model with ``code_terms``, ``draw`` and a ``code_space``, such as ``VQVAE`` or ``VAE``.
        prior: A distribution over the code space, with a ``log_prob`` or an ``elbo``.

    Example:
        >>> from ptheta import Levels, Noise
        >>> from ptheta.autoregressive import MADE
        >>> from ptheta.latent import VQVAE
        >>> coder = VQVAE(Levels((3,), 5), codes=2, width=8)
        >>> model = LatentBound(coder, MADE(coder.code_space))
        >>> model.elbo(model.sample(4, noise=Noise(0))).shape
        torch.Size([4])
    """

    def __init__(self, coder: Any, prior: Distribution) -> None:
        if not isinstance(coder, HasCodeLaw):
            raise ValueError(
                f"the coder should have a law of events given codes, but {type(coder).__name__} has none. Use Latent."
            )
        if not isinstance(prior, HasLogProb | HasElbo):
            raise ValueError(f"the prior should score codes, but {type(prior).__name__} does not. Use Latent.")
        super().__init__(coder, prior)

    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """A lower bound on log p(x | context) in nats, the mean over ``draws`` of codes, with shape (B,)."""
        reconstruction, rate = self.elbo_terms(x, context, draws=draws, noise=noise)
        return reconstruction - rate

    def elbo_terms(
        self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor]:
        """The two terms of the bound, elbo = reconstruction - rate.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with B rows, or None.
            draws: The number of draws of the code to average over.
            noise: Where they come from.

        Returns:
            log p(x | z), and log q(z | x) - log p(z), in nats, each with shape (B,).
        """
        self.check(x, context)
        noise, every = noise or Noise(), slice(None)
        pairs = []
        for j in range(draws):
            z, log_px, log_q = self.coder.code_terms(x, self._seen(context, every), noise=noise.at("code", j))
            pairs.append(torch.stack([log_px, log_q - self._log_prior(z, context, noise.at("prior", j))]))
        reconstruction, rate = torch.stack(pairs).mean(0)
        return reconstruction, rate

    def code(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        return self.coder.code_terms(x, context, noise=noise)[0]

    def decoded(self, z: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        return self.coder.draw(z, context, noise=noise)

    def _log_prior(self, z: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        context = None if self.context_space is None else context
        if isinstance(self.prior, HasLogProb):
            return self.prior.log_prob(z, context)
        return self.prior.elbo(z, context, noise=noise)


def _chunks(n: int) -> Iterator[slice]:
    """Slices of at most ``CHUNK`` rows, one even where there are none."""
    return (slice(start, start + CHUNK) for start in range(0, max(n, 1), CHUNK))
