"""Known-good energy models."""

from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["boltzmann", "dbm", "ebm", "gsn", "rbm"]


def rbm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: int | None = None,
    k: int = 1,
    persistent: bool = True,
    chains: int = 100,
) -> Recipe:
    """A restricted Boltzmann machine, of bits or of reals, trained by (persistent) contrastive divergence.

    Args:
        space: What one event is: bits, or reals.
        context_space: None; an RBM takes no context.
        hidden: The number of hidden bits. By default 500 for events of at least 500 bits, 200 for smaller ones, and 16
            for reals: up to so many, the machine of reals is trained on its exact likelihood, without chains.
        k: How many Gibbs steps each gradient step takes.
        persistent: Whether the chain goes on from step to step (PCD) or restarts at the data (CD); on reals it goes on.
        chains: How many persistent chains there are.

    Returns:
        The machine and its training.
    """
    from ptheta.energy import RBM, GaussianRBM
    from ptheta.optimizers import SGD, Adam
    from ptheta.spaces import Real

    if isinstance(space, Real):
        hidden = 16 if hidden is None else hidden
        model = GaussianRBM(space, hidden=hidden, k=k, chains=chains, context_space=context_space)
        model.optimizer = Adam(learning_rate=0.01 if model.exact else 0.001)
        return Recipe.single(model, {"steps": 3000, "batch_size": 200, "schedule": "linear"})
    large = space.dimensions >= 500
    model = RBM(
        space,
        hidden=(500 if large else 200) if hidden is None else hidden,
        k=k,
        persistent=persistent,
        chains=chains,
        context_space=context_space,
        optimizer=SGD(learning_rate=0.05 if large else 0.1),
    )
    length = {"epochs": 15} if large else {"steps": 5000}
    return Recipe.single(model, {**length, "batch_size": 100, "schedule": "linear"})


def boltzmann(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: int = 0,
    k: int = 1,
    chains: int = 100,
) -> Recipe:
    """A general Boltzmann machine: trained on its exact likelihood up to 20 bits, by persistent chains beyond.

    Args:
        space: What one event is: bits.
        context_space: None; a Boltzmann machine takes no context.
        hidden: The number of hidden bits, at most 12; 0 for none.
        k: How many sweeps over all bits each gradient step takes, beyond 20 bits.
        chains: How many persistent chains there are, beyond 20 bits.

    Returns:
        The machine and its training.
    """
    from ptheta.energy import BoltzmannMachine
    from ptheta.optimizers import Adam

    model = BoltzmannMachine(space, hidden=hidden, k=k, chains=chains, context_space=context_space)
    model.optimizer = Adam(learning_rate=0.05 if model.exact else 0.01)
    return Recipe.single(model, {"steps": 2000, "batch_size": 500, "schedule": "linear"})


def dbm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: tuple[int, ...] | None = None,
    k: int | None = None,
    chains: int = 100,
    pretraining: int = 0,
) -> Recipe:
    """A deep Boltzmann machine of two hidden layers, trained by mean field and persistent chains.

    Args:
        space: What one event is: bits.
        context_space: None; a DBM takes no context.
        hidden: The numbers of hidden bits of both layers. By default 500 1000 for events of at least 500 bits, else
            16 8, small enough to be scored exactly.
        k: How many Gibbs steps each gradient step takes. By default 1 for events of at least 500 bits, else 5.
        chains: How many persistent chains there are.
        pretraining: How many of the first steps train layer by layer; centred parameters need none.

    Returns:
        The machine and its training.
    """
    from ptheta.energy import DBM
    from ptheta.optimizers import Adam

    large = space.dimensions >= 500
    model = DBM(
        space,
        hidden=((500, 1000) if large else (16, 8)) if hidden is None else hidden,
        k=(1 if large else 5) if k is None else k,
        chains=chains,
        pretraining=pretraining,
        context_space=context_space,
        optimizer=Adam(learning_rate=0.001 if large else 0.01),
    )
    return Recipe.single(model, {"steps": 5000, "batch_size": 100, "schedule": "linear"})


def gsn(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    denoiser: Literal["joint", "independent"] | None = None,
    corruption: float | None = None,
    walkback: int = 2,
    hidden: int = 100,
) -> Recipe:
    """A generative stochastic network: a denoiser, and the Markov chain of spoiling and mending that it makes.

    Args:
        space: What one event is.
        context_space: None; a GSN takes no context.
        denoiser: What mends an event: NADE, which knows how its variables depend on each other, or a regression, whose
            variables are independent: a perceptron of 1000, 1000 on pictures of 16 pixels and more, whose strokes it
            sees whole. By default the first up to 100 variables.
        corruption: How often a discrete variable is drawn anew, or the noise on reals, in their standard deviations.
            By default .1, with a regression of pictures .3.
        walkback: How many steps of its own chain training takes from each event.
        hidden: The hidden units of NADE.

    Returns:
        The model and its training.
    """
    from ptheta.autoregressive import NADE
    from ptheta.energy import GSN
    from ptheta.regression import Regression

    kind = denoiser or ("joint" if space.dimensions <= 100 else "independent")
    large = kind == "independent" and len(space.shape) == 3 and max(space.shape[1:]) >= 16
    if kind == "joint":
        inner = NADE(space, hidden=hidden, context_space=space)
    else:
        inner = Regression(space, context_space=space, **(_whole_pictures(space) if large else {}))
    default = 0.3 if kind == "independent" and len(space.shape) == 3 else 0.1
    corruption = default if corruption is None else corruption
    model = GSN(inner, corruption=corruption, walkback=walkback, context_space=context_space)
    how = {"batch_size": 100, "ema": 0.99} if large else {"batch_size": 500}
    return Recipe.single(model, {"steps": 3000, "schedule": "cosine", **how})


def _whole_pictures(space: "Space") -> dict[str, Any]:
    """A perceptron from a picture to what a regression says of each of its pixels."""
    from torch import nn

    from ptheta.nn.contexts import reader_of, width_of
    from ptheta.nn.mlp import MLP
    from ptheta.regression.regression import simple_head

    reader, head = reader_of(space), simple_head(space)
    outputs = space.dimensions * head.width
    network = MLP(width_of(reader, "a perceptron"), outputs, (1000, 1000), activation=nn.ReLU)
    return {"reader": reader, "head": head, "network": network}


def ebm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    hidden: tuple[int, ...] = (128, 128),
    k: int = 10,
    step_size: float = 0.15,
    persistent: bool = True,
    chains: int = 200,
) -> Recipe:
    """An energy network, trained at the samples of Langevin chains.

    Args:
        space: What one event is: reals.
        context_space: None; an EBM takes no context.
        hidden: The widths of the network's hidden layers.
        k: How many moves the chains take for each gradient step.
        step_size: The step of Langevin dynamics, in standard deviations of the data; less for narrower modes.
        persistent: Whether the chains go on from step to step, or are short runs from noise.
        chains: How many chains there are.

    Returns:
        The model and its training.
    """
    from ptheta.energy import EBM
    from ptheta.nn.mlp import MLP
    from ptheta.optimizers import Adam

    network = MLP(space.dimensions, 1, hidden)
    settings = {"k": k, "step_size": step_size, "persistent": persistent, "chains": chains}
    model = EBM(space, network=network, context_space=context_space, optimizer=Adam(learning_rate=0.003), **settings)
    return Recipe.single(model, {"steps": 3000, "batch_size": 200, "schedule": "linear"})
