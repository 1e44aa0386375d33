"""Recipes of models with closed forms: they fit in seconds, and every other model has to beat them.

Tables count on discrete spaces. Continuous models fit Real spaces as they are, and Binary and Levels dequantised: their
number is then a lower bound.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from ptheta.distributions.closed_form import ClosedForm
    from ptheta.spaces import Space

__all__ = [
    "ar_table",
    "bernoulli_mixture",
    "chow_liu",
    "full_table",
    "gaussian",
    "gaussian_copula",
    "gaussian_mixture",
    "independent",
    "kde",
    "markov",
    "uniform",
]


def uniform(space: "Space", context_space: "Space | None" = None) -> Recipe:
    """The uniform distribution: over all states, or over the smallest box that holds the training events.

    Args:
        space: Any space.
        context_space: Classes or None.

    Returns:
        A ``Uniform``.
    """
    from ptheta.distributions.simple import Uniform

    return Recipe.single(Uniform(space, context_space=context_space))


def independent(space: "Space", context_space: "Space | None" = None, *, smoothing: float = 1.0) -> Recipe:
    """Independent variables: a table for each, or on reals a Gaussian for each.

    Args:
        space: Any space.
        context_space: Classes or None.
        smoothing: Pseudo-counts per value; reals have none.

    Returns:
        An ``Independent``, on reals a diagonal ``Gaussian``, on tables a ``TableMixture`` of one component.
    """
    from ptheta.distributions.simple import Gaussian
    from ptheta.distributions.tables import Independent

    if space.kind == "table":
        from ptheta.distributions.table_mixture import TableMixture

        return Recipe.single(TableMixture(space, context_space=context_space, components=1))
    if not space.is_discrete:
        return Recipe.single(Gaussian(space, context_space=context_space, covariance="diagonal"))
    return Recipe.single(Independent(space, context_space=context_space, smoothing=smoothing))


def markov(space: "Space", context_space: "Space | None" = None, *, smoothing: float = 1.0) -> Recipe:
    """A Markov chain over the variables in raster order.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        smoothing: Pseudo-counts per value and state.

    Returns:
        A ``Markov``.
    """
    from ptheta.distributions.chains import Markov

    return Recipe.single(Markov(space, context_space=context_space, smoothing=smoothing))


def ar_table(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    parents: int | None = None,
    neighbours: Literal["prefix", "causal"] | None = None,
    backoff: float = 4.0,
) -> Recipe:
    """Each variable given a few before it, by tables that back off to shorter memories.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        parents: How many neighbours; None for the most whose rows data sets of usual size still reach: 10 bits on
            images, 4 bits elsewhere, fewer where variables take more values.
        neighbours: Those just before in raster order ("prefix") or the nearest pixels before ("causal"); None for
            causal on images.
        backoff: How many events per value the row with one parent less is worth.

    Returns:
        An ``ARTable``.
    """
    import math

    from ptheta.distributions.chains import ARTable, causal_neighbours, prefix_neighbours
    from ptheta.distributions.closed_form import categories

    neighbours = ("causal" if space.is_image else "prefix") if neighbours is None else neighbours
    if parents is None:
        bits = 10 if neighbours == "causal" else 4
        parents = max(1, int(bits / math.log2(max(categories(space, "ARTable"), 2))))
    if neighbours == "causal":
        table = causal_neighbours(space.shape, parents)
    else:
        table = prefix_neighbours(space.dimensions, parents)
    return Recipe.single(ARTable(space, table, context_space=context_space, backoff=backoff))


def chow_liu(space: "Space", context_space: "Space | None" = None, *, smoothing: float = 1.0) -> Recipe:
    """The best tree in which every variable has one parent.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        smoothing: Pseudo-counts per value and state.

    Returns:
        A ``ChowLiu``.
    """
    from ptheta.distributions.chow_liu import ChowLiu

    return Recipe.single(ChowLiu(space, context_space=context_space, smoothing=smoothing))


def full_table(space: "Space", context_space: "Space | None" = None, *, smoothing: float = 1.0) -> Recipe:
    """One probability per state, for at most some four million states.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        smoothing: Pseudo-counts per state.

    Returns:
        A ``FullTable``.
    """
    from ptheta.distributions.full_table import FullTable

    return Recipe.single(FullTable(space, context_space=context_space, smoothing=smoothing))


def bernoulli_mixture(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    components: int = 10,
    restarts: int = 3,
    iterations: int = 100,
    smoothing: float = 0.1,
) -> Recipe:
    """A mixture of independent variables, by EM: Bernoullis on bits, categoricals on levels and symbols.

    Args:
        space: Binary, Levels or Symbols.
        context_space: Classes or None.
        components: How many components, for each class.
        restarts: How many starts; the one that scores best on the validation events is kept.
        iterations: The most rounds of EM.
        smoothing: Pseudo-counts per value in each component.

    Returns:
        A ``ProductMixture``.
    """
    from ptheta.distributions.mixtures import ProductMixture

    return Recipe.single(
        ProductMixture(
            space,
            context_space=context_space,
            components=components,
            restarts=restarts,
            iterations=iterations,
            smoothing=smoothing,
        )
    )


def gaussian(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    covariance: Literal["full", "diagonal"] | None = None,
) -> Recipe:
    """A Gaussian by maximum likelihood; dequantised on Binary and Levels.

    Args:
        space: Real, Binary or Levels.
        context_space: Classes or None.
        covariance: "full" or "diagonal"; None for full up to 100 variables, beyond which few events make it singular.

    Returns:
        A ``Gaussian``, dequantised on discrete spaces.
    """
    from ptheta.distributions.simple import Gaussian

    chosen = _covariance(space, covariance)
    return _on_reals(space, lambda real: Gaussian(real, context_space=context_space, covariance=chosen))


def gaussian_copula(space: "Space", context_space: "Space | None" = None, *, quantiles: int = 200) -> Recipe:
    """Margins of any shape joined by the correlations of a Gaussian; dequantised on Binary and Levels.

    Args:
        space: Real, Binary or Levels.
        context_space: Classes or None.
        quantiles: How many kernels make a margin.

    Returns:
        A ``GaussianCopula``, dequantised on discrete spaces.
    """
    from ptheta.distributions.copula import GaussianCopula

    return _on_reals(space, lambda real: GaussianCopula(real, context_space=context_space, quantiles=quantiles))


def gaussian_mixture(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    components: int = 8,
    covariance: Literal["full", "diagonal"] | None = None,
    restarts: int = 3,
    iterations: int = 200,
) -> Recipe:
    """A mixture of Gaussians by EM; dequantised on Binary and Levels.

    Args:
        space: Real, Binary or Levels.
        context_space: Classes or None.
        components: How many components, for each class.
        covariance: "full" or "diagonal"; None for full up to 100 variables.
        restarts: How many starts; the one that scores best on the validation events is kept.
        iterations: The most rounds of EM.

    Returns:
        A ``GaussianMixture``, dequantised on discrete spaces.
    """
    from ptheta.distributions.gaussian_mixture import GaussianMixture

    chosen = _covariance(space, covariance)
    return _on_reals(
        space,
        lambda real: GaussianMixture(
            real,
            context_space=context_space,
            components=components,
            covariance=chosen,
            restarts=restarts,
            iterations=iterations,
        ),
    )


def kde(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    bandwidth: float | None = None,
    choose: Literal["leave-one-out", "validation"] = "validation",
    points: int = 10_000,
) -> Recipe:
    """A Gaussian kernel on every training event; dequantised on Binary and Levels.

    Args:
        space: Real, Binary or Levels.
        context_space: Classes or None.
        bandwidth: The kernels' standard deviation, in standardised units; None to choose it.
        choose: On what the bandwidth is chosen: the validation events, or each training event given the others.
        points: The most training events that become kernels.

    Returns:
        A ``KDE``, dequantised on discrete spaces.
    """
    from ptheta.distributions.kde import KDE

    return _on_reals(
        space,
        lambda real: KDE(real, context_space=context_space, bandwidth=bandwidth, choose=choose, points=points),
    )


def _on_reals(space: "Space", build: "Callable[[Space], ClosedForm]") -> Recipe:
    """The model on reals, or its dequantised form on a lattice."""
    from ptheta.distributions.dequantized import Dequantized, dequantized_space

    if not space.is_discrete:
        return Recipe.single(build(space))
    return Recipe.single(Dequantized(build(dequantized_space(space)), space))


def _covariance(space: "Space", said: Literal["full", "diagonal"] | None) -> Literal["full", "diagonal"]:
    return ("full" if space.dimensions <= 100 else "diagonal") if said is None else said
