"""Recipes of models of tables: rows of columns of any kinds, some cells blank."""

from typing import TYPE_CHECKING, Literal

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["ctgan", "forest", "mixture", "tabddpm"]


def ctgan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    latent: int = 128,
    modes: int = 10,
    hidden: tuple[int, ...] = (256, 256),
    game: Literal["relativistic", "wasserstein"] = "relativistic",
    packing: int | None = None,
    gradient_penalty: float | None = None,
) -> Recipe:
    """A conditional GAN of rows: numbers as modes and places in them, one name of one column told.

    The paper's game is ``wasserstein``; the other learns in fewer steps.

    Args:
        space: Table.
        context_space: None: what is told is a part of the row.
        latent: The number of latent variables.
        modes: The most modes of a column of numbers.
        hidden: The widths of the hidden layers, of both networks.
        game: Whether the critic judges rows beside fakes, and pays for slopes at both, or bounds a distance.
        packing: How many rows the critic sees at once. By default 10 in the paper's game, else 1.
        gradient_penalty: The weight of what the critic pays for its slopes. By default 10 in the paper's game, else .1.

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import CTGAN, Relativistic, UnitSlopes, Wasserstein, ZeroSlopes
    from ptheta.optimizers import Adam

    papers = game == "wasserstein"
    weight = (10.0 if papers else 0.1) if gradient_penalty is None else gradient_penalty
    rule = Adam(2e-4, betas=(0.5, 0.9)) if papers else Adam(5e-4, betas=(0.0, 0.99))
    model = CTGAN(
        space,
        context_space=context_space,
        latent=latent,
        modes=modes,
        hidden=hidden,
        packing=(10 if papers else 1) if packing is None else packing,
        game=Wasserstein() if papers else Relativistic(),
        penalty=UnitSlopes(weight) if papers else ZeroSlopes(weight, fakes=True),
        optimizers=(rule, rule),
    )
    return Recipe.single(model, {"steps": 12_000, "batch_size": 500, "schedule": "linear", "ema": 0.99})


def mixture(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    components: int = 30,
    restarts: int = 1,
    iterations: int = 100,
) -> Recipe:
    """A mixture of independent columns of any kinds, by EM; blank cells are summed out.

    Args:
        space: Table.
        context_space: Classes or None.
        components: How many components, for each class.
        restarts: How many starts; the one that scores best on the validation rows is kept.
        iterations: The most rounds of EM.

    Returns:
        A ``TableMixture``.
    """
    from ptheta.distributions.table_mixture import TableMixture

    return Recipe.single(
        TableMixture(
            space, context_space=context_space, components=components, restarts=restarts, iterations=iterations
        )
    )


def forest(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    trees: int = 10,
    leaves: int = 500,
    least: int = 10,
    rounds: int = 2,
) -> Recipe:
    """An adversarial random forest: a component for every leaf of trees that tell rows from independent columns.

    Args:
        space: Table.
        context_space: Classes or None.
        trees: How many trees, for each class.
        leaves: The most leaves of each.
        least: The fewest rows of a leaf.
        rounds: How often a forest has to tell the rows from samples of the one before, at most.

    Returns:
        A ``Forest``.
    """
    from ptheta.distributions.forest import Forest

    return Recipe.single(
        Forest(space, context_space=context_space, trees=trees, leaves=leaves, least=least, rounds=rounds)
    )


def tabddpm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    diffusion_steps: int = 100,
    width: int = 256,
    blocks: int = 3,
) -> Recipe:
    """A diffusion of rows: Gaussian steps for numbers, random replacements for names, one network that undoes both.

    Args:
        space: Table.
        context_space: What one context is, or None.
        diffusion_steps: The number T of steps from row to noise, and of network calls per sample.
        width: The width of the residual perceptron; even.
        blocks: How many blocks it has.

    Returns:
        The model and its training.
    """
    from ptheta.diffusion import TableDiffusion

    model = TableDiffusion(space, context_space=context_space, steps=diffusion_steps, width=width, blocks=blocks)
    training = {"steps": 10_000, "batch_size": 500, "schedule": "cosine", "warmup": 200, "clip": 1.0, "ema": 0.999}
    return Recipe.single(model, training)
