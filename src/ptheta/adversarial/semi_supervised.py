"""A GAN whose discriminator is a classifier: a few labels, many events without, and fakes that are none of the classes.

The discriminator gives K logits l(x). With a further logit, fixed at 0, for "a fake", it is a classifier of K + 1
classes:

    p(k, real | x) = exp(l_k) / (1 + sum_j exp(l_j)),        p(real | x) = sigmoid(v),   v = ln sum_j exp(l_j)

so its loss on all is the sum of what it should say of events with labels, of events without, and of fakes:

    -ln p(y | x, real)  -  w ln p(real | x)  -  w ln (1 - p(real | G(z)))          (Salimans et al., 2016, section 5)

with w = 1/2, as in their code: events and fakes are two halves of what has no label. A constant added to all logits
moves p(real) and no p(k | x, real). Unlabelled events must lie where some class is likely and fakes where none is, so
the borders between classes are pushed to where events are rare. The generator matches the mean of the discriminator's
features f, the layer below the logits,

    | E f(x) - E f(G(z)) |^2                                                        (section 3.1)

whose fakes are near the events and seldom among them: worse samples, better classes.

Which labels it may see is decided once: ``taught`` keeps those of a few training events, as many of each class, and
forgets all others. Without labels the first term is absent, and the logits mean nothing.

Scoring: there is none of x; ``classify`` gives p(k | x, real). Sampling costs one pass.

Known limits:
    Feature matching does not draw what it should: do not judge this model by its samples. Means ask for no variety, and
    a perceptron without batch normalisation answers them with one picture for all latents: the recipe's has it. The
    generator's loss compares means over a batch, so it needs one process.

References:
    Improved Techniques for Training GANs (Salimans et al., 2016) https://arxiv.org/abs/1606.03498
"""

from collections.abc import Sequence
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.adversarial.push_forward import PushForward, learning
from ptheta.data.dataset import Dataset
from ptheta.data.labels import few_labels
from ptheta.model import Objective, require_sizes
from ptheta.nn.borrowed import run
from ptheta.nn.mlp import MLP
from ptheta.nn.noisy import NoisyMLP
from ptheta.noise import Noise
from ptheta.optimizers import Adam, Optimizer
from ptheta.spaces import Space

__all__ = ["SemiSupervisedGAN"]

CHUNK = 1000
UNLABELLED = 0.5  # w above


@final
class SemiSupervisedGAN(PushForward):
    """A GAN whose discriminator names classes.

    Args:
        space: What one event is: ``Levels``, ``Binary`` or ``Real``.
        classes: The number K of classes.
        labels: How many training events it is told the class of, a multiple of K; 0 for none.
        latent: The number of latent variables.
        features: The width of what ``trunk`` gives.
        generator: Maps latents (B, latent) to embedded events. A perceptron if None.
        trunk: Maps embedded events to features (B, features). A perceptron if None.
        head: Maps features to logits (B, K). One layer if None.
        corruption: The standard deviation of noise on all that the discriminator sees while training, where what is
            seen has a range of 2.
        optimizers: Of the discriminator and of the generator.

    Example:
        >>> from ptheta import Levels, Noise
        >>> model = SemiSupervisedGAN(Levels((1, 4, 4), 17), classes=3, latent=8)
        >>> model.classify(model.sample(5, noise=Noise(0))).shape
        torch.Size([5, 3])
    """

    labelled: Tensor
    known: Tensor
    begins_with: ClassVar[int] = 500

    def __init__(
        self,
        space: Space,
        *,
        classes: int,
        labels: int = 0,
        latent: int = 64,
        features: int = 250,
        generator: nn.Module | None = None,
        trunk: nn.Module | None = None,
        head: nn.Module | None = None,
        corruption: float = 0.3,
        optimizers: tuple[Optimizer, Optimizer] = (Adam(1e-3, betas=(0.5, 0.999)), Adam(1e-3, betas=(0.5, 0.999))),
    ) -> None:
        require_sizes("SemiSupervisedGAN", latent=latent, features=features)
        require_sizes("SemiSupervisedGAN", least=2, classes=classes)
        if labels < 0 or labels % classes:
            raise ValueError(f"labels should be a multiple of the {classes} classes, or 0, but there are {labels}.")
        if generator is None:
            generator = MLP(latent, space.dimensions, (500, 500), activation=nn.ReLU)
        super().__init__(space, context_space=None, reader=None, generator=generator)
        self.classes, self.labels, self.latent, self.corruption = classes, labels, latent, corruption
        self.trunk = MLP(space.dimensions, features) if trunk is None else trunk
        self.logits = nn.Linear(features, classes) if head is None else head
        self.optimizers = optimizers
        events = torch.zeros(labels, *space.shape)
        self.register_buffer("labelled", events.byte() if space.is_discrete else events)
        self.register_buffer("known", torch.full((labels,), -1))

    def taught(self, data: Dataset, *, seed: int = 0) -> Dataset:
        """Keeps the labels of a few training events, as many of each class, and forgets all others.

        Args:
            data: Events with one class each.
            seed: Names the events whose labels are kept.

        Returns:
            The same events without any labels, to train on. Raises ValueError where a class has too few events.
        """
        hidden, kept = few_labels(data, labels=self.labels, classes=self.classes, seed=seed)
        if kept.context is not None:
            self.labelled.copy_(kept.x)
            self.known.copy_(kept.context)
        return hidden

    def begin(self, x: Tensor, context: Tensor | None) -> None:
        """Sets what a ``NoisyMLP`` has from the first events."""
        if isinstance(self.trunk, NoisyMLP):
            y = self._embedded(x)
            self.trunk.begin(y + self.corruption * torch.randn_like(y))

    def objectives(self) -> Sequence[Objective]:
        critic, maker = self.optimizers
        return (
            Objective("discriminator", self.discriminator_loss, learning(self.trunk, self.logits), optimizer=critic),
            Objective("generator", self.generator_loss, learning(self.generator), optimizer=maker),
        )

    def latents(self, n: int, noise: Noise) -> Tensor:
        return noise.normal((n, self.latent), "latent", like=self.like)

    def discriminator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """What it should say of an event without label and of a fake, plus the mean over those with labels.

        Args:
            x: Events with shape (B, *space.shape).
            context: None.
            noise: Where latents, jitter and corruption come from.

        Returns:
            The loss of each pair, with shape (B,).
        """
        with torch.no_grad():
            fake = self.push(self.latents(len(x), noise), None, borrowed=True)
        if self.labels and int(self.known[0]) < 0:
            raise ValueError("the model was built for labels and has none: data = model.taught(data) gives it some.")
        seen = {"data": self._embedded(x), "fakes": fake}
        if self.labels:
            seen["labelled"] = self._embedded(self.labelled)
        said = self.logits(self._features(seen, noise))
        on_data, on_fake, *on_known = said.split([len(y) for y in seen.values()])
        loss = F.softplus(-on_data.logsumexp(1)) + F.softplus(on_fake.logsumexp(1))
        return UNLABELLED * loss + sum(F.cross_entropy(each, self.known) for each in on_known)

    def generator_loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        """The squared distance of the mean features of events and of fakes, per feature, the same for each row.

        Args:
            x: Events with shape (B, *space.shape).
            context: None.
            noise: Where latents, jitter and corruption come from.

        Returns:
            The loss, with shape (B,).
        """
        with torch.no_grad():
            real = self._features({"data": self._embedded(x)}, noise, borrowed=True)
        fake = self._features({"fakes": self.push(self.latents(len(x), noise), None)}, noise, borrowed=True)
        return (fake.mean(0) - real.mean(0)).square().mean().expand(len(x))  # eq. of section 3.1

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """The probabilities of the classes of events, p(k | x, real), with shape (B, K)."""
        self.check(x)
        mode = self.training
        self.eval()
        try:
            parts = [self.logits(self.trunk(self._embedded(part))).softmax(1) for part in x.split(CHUNK)]
        finally:
            self.train(mode)
        return torch.cat(parts)

    def _embedded(self, x: Tensor) -> Tensor:
        return self.space.embed(x, self.like.dtype)

    def _features(self, seen: dict[str, Tensor], noise: Noise, *, borrowed: bool = False) -> Tensor:
        """The features of embedded events, part after part: corrupted in training, else jittered on a lattice."""
        if self.training and self.corruption:
            parts = [y + self.corruption * noise.normal(y.shape, f"corruption of {k}", like=y) for k, y in seen.items()]
        else:
            parts = [self.seen(y, noise, f"jitter of {key}") for key, y in seen.items()]
        y = torch.cat(parts)
        return run(self.trunk, y, None, borrowed=borrowed).to(y.dtype)
