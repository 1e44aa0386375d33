"""Conditional tabular GAN (CTGAN): a Wasserstein game on the rows of a table, in which rare names have their turn.

Rows as the critic sees them. A column of names is one-hot, blank one of its outcomes. A column of numbers is a mode and
a place in it (mode-specific normalisation, section 4.2): with y = asinh((x - mean) / scale) and a mixture of Gaussians
of means m_k and deviations s_k fitted to the column,

    k ~ p(k | y),    alpha = (y - m_k) / (4 s_k),    x as the critic sees it = (one-hot k, alpha).

A value so common that it holds a twentieth of the column is a mode of no width. The generator gives the logits of every
one-hot and, through a hyperbolic tangent, alpha; codes are drawn by the Gumbel-softmax with temperature .2, soft while
training and hard in samples.

The conditional vector (section 4.3). The generator is also told one name of one column, and pays the cross entropy of
its logits there with what it was told. Names are told as often as the logarithm of their count has it, columns all
alike, and the fakes of a step stand beside rows that have the names that were told (training by sampling). The rows are
drawn from the batch itself, each of a column with the weight ln(1 + N_k) / n_k: N_k its name's count over all rows, n_k
over the batch. In samples names are told as often as they come.

    critic:       v(fake, c) - v(row, c) + 10 (|grad v| - 1)^2      in packs of ten, each pack one number
    generator:    -v(fake, c) + CE(logits at c, c)

Scoring: there is none. Sampling costs one pass. Not assumed: that numbers are Gaussian, or in order of magnitude alike.

Known limits:
    Two columns of which one is a function of the other are drawn as if they were merely near. Nothing in the losses
    says how good rows are: ask for the card of synthetic rows. Training ends with averaged weights.

References:
    Modeling Tabular Data using Conditional GAN (Xu, Skoularidou, Cuesta-Infante & Veeramachaneni, 2019)
    https://arxiv.org/abs/1907.00503
    Categorical Reparameterization with Gumbel-Softmax (Jang, Gu & Poole, 2017) https://arxiv.org/abs/1611.01144
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial.games import Game, Wasserstein
from ptheta.adversarial.gan import packed
from ptheta.adversarial.penalties import Penalty, Side, UnitSlopes
from ptheta.adversarial.push_forward import learning
from ptheta.distributions.modes import Modes
from ptheta.model import Distribution, Objective, Trained, require_sizes
from ptheta.nn.borrowed import run
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space, Table, require

__all__ = ["CTGAN"]

TEMPERATURE = 0.2  # of the Gumbel-softmax
CHUNK = 1000


@final
class CTGAN(Trained, Distribution):
    """A conditional GAN on the rows of a table.

    Args:
        space: A table.
        context_space: None: what is told is a part of the row.
        latent: The number of latent variables.
        modes: The most modes of a column of numbers.
        hidden: The widths of the hidden layers, of both networks.
        packing: How many rows the critic sees at once.
        game: What both minimise.
        penalty: What the critic pays for its slopes, or None.
        optimizers: Of the critic and of the generator.

    Example:
        >>> from ptheta import Column, Noise, Table
        >>> model = CTGAN(Table((Column("a", "boolean", ("no", "yes")), Column("b"))), latent=2, hidden=(8,))
        >>> model.sample(3, noise=Noise(0)).shape
        torch.Size([3, 2])
    """

    counts: Tensor
    begins_with: ClassVar[int] = 20_000

    def __init__(
        self,
        space: Space,
        *,
        context_space: Space | None = None,
        latent: int = 128,
        modes: int = 10,
        hidden: Sequence[int] = (256, 256),
        packing: int = 10,
        game: Game = Wasserstein(),  # noqa: B008  (frozen)
        penalty: Penalty | None = UnitSlopes(10.0),  # noqa: B008  (frozen)
        optimizers: tuple[Optimizer, Optimizer] = (Adam(2e-4, betas=(0.5, 0.9)), Adam(2e-4, betas=(0.5, 0.9))),
    ) -> None:
        require_sizes("CTGAN", latent=latent, packing=packing)
        require(space, Table, who="CTGAN")
        assert isinstance(space, Table)
        if context_space is not None:
            raise ValueError("CTGAN takes no context: what it is told is a part of the row. Fit it to whole rows.")
        super().__init__()
        self.space, self.context_space, self.latent, self.packing = space, None, latent, packing
        self.game, self.penalty, self.optimizers = game, penalty, optimizers
        self.modes = Modes(space, modes)
        sizes = self.modes.sizes
        self.told = [d for d, f in enumerate(space.fields) if not f.is_number and sizes[d] > 1]
        self.register_buffer("counts", torch.ones(sum(sizes), dtype=torch.float64))
        seen, given = self.modes.width, sum(sizes[d] for d in self.told)
        self.generator = Generator(latent + given, hidden, seen)
        leaky = partial(nn.LeakyReLU, 0.2)
        self.discriminator = MLP(packing * (seen + given), 1, hidden, activation=leaky)

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        self.modes.begin(x)
        codes = self.modes.outcomes(x)
        parts = [codes[:, d].bincount(minlength=size) for d, size in enumerate(self.modes.sizes)]
        self.counts.copy_(torch.cat(parts))

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        return (
            Objective("discriminator", self.discriminator_loss, learning(self.discriminator), optimizer=critic),
            Objective("generator", self.generator_loss, learning(self.generator), optimizer=maker),
        )

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the critic on rows that have the names that were told, plus the penalty.

        Args:
            x: Rows with shape (B, D).
            context: None.
            noise: Where rows, names, latents and codes come from.

        Returns:
            The loss of each pair, with shape (B,); rows of one pack share theirs.
        """
        self.check(x, context)
        with torch.no_grad():
            rows, c, _ = self._told_rows(x, noise)
            data = packed(self.modes.embed(rows, noise, self.like.dtype), self.packing)
            fake = packed(self._fakes(c, noise, borrowed=True)[0], self.packing)
        data, fake = (y.detach().requires_grad_(self.penalty is not None) for y in (data, fake))
        score = partial(self._score, c=packed(c, self.packing))
        on_data, on_fake = score(data), score(fake)
        loss = self.game.critic(on_data, on_fake)
        if self.penalty is not None:
            loss = loss + self.penalty(score, Side(data, on_data), Side(fake, on_fake), noise)
        return loss.repeat_interleave(self.packing)[: len(x)]

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The game's loss of the generator, plus the cross entropy of its logits with the names that were told.

        Args:
            x: Rows with shape (B, D), from which what is told is drawn.
            context: None.
            noise: Where rows, names, latents and codes come from.

        Returns:
            The loss of each fake, with shape (B,); fakes of one pack share that of the game.
        """
        self.check(x, context)
        with torch.no_grad():
            rows, c, column = self._told_rows(x, noise)
            data = packed(self.modes.embed(rows, noise, self.like.dtype), self.packing)
        fake, logits = self._fakes(c, noise)
        given = packed(c, self.packing)
        on_fake = self._score(packed(fake, self.packing), given, borrowed=True)
        on_data = self._score(data, given, borrowed=True) if self.game.compares else None
        loss = self.game.maker(on_data, on_fake).repeat_interleave(self.packing)[: len(x)]
        return loss + self._off(logits, c, column)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """Draws n rows, with shape (n, D), in one pass of the generator; names are told as often as they come."""
        self.check_context(n, context)
        noise, mode = noise or Noise(), self.training
        self.eval()
        try:
            parts = [self._drawn(min(CHUNK, n - i), noise.rows(i)) for i in range(0, n, CHUNK)]
        finally:
            self.train(mode)
        return torch.cat([torch.zeros(0, self.space.dimensions, dtype=torch.float64, device=self.like.device), *parts])

    @property
    def like(self) -> Tensor:
        """A tensor of the type and on the device that networks work in."""
        return next(self.generator.parameters())

    def _drawn(self, n: int, noise: Noise) -> Tensor:
        c = self.like.new_zeros(n, 0)
        if self.told:
            column, u = self._column(n, noise), noise.uniform((n,), "name", like=self.counts)
            parts = []
            for place, d in enumerate(self.told):
                cdf = self._counts_of(d).cumsum(0)
                code = torch.searchsorted(cdf, u * cdf[-1], right=True).clamp(max=len(cdf) - 1)
                parts.append(F.one_hot(code, len(cdf)) * (column == place)[:, None])
            c = torch.cat(parts, 1).to(c)
        return self.modes.project(self._fakes(c, noise)[0])

    def _told_rows(self, x: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """Rows drawn from a batch, what is told of each (B, given), and of which column: its place in ``told``."""
        n = len(x)
        if not self.told:
            return x, self.like.new_zeros(n, 0), torch.zeros(n, dtype=torch.int64, device=x.device)
        column, u = self._column(n, noise), noise.uniform((n,), "row", like=self.counts)
        rows, parts, codes = torch.zeros_like(column), [], self.modes.outcomes(x)
        for place, d in enumerate(self.told):
            total = self._counts_of(d)
            weight = total.log1p() / codes[:, d].bincount(minlength=len(total))
            cdf = weight[codes[:, d]].cumsum(0)
            found = torch.searchsorted(cdf, u * cdf[-1], right=True).clamp(max=n - 1)
            here = column == place
            rows = torch.where(here, found, rows)
            parts.append(F.one_hot(codes[found, d], len(total)) * here[:, None])
        return x[rows], torch.cat(parts, 1).to(self.like), column

    def _column(self, n: int, noise: Noise) -> Tensor:
        """Of which column each row is told: its place in ``told``."""
        u = noise.uniform((n,), "column", like=self.counts)
        return (u * len(self.told)).long().clamp(max=len(self.told) - 1)

    def _counts_of(self, d: int) -> Tensor:
        start = sum(self.modes.sizes[:d])
        return self.counts[start : start + self.modes.sizes[d]]

    def _fakes(self, c: Tensor, noise: Noise, *, borrowed: bool = False) -> tuple[Tensor, Tensor]:
        """Fakes as the critic sees them, and the generator's outputs, with shape (B, width) each."""
        z = noise.normal((len(c), self.latent), "latent", like=self.like)
        out = run(self.generator, torch.cat([z, c], 1), None, borrowed=borrowed).to(z.dtype)
        u = noise.uniform(out.shape, "codes", like=out).clamp(1e-6, 1 - 1e-6)
        soft, gumbel = [], -(-u.log()).log()
        for codes, place in self.modes.spans:
            soft.append(((out[:, codes] + gumbel[:, codes]) / TEMPERATURE).softmax(1))
            soft += [] if place is None else [out[:, place : place + 1].tanh()]
        return torch.cat(soft, 1), out

    def _off(self, out: Tensor, c: Tensor, column: Tensor) -> Tensor:
        """The cross entropy of the logits of what was told, with shape (B,)."""
        loss, start = out.new_zeros(len(out)), 0
        for place, d in enumerate(self.told):
            told = c[:, start : start + self.modes.sizes[d]]
            start += self.modes.sizes[d]
            off = -(out[:, self.modes.spans[d][0]].log_softmax(1) * told).sum(1)
            loss = loss + torch.where(column == place, off, 0.0)
        return loss

    def _score(self, y: Tensor, c: Tensor, *, borrowed: bool = False) -> Tensor:
        """The critic's outputs v on packs, with shape (packs,)."""
        return run(self.discriminator, torch.cat([y, c], 1), None, borrowed=borrowed)[:, 0].to(y.dtype)


@final
class Generator(nn.Module):
    """A perceptron whose layers pass on what they were given beside what they make of it, normalised by batches.

    Args:
        inputs: The number of latents and of what is told.
        hidden: How many numbers each layer adds.
        outputs: How many numbers come out.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int) -> None:
        super().__init__()
        layers, norms = [], []
        for width in hidden:
            layers.append(nn.Linear(inputs, width))
            norms.append(nn.BatchNorm1d(width))
            inputs += width
        self.layers, self.norms = nn.ModuleList(layers), nn.ModuleList(norms)
        self.last = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs) to (B, outputs)."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = torch.cat([F.relu(norm(layer(x))), x], 1)
        return self.last(x)
