"""The variational autoencoder: a latent code z, a decoder p(x | z), and an encoder q(z | x) that bounds the likelihood.

The model draws z from a prior p(z) and then x from p(x | z), each variable of x on its own given z. Its likelihood
p(x) = integral p(x | z) p(z) dz has no closed form. With q(z | x) = N(z; mu(x), diag sigma(x)^2), for every x,

    ln p(x) = ELBO(x) + KL(q(z | x) || p(z | x)),      ELBO(x) = E_q ln p(x | z) - KL(q(z | x) || p(z)),
                                                                 reconstruction      rate

so the ELBO is a lower bound, and raising it fits both networks at once. Draws z = mu + sigma eps carry gradients. The
rate has a closed form where the prior is standard normal; for any other prior it is estimated at the drawn z by
ln q(z | x) - ln p(z), which needs only that ln p(z) is differentiable. With k draws and weights
w_j = p(x | z_j) p(z_j) / q(z_j | x),

    E ln (1/k) sum_j w_j

is a bound too: the ELBO at k = 1, never smaller for larger k, and ln p(x) in the limit. It is what an
importance-weighted autoencoder trains.

Scoring costs one pass of the encoder and one pass of the decoder per draw; sampling costs one pass of the decoder. It
is not assumed that q is close to the posterior: that decides how tight the bound is, not whether it holds. A sample is
drawn from p(x | z); the mean of p(x | z) is smoother than any event, and is no sample.

Known limits:
    The likelihood is known from below only. Given z the variables are independent, so samples show grain wherever z
    does not settle a variable.

References:
    Auto-Encoding Variational Bayes (Kingma & Welling, 2013) https://arxiv.org/abs/1312.6114
    Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2015) https://arxiv.org/abs/1509.00519
    Ladder Variational Autoencoders (Sonderby et al., 2016), for the warm-up https://arxiv.org/abs/1602.02282
"""

import math
from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor, nn

from ptheta.distributions.heads import GaussianMixtureHead, Head, default_head
from ptheta.latent.priors import StandardNormal
from ptheta.model import HasLogProb, LossModel, Model
from ptheta.nn.convolutional import ConvDecoder, ConvEncoder
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Real, Space, Symbols

__all__ = ["VAE"]

_CHUNK = 256  # rows that pass through the decoder at once: larger batches cost page faults on a CPU


@final
class VAE(LossModel):
    """A variational autoencoder of events of any space.

    Args:
        space: What one event is.
        latent: The number of latent variables.
        context_space: What one context is, or None. Contexts enter the encoder and the decoder.
        encoder: Maps embedded events (B, *space.embedded_shape) and context features (B, F), or None, to
            (B, 2 * latent): the mean and the log standard deviation of q. Built to fit if None.
        decoder: Maps codes (B, latent) and context features to D * head.width numbers per example, those of one
            variable adjacent. Built to fit if None.
        prior: A model over ``Real((latent,))`` with a differentiable ``log_prob``; standard normal if None.
        head: The distribution of one variable given its numbers; chosen by the space if None.
        warmup: The number of training steps over which the rate's weight grows from 0 to 1.
        importance: The number of draws of the importance-weighted bound to train on; 1 trains on the ELBO.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = VAE(Binary((6,)), latent=2)
        >>> x = model.sample(3, noise=Noise(0))
        >>> x.shape, model.elbo(x, noise=Noise(1)).shape
        (torch.Size([3, 6]), torch.Size([3]))
    """

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 20,
        context_space: Space | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        prior: Model | None = None,
        head: Head | None = None,
        warmup: int = 0,
        importance: int = 1,
        optimizer: Optimizer = Adam(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        self.space, self.context_space = space, context_space
        self.code_space = Real((latent,))
        self.warmup, self.importance, self.optimizer = warmup, importance, optimizer
        self.head = _default_head(space) if head is None else head
        self.encoder = _default_encoder(space, 2 * latent, context_space) if encoder is None else encoder
        self.decoder = _default_decoder(space, latent, self.head.width, context_space) if decoder is None else decoder
        prior = StandardNormal(latent) if prior is None else prior
        if not isinstance(prior, HasLogProb):
            raise ValueError(f"the prior should have a log_prob, but {type(prior).__name__} has none.")
        if prior.space.shape != (latent,):
            raise ValueError(f"the prior should model Real(({latent},)), but it models {prior.space}.")
        self.prior = prior

    # Scores

    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """A lower bound on log p(x | context) in nats, the mean over ``draws`` of z, with shape (B,)."""
        reconstruction, rate = self.elbo_terms(x, context, draws=draws, noise=noise)
        return reconstruction - rate

    def elbo_terms(
        self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor]:
        """The two terms of the bound, elbo = reconstruction - rate.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with B rows, or None.
            draws: The number of draws of z to average over.
            noise: Where z comes from.

        Returns:
            The expected log p(x | z) and the KL from q(z | x) to the prior, in nats, each with shape (B,).
        """
        self.check(x, context)
        return self._elbo_terms(x, context, draws, noise or Noise())

    def importance_bound(
        self, x: Tensor, k: int, context: Tensor | None = None, *, noise: Noise | None = None
    ) -> Tensor:
        """The bound of k importance-weighted draws on log p(x | context): the ELBO at k = 1, tighter for larger k.

        Args:
            x: Events with shape (B, *space.shape).
            k: The number of draws. The first draws of a larger k are those of a smaller one.
            context: Contexts with B rows, or None.
            noise: Where the draws come from.

        Returns:
            A lower bound (in expectation) in nats, with shape (B,).
        """
        self.check(x, context)
        posterior = self.posterior(x, context)
        log_w = torch.cat([a - b for a, b in self._draws(x, context, posterior, k, noise or Noise())])
        return (log_w.double().logsumexp(0) - math.log(k)).to(log_w.dtype)  # Burda et al., eq. 8

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative bound in nats, with the rate weighted by the warm-up, with shape (B,)."""
        weight = min(1.0, float(self.step) / self.warmup) if self.warmup else 1.0
        if self.importance == 1:
            reconstruction, rate = self._elbo_terms(x, context, 1, noise)
            return weight * rate - reconstruction
        draws = self._draws(x, context, self.posterior(x, context), self.importance, noise)
        log_w = torch.cat([log_px - weight * log_ratio for log_px, log_ratio in draws])
        return math.log(self.importance) - log_w.logsumexp(0)

    # Codes and samples

    def posterior(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The mean and the log standard deviation of q(z | x, context), each with shape (B, latent)."""
        dtype = next(self.parameters()).dtype
        outputs = self.encoder(self.space.embed(x, dtype), self._features(context, dtype)).to(dtype)
        mean, log_std = outputs.chunk(2, 1)
        return mean, log_std.clamp(-8, 4)

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The mean of q(z | x, context), with shape (B, latent)."""
        self.check(x, context)
        return self.posterior(x, context)[0]

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event nearest the mean of p(x | z) (of symbols the most probable), with shape (B, *space.shape)."""
        self.check_context(len(z), context)
        params = self._params(z, self._features(context, z.dtype))
        if isinstance(self.space, Symbols):
            return self.space.events(params.argmax(-1))
        cells = self.head.mean(params)
        return self.space.events(cells.round() if self.space.is_discrete else cells)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events from p(x | z) p(z), with shape (n, *space.shape)."""
        noise = noise or Noise()
        pieces = []
        for start, params in self._prior_params(n, context, noise):
            shape = (len(params), self.space.dimensions, self.head.uniforms)
            u = noise.rows(start).uniform(shape, "event", like=params)
            pieces.append(self.space.events(self.head.sample(params, u)))
        return torch.cat(pieces)

    @torch.no_grad()
    def sample_means(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """The means of p(x | z) behind ``sample`` with the same noise. They are no events: label them as means.

        Args:
            n: How many.
            context: Contexts with n rows, or None.
            noise: Where z comes from.

        Returns:
            Floats in the unit of events, with shape (n, *space.shape).
        """
        if isinstance(self.space, Symbols):
            raise ValueError(
                f"the mean of unordered symbols has no meaning, and the space is {self.space}. Use decode."
            )
        means = torch.cat([self.head.mean(params) for _, params in self._prior_params(n, context, noise or Noise())])
        return means.reshape(n, *self.space.shape) if self.space.is_discrete else self.space.events(means)

    # Parts

    def _elbo_terms(self, x: Tensor, context: Tensor | None, draws: int, noise: Noise) -> tuple[Tensor, Tensor]:
        mean, log_std = posterior = self.posterior(x, context)
        terms = [torch.stack(pair).sum(1) for pair in self._draws(x, context, posterior, draws, noise)]  # each (2, B)
        reconstruction, rate = torch.stack(terms).sum(0) / draws
        if isinstance(self.prior, StandardNormal):
            rate = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)  # appendix B
        return reconstruction, rate

    def _draws(
        self, x: Tensor, context: Tensor | None, posterior: tuple[Tensor, Tensor], draws: int, noise: Noise
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields log p(x | z) and log q(z | x) - log p(z) of a few draws at a time, each with shape (draws, B)."""
        mean, log_std = posterior
        features, cells = self._features(context, mean.dtype), self.space.cells(x)
        step = max(1, _CHUNK // max(len(x), 1))
        for start in range(0, draws, step):
            streams = [noise.at("draw", j) for j in range(start, min(start + step, draws))]
            eps = torch.stack([stream.normal(mean.shape, "latent", like=mean) for stream in streams])  # (d, B, latent)
            z = mean + log_std.exp() * eps
            log_q = -(0.5 * (eps.square() + math.log(2 * math.pi)) + log_std).sum(-1)
            log_pz = self.prior.log_prob(z.flatten(0, 1), self._prior_context(context, len(eps)))
            params = self._params(z.flatten(0, 1), None if features is None else _repeat(features, len(eps)))
            log_px = self.head.log_prob(params, _repeat(cells, len(eps))).sum(1) - self.space.log_volume
            yield log_px.view(len(eps), -1), log_q - log_pz.view(len(eps), -1)

    def _params(self, z: Tensor, features: Tensor | None) -> Tensor:
        """The numbers of each variable's head, with shape (B, D, head.width)."""
        return self.decoder(z, features).to(z.dtype).reshape(len(z), self.space.dimensions, self.head.width)

    def _prior_params(self, n: int, context: Tensor | None, noise: Noise) -> Iterator[tuple[int, Tensor]]:
        """Draws codes from the prior and yields (index of the first row, their decoded numbers) in chunks."""
        self.check_context(n, context)
        dtype = next(self.parameters()).dtype
        z = self.prior.sample(n, self._prior_context(context, 1), noise=noise.at("prior")).to(dtype)
        features = self._features(context, dtype)
        for start in range(0, max(n, 1), _CHUNK):
            rows = slice(start, start + _CHUNK)
            yield start, self._params(z[rows], None if features is None else features[rows])

    def _features(self, context: Tensor | None, dtype: torch.dtype) -> Tensor | None:
        """What the networks see of the context, with shape (B, F)."""
        if context is None or self.context_space is None:
            return None
        return self.context_space.embed(context, dtype).flatten(1)

    def _prior_context(self, context: Tensor | None, times: int) -> Tensor | None:
        return None if context is None or self.prior.context_space is None else _repeat(context, times)


def _repeat(x: Tensor, times: int) -> Tensor:
    """Stacks a batch ``times`` times: (B, *) becomes (times * B, *)."""
    return x if times == 1 else x.repeat(times, *(1,) * (x.ndim - 1))


def _default_head(space: Space) -> Head:
    """One component per variable: the code already mixes."""
    return GaussianMixtureHead(1, min_log_scale=-4) if isinstance(space, Real) else default_head(space, components=1)


def _is_convolved(space: Space) -> bool:
    return len(space.shape) == 3 and min(space.shape[1:]) >= 4 and not isinstance(space, Symbols)


def _context_width(context_space: Space | None) -> int:
    return 0 if context_space is None else math.prod(context_space.embedded_shape)


def _default_encoder(space: Space, outputs: int, context_space: Space | None) -> nn.Module:
    context = _context_width(context_space)
    if _is_convolved(space):
        return ConvEncoder(space.shape, outputs, width=16, context=context)
    return MLP(math.prod(space.embedded_shape), outputs, context=context)


def _default_decoder(space: Space, latent: int, outputs: int, context_space: Space | None) -> nn.Module:
    context = _context_width(context_space)
    if _is_convolved(space):
        return ConvDecoder(latent, space.shape, outputs, width=16, context=context)
    return MLP(latent, space.dimensions * outputs, context=context)
