"""Features: the vectors that sample metrics compare.

Distances between raw pixels say little, so events are first mapped to features. No weights are fetched; three
extractors come from the data itself:

    classifier            the last hidden layer of a small network trained on the classes of the training split
    principal components  of embedded training events, at most a tenth as many as the events to be compared
    raw                   the embedded event itself, up to 100 dimensions

The name ``FID`` belongs to one particular network; a distance on these features is not that number. Every result
carries the extractor's id, which ends in a hash of its weights, and two results with different ids do not compare.

Features are centred, and scaled by one number so that their variances are 1 on average over the training events: the
geometry stays, and distances mean the same on every data set.

Extractors learn from the first half of a random order of the training split only. The second half stands in for a
perfect model wherever real data is compared with real data; had the network seen it, real data would look unreal.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.noise import seeded, seeded_generator
from ptheta.spaces import Space, Symbols

__all__ = ["Extractor", "class_reader", "features", "in_order", "learn", "real_halves", "vectors"]

FEATURES = 64
RAW = 100
ROWS = 20_000  # training events an extractor learns from, at most
BATCH = 1000


@final
@dataclass(frozen=True)
class Extractor:
    """Maps events to features.

    Args:
        name: What it is: classifier, principal components, raw.
        dimensions: The number d of features.
        digest: The hash of its weights.
        function: Maps events with shape (B, *shape) to features with shape (B, d).
        remark: What else to know, such as the accuracy of the classifier.
    """

    name: str
    dimensions: int
    digest: str
    function: Callable[[Tensor], Tensor]
    remark: str = ""

    @property
    def id(self) -> str:
        """Its name, the number of features and the hash of its weights."""
        return f"{self.name}-{self.dimensions}@{self.digest}"

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Maps events with shape (n, *shape) to features, float64 with shape (n, d)."""
        return torch.cat([self.function(part).double() for part in x.split(BATCH)])


def features(
    data: Dataset,
    *,
    kind: Literal["classifier", "principal components", "raw"] | None = None,
    n: int | None = None,
    seed: int = 0,
) -> Extractor:
    """Makes an extractor from the training split, in seconds, the same every time.

    Args:
        data: The data set whose samples will be judged.
        kind: Which extractor; if None a classifier where there are classes, else principal components.
        n: How many events will be compared; the number of training events if None. There are at most n / 10
            principal components.
        seed: Names the order of the training events and the first weights.

    Returns:
        The extractor.
    """
    classes = data.context_space if isinstance(data.context_space, Symbols) and not data.context_space.shape else None
    if kind is None:
        kind = "classifier" if classes is not None and classes.n > 1 else "principal components"
    half = real_halves(data, seed)[0][:ROWS]
    if kind == "raw":
        return _raw(data.space)
    if kind == "principal components":
        return _principal_components(data.space, half.x, len(data.train) if n is None else n, seed)
    if classes is None:
        raise ValueError(f"a classifier needs classes, but {data.name} has none. Use principal components.")
    return _classifier(data, half, classes.n, seed)


def real_halves(data: Dataset, seed: int = 0) -> tuple[Events, Events]:
    """Halves the training split at random: extractors learn from the first; the second plays the perfect model.

    Args:
        data: The data set.
        seed: Names the order.

    Returns:
        Two halves of ``data.train``.
    """
    order = torch.randperm(len(data.train), generator=seeded_generator(seed))
    middle = (len(order) + 1) // 2
    return data.train[order[:middle]], data.train[order[middle:]]


def vectors(x: Tensor, space: Space) -> Tensor:
    """Embeds events and flattens them, float64 with shape (n, D): symbols one-hot, reals standardised."""
    return space.embed(x, torch.float64).reshape(len(x), -1)


def in_order(x: Tensor) -> Tensor:
    """Sorts rows by their first number, then their second, ...: random halves then do not depend on the order given.

    Args:
        x: Features with shape (n, d).

    Returns:
        The same rows, float64.
    """
    x = x.double()
    return x[torch.from_numpy(np.lexsort(x.T.flip(0).cpu().numpy())).to(x.device)]


def learn(net: nn.Module, x: Tensor, y: Tensor, *, steps: int, seed: int, decay: float = 1e-2) -> nn.Module:
    """Trains a classifier by AdamW on random batches, under a learning rate that falls to zero.

    Args:
        net: Maps inputs with shape (B, ...) to logits with shape (B, classes). Changed in place.
        x: All inputs.
        y: Their classes, int64.
        steps: How many batches of 128.
        seed: Names the order of the batches.
        decay: The weight decay.

    Returns:
        The net, in evaluation mode.
    """
    generator = seeded_generator(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with torch.enable_grad():
        for _ in range(steps):
            rows = torch.randint(len(x), (128,), generator=generator)
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def _raw(space: Space) -> Extractor:
    d = vectors(torch.zeros(1, *space.shape, dtype=space.dtype), space).shape[1]
    if d > RAW:
        raise ValueError(f"raw features are for at most {RAW} dimensions, but {space} has {d}. Use another kind.")
    return Extractor("raw", d, _digest(torch.zeros(0), str(space.to_json())), lambda x: vectors(x, space))


def _principal_components(space: Space, x: Tensor, n: int, seed: int) -> Extractor:
    y = vectors(x[:5000], space)
    d = max(1, min(FEATURES, n // 10, *y.shape))
    mean = y.mean(0)
    with seeded(seed):
        basis = torch.pca_lowrank(y - mean, q=min(d + 10, *y.shape), center=False, niter=4)[2][:, :d]  # (D, d)
    basis /= _scale((y - mean) @ basis)
    digest = _digest(torch.cat([mean, basis.flatten()]))
    return Extractor("principal components", d, digest, lambda x: (vectors(x, space) - mean) @ basis)


def class_reader(data: Dataset, seed: int = 0) -> tuple[Callable[[Tensor], Tensor], float]:
    """A reader of classes, trained on those of the training split: the classifier whose features are compared.

    Args:
        data: A data set with classes.
        seed: Names its first weights and the order of the events.

    Returns:
        A function from events (n, *shape) to classes (n,), and the share of test events that it reads rightly.
    """
    classes = data.context_space
    assert isinstance(classes, Symbols)
    body, head = _trained(data, real_halves(data, seed)[0][:ROWS], classes.n, seed)

    @torch.no_grad()
    def read(x: Tensor) -> Tensor:
        return torch.cat([head(body(data.space.embed(part, torch.float32))).argmax(1) for part in x.split(BATCH)])

    test = data.test.some(2000)
    assert test.context is not None
    return read, float((read(test.x) == test.context).double().mean())


def _trained(data: Dataset, half: Events, classes: int, seed: int) -> tuple[nn.Module, nn.Module]:
    """The body and the head of a small classifier, trained on some events."""
    assert half.context is not None  # a data set with classes has contexts
    with seeded(seed):
        body, head = _body(data.space), nn.Linear(FEATURES, classes)
    steps = min(800, max(200, len(half) // 4))
    x = data.space.embed(half.x, torch.float32)
    learn(nn.Sequential(body, head), x, half.context, steps=steps, seed=seed)
    return body, head


def _classifier(data: Dataset, half: Events, classes: int, seed: int) -> Extractor:
    space = data.space
    body, head = _trained(data, half, classes, seed)

    def hidden(x: Tensor) -> Tensor:
        return body(space.embed(x, torch.float32))

    with torch.no_grad():
        seen = hidden(half.x[:5000])
        mean, scale = seen.mean(0), _scale(seen)
        held_out = data.test.some(2000)
        assert held_out.context is not None
        right = head(hidden(held_out.x)).argmax(1) == held_out.context
    digest = _digest(torch.cat([p.detach().flatten() for p in (*body.parameters(), *head.parameters())]))
    remark = f"the classifier is right on {right.double().mean().item():.1%} of {len(held_out)} test events"
    return Extractor("classifier", FEATURES, digest, lambda x: (hidden(x) - mean) / scale, remark)


def _body(space: Space) -> nn.Module:
    """Convolutions for images, else two layers; ends in the features."""
    if not space.is_image or min(space.shape[1:]) < 8:
        width = int(torch.Size(space.embedded_shape).numel())
        return nn.Sequential(nn.Flatten(1), nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, FEATURES), nn.ReLU())
    channels, height, width = space.shape
    layers: list[nn.Module] = []
    for out in (16, 32, 32):
        stride = 2 if min(height, width) > 4 else 1
        layers += [nn.Conv2d(channels, out, 3, stride, 1), nn.ReLU()]
        channels, height, width = out, -(-height // stride), -(-width // stride)
    return nn.Sequential(*layers, nn.Flatten(1), nn.Linear(channels * height * width, FEATURES), nn.ReLU())


def _scale(features: Tensor) -> float:
    """The root of the mean variance."""
    return features.var(0).mean().sqrt().item() or 1.0


def _digest(weights: Tensor, more: str = "") -> str:
    return hashlib.sha256(weights.contiguous().numpy().tobytes() + more.encode()).hexdigest()[:8]
