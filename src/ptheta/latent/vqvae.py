"""The coder of a VQ-VAE: an event becomes a few symbols, and a decoder p(x | symbols) gives it back.

An encoder maps x to vectors v_1 .. v_m, a quantiser replaces each by its nearest codeword e_k, and the decoder sees the
codewords only. Trained is (eq. 3 of the paper, the codebook by its running averages)

    -log p(x | e)  +  beta sum over i of |v_i - e_ki|^2

with gradients copied past the rounding. The codes are m symbols of an alphabet of K; a model of them, fitted in a
second stage, makes a distribution (``LatentBound``):

    log p(x) >= log p(x | k(x)) + log P(k(x))

since a posterior that is certain of k(x) has no entropy. ``validation`` is the first term, -log p(x | k(x)) in nats:
the price of the codes is not in it, so more or larger codes always look better by it.

Costs: one pass of the encoder to encode, one of the decoder to decode. It is trained in one process: codebooks follow
the whole batch.

Known limits:
    The codes of one event say nothing of how probable it is. The bound is loose where several codes decode to x.

References:
    Neural Discrete Representation Learning (van den Oord, Vinyals & Kavukcuoglu, 2017)
    https://arxiv.org/abs/1711.00937
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from ptheta.distributions.heads import Head, coder_head, nearest_events
from ptheta.latent.codebooks import Codebook, Quantiser
from ptheta.model import Objective, Trained
from ptheta.nn.defaults import is_convolved
from ptheta.nn.grids import GridDecoder, GridEncoder, grid_sizes
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = ["VQVAE"]

CHUNK = 100  # images decoded together: the features of more leave the processor's cache


@final
class VQVAE(Trained):
    """A map from events to symbols, with a decoder that is a law of events.

    Args:
        space: What one event is.
        quantiser: A ``Codebook`` or ``FiniteScalars``; 64 codewords of 16 numbers if None.
        codes: How many symbols code an event that is no image of at least 4 x 4.
        halvings: How often an image is halved: its codes are a grid.
        encoder: Maps embedded events to vectors (B, *grid, quantiser.width), ``grid`` being ``(codes,)`` or the
            halved height and width. Built to fit if None.
        decoder: Maps codewords of that shape to D * head.width numbers. Built to fit if None.
        width: The feature maps, or the hidden units, of networks built here.
        head: The distribution of one variable given its numbers; chosen by the space if None.
        commitment: The price beta of a vector's distance to its codeword.
        optimizer: The gradient rule.

    Example:
        >>> from ptheta import Levels
        >>> model = VQVAE(Levels((1, 8, 8), 17), width=8)
        >>> z = model.encode(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
        >>> model.code_space, z.shape, model.decode(z).shape
        (Symbols(shape=(1, 2, 2), n=64), torch.Size([2, 1, 2, 2]), torch.Size([2, 1, 8, 8]))
    """

    def __init__(
        self,
        space: Space,
        *,
        quantiser: Quantiser | None = None,
        codes: int = 8,
        halvings: int = 2,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        width: int = 64,
        head: Head | None = None,
        commitment: float = 0.25,
        optimizer: Optimizer = Adam(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Binary, Levels, Symbols, Real, who="VQVAE")
        self.space, self.context_space = space, None
        self.quantiser = Codebook(64, 16) if quantiser is None else quantiser
        self.commitment, self.optimizer = commitment, optimizer
        self.head = coder_head(space) if head is None else head
        inner, outputs, convolved = self.quantiser.width, self.head.width, is_convolved(space)
        self.grid = grid_sizes((space.shape[1], space.shape[2]), halvings)[-1] if convolved else (codes,)
        self.code_space = Symbols((1, *self.grid) if convolved else self.grid, self.quantiser.n)
        if encoder is None:
            shown, hidden = math.prod(space.embedded_shape), (2 * width, 2 * width)
            coarser = {"halvings": halvings, "width": width}
            encoder = GridEncoder(space.shape, inner, **coarser) if convolved else MLP(shown, codes * inner, hidden)
        if decoder is None:
            many, hidden = space.dimensions * outputs, (2 * width, 2 * width)
            finer = {"halvings": halvings, "width": width}
            decoder = (
                GridDecoder(inner, space.shape, outputs, **finer) if convolved else MLP(codes * inner, many, hidden)
            )
        self.encoder, self.decoder = encoder, decoder

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        """Starts the codebook at vectors of the first batch."""
        self.quantiser.begin(self._vectors(x))

    def objectives(self) -> Sequence[Objective]:
        learning = tuple(p for p in self.parameters() if p.requires_grad)
        return (Objective("loss", self.loss, learning, optimizer=self.optimizer),)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """-log p(x | codes) and the price of distances to codewords, in nats, with shape (B,)."""
        words, distance = self.quantiser(self._vectors(x), noise)
        return self.commitment * distance - self._log_prob(x, words)

    def validation(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """-log p(x | codes) in nats, with shape (B,): lower is better; the price of the codes is not in it."""
        return -self.code_terms(x, context, noise=noise)[1]

    def code_terms(
        self, x: Tensor, context: Tensor | None = None, *, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The codes of events, log p(x | codes) in nats, and log q = 0, each with shape (B,)."""
        codes = self.encode(x, context)
        log_px = self._log_prob(x, self._codewords(codes))
        return codes, log_px, torch.zeros_like(log_px)

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The symbols of each event, with shape (B, *code_space.shape)."""
        self.check(x, context)
        return self.quantiser.indices(self._vectors(x)).reshape(len(x), *self.code_space.shape)

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event nearest the mean of p(x | z) (of symbols the most probable), with shape (B, *space.shape)."""
        self.check_context(len(z), context)
        params = self._decoded(z)
        return nearest_events(self.space, self.head, params)

    @torch.no_grad()
    def draw(self, z: Tensor, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        """An event from p(x | z) for each code, with shape (B, *space.shape)."""
        self.check_context(len(z), context)
        params = self._decoded(z)
        u = (noise or Noise()).uniform((len(z), self.space.dimensions, self.head.uniforms), "event", like=params)
        return self.space.events(self.head.sample(params, u))

    def _vectors(self, x: Tensor) -> Tensor:
        dtype = next(self.parameters()).dtype
        v = self.encoder(self.space.embed(x, dtype))
        return v.to(dtype).reshape(len(x), *self.grid, self.quantiser.width)

    def _codewords(self, z: Tensor) -> Tensor:
        return self.quantiser.codewords(z.reshape(len(z), *self.grid))

    def _decoded(self, z: Tensor) -> Tensor:
        rows = CHUNK if len(self.grid) > 1 else max(1, len(z))
        return torch.cat([self._params(self._codewords(part)) for part in z.split(rows)])

    def _params(self, words: Tensor) -> Tensor:
        return self.decoder(words).to(words.dtype).reshape(len(words), self.space.dimensions, self.head.width)

    def _log_prob(self, x: Tensor, words: Tensor) -> Tensor:
        return self.head.log_prob(self._params(words), self.space.cells(x)).sum(1) - self.space.log_volume
