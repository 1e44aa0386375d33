"""Quantisers: from vectors to the index of a codeword, and back.

    Codebook           K learned vectors e_k; a vector goes to the nearest
    FiniteScalars      a fixed lattice: each number of a vector is bounded and rounded to one of a few values

Rounding has no slope, so gradients are copied past it from the codeword to the vector (straight through).

A codebook follows the vectors v assigned to each codeword by running averages, online k-means (van den Oord et al.,
appendix A.1), with decay g:

    N_k <- g N_k + (1 - g) n_k,      m_k <- g m_k + (1 - g) sum of v assigned to k,      e_k = m_k / N_k

and vectors pay for their distance to the codeword, which keeps them from outrunning it. A codeword that hardly anything
is assigned to moves to a vector of the batch; without that, most of a codebook is never used.

The lattice has no codebook to learn and nothing to die: number j takes one of L_j values in [-1, 1].

References:
    Neural Discrete Representation Learning (van den Oord, Vinyals & Kavukcuoglu, 2017)
    https://arxiv.org/abs/1711.00937
    Finite Scalar Quantization: VQ-VAE Made Simple (Mentzer et al., 2023) https://arxiv.org/abs/2309.15505
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from ptheta.model import require_sizes
from ptheta.noise import Noise

__all__ = ["Codebook", "FiniteScalars", "Quantiser"]


class Quantiser(nn.Module, ABC):
    """Maps vectors to indices of codewords and back. ``n`` is how many codewords there are, ``width`` their length."""

    n: int
    width: int

    @abstractmethod
    def indices(self, v: Tensor) -> Tensor:
        """The codeword of vectors (..., width), with shape (...), int64."""

    @abstractmethod
    def codewords(self, k: Tensor) -> Tensor:
        """The vectors of indices (...), with shape (..., width)."""

    @abstractmethod
    def forward(self, v: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Codewords with the vectors' slopes, and what each vector pays; in training the codebook follows the vectors.

        Args:
            v: Vectors with shape (B, ..., width).
            noise: Where draws come from.

        Returns:
            Codewords with the shape of ``v``, and squared distances with shape (B,).
        """

    def begin(self, v: Tensor) -> None:
        """Sets what the first vectors (..., width) decide."""


@final
class Codebook(Quantiser):
    """Learned codewords.

    Args:
        n: The number of codewords K.
        width: The length of a codeword.
        decay: The decay g of the running averages.
        least: A codeword moves to a vector of the batch when its running count falls below this share of an equal one.

    Example:
        >>> book = Codebook(4, 2)
        >>> book.indices(book.codewords(torch.tensor([3, 0, 2])))
        tensor([3, 0, 2])
    """

    words: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, n: int, width: int, *, decay: float = 0.99, least: float = 0.03) -> None:
        super().__init__()
        require_sizes("Codebook", n=n, width=width)
        self.n, self.width, self.decay, self.least = n, width, decay, least
        words = torch.randn(n, width)
        self.register_buffer("words", words)
        self.register_buffer("counts", torch.ones(n))
        self.register_buffer("sums", words.clone())

    def begin(self, v: Tensor) -> None:
        """Starts at vectors spread over the batch, with equal counts."""
        v = v.reshape(-1, self.width)
        words = v[torch.arange(self.n, device=v.device) * len(v) // self.n].to(self.words)
        words += 1e-3 * words.std() * torch.randn_like(words)  # equal vectors part
        self.counts.fill_(len(v) / self.n)
        self.words.copy_(words)
        self.sums.copy_(words * self.counts[:, None])

    def indices(self, v: Tensor) -> Tensor:
        v = v.to(self.words.dtype)
        return (self.words.square().sum(1) - 2 * v @ self.words.T).argmin(-1)

    def codewords(self, k: Tensor) -> Tensor:
        return self.words[k]

    def forward(self, v: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        k = self.indices(v.detach())
        words = self.codewords(k)
        if self.training:
            self._follow(v.detach().reshape(-1, self.width), k.flatten(), noise)
        distance = (v - words).square().flatten(1).sum(1)  # the third term of eq. 3
        return v + (words - v).detach(), distance

    @torch.no_grad()
    def _follow(self, v: Tensor, k: Tensor, noise: Noise) -> None:
        v = v.to(self.words.dtype)
        n = torch.zeros_like(self.counts).index_add_(0, k, torch.ones_like(k, dtype=self.counts.dtype))
        total = torch.zeros_like(self.sums).index_add_(0, k, v)
        self.counts.lerp_(n, 1 - self.decay)  # eq. 6
        self.sums.lerp_(total, 1 - self.decay)  # eq. 7
        fair = len(v) / self.n
        dead = self.counts < self.least * fair
        if bool(dead.any()):
            u = noise.at("dead").uniform((self.n,), "codeword", like=self.words)
            chosen = v[(u * len(v)).long().clamp(max=len(v) - 1)]
            self.counts[dead] = fair
            self.sums[dead] = fair * chosen[dead]
        self.words.copy_(self.sums / self.counts[:, None])  # eq. 8


@final
class FiniteScalars(Quantiser):
    """A fixed lattice of codewords.

    Args:
        levels: How many values each number of a vector takes, each at least 2.

    Example:
        >>> lattice = FiniteScalars((3, 2))
        >>> lattice.codewords(torch.arange(6)).tolist()
        [[-1.0, -1.0], [0.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    """

    size: Tensor
    stride: Tensor
    one: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"levels of FiniteScalars should be at least 2 each, but they are {tuple(levels)}.")
        self.n, self.width = math.prod(levels), len(levels)
        size = torch.tensor(tuple(levels))
        self.register_buffer("size", size, persistent=False)
        self.register_buffer("stride", torch.cat([torch.ones(1, dtype=torch.int64), size.cumprod(0)[:-1]]), False)
        self.register_buffer("one", torch.ones(()), persistent=False)  # knows the type

    def indices(self, v: Tensor) -> Tensor:
        return (self._rounded(self._places(v)).long() * self.stride).sum(-1)

    def codewords(self, k: Tensor) -> Tensor:
        return self._scaled((k[..., None] // self.stride) % self.size)

    def forward(self, v: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        places = self._places(v)
        return self._scaled(places + (self._rounded(places) - places).detach()), v.new_zeros(len(v))

    def _places(self, v: Tensor) -> Tensor:
        """Vectors (..., width) as places on the lattice, not yet rounded: each value has an equal part of (0, 1)."""
        return v.sigmoid() * self.size - 0.5

    def _rounded(self, places: Tensor) -> Tensor:
        return places.round().clamp(min=0).minimum((self.size - 1).to(places.dtype))

    def _scaled(self, places: Tensor) -> Tensor:
        return 2 * places.to(self.one.dtype) / (self.size - 1) - 1
