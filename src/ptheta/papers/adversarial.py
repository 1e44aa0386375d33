"""Rows of GANs on digits, which have no likelihood: the classes that they draw.

A small classifier, trained on the data, counts the classes of the samples. If all ten came equally often, the entropy
of their histogram would be ln 10 = 2.303 nats; the line is ln 9, what is left when one class of ten is lost.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptheta.papers.row import Found, Row

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ptheta.data import Dataset

__all__ = ["ROWS", "class_entropy", "classifier"]

SAMPLES = 10_000


def class_entropy(model: str, data: str, seed: int, folder: Path, *, judge: int = 0) -> Found:
    """The entropy of the histogram of classes that a GAN draws.

    Args:
        model: The recipe's name.
        data: The data set's name; it has classes, which the GAN does not see.
        seed: Names every draw, and the classifier's training.
        folder: Where the run is kept.
        judge: How many samples the sample metrics judge besides; 0 leaves them out.

    Returns:
        The entropy in nats; among the details that of test events, and how sure the classifier is of either.
    """
    from ptheta.data import load
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted
    from ptheta.papers.scoring import judged

    loaded = load(data)
    x = fitted(model, loaded, folder, seed).sample(SAMPLES, noise=Noise(seed).at("sample"))
    net = classifier(loaded, seed)
    (entropy, sure), (real_entropy, real_sure) = (_classes(net, loaded, e) for e in (x, loaded.test.x))
    right = net(loaded.space.embed(loaded.test.x)).argmax(1) == loaded.test.context
    details = {
        "entropy of test events": real_entropy,
        "% of samples of which the classifier is sure (p > .9)": sure,
        "% of test events of which it is sure": real_sure,
        "% of test events that it names rightly": 100 * float(right.double().mean()),
    }
    return Found(entropy, details | (judged(x[:judge], loaded, seed) if judge else {}))


def classifier(data: "Dataset", seed: int) -> "nn.Module":
    """A perceptron that names the class of an event, trained for 3000 steps.

    Args:
        data: Events with classes.
        seed: Names its weights and batches.

    Returns:
        The network, from embedded events to logits.
    """
    import torch
    import torch.nn.functional as F

    from ptheta.nn.mlp import MLP
    from ptheta.noise import seeded
    from ptheta.spaces import Symbols

    assert isinstance(data.context_space, Symbols)
    with seeded(seed):
        net = MLP(data.space.dimensions, data.context_space.n, (256,))
        rule = torch.optim.Adam(net.parameters(), 1e-3)
        for _ in range(3000):
            batch = data.train[torch.randint(len(data.train), (128,))]
            assert batch.context is not None
            rule.zero_grad()
            F.cross_entropy(net(data.space.embed(batch.x)), batch.context).backward()
            rule.step()
    return net


def _classes(net: "nn.Module", data: "Dataset", x: "Tensor") -> tuple[float, float]:
    """The entropy of the classes of events, and the share in per cent of which the classifier is sure."""
    import torch

    with torch.no_grad():
        p = net(data.space.embed(x)).softmax(1).double()
    share = torch.bincount(p.argmax(1), minlength=p.shape[1]) / len(p)
    return float(-torch.xlogy(share, share).sum()), 100 * float((p.amax(1) > 0.9).double().mean())


def _digits(model: str, data: str, seconds: float, source: str, **options: Any) -> Row:
    """A GAN that must not lose a class."""
    return Row(
        name=f"{model}-{data}",
        paper=2.303,
        pass_line=2.197,
        rule="at least",
        unit=f"nats, entropy of the classes of {SAMPLES} samples",
        data=data,
        model=model,
        seconds=seconds,
        source=f"{source}. The papers have no such row: the anchor is the entropy of ten equal classes, the line that "
        "of nine.",
        run=partial(class_entropy, model, data, **options),
        floor=(0.0, "one class only"),
    )


GAN = "Generative Adversarial Networks (Goodfellow et al., 2014), two perceptrons with R1"
DCGAN = "Unsupervised Representation Learning with DCGAN (Radford, Metz & Chintala, 2015), with R1"

ROWS = (
    _digits("gan", "digits", 120.0, GAN),
    _digits("gan", "mnist", 300.0, GAN, judge=500),
    _digits("dcgan", "mnist", 320.0, DCGAN, judge=500),
)
