"""Autoencoders: a code z = f(x) and a reconstruction g(z), trained so that g(f(x)) is near x.

An autoencoder is a map, no distribution: it says how to shorten an event and how to get it back, not how probable it
is, and it draws nothing (a prior over its codes does: see ``Latent``). It minimises the error of an event,

    E(x) = sum over variables of (x_i - g_i(f(x)))^2            bits and levels in [0, 1], reals standardised
    E(x) = -sum over variables of log softmax(g_i(f(x)))[x_i]   symbols, in nats

to which two departures may be added: the encoder may see a corrupted event x + s eps (a denoising autoencoder, whose
reconstruction minus its input points up the density of blurred events), and the codes may pay for their size, + w |z|_1
(a sparse one). ``validation`` is always E itself, of clean events and without the price.

With affine networks and squared error the best code spans the leading principal components, so PCA is the floor that a
deep one must beat.

Costs: one pass of the encoder to encode, one of the decoder to decode. Not assumed: that codes fill the code space, so
a decoded random code need not look like an event.

Known limits:
    Without a bound on the code's information, the error alone says little: an identity has none.

References:
    Reducing the Dimensionality of Data with Neural Networks (Hinton & Salakhutdinov, 2006)
    https://doi.org/10.1126/science.1127647
    Extracting and Composing Robust Features with Denoising Autoencoders (Vincent et al., 2008)
    https://doi.org/10.1145/1390156.1390294
    Neural Networks and Principal Component Analysis (Baldi & Hornik, 1989)
    https://doi.org/10.1016/0893-6080(89)90014-2
"""

import math
from collections.abc import Sequence
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.model import Objective, Trained, require_sizes
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Binary, Levels, Real, Space, Symbols, require

__all__ = ["Autoencoder"]


@final
class Autoencoder(Trained):
    """A map to codes of ``latent`` reals and back.

    Args:
        space: What one event is.
        latent: The number of reals in a code.
        encoder: Maps embedded events (B, *space.embedded_shape) to codes (B, latent). A perceptron if None.
        decoder: Maps codes to as many numbers as an embedded event has. A perceptron if None.
        corruption: The standard deviation s of the noise on embedded events that the encoder sees in training.
        sparsity: The price w of the codes' size.
        optimizer: The gradient rule.

    Example:
        >>> import torch
        >>> from ptheta import Levels
        >>> model = Autoencoder(Levels((1, 4, 4), 17), latent=3)
        >>> x = torch.zeros(5, 1, 4, 4, dtype=torch.uint8)
        >>> model.encode(x).shape, model.decode(model.encode(x)).shape
        (torch.Size([5, 3]), torch.Size([5, 1, 4, 4]))
    """

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 30,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        corruption: float = 0.0,
        sparsity: float = 0.0,
        optimizer: Optimizer = Adam(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        require(space, Binary, Levels, Symbols, Real, who="Autoencoder")
        require_sizes("Autoencoder", latent=latent)
        if corruption < 0 or sparsity < 0:
            raise ValueError(f"corruption and sparsity should not be negative, but are {corruption} and {sparsity}.")
        self.space, self.context_space = space, None
        self.code_space = Real((latent,))
        width = math.prod(space.embedded_shape)
        self.encoder = MLP(width, latent) if encoder is None else encoder
        self.decoder = MLP(latent, width) if decoder is None else decoder
        self.corruption, self.sparsity, self.optimizer = corruption, sparsity, optimizer

    def objectives(self) -> Sequence[Objective]:
        learning = tuple(p for p in self.parameters() if p.requires_grad)
        return (Objective("reconstruction", self.loss, learning, optimizer=self.optimizer),)

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The error of each event under corruption, plus the price of its code, with shape (B,)."""
        y = self._embed(x)
        seen = y + self.corruption * noise.normal(y.shape, "corruption", like=y) if self.corruption else y
        z = self.encoder(seen).to(y.dtype)
        return self._error(x, y, self.decoder(z)) + self.sparsity * z.abs().sum(1)

    def validation(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The error of each event, with shape (B,): lower is better."""
        self.check(x, context)
        y = self._embed(x)
        return self._error(x, y, self.decoder(self.encoder(y).to(y.dtype)))

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The code of each event, with shape (B, latent)."""
        self.check(x, context)
        y = self._embed(x)
        return self.encoder(y).to(y.dtype)

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event nearest each code's reconstruction, with shape (B, *space.shape)."""
        self.check_context(len(z), context)
        z = z.to(next(self.parameters()).dtype)
        return self.space.project(self.decoder(z).to(z.dtype).reshape(len(z), *self.space.embedded_shape))

    def _embed(self, x: Tensor) -> Tensor:
        return self.space.embed(x, next(self.parameters()).dtype)

    def _error(self, x: Tensor, y: Tensor, outputs: Tensor) -> Tensor:
        outputs = outputs.to(y.dtype).reshape(y.shape)
        if isinstance(self.space, Symbols):
            error = F.cross_entropy(outputs.movedim(-1, 1), x, reduction="none")
        else:
            unit = 2.0 if self.space.is_discrete else 1.0  # of [-1, 1] in [0, 1]
            error = ((y - outputs) / unit).square()
        return error.reshape(len(x), self.space.dimensions).sum(1)
