"""Keyed noise: where losses and samplers draw from.

A loss and a sampler are deterministic functions of a ``Noise``. A draw depends on (seed, key, index of the example)
and on nothing else: not on the order of calls, not on how many examples are drawn beside it. Exact resume, two
processes that equal one, cached samplers that equal naive ones, and bounds that can be repeated all follow from this.

    noise = Noise(seed=0)
    noise.uniform((64, 784), "pixels")              # row 17 is the same at any number of rows
    noise.at("step", 12).normal((64, 2), "latent")  # a stream of its own for step 12
    noise.rows(32)                                  # the noise of examples 32, 33, ...

Without a seed, draws come from torch's global generator, at no cost and with no promise.

Each (seed, path, key) opens a PCG64 stream; its uniforms fill the rows in order, so the first n rows never depend on
n, and ``rows`` jumps ahead. Normals are the inverse normal distribution function of uniforms. Draws are made in
float64 and rounded to the type asked for, so float32 and float64 models see the same noise.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import index
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

__all__ = ["Noise", "seeded", "seeded_generator"]

Key = str | int


@final
class Noise:
    """Random numbers that depend on (seed, key, index of the example) only.

    Args:
        seed: Any integer, or None for torch's global generator.

    Example:
        >>> noise = Noise(3)
        >>> bool((noise.normal((5, 2), "z")[:3] == noise.normal((3, 2), "z")).all())
        True
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._path: tuple[Key, ...] = ()
        self._start = 0

    def __repr__(self) -> str:
        return f"Noise(seed={self.seed}, path={self._path}, start={self._start})"

    def at(self, *path: Key) -> Self:
        """Returns an independent noise for a part of the work: a step, a sub-model."""
        other = type(self)(self.seed)
        other._path, other._start = (*self._path, *path), self._start
        return other

    def rows(self, start: int) -> Self:
        """Returns the noise of the examples from ``start`` on: its row 0 is this noise's row ``start``."""
        other = type(self)(self.seed)
        other._path, other._start = self._path, self._start + start
        return other

    def uniform(self, shape: Sequence[int], key: Key, like: Tensor | None = None) -> Tensor:
        """Draws uniforms strictly between 0 and 1, with the given shape; the first axis counts examples.

        Args:
            shape: The shape, examples first.
            key: Names the draw. The same key gives the same numbers again.
            like: A tensor whose type and device to use; torch's default type on the CPU if None.

        Returns:
            A tensor of that shape.
        """
        dtype, device = _kind(like)
        if self.seed is None:
            u = torch.rand(tuple(shape), dtype=dtype, device=device)
        else:
            u = self._draw(shape, key).to(device, dtype)
        eps = torch.finfo(dtype).eps / 2
        return u.clamp_(eps * 2**-10, 1 - eps)

    def normal(self, shape: Sequence[int], key: Key, like: Tensor | None = None) -> Tensor:
        """Draws standard normals with the given shape; the first axis counts examples.

        Args:
            shape: The shape, examples first.
            key: Names the draw. The same key gives the same numbers again.
            like: A tensor whose type and device to use; torch's default type on the CPU if None.

        Returns:
            A tensor of that shape.
        """
        dtype, device = _kind(like)
        if self.seed is None:
            return torch.randn(tuple(shape), dtype=dtype, device=device)
        u = self._draw(shape, key).clamp_(2**-54, 1 - 2**-53)
        return torch.special.ndtri(u).to(device, dtype)

    def _draw(self, shape: Sequence[int], key: Key) -> Tensor:
        name = repr(tuple(map(_plain, (self.seed or 0, *self._path, key)))).encode()
        digest = hashlib.blake2b(name, digest_size=16).digest()
        stream = np.random.PCG64(np.frombuffer(digest[::-1], "<u4"))  # one number of 128 bits, lowest words first
        if self._start:
            stream.advance(self._start * math.prod(shape[1:]))
        return torch.from_numpy(np.random.Generator(stream).random(tuple(shape)))


def _plain(part: Key) -> Key:
    """A part of a name as Python's own type: a whole number is the same in NumPy's and torch's types."""
    return str(part) if isinstance(part, str) else int(index(part))


def _kind(like: Tensor | None) -> tuple[torch.dtype, torch.device]:
    if like is None:
        return torch.get_default_dtype(), torch.device("cpu")
    return like.dtype, like.device


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Seeds torch's global generator inside the block (for weights drawn by constructors), and restores it after."""
    if seed is None:
        yield
        return
    state = seeded_generator(seed).get_state()
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.set_state(state)
        yield


def seeded_generator(seed: int) -> torch.Generator:
    """A generator of torch's own under a seed.

    Args:
        seed: An integer of 64 bits.

    Returns:
        The generator. Raises ValueError, in a sentence, for a seed of more bits.
    """
    if not -(2**63) <= seed < 2**63:
        raise ValueError(f"a seed should be an integer from -2^63 to 2^63 - 1, but it is {seed}.")
    return torch.Generator().manual_seed(seed)
