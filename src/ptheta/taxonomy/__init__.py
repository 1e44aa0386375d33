"""The family tree of deep generative models, as one literal that all else derives from.

    explicit    the model gives log p(x)
      tractable     exactly
      approximate   as a bound, or up to a constant
    implicit    the model gives samples only
      direct        at once
      chain         as the states of a Markov chain
    map         the model gives neither, but a code or a counterpart of each event

A leaf says what the types say (a test holds it against the protocols): how it scores, how it samples, on what spaces.
Recipes, the command line, ``compare`` and the documents know a model by its leaf.
"""

from collections.abc import Iterator

from ptheta.taxonomy.approximate import APPROXIMATE
from ptheta.taxonomy.implicit import CHAINS, DIRECT
from ptheta.taxonomy.leaf import Leaf
from ptheta.taxonomy.maps import MAPS
from ptheta.taxonomy.tractable import TRACTABLE

__all__ = ["TREE", "Leaf", "leaves"]

TREE: dict[str, dict[str, dict[str, tuple[Leaf, ...]]]] = {
    "explicit": {"tractable": TRACTABLE, "approximate": APPROXIMATE},
    "implicit": {"direct": DIRECT, "chain": CHAINS},
    "map": {"deterministic": MAPS},
}


def leaves() -> Iterator[tuple[tuple[str, str, str], Leaf]]:
    """Walks the tree.

    Yields:
        The path (kind, branch, family) of each leaf, and the leaf.
    """
    for kind, branches in TREE.items():
        for branch, families in branches.items():
            for family, members in families.items():
                for leaf in members:
                    yield (kind, branch, family), leaf
