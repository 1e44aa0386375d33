"""The adversarial autoencoder: codes that a discriminator pulls to a prior, so that decoded draws of it are samples.

An encoder maps x to numbers z and, if asked, to the probabilities y of K categories; a decoder gives x back. A
discriminator of codes is told draws of the prior from codes of events,

    discriminator      -ln D(z') - ln(1 - D(z(x)))        z' from the prior: a normal, or anything that can be sampled
    encoder            -ln D(z(x))
    both coders        |x - g(y(x), z(x))|^2

and the same once more for y, whose prior is one of K categories, each as probable. Where the codes of events follow the
prior, the best discriminator says 1/2 of all, and each of its terms is ln 4: matching *distributions* of codes, where a
variational autoencoder bounds a divergence of each code. No density of codes is asked for, so the prior may be any.

    K = 0                 an autoencoder to sample from
    K > 0, no labels      clustering: y is a category that events choose for themselves
    K > 0, few labels     semi-supervised: of the events with a label, -ln y_label(x) besides

Which labels it may see is decided once, by ``taught``. Nothing but labels ties y to classes, and nothing forbids z to
hold the class as well: only where z is too narrow for that is it the style.

Scoring: there is none of x; ``classify`` gives y. Sampling costs a draw of the prior and one pass of the decoder.

Known limits:
    A likelihood is nowhere: neither reconstruction nor the discriminator's loss says how good samples are. Codes that
    follow the prior as a whole may still be sorted badly within it. Where z holds the class, drawing with a given y
    does not draw that class, though ``classify`` names events well.

References:
    Adversarial Autoencoders (Makhzani et al., 2015) https://arxiv.org/abs/1511.05644
"""

from collections.abc import Sequence
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial.push_forward import PushForward, learning
from ptheta.data.dataset import Dataset
from ptheta.data.labels import few_labels
from ptheta.model import Objective, require_sizes
from ptheta.nn.borrowed import run
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Real, Space

__all__ = ["AAE"]

CHUNK = 1000


@final
class AAE(PushForward):
    """An autoencoder whose codes follow a prior.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        latent: How many numbers z a code has.
        categories: The number K of categories y beside them; 0 for none.
        labels: How many training events it is told the category of, a multiple of K; 0 for none.
        prior: A distribution over ``Real((latent,))``, which is only drawn from; standard normals if None.
        features: The width of what ``encoder`` gives.
        encoder: Maps embedded events to features (B, features). A perceptron if None.
        decoder: Maps categories and numbers (B, categories + latent) to embedded events. A perceptron if None.
        critics: Of the numbers and of the categories, each to one logit. Perceptrons if None.
        adversary: The weight of what the encoder owes the discriminators; 0 leaves them out, and codes free.
        corruption: The standard deviation of noise on the embedded events that the encoder sees in training.
        optimizers: Of the coders, of the discriminators, and of the encoder against them.

    Example:
        >>> from ptheta import Levels, Noise
        >>> model = AAE(Levels((1, 4, 4), 17), latent=2, categories=3)
        >>> x = model.sample(5, noise=Noise(0))
        >>> model.encode(x).shape, model.classify(x).shape
        (torch.Size([5, 5]), torch.Size([5, 3]))
    """

    labelled: Tensor
    known: Tensor

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 8,
        categories: int = 0,
        labels: int = 0,
        prior: Any = None,
        features: int = 200,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        critics: tuple[nn.Module, nn.Module | None] | None = None,
        adversary: float = 1.0,
        corruption: float = 0.0,
        optimizers: tuple[Optimizer, Optimizer, Optimizer] = (Adam(1e-3), Adam(1e-3, betas=(0.5, 0.999)), Adam(1e-3)),
    ) -> None:
        require_sizes("AAE", latent=latent, features=features)
        require_sizes("AAE", least=0, categories=categories, labels=labels)
        if labels and (not categories or labels % categories):
            raise ValueError(f"labels should be a multiple of the {categories} categories, but there are {labels}.")
        if adversary < 0 or corruption < 0:
            raise ValueError(f"adversary and corruption should not be negative, but are {adversary} and {corruption}.")
        if prior is not None and prior.space.shape != (latent,):
            raise ValueError(f"the prior should model Real(({latent},)), but it models {prior.space}.")
        if decoder is None:
            decoder = MLP(categories + latent, space.dimensions, (200, 200))
        super().__init__(space, context_space=None, reader=None, generator=decoder)
        self.latent, self.categories, self.labels = latent, categories, labels
        self.code_space = Real((categories + latent,))
        self.prior, self.adversary, self.corruption, self.optimizers = prior, adversary, corruption, optimizers
        self.encoder = MLP(space.dimensions, features, (200,), last=True) if encoder is None else encoder
        self.numbers = nn.Linear(features, latent)
        self.logits = nn.Linear(features, categories) if categories else None
        if critics is None:
            critics = (MLP(latent, 1, (200, 200)), MLP(categories, 1, (200,)) if categories else None)
        self.critic, self.category_critic = critics if adversary else (None, None)
        events = torch.zeros(labels, *space.shape)
        self.register_buffer("labelled", events.byte() if space.is_discrete else events)
        self.register_buffer("known", torch.full((labels,), -1))

    def taught(self, data: Dataset, *, seed: int = 0) -> Dataset:
        """Keeps the labels of a few training events, as many of each category, and forgets all others.

        Args:
            data: Events, with one class each where there are to be labels.
            seed: Names the events whose labels are kept.

        Returns:
            The same events without any labels, to train on. Raises ValueError where a class has too few events.
        """
        hidden, kept = few_labels(data, labels=self.labels, classes=self.categories, seed=seed)
        if kept.context is not None:
            self.labelled.copy_(kept.x)
            self.known.copy_(kept.context)
        return hidden

    def objectives(self) -> Sequence[Objective]:
        coders, critics, against = self.optimizers
        encoder = learning(self.encoder, self.numbers, self.logits)
        found = [Objective("error", self.error, (*encoder, *learning(self.generator)), optimizer=coders)]
        if self.adversary:
            told = learning(self.critic, self.category_critic)
            found.append(Objective("discriminator", self.discriminator_loss, told, optimizer=critics))
            found.append(Objective("encoder", self.encoder_loss, encoder, optimizer=against))
        if self.labels:
            naming = learning(self.encoder, self.logits)
            found.append(Objective("labels", self.label_loss, naming, optimizer=coders))
        return found

    def latents(self, n: int, noise: Noise) -> Tensor:
        return torch.cat(self._prior_draws(n, noise), 1)

    # Losses

    def error(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The squared error of embedded events, with shape (B,)."""
        y = self.space.embed(x, self.like.dtype)
        back = self.push(torch.cat(self._codes(self._seen(y, noise, "events")), 1), None)
        return (y - back).square().flatten(1).sum(1)

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """What the discriminators should say of draws of the prior and of codes of events, with shape (B,).

        Args:
            x: Events with shape (B, *space.shape).
            context: None.
            noise: Where draws and corruption come from.

        Returns:
            -ln D(z') - ln(1 - D(z)), in nats, summed over numbers and categories: ln 4 of each where they match.
        """
        with torch.no_grad():
            codes = self._codes(self._seen(self.space.embed(x, self.like.dtype), noise, "events"), borrowed=True)
        draws = self._prior_draws(len(x), noise)
        loss = codes[-1].new_zeros(len(x))
        for critic, drawn, code in zip(self._critics(), draws, codes, strict=True):
            loss = loss + F.softplus(-run(critic, drawn, None, borrowed=False)[:, 0])
            loss = loss + F.softplus(run(critic, code, None, borrowed=False)[:, 0])
        return loss

    def encoder_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """-ln D of the codes of events, by the weight of the adversary, with shape (B,)."""
        codes = self._codes(self._seen(self.space.embed(x, self.like.dtype), noise, "events"))
        told = [run(c, code, None, borrowed=True)[:, 0] for c, code in zip(self._critics(), codes, strict=True)]
        return self.adversary * F.softplus(-torch.stack(told)).sum(0)

    def label_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """-ln y of the labels that it was told, their mean, the same for each of B rows, with shape (B,)."""
        if int(self.known[0]) < 0:
            raise ValueError("the model was built for labels and has none: data = model.taught(data) gives it some.")
        assert self.logits is not None
        y = self._seen(self.space.embed(self.labelled, self.like.dtype), noise, "labelled")
        return F.cross_entropy(self.logits(self.encoder(y).to(y.dtype)), self.known).expand(len(x))

    # Codes

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The code of each event, probabilities of categories and then numbers, with shape (B, categories + latent)."""
        self.check(x, context)
        return torch.cat(self._codes(self.space.embed(x, self.like.dtype)), 1)

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The event of each code, with shape (B, *space.shape)."""
        return self.generate(z.to(self.like.dtype), context)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """The probabilities of the categories of events, with shape (B, K); raises ValueError where there are none."""
        self.check(x)
        if not self.categories:
            raise ValueError("the model was built without categories, so it names none. Give it some: categories=10.")
        mode = self.training
        self.eval()
        try:
            return torch.cat([self._codes(self.space.embed(part, self.like.dtype))[0] for part in x.split(CHUNK)])
        finally:
            self.train(mode)

    # Parts

    def _codes(self, y: Tensor, *, borrowed: bool = False) -> list[Tensor]:
        """The categories' probabilities, if there are any, and the numbers of embedded events."""
        features = run(self.encoder, y, None, borrowed=borrowed).to(y.dtype)
        numbers = self.numbers(features).to(y.dtype)
        return [numbers] if self.logits is None else [self.logits(features).to(y.dtype).softmax(1), numbers]

    def _prior_draws(self, n: int, noise: Noise) -> list[Tensor]:
        """One category, if there are any, and the numbers of n draws of the prior."""
        if self.prior is None:
            numbers = noise.normal((n, self.latent), "latent", like=self.like)
        else:
            numbers = self.prior.sample(n, noise=noise.at("prior")).to(self.like)
        if not self.categories:
            return [numbers]
        u = noise.uniform((n,), "category", like=self.like)
        return [F.one_hot((u * self.categories).long(), self.categories).to(numbers), numbers]

    def _critics(self) -> list[nn.Module]:
        """In the order of ``_codes``."""
        return [critic for critic in (self.category_critic, self.critic) if critic is not None]

    def _seen(self, y: Tensor, noise: Noise, key: str) -> Tensor:
        """Embedded events as the encoder sees them: corrupted while training."""
        if not self.training or not self.corruption:
            return y
        return y + self.corruption * noise.normal(y.shape, f"corruption of {key}", like=y)
