"""Known-good energy models."""

from typing import TYPE_CHECKING

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["rbm"]


def rbm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: int | None = None,
    k: int = 1,
    persistent: bool = True,
    chains: int = 100,
) -> Recipe:
    """A restricted Boltzmann machine, trained by (persistent) contrastive divergence.

    Args:
        space: What one event is: bits.
        context_space: None; an RBM takes no context.
        hidden: The number of hidden bits. By default 500 for events of at least 500 bits, else 200.
        k: How many Gibbs steps each gradient step takes.
        persistent: Whether the chain goes on from step to step (PCD) or restarts at the data (CD).
        chains: How many persistent chains there are.

    Returns:
        The machine and its training.
    """
    from ptheta.energy import RBM
    from ptheta.optimizers import SGD

    large = space.dimensions >= 500
    model = RBM(
        space,
        hidden=hidden or (500 if large else 200),
        k=k,
        persistent=persistent,
        chains=chains,
        context_space=context_space,
        optimizer=SGD(learning_rate=0.05 if large else 0.1),
    )
    length = {"epochs": 15} if large else {"steps": 5000}
    return Recipe(model, {**length, "batch_size": 100, "schedule": "linear"})
