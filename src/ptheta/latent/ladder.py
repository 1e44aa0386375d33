"""The ladder variational autoencoder: codes in layers, each conditioned on the one above.

The model draws from the top down, and events see the lowest layer,

    p(x, z) = p(x | z_1) p(z_1 | z_2) ... p(z_{L-1} | z_L) N(z_L; 0, I),      p(z_i | z_{i+1}) = N(m_i, diag s_i^2)

with m_i and s_i networks of z_{i+1}. Its posterior goes the same way down. A pass upwards says of each layer what the
event knows of it, a Gaussian N(m^_i, s^_i^2), and on the way down this evidence is joined to what the layer above
expects, weighed by their precisions (eqs. 17 to 19):

    q(z_i | z_{i+1}, x) = N((m^_i s^_i^-2 + m_i s_i^-2) v_i, v_i),      v_i = 1 / (s^_i^-2 + s_i^-2)

and q(z_L | x) = N(m^_L, s^_L^2). The bound splits by layer,

    ln p(x) >= E_q ln p(x | z_1) - sum over i of R_i,      R_i = E_q KL(q(z_i | z_{i+1}, x) || p(z_i | z_{i+1}))

each divergence in closed form given the draw above. R_i in nats is how much the layer tells of the event: a layer with
R_i = 0 is not used, which is what happens to the upper ones of a plain hierarchy. In training the rates grow in weight
over a warm-up, and a layer may have some nats for free, max(free, R_i); both are departures of the loss. The bound that
is reported has neither.

Scoring costs a pass up, and one down per draw; sampling costs one pass down. As a code of an event stands the mean of
its lowest layer, from which it is decoded.

Known limits:
    The likelihood is known from below only. Dense networks; given z_1 the variables are independent.

References:
    Ladder Variational Autoencoders (Sonderby et al., 2016) https://arxiv.org/abs/1602.02282
    Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), for the free bits
    https://arxiv.org/abs/1606.04934
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ptheta.distributions.heads import Head, coder_head, nearest_events
from ptheta.latent.bounds import importance_weighted, repeated, warmed_up
from ptheta.latent.priors import gaussian_of
from ptheta.model import LossModel, require_sizes
from ptheta.nn.contexts import Reader, read, reader_of, width_of
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = ["LadderVAE"]

CHUNK = 256  # rows that pass down at once

Gauss = tuple[Tensor, Tensor]  # means and log standard deviations


class Descent(NamedTuple):
    """What one way down found, for a few draws of each of B events."""

    log_px: Tensor  # log p(x | z_1), with shape (draws, B)
    rates: Tensor  # the divergence of each layer, the lowest first, with shape (draws, L, B)
    log_ratio: Tensor  # ln p(z) - ln q(z | x) at the draws, with shape (draws, B)


@final
class LadderVAE(LossModel):
    """A variational autoencoder with layers of codes.

    Args:
        space: What one event is.
        latents: The codes of each layer, the lowest first.
        features: The width of what the pass upwards knows at each layer.
        context_space: What one context is, or None. Contexts enter the lowest encoder, the priors and the decoder.
        reader: What the networks see of a context, a vector; None lets the space of contexts choose.
        encoders: One per layer, the lowest first: from embedded events, or the features of the layer below, to
            ``features`` numbers. Perceptrons if None.
        priors: One per layer but the top, the lowest first: from the codes above to the mean and the log standard
            deviation of the layer's. Perceptrons if None.
        decoder: Maps the lowest codes to D * head.width numbers. A perceptron if None.
        head: The distribution of one variable given its numbers; chosen by the space if None.
        warmup: Training steps over which the rates' weight grows from 0 to 1.
        free_nats: What each layer may tell of an event in training at no price.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = LadderVAE(Binary((6,)), latents=(3, 2), features=8)
        >>> x = model.sample(5, noise=Noise(0))
        >>> model.elbo(x, noise=Noise(1)).shape, model.layer_rates(x, noise=Noise(1)).shape
        (torch.Size([5]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        space: Space,
        *,
        latents: Sequence[int] = (32, 16),
        features: int = 256,
        context_space: Space | None = None,
        reader: Reader | None = None,
        encoders: Sequence[nn.Module] | None = None,
        priors: Sequence[nn.Module] | None = None,
        decoder: nn.Module | None = None,
        head: Head | None = None,
        warmup: int = 0,
        free_nats: float = 0.0,
        optimizer: Optimizer = Adam(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Binary, Levels, Symbols, Real, who="LadderVAE")
        require_sizes("LadderVAE", layers=len(latents), features=features, latents=min(latents, default=1))
        if free_nats < 0:
            raise ValueError(f"free_nats should not be negative, but it is {free_nats}.")
        self.space, self.context_space = space, context_space
        self.reader = reader_of(context_space, None, reader)
        self.latents, self.code_space = tuple(latents), Real((latents[0],))
        self.warmup, self.free_nats, self.optimizer = warmup, free_nats, optimizer
        self.head = coder_head(space) if head is None else head
        seen = width_of(self.reader, "a ladder")
        if encoders is None:
            widths = (math.prod(space.embedded_shape), *(features for _ in latents))
            contexts = (seen, *(0 for _ in latents[1:]))
            encoders = [MLP(a, b, (features,), context=c) for (a, b), c in zip(pairwise(widths), contexts, strict=True)]
        if priors is None:
            priors = [MLP(above, 2 * n, (features,), context=seen) for n, above in pairwise(latents)]
        if decoder is None:
            decoder = MLP(latents[0], space.dimensions * self.head.width, (features, features), context=seen)
        if len(encoders) != len(latents) or len(priors) != len(latents) - 1:
            came = f"{len(encoders)} encoders and {len(priors)} priors"
            raise ValueError(f"expected an encoder per layer and a prior per layer but the top, but there are {came}.")
        self.encoders, self.priors, self.decoder = nn.ModuleList(encoders), nn.ModuleList(priors), decoder
        self.evidence = nn.ModuleList(nn.Linear(features, 2 * n) for n in latents)

    # Scores

    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """A lower bound on log p(x | context) in nats, the mean over ``draws`` of the codes, with shape (B,)."""
        reconstruction, rate = self.elbo_terms(x, context, draws=draws, noise=noise)
        return reconstruction - rate

    def elbo_terms(
        self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor]:
        """The two terms of the bound, elbo = reconstruction - rate; the rate is the sum of ``layer_rates``.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with B rows, or None.
            draws: The number of draws to average over.
            noise: Where codes come from.

        Returns:
            The expected log p(x | z_1) and the rate in nats, each with shape (B,).
        """
        self.check(x, context)
        reconstruction, rates = self._terms(x, context, draws, noise or Noise())
        return reconstruction, rates.sum(0)

    def layer_rates(
        self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None
    ) -> Tensor:
        """What each layer tells of each event, R_1 .. R_L in nats, with shape (L, B): the lowest layer first."""
        self.check(x, context)
        return self._terms(x, context, draws, noise or Noise())[1]

    def importance_bound(
        self, x: Tensor, k: int, context: Tensor | None = None, *, noise: Noise | None = None
    ) -> Tensor:
        """The bound of k importance-weighted draws on log p(x | context): tighter for larger k.

        Args:
            x: Events with shape (B, *space.shape).
            k: The number of draws. The first draws of a larger k are those of a smaller one.
            context: Contexts with B rows, or None.
            noise: Where the draws come from.

        Returns:
            A lower bound (in expectation) in nats, with shape (B,).
        """
        self.check(x, context)
        log_w = torch.cat([down.log_px + down.log_ratio for down in self._descents(x, context, k, noise or Noise())])
        return importance_weighted(log_w)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The negative bound in nats, its rates weighted by the warm-up and free up to a point, with shape (B,)."""
        weight = warmed_up(self.step, self.warmup)
        reconstruction, rates = self._terms(x, context, 1, noise)
        return weight * rates.clamp(min=self.free_nats).sum(0) - reconstruction

    # Codes and samples

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The mean of the lowest layer, each layer above at its own mean, with shape (B, latents[0])."""
        self.check(x, context)
        seen = read(self.reader, context)
        evidence, z = self._evidence(x, seen), None
        for i in reversed(range(len(self.latents))):
            z = self._joined(i, evidence[i], self._expected(i, z, seen))[0]
        assert z is not None
        return z

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event nearest the mean of p(x | z_1) (of symbols the most probable), with shape (B, *space.shape)."""
        self.check_context(len(z), context)
        return nearest_events(self.space, self.head, self._params(z, read(self.reader, context)))

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n events from the top down, with shape (n, *space.shape)."""
        self.check_context(n, context)
        noise, pieces = noise or Noise(), []
        for start in range(0, max(n, 1), CHUNK):
            rows = min(CHUNK, n - start)
            part = None if context is None else context[start : start + rows]
            pieces.append(self._drawn(rows, read(self.reader, part), noise.rows(start)))
        return torch.cat(pieces)

    # Parts

    def _drawn(self, n: int, seen: Tensor | None, noise: Noise) -> Tensor:
        z, like = None, next(self.parameters())
        for i in reversed(range(len(self.latents))):
            eps = noise.normal((n, self.latents[i]), f"layer {i}", like=like)
            expected = self._expected(i, z, seen)
            z = eps if expected is None else expected[0] + expected[1].exp() * eps
        assert z is not None
        params = self._params(z, seen)
        u = noise.uniform((n, self.space.dimensions, self.head.uniforms), "event", like=params)
        return self.space.events(self.head.sample(params, u))

    def _terms(self, x: Tensor, context: Tensor | None, draws: int, noise: Noise) -> tuple[Tensor, Tensor]:
        """The reconstruction (B,) and the rates (L, B), averaged over draws."""
        found = list(self._descents(x, context, draws, noise))
        reconstruction = torch.cat([down.log_px for down in found]).sum(0) / draws
        return reconstruction, torch.cat([down.rates for down in found]).sum(0) / draws

    def _descents(self, x: Tensor, context: Tensor | None, draws: int, noise: Noise) -> Iterator[Descent]:
        """Ways down, a few draws at a time."""
        seen = read(self.reader, context)
        evidence, cells = self._evidence(x, seen), self.space.cells(x)
        step = max(1, CHUNK // max(len(x), 1))
        for start in range(0, draws, step):
            streams = [noise.at("draw", j) for j in range(start, min(start + step, draws))]
            d, z, rates, log_ratio = len(streams), None, [], 0.0
            below = None if seen is None else repeated(seen, d)
            for i in reversed(range(len(self.latents))):
                eps = torch.cat(
                    [s.normal((len(x), self.latents[i]), f"layer {i}", like=evidence[i][0]) for s in streams]
                )
                expected = self._expected(i, z, below)
                known = (repeated(evidence[i][0], d), repeated(evidence[i][1], d))
                q = self._joined(i, known, expected)
                z = q[0] + q[1].exp() * eps
                p = (torch.zeros_like(z), torch.zeros_like(z)) if expected is None else expected
                rates.append(_divergence(q, p).view(d, -1))
                off = (z - p[0]) * (-p[1]).exp()
                log_ratio = log_ratio + (0.5 * (eps.square() - off.square()) + q[1] - p[1]).sum(1)
            assert z is not None and isinstance(log_ratio, Tensor)
            log_px = self.head.log_prob(self._params(z, below), repeated(cells, d)).sum(1) - self.space.log_volume
            yield Descent(log_px.view(d, -1), torch.stack(rates[::-1], 1), log_ratio.view(d, -1))

    def _evidence(self, x: Tensor, seen: Tensor | None) -> list[Gauss]:
        """What the event says of each layer by itself, the lowest first."""
        dtype = next(self.parameters()).dtype
        y, found = self.space.embed(x, dtype), []
        for i, (encoder, says) in enumerate(zip(self.encoders, self.evidence, strict=True)):
            y = encoder(y, seen if i == 0 else None)
            found.append(gaussian_of(says(y).to(dtype)))
        return found

    def _expected(self, i: int, above: Tensor | None, seen: Tensor | None) -> Gauss | None:
        """The prior of a layer given the one above; None at the top, whose prior is standard normal."""
        return None if above is None else gaussian_of(self.priors[i](above, seen).to(above.dtype))

    def _joined(self, i: int, evidence: Gauss, expected: Gauss | None) -> Gauss:
        """The posterior of a layer: the evidence joined to what is expected."""
        if expected is None:
            return evidence
        a, b = ((-2 * log_std).exp() for _, log_std in (evidence, expected))  # precisions
        return (a * evidence[0] + b * expected[0]) / (a + b), -0.5 * (a + b).log()  # eqs. 18 and 19

    def _params(self, z: Tensor, seen: Tensor | None) -> Tensor:
        """The numbers of each variable's head, with shape (B, D, head.width)."""
        z = z.to(next(self.parameters()).dtype)
        return self.decoder(z, seen).to(z.dtype).reshape(len(z), self.space.dimensions, self.head.width)


def _divergence(q: Gauss, p: Gauss) -> Tensor:
    """KL(q || p) of diagonal Gaussians (B, n), with shape (B,)."""
    variances = (2 * (q[1] - p[1])).exp()
    off = (q[0] - p[0]) * (-p[1]).exp()
    return 0.5 * (variances + off.square() - 1 - 2 * (q[1] - p[1])).sum(1)
