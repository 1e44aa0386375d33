"""Absorbing diffusion: variables are masked one after the other, and a network learns to fill them in again.

The noise of a discrete event is a mask. As time goes, each of its D variables is masked at some random moment and stays
so; run backwards, one variable after the other appears, in a uniformly random order, each drawn from what a network
makes of those that are there:

    p(x) = 1/D! sum over orders o of p_o(x),    p_o(x) = prod_k p(x_{o_k} | x_{o_1}, ..., x_{o_{k-1}})              (1)

When a variable is masked does not matter, only how many are (Shi et al., 2024), so that there is no schedule to choose.
By convexity the bound is the mean over all orders, or over a random number d of known variables and a random choice of
them:

    log p(x) >= E_o log p_o(x) = E_d D/(D - d) sum over the masked i of log p(x_i | known)                          (2)

(Hoogeboom et al., 2022). One network call gives an unbiased estimate of it; training maximises it. This is the training
of orderless NADE. What differs is the model: EoNADE mixes K fixed orders and knows their log-likelihood exactly, this
one mixes all of them, so that its log-likelihood is bounded from below, as tightly as the orders agree.

Where D is small, (1) is exact all the same. With f(S) the mean over the orders of S of the probability of x_S,

    f(∅) = 1,    f(S ∪ i) += f(S) p(x_i | x_S) / (D - |S|),    p(x) = f(all)                                         (3)

takes 2^D network calls instead of D! chains.

In T < D steps several variables appear at once, independent of each other given what is there: another model, of less
likelihood, and the bound is that of this one: d is drawn from the numbers that are known before each step, in
proportion to how many appear in it. T = 1 is independent variables.

Scoring: one call per event and draw of (2); all of (2) in T calls, one draw each. Sampling: T calls, D by default.

Not assumed: an order. Assumed: that one network can hold the conditionals of all subsets.

Known limits:
    Completions draw the open variables in random order given the known ones; that is not the conditional of (1), whose
    orders do not visit the known first.

References:
    Structured Denoising Diffusion Models in Discrete State-Spaces (Austin et al., 2021)
    https://arxiv.org/abs/2107.03006
    Autoregressive Diffusion Models (Hoogeboom et al., 2022), https://arxiv.org/abs/2110.02037
    Simplified and Generalized Masked Diffusion for Discrete Data (Shi et al., 2024), https://arxiv.org/abs/2406.04329
"""

import math
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from ptheta.distributions.heads import Head, default_head
from ptheta.model import LossModel, known_part
from ptheta.nn.contexts import Reader, read, reader_of
from ptheta.nn.defaults import is_convolved, unmasker
from ptheta.nn.unet import UNet
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Space, Symbols, require

__all__ = ["AbsorbingDiffusion"]

CHUNK = 256  # events in the sampler at a time
SUBSETS = 4096  # of an event in one network call
MOST_EXACT = 20  # variables whose subsets are summed over


@final
class AbsorbingDiffusion(LossModel):
    """A network that fills in masked variables, as the mixture over all orders of doing so.

    Args:
        space: ``Binary``, ``Levels`` or ``Symbols``.
        steps: The number T of steps, between 1 and D; None is D, one variable after the other.
        context_space: What one context is, or None.
        reader: What the network sees of a context; None lets the space of contexts choose.
        network: Takes what is shown, (B, D (E + 1)) with E numbers per embedded variable, zero where it is masked, and
            whether it is known, and what was read of contexts; gives (B, D head.width). A ``UNet`` takes the same as
            maps (B, C (E + 1), H, W), and the share of the known as its time. None builds a U-Net for images, a
            perceptron for anything else.
        head: The distribution of one variable; None lets the space choose.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Binary, Noise
        >>> model = AbsorbingDiffusion(Binary((4,)))
        >>> x = model.sample(2, noise=Noise(0))
        >>> x.shape, bool((model.elbo(x, draws=200, noise=Noise(1)) < model.exact_log_prob(x) + 0.1).all())
        (torch.Size([2, 4]), True)
    """

    def __init__(
        self,
        space: Space,
        *,
        steps: int | None = None,
        context_space: Space | None = None,
        reader: Reader | None = None,
        network: nn.Module | None = None,
        head: Head | None = None,
        optimizer: Optimizer = Adam(1e-3),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Binary, Levels, Symbols, who="AbsorbingDiffusion")
        d = space.dimensions
        if steps is not None and not 1 <= steps <= d:
            raise ValueError(f"AbsorbingDiffusion on {space} takes 1 to {d} steps, but steps is {steps}.")
        self.space, self.context_space, self.optimizer = space, context_space, optimizer
        self.steps = d if steps is None else steps
        size = space.shape[1:] if network is None and is_convolved(space) else None
        self.reader, self.head = reader_of(context_space, size, reader), default_head(space) if head is None else head
        self.network = unmasker(space, self.head.width, self.reader) if network is None else network

    @property
    def known_before(self) -> list[int]:
        """How many variables are known before each step, and after the last."""
        return [round(self.space.dimensions * k / self.steps) for k in range(self.steps + 1)]

    def conditionals(self, cells: Tensor, known: Tensor, context: Tensor | None = None) -> Tensor:
        """The head parameters of every variable given the known ones, by one network call.

        Args:
            cells: Variables in the order of the event, with shape (B, D).
            known: Which of them the network sees, Boolean with shape (B, D).
            context: Contexts, with shape (B, *context_space.shape).

        Returns:
            Parameters with shape (B, D, head.width); those of known variables mean nothing.
        """
        return self._params(cells, known, read(self.reader, context))

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """An unbiased estimate of the mean over all orders of -log p_o(x) in nats, with shape (B,)."""
        self.check(x, context)
        u, d = noise.uniform((len(x),), "count", self._like()), self.space.dimensions
        return self._term(x, (u * d).long().clamp(max=d - 1), read(self.reader, context), noise)

    @torch.no_grad()
    def elbo(self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, noise: Noise | None = None) -> Tensor:
        """An unbiased estimate of the bound (2) on log p(x | context) in nats.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape), or None.
            draws: How many sets of known variables, one from each of as many equal slices of their number.
            noise: Where they are drawn from.

        Returns:
            The estimate, with shape (B,).
        """
        self.check(x, context)
        noise, features, d = noise or Noise(None), read(self.reader, context), self.space.dimensions
        before = torch.tensor(self.known_before, device=x.device)
        total = torch.zeros(len(x), dtype=self._like().dtype, device=x.device)
        for j in range(draws):
            source = noise.at("draw", j)
            place = ((source.uniform((len(x),), "count", total) + j) / draws * d).long().clamp(max=d - 1)
            step = torch.searchsorted(before, place, right=True) - 1  # the one in which that many are known
            total += self._term(x, before[step], features, source)
        return -total / draws

    @torch.no_grad()
    def exact_log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The exact log p(x | context) of one variable after the other, in nats, by (3): 2^D network calls per event.

        Args:
            x: Events with shape (B, *space.shape).
            context: Contexts with shape (B, *context_space.shape), or None.

        Returns:
            Log-probabilities, with shape (B,). Raises ValueError for more than 20 variables, or fewer steps than them.
        """
        self.check(x, context)
        d, features = self.space.dimensions, read(self.reader, context)
        if d > MOST_EXACT or self.steps < d:
            raise ValueError(
                f"exact_log_prob sums over subsets of at most {MOST_EXACT} variables that appear one after the other, "
                f"but there are {d} in {self.steps} steps. Ask for the elbo."
            )
        codes = torch.arange(2**d, device=x.device)
        sets = (codes[:, None] >> torch.arange(d, device=x.device)) & 1  # (2^D, D)
        found = []
        for i, cells in enumerate(self.space.cells(x)):
            read_once = None if features is None else features[i : i + 1]
            each = [self._scored(cells, part.bool(), read_once) for part in sets.split(SUBSETS)]
            found.append(_mean_over_orders(torch.cat(each).double(), sets.sum(1)))
        return torch.stack(found).to(self._like().dtype) if found else self._like().new_zeros(0)

    @torch.no_grad()
    def sample(
        self, n: int, context: Tensor | None = None, *, noise: Noise | None = None, temperature: float = 1.0
    ) -> Tensor:
        """Draws n events, with shape (n, *space.shape), by T network calls.

        Args:
            n: How many.
            context: Contexts with shape (n, *context_space.shape), or None.
            noise: Where orders and variables are drawn from.
            temperature: What every conditional is tempered by.

        Returns:
            Valid events.
        """
        self.check_context(n, context)
        blank = torch.zeros(n, *self.space.shape, dtype=self.space.dtype, device=self._like().device)
        return self._filled(blank, torch.zeros_like(blank, dtype=torch.bool), context, noise, temperature)

    @torch.no_grad()
    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        noise: Noise | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Fills in what the mask leaves open, in a random order, every variable given all that is known.

        Args:
            x: Events with shape (B, *space.shape); only their known parts matter.
            mask: Which variables are known, Boolean, with the shape of x.
            context: Contexts with shape (B, *context_space.shape).
            noise: Where orders and variables are drawn from.
            temperature: What every conditional is tempered by.

        Returns:
            Events with the shape of x, equal to it where the mask is true.
        """
        x = known_part(x, mask)
        self.check(x, context)
        return self._filled(x, mask, context, noise, temperature)

    def _filled(
        self, x: Tensor, mask: Tensor, context: Tensor | None, noise: Noise | None, temperature: float
    ) -> Tensor:
        noise, d, features = noise or Noise(None), self.space.dimensions, read(self.reader, context)
        chunks = [x[:0]]
        for start in range(0, len(x), CHUNK):
            rows = slice(start, start + CHUNK)
            cells, known, source = self.space.cells(x[rows]), mask[rows].reshape(-1, d), noise.rows(start)
            order = source.uniform((len(cells), d), "order", self._like()).masked_fill(known, -1.0)  # the known first
            rank, part = order.argsort(1).argsort(1), None if features is None else features[rows]
            u = source.uniform((len(cells), d, self.head.uniforms), "variables", self._like())
            for before, after in pairwise(self.known_before):
                appear = (rank >= before) & (rank < after) & ~known
                if appear.any():
                    params = self.head.temper(self._params(cells, known | (rank < before), part), temperature)
                    cells = torch.where(appear, self.head.sample(params, u).to(cells.dtype), cells)
            chunks.append(self.space.events(cells))
        return torch.cat(chunks)

    def _params(self, cells: Tensor, known: Tensor, features: Tensor | None) -> Tensor:
        """The head parameters of every variable, with shape (B, D, head.width)."""
        b, d, width, dtype = len(cells), self.space.dimensions, self.head.width, self._like().dtype
        seen = known.to(dtype)[..., None]
        y = self.space.embed(self.space.events(cells), dtype).reshape(b, d, math.prod(self.space.embedded_shape) // d)
        shown = torch.cat([y * seen, seen], 2)  # (B, D, E + 1)
        if not isinstance(self.network, UNet):
            return self.network(shown.flatten(1), features).reshape(b, d, width)
        channels = self.space.shape[0]
        maps = shown.unflatten(1, self.space.shape).movedim(-1, 2).flatten(1, 2)  # (B, C (E + 1), H, W)
        out = self.network(maps, seen.mean((1, 2)), features)
        return out.unflatten(1, (channels, width)).movedim(2, -1).flatten(1, 3)

    def _term(self, x: Tensor, count: Tensor, features: Tensor | None, noise: Noise) -> Tensor:
        """D / (D - d) times -log p of the masked variables, d of them known, drawn at random; with shape (B,)."""
        d, cells = self.space.dimensions, self.space.cells(x)
        rank = noise.uniform((len(x), d), "known", self._like()).argsort(1).argsort(1)
        known = rank < count[:, None]
        log_p = self.head.log_prob(self._params(cells, known, features), cells)
        return -log_p.masked_fill(known, 0.0).sum(1) * (d / (d - count).to(log_p.dtype))  # (2)

    def _scored(self, cells: Tensor, known: Tensor, features: Tensor | None) -> Tensor:
        """log p(x_i | x_S) of one event for many sets S, with shape (S, D)."""
        many = cells.expand(len(known), -1)
        told = None if features is None else features.expand(len(known), *features.shape[1:])
        return self.head.log_prob(self._params(many, known, told), many)

    def _like(self) -> Tensor:
        return next(self.parameters(), torch.zeros(()))


def _mean_over_orders(log_p: Tensor, sizes: Tensor) -> Tensor:
    """log f of all variables by (3).

    Args:
        log_p: log p(x_i | x_S) of every set S, whose variables are the bits of its row's number: shape (2^D, D).
        sizes: How many variables each set has, with shape (2^D,).

    Returns:
        The logarithm, with shape ().
    """
    d = log_p.shape[1]
    log_f = torch.zeros(2**d, dtype=log_p.dtype, device=log_p.device)
    bits = 2 ** torch.arange(d, device=log_p.device)
    for size in range(1, d + 1):
        sets = (sizes == size).nonzero()  # (N, 1)
        inside = (sets & bits) > 0  # (N, D)
        i = inside.nonzero()[:, 1].reshape(len(sets), size)  # the one that came last
        before = sets - bits[i]
        log_f[sets[:, 0]] = (log_f[before] + log_p[before, i]).logsumexp(1) - math.log(d - size + 1)
    return log_f[-1]
