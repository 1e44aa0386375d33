"""Rows of classes that nobody named: how far categories found without a label agree with those that people use.

Categories have no names, so each is given one: a permutation of all (the best one, by the Hungarian method), or the
class that most of its events have, which more than one category may share. Beside them stand clusters of the pixels by
k-means, named alike.

That a code can be read off what was drawn of it says nothing of this: slanted and upright digits can be told apart as
well as threes and fives. So the bound on the information stands beside, at most ln K, and proves nothing of classes.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ptheta.papers.row import Found, Row

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ROWS", "agreement", "categories"]

CLUSTERED = 10_000  # training events that k-means sees
DRAWN = 2000  # fakes whose information about their category is bounded


def categories(seed: int, folder: Path) -> Found:
    """How many test events an InfoGAN's categories name rightly, once each category has the name of one digit.

    Args:
        seed: Names every draw.
        folder: Where the run is kept.

    Returns:
        The share; among the details that with the commonest class as each category's name, those of k-means, and the
        bound on the information in nats.
    """
    import torch
    from sklearn.cluster import KMeans

    from ptheta.data import load
    from ptheta.noise import Noise
    from ptheta.papers.fitting import fitted

    data = load("mnist")
    true = data.test.context
    assert true is not None
    model = fitted("infogan", data.without_context(), folder, seed)
    one, common = agreement(model.encode(data.test.x)[:, : model.categories].argmax(1), true)
    train, test = (data.space.embed(x).flatten(1).numpy() for x in (data.train.x[:CLUSTERED], data.test.x))
    clusters = KMeans(10, random_state=seed).fit(train).predict(test)
    by_pixels = agreement(torch.from_numpy(clusters).long(), true)
    return Found(
        one,
        {
            "share, each category named by its commonest digit": common,
            "share of k-means": by_pixels[0],
            "share of k-means, each cluster named by its commonest digit": by_pixels[1],
            "nats of information about the category, a lower bound": model.information(
                DRAWN, noise=Noise(seed).at("information")
            ).value,
        },
    )


def agreement(found: "Tensor", true: "Tensor") -> tuple[float, float]:
    """The shares of events that categories name rightly: each of another class, and each of its commonest.

    Args:
        found: The category of each event, with shape (n,).
        true: Its class, with shape (n,).

    Returns:
        The share under the best permutation, and under the commonest class of each category.
    """
    import torch
    from scipy.optimize import linear_sum_assignment

    size = int(max(found.max(), true.max())) + 1
    counts = torch.bincount(found * size + true, minlength=size * size).reshape(size, size)
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    return float(counts[rows, columns].sum()) / len(true), float(counts.amax(1).sum()) / len(true)


ROWS = (
    Row(
        name="infogan-mnist",
        paper=0.95,
        pass_line=0.75,
        rule="at least",
        unit="share of test digits named rightly by categories found without a label",
        data="mnist",
        model="infogan",
        seconds=1250.0,
        source="InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets "
        "(Chen et al., 2016), whose codes were chosen among those of several runs. The line is for the median of five "
        "seeds.",
        run=categories,
        floor=(0.53, "k-means"),
    ),
)
