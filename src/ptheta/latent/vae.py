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

The posterior need not be a Gaussian with independent codes: an invertible network f, given mu and sigma, may bend its
draws, z = f(mu + sigma eps), and ln q loses the log of how much f stretches (an inverse autoregressive flow: Kingma et
al., 2016). The rate is then estimated under any prior.

Scoring costs one pass of the encoder and one pass of the decoder per draw; sampling costs one pass of the decoder. It
is not assumed that q is close to the posterior: that decides how tight the bound is, not whether it holds. A sample is
drawn from p(x | z); the mean of p(x | z) is smoother than any event, and is no sample.

Known limits:
    The likelihood is known from below only. Given z the variables are independent, so samples show grain wherever z
    does not settle a variable.

References:
    Auto-Encoding Variational Bayes (Kingma & Welling, 2013) https://arxiv.org/abs/1312.6114
    Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2015) https://arxiv.org/abs/1509.00519
    Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives (Tucker et al., 2018)
    https://arxiv.org/abs/1810.04152
    Ladder Variational Autoencoders (Sonderby et al., 2016), for the warm-up https://arxiv.org/abs/1602.02282
    Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016)
    https://arxiv.org/abs/1606.04934
"""

import math
from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor, nn

from ptheta.distributions.heads import Head, coder_head, nearest_events
from ptheta.latent.bounds import importance_weighted, repeated, warmed_up
from ptheta.latent.priors import StandardNormal, VampPrior, gaussian_of
from ptheta.model import LossModel, Model
from ptheta.nn import defaults
from ptheta.nn.contexts import Reader, read, reader_of
from ptheta.nn.defaults import is_convolved
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.protocols import HasLogProb
from ptheta.spaces import Real, Space, Symbols

__all__ = ["VAE"]

CHUNK = 2**20  # numbers of events that the decoder makes at once


@final
class VAE(LossModel):
    """A variational autoencoder of events of any space.

    Args:
        space: What one event is.
        latent: The number of latent variables.
        context_space: What one context is, or None. Contexts enter the encoder and the decoder.
        reader: What both see of a context; None lets the space of contexts choose. Networks made by hand need the one
            that they were made for; without it they see a vector.
        encoder: Maps embedded events (B, *space.embedded_shape) and what was read of contexts, or None, to
            (B, 2 * latent): the mean and the log standard deviation of q. Built to fit if None.
        decoder: Maps codes (B, latent) and what was read of contexts to D * head.width numbers per example, those of
            one variable adjacent. Built to fit if None.
        prior: A model over ``Real((latent,))`` with a differentiable ``log_prob``; standard normal if None. A
            ``VampPrior`` is made for the encoder that is given beside it.
        bend: Maps draws of the Gaussian posterior (N, latent) and its means and log standard deviations (N, 2 * latent)
            to codes (N, latent) and the log of how much it stretches volume (N,), such as the chain of an ``MAF``; None
            leaves the Gaussian as it is.
        head: The distribution of one variable given its numbers; chosen by the space if None.
        warmup: The number of training steps over which the rate's weight grows from 0 to 1.
        importance: The number of draws of the importance-weighted bound to train on; 1 trains on the ELBO.
        doubly: Whether the encoder then gets the doubly reparameterised gradient, whose noise does not grow with the
            number of draws. Its expectation is the same.
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
        reader: Reader | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        prior: Model | None = None,
        bend: nn.Module | None = None,
        head: Head | None = None,
        warmup: int = 0,
        importance: int = 1,
        doubly: bool = False,
        optimizer: Optimizer = Adam(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        self.space, self.context_space = space, context_space
        self.code_space = Real((latent,))
        self.warmup, self.importance, self.doubly, self.optimizer = warmup, importance, doubly, optimizer
        self.head = coder_head(space) if head is None else head
        convolved = is_convolved(space)
        seen = space.shape[1:] if convolved and encoder is None and decoder is None else None
        self.reader = reader_of(context_space, seen, reader)
        if encoder is None:
            encoder = defaults.encoder(space, 2 * latent, self.reader, convolved=convolved)
        if decoder is None:
            decoder = defaults.decoder(space, latent, self.head.width, self.reader, convolved=convolved)
        self.encoder, self.decoder = encoder, decoder
        prior = StandardNormal(latent) if prior is None else prior
        if not isinstance(prior, HasLogProb):
            raise ValueError(f"the prior should have a log_prob, but {type(prior).__name__} has none.")
        if prior.space.shape != (latent,):
            raise ValueError(f"the prior should model Real(({latent},)), but it models {prior.space}.")
        if bend is not None and doubly:
            raise ValueError(
                "the doubly reparameterised gradient is of a Gaussian posterior: leave bend or doubly out."
            )
        self.prior, self.bend = prior, bend

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        """Puts the pseudo-events of a ``VampPrior`` near the first batch."""
        if isinstance(self.prior, VampPrior):
            self.prior.start_at(self.space.embed(x, self.prior.pseudo.dtype))

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
        seen = read(self.reader, context)
        draws = self._draws(x, seen, self._posterior(x, seen), k, noise or Noise())
        log_w = torch.cat([log_px - (log_q - self._log_prior(z, context)) for z, log_px, log_q in draws])
        return importance_weighted(log_w)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative bound in nats, with the rate weighted by the warm-up, with shape (B,)."""
        weight = warmed_up(self.step, self.warmup)
        if self.importance == 1:
            reconstruction, rate = self._elbo_terms(x, context, 1, noise)
            return weight * rate - reconstruction
        seen, shares = read(self.reader, context), []
        draws = self._draws(x, seen, self._posterior(x, seen), self.importance, noise, shares)
        log_w = torch.cat([log_px - weight * (log_q - self._log_prior(z, context)) for z, log_px, log_q in draws])
        shares.append(log_w.detach().softmax(0))
        return math.log(self.importance) - log_w.logsumexp(0)

    # Codes and samples

    def posterior(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The mean and the log standard deviation of q(z | x, context), not yet bent, each with shape (B, latent)."""
        return self._posterior(x, read(self.reader, context))

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The mean of q(z | x, context), bent as draws are, with shape (B, latent)."""
        self.check(x, context)
        mean, log_std = self.posterior(x, context)
        return self._bent(mean[None], (mean, log_std))[0][0]

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event nearest the mean of p(x | z) (of symbols the most probable), with shape (B, *space.shape)."""
        self.check_context(len(z), context)
        params = self._params(z, read(self.reader, context))
        return nearest_events(self.space, self.head, params)

    def code_terms(
        self, x: Tensor, context: Tensor | None = None, *, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A code from q(z | x) for each event, and log p(x | z) and log q(z | x) in nats, each with shape (B,)."""
        self.check(x, context)
        seen = read(self.reader, context)
        ((z, log_px, log_q),) = self._draws(x, seen, self._posterior(x, seen), 1, noise or Noise())
        return z[0], log_px[0], log_q[0]

    @torch.no_grad()
    def draw(self, z: Tensor, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """An event from p(x | z) for each code, with shape (B, *space.shape)."""
        self.check_context(len(z), context)
        params = self._params(z, read(self.reader, context))
        u = (noise or Noise()).uniform((len(z), self.space.dimensions, self.head.uniforms), "event", like=params)
        return self.space.events(self.head.sample(params, u))

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events from p(x | z) p(z), with shape (n, *space.shape)."""
        noise = noise or Noise()
        pieces = [self.draw(z, part, noise=noise.rows(row)) for row, z, part in self._prior_draws(n, context, noise)]
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
        drawn = self._prior_draws(n, context, noise or Noise())
        means = torch.cat([self.head.mean(self._params(z, read(self.reader, part))) for _, z, part in drawn])
        return means.reshape(n, *self.space.shape) if self.space.is_discrete else self.space.events(means)

    # Parts

    @property
    def _rows(self) -> int:
        """How many rows pass through the decoder at once."""
        return max(1, CHUNK // (self.space.dimensions * self.head.width))

    def _posterior(self, x: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """``posterior``, from what was read of the contexts."""
        dtype = next(self.parameters()).dtype
        return gaussian_of(self.encoder(self.space.embed(x, dtype), seen).to(dtype))

    def _elbo_terms(self, x: Tensor, context: Tensor | None, draws: int, noise: Noise) -> tuple[Tensor, Tensor]:
        seen = read(self.reader, context)
        mean, log_std = posterior = self._posterior(x, seen)
        found = self._draws(x, seen, posterior, draws, noise)
        terms = [torch.stack([log_px, log_q - self._log_prior(z, context)]).sum(1) for z, log_px, log_q in found]
        reconstruction, rate = torch.stack(terms).sum(0) / draws
        if isinstance(self.prior, StandardNormal) and self.bend is None:
            rate = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)  # appendix B
        return reconstruction, rate

    def _draws(
        self,
        x: Tensor,
        seen: Tensor | None,
        posterior: tuple[Tensor, Tensor],
        draws: int,
        noise: Noise,
        shares: list[Tensor] | None = None,
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yields z (draws, B, latent), log p(x | z) and log q(z | x), each (draws, B), of a few draws at a time.

        ``shares`` will hold the normalised weights (draws, B) that the doubly reparameterised gradient needs.
        """
        (mean, log_std), cells = posterior, self.space.cells(x)
        step = max(1, self._rows // max(len(x), 1))
        for start in range(0, draws, step):
            streams = [noise.at("draw", j) for j in range(start, min(start + step, draws))]
            eps = torch.stack([stream.normal(mean.shape, "latent", like=mean) for stream in streams])  # (d, B, latent)
            z, width = mean + log_std.exp() * eps, log_std
            if self.doubly and shares is not None and z.requires_grad:  # Tucker et al., eq. 8
                z.register_hook(lambda slope, start=start: slope * shares[0][start : start + len(slope), :, None])
                eps, width = (z - mean.detach()) / log_std.detach().exp(), log_std.detach()
            log_q = -(0.5 * (eps.square() + math.log(2 * math.pi)) + width).sum(-1)
            z, stretch = self._bent(z, posterior)
            log_q = log_q - stretch
            params = self._params(z.flatten(0, 1), None if seen is None else repeated(seen, len(eps)))
            log_px = self.head.log_prob(params.unflatten(0, z.shape[:2]), cells).sum(-1) - self.space.log_volume
            yield z, log_px, log_q

    def _bent(self, z: Tensor, posterior: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Bends draws (draws, B, latent) of a Gaussian; also the log of how much that stretches, (draws, B)."""
        if self.bend is None:
            return z, z.new_zeros(z.shape[:2])
        bent, stretch = self.bend(z.flatten(0, 1), repeated(torch.cat(posterior, 1), len(z)))
        return bent.to(z.dtype).view(z.shape), stretch.to(z.dtype).view(z.shape[:2])

    def _log_prior(self, z: Tensor, context: Tensor | None) -> Tensor:
        """log p(z) of codes (draws, B, latent), with shape (draws, B)."""
        given = None if context is None or self.prior.context_space is None else repeated(context, len(z))
        return self.prior.log_prob(z.flatten(0, 1), given).view(len(z), -1)

    def _params(self, z: Tensor, seen: Tensor | None) -> Tensor:
        """The numbers of each variable's head, with shape (B, D, head.width)."""
        z = z.to(next(self.parameters()).dtype)
        return self.decoder(z, seen).to(z.dtype).reshape(len(z), self.space.dimensions, self.head.width)

    def _prior_draws(self, n: int, context: Tensor | None, noise: Noise) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        """Draws codes from the prior and yields (index of the first row, codes, their contexts) in chunks."""
        self.check_context(n, context)
        given = None if self.prior.context_space is None else context
        z = self.prior.sample(n, given, noise=noise.at("prior")).to(next(self.parameters()).dtype)
        for start in range(0, max(n, 1), self._rows):
            rows = slice(start, start + self._rows)
            yield start, z[rows], None if context is None else context[rows]
