"""Rows of a table as modes and places in them: how a network without a likelihood sees mixed columns.

    names      one-hot, blank one of them
    numbers    y = asinh((x - mean) / scale) of a mode k, drawn from p(k | y) of a mixture of Gaussians, is
               alpha = (y - m_k) / (4 s_k); a value that holds a share of at least ``SPIKE`` is a mode of no width

References:
    Modeling Tabular Data using Conditional GAN (Xu et al., 2019), section 4.2 https://arxiv.org/abs/1907.00503
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.distributions.columns import cell_of
from ptheta.distributions.gaussian_mixture import GaussianMixture
from ptheta.distributions.heads import inverse_cdf
from ptheta.noise import Noise
from ptheta.spaces import Column, Real, Table

__all__ = ["Modes"]

SPIKE = 0.05
WIDE = 4.0  # deviations at which alpha is 1
FARTHEST = 30.0  # of asinh of standardised numbers
EMPTY = -1e30  # the log-weight of a mode that has none; finite, so that differences stay numbers


@final
class Modes(nn.Module):
    """Embeds rows and brings them back.

    Args:
        space: The table.
        most: The most modes of a column of numbers.
    """

    centre: Tensor
    width_of: Tensor
    log_weight: Tensor

    def __init__(self, space: Table, most: int) -> None:
        super().__init__()
        if most < 1:
            raise ValueError(f"columns of numbers should have at least one mode, but modes is {most}.")
        self.space, self.most = space, most
        shape = (space.dimensions, most)
        self.register_buffer("centre", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("width_of", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("log_weight", torch.zeros(shape, dtype=torch.float64).log_softmax(1))
        blanks = [f.blank is not None for f in space.fields]
        self.sizes = [
            most + b if f.is_number else max(f.outcomes, 1) for f, b in zip(space.fields, blanks, strict=True)
        ]
        self.spans: list[tuple[slice, int | None]] = []
        self.width = 0
        for f, size in zip(space.fields, self.sizes, strict=True):
            codes = slice(self.width, self.width + size)
            self.width += size + f.is_number
            self.spans.append((codes, self.width - 1 if f.is_number else None))

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Finds the modes of each column of numbers in rows (n, D)."""
        for d, f in enumerate(self.space.fields):
            known = x[:, d][~x[:, d].isnan()]
            if f.is_number and len(known):
                found = modes_of(standing(f, known), self.most)
                for buffer, values in zip((self.centre, self.width_of, self.log_weight), found, strict=True):
                    buffer[d] = values

    def outcomes(self, x: Tensor) -> Tensor:
        """The codes of names of rows (B, D), int64; of numbers 0, and the last where they are blank."""
        columns = []
        for d, f in enumerate(self.space.fields):
            blank = x[:, d].isnan()
            code = torch.zeros_like(x[:, d]).long() if f.is_number else f.outcome(x[:, d])
            columns.append(torch.where(blank, self.sizes[d] - 1, code))
        return torch.stack(columns, 1)

    def embed(self, x: Tensor, noise: Noise, dtype: torch.dtype) -> Tensor:
        """Rows (B, D) as one-hot codes and places, with shape (B, width); the modes of numbers are drawn."""
        codes, parts = self.outcomes(x), []
        u = noise.uniform(x.shape, "modes", like=self.centre)
        for d, f in enumerate(self.space.fields):
            if not f.is_number:
                parts.append(F.one_hot(codes[:, d], self.sizes[d]).to(dtype))
                continue
            blank = x[:, d].isnan()
            y = standing(f, x[:, d].nan_to_num(f.mean))
            mode = inverse_cdf(self._log_modes(d, y), u[:, d])
            place = (y - self.centre[d, mode]) / (WIDE * self.width_of[d, mode]).clamp(min=1e-12)
            place = torch.where(blank | (self.width_of[d, mode] == 0), 0.0, place.clamp(-1, 1))
            code = torch.where(blank, self.sizes[d] - 1, mode)
            parts += [F.one_hot(code, self.sizes[d]).to(dtype), place[:, None].to(dtype)]
        return torch.cat(parts, 1)

    def project(self, y: Tensor) -> Tensor:
        """Embedded rows (B, width) as rows (B, D): the largest of each one-hot counts."""
        columns = []
        for d, (f, (codes, place)) in enumerate(zip(self.space.fields, self.spans, strict=True)):
            code = y[:, codes].argmax(1)
            if place is None:
                columns.append(cell_of(f, code, code.double()))
                continue
            mode = code.clamp(max=self.most - 1)
            at = self.centre[d, mode] + WIDE * self.width_of[d, mode] * y[:, place].double()
            rest = at.clamp(-FARTHEST, FARTHEST).sinh()
            outcome = torch.where(code == self.most, f.outcomes - 1, f.rest)  # never one of the levels
            columns.append(cell_of(f, outcome, rest))
        return torch.stack(columns, 1)

    def _log_modes(self, d: int, y: Tensor) -> Tensor:
        """log p(k, y) of the modes of column d up to a constant, with shape (B, most); a spike takes its own value."""
        width, apart = self.width_of[d], y[:, None] - self.centre[d]
        spike = width == 0
        wide = width.clamp(min=1e-12)
        log_p = self.log_weight[d] - 0.5 * (apart / wide).square() - wide.log()
        hit = torch.where(apart.abs() < 1e-9, 0.0, EMPTY)
        return torch.where(spike, hit, log_p.clamp(min=EMPTY / 2))


def standing(f: Column, cells: Tensor) -> Tensor:
    """Where numbers stand: asinh of standard units, far out a logarithm."""
    return ((cells - f.mean) / f.scale).asinh()


def modes_of(y: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """The modes of numbers (n,): centres, widths and log-weights, with shape (most,) each.

    Values that hold a share of at least ``SPIKE`` come first, with width 0; a mixture of Gaussians of the rest follows.
    """
    y = y.double()
    values, counts = y.unique(return_counts=True)
    order = counts.argsort(descending=True, stable=True)[: most - 1 if len(values) > most else most]
    spikes = values[order[counts[order] >= SPIKE * len(y)]]
    rest = y[~torch.isin(y, spikes)]
    room = min(most - len(spikes), len(rest.unique()))
    centre, width, log_weight = [spikes], [torch.zeros_like(spikes)], [torch.zeros_like(spikes)]
    if room:
        mixture = GaussianMixture(Real((1,)), components=room, restarts=1, smoothing=0.003).fit(rest[:, None].double())
        centre.append(mixture.mean[0, :, 0])
        width.append(mixture.factor[0].reshape(room).abs().clamp(min=1e-6))
        log_weight.append(mixture.log_weight[0])
    empty = most - len(spikes) - room
    centre.append(y.new_zeros(empty))
    width.append(y.new_ones(empty))
    log_weight.append(y.new_full((empty,), EMPTY))
    return torch.cat(centre), torch.cat(width), torch.cat(log_weight)
