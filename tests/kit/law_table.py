"""Which law holds for which row: a literal table of the laws, each with the models it applies to.

What a model offers (a score, a bound, an order of variables, a bijection) decides which laws it falls under, so a new
row in ``cases.py`` inherits all that apply. To see the whole matrix:

    python tests/kit/law_table.py
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import laws
from cases import CASES, Case, as_made, fresh, prepared, shared
from exact_scores import has_exact
from model_offers import HasBijection, is_enumerable, scores, tight_log_prob
from ptheta.autoregressive import Autoregressive
from ptheta.distributions.closed_form import CompletedForm
from ptheta.model import Distribution, Trained
from ptheta.protocols import HasCode, HasComplete, HasElbo, HasEnergy
from toy_law import toy_data, toy_events, toy_log_prob


@dataclass(frozen=True)
class Row:
    """A row of ``cases.py`` that a law is held against.

    Args:
        name: Its name.
        folder: Where the law may write.
    """

    name: str
    folder: Path

    @property
    def case(self) -> Case:
        return CASES[self.name]

    @cached_property
    def model(self) -> Any:
        return prepared(self.name)

    def toy(self, n: int) -> tuple[Tensor, Tensor | None]:
        """n events of the toy law with their contexts."""
        return toy_events(self.model, n)

    def log_law(self, x: Tensor, context: Tensor | None) -> Tensor:
        return toy_log_prob(self.model, x, context)

    @property
    def sees(self) -> Tensor | None:
        return None if self.case.sees is None else self.case.sees()


@dataclass(frozen=True)
class Law:
    """A law of ``laws.py``.

    Args:
        check: The law itself; its docstring says what it demands.
        applies: Whether it is meant for a model and its row.
        hold: Holds it against a row.
    """

    check: Callable[..., None]
    applies: Callable[[Any, Case], bool]
    hold: Callable[[Row], None]

    @property
    def name(self) -> str:
        return self.check.__name__

    @cached_property
    def rows(self) -> list[str]:
        """The names of the rows it applies to."""
        return [name for name in CASES if self.applies(shared(name), CASES[name])]


def every(model: Any, case: Case) -> bool:
    return True


def is_trained(model: Any, case: Case) -> bool:
    return isinstance(model, Trained)


def is_autoregressive(model: Any, case: Case) -> bool:
    return isinstance(model, Autoregressive)


def has_probabilities(model: Any, case: Case) -> bool:
    return is_enumerable(model.space) and tight_log_prob(model) is not None


def has_bound(model: Any, case: Case) -> bool:
    return isinstance(model, HasElbo) and is_enumerable(model.space) and (model.space.is_discrete or has_exact(model))


def completes_exactly(model: Any, case: Case) -> bool:
    """Autoregressive models, where the known come first, energies, by chains, and forms that are closed under it."""
    by_chain = isinstance(model, HasEnergy) and isinstance(model, HasComplete) and model.space.is_discrete
    in_order = isinstance(model, Autoregressive) and model.space.is_discrete
    return (in_order or by_chain or isinstance(model, CompletedForm)) and has_probabilities(model, case)


def order_of(model: Any) -> list[int]:
    """The known come first; where anything may be known, it is what a sampler draws last."""
    if isinstance(model, Autoregressive):
        return model.order.tolist()
    return list(range(model.space.dimensions))[:: -1 if isinstance(model, CompletedForm) else 1]


def hold_saving(row: Row) -> None:
    """In float64, and in the types that users have."""
    for model, other, folder in (
        (row.model, fresh(row.name, seed=1), row.folder / "float64"),
        (as_made(row.name), CASES[row.name].make(), row.folder / "as made"),
    ):
        laws.saving_restores(model, other, toy_data(model, 8), folder, row.case.sampling)


@cache
def fitted(name: str) -> tuple[Any, Any]:
    """The model of a row, fitted to the toy law in the types that users have, then in float64; and its data."""
    model = fresh(name)
    model = model.float() if isinstance(model, Trained) else model
    data = toy_data(model, 3000)
    return model.fit(data, **CASES[name].training).double().eval(), data


def hold_learning(row: Row) -> None:
    assert row.case.gap is not None
    laws.learns(*fitted(row.name), row.log_law, row.case.gap)


def hold_nearness(row: Row) -> None:
    assert row.case.distance is not None
    laws.samples_come_near(fitted(row.name)[0], row.log_law, row.case.distance, row.case.sampling)


LAWS = (
    Law(
        laws.samples_keep_the_contract,
        lambda model, case: isinstance(model, Distribution),
        lambda row: laws.samples_keep_the_contract(row.model, row.toy(laws.MOST)[1], row.case.sampling),
    ),
    Law(
        laws.scores_keep_the_contract,
        lambda model, case: bool(scores(model)),
        lambda row: laws.scores_keep_the_contract(row.model, *row.toy(6)),
    ),
    Law(
        laws.codes_keep_the_contract,
        lambda model, case: isinstance(model, HasCode),
        lambda row: laws.codes_keep_the_contract(row.model, *row.toy(6)),
    ),
    Law(
        laws.probabilities_sum_to_one,
        has_probabilities,
        lambda row: laws.probabilities_sum_to_one(row.model, row.case.edges),
    ),
    Law(
        laws.samples_follow_probabilities,
        has_probabilities,
        lambda row: laws.samples_follow_probabilities(row.model, row.case.sampling, row.case.edges),
    ),
    Law(
        laws.conditionals_see_only_the_past,
        is_autoregressive,
        lambda row: laws.conditionals_see_only_the_past(row.model, *row.toy(6), row.sees),
    ),
    Law(
        laws.jacobian_is_triangular,
        is_autoregressive,
        lambda row: laws.jacobian_is_triangular(row.model, *row.toy(6), row.sees),
    ),
    Law(
        laws.conditionals_are_those_of_the_joint,
        lambda model, case: is_autoregressive(model, case) and model.space.is_discrete and is_enumerable(model.space),
        lambda row: laws.conditionals_are_those_of_the_joint(row.model, order_of(row.model)),
    ),
    Law(
        laws.samplers_agree,
        is_autoregressive,
        lambda row: laws.samplers_agree(row.model, row.toy(20)[1]),
    ),
    Law(
        laws.completions_follow_the_conditional,
        completes_exactly,
        lambda row: laws.completions_follow_the_conditional(
            row.model, *row.toy(1), order_of(row.model), row.case.sampling
        ),
    ),
    Law(
        laws.maps_are_bijections,
        lambda model, case: isinstance(model, HasBijection),
        lambda row: laws.maps_are_bijections(row.model, *row.toy(4)),
    ),
    Law(laws.bounds_stay_below, has_bound, lambda row: laws.bounds_stay_below(row.model)),
    Law(
        laws.objectives_reach_their_parameters,
        is_trained,
        lambda row: laws.objectives_reach_their_parameters(
            row.model.train(), *row.toy(16), row.case.shared, row.case.idle
        ),
    ),
    Law(
        laws.losses_stand_alone,
        lambda model, case: isinstance(model, Trained) and case.alone,
        lambda row: laws.losses_stand_alone(row.model, *row.toy(6)),
    ),
    Law(
        laws.evaluation_changes_nothing,
        every,
        lambda row: laws.evaluation_changes_nothing(row.model, *row.toy(6), row.case.sampling),
    ),
    Law(
        laws.chunks_change_nothing,
        every,
        lambda row: laws.chunks_change_nothing(row.model, *row.toy(12), row.case.sampling),
    ),
    Law(laws.learns, lambda model, case: case.gap is not None, hold_learning),
    Law(laws.samples_come_near, lambda model, case: case.distance is not None, hold_nearness),
    Law(laws.saving_restores, lambda model, case: bool(model.state_dict()), hold_saving),
    Law(
        laws.bad_calls_are_refused,
        every,
        lambda row: laws.bad_calls_are_refused(row.model, *row.toy(4), row.case.sampling),
    ),
)


def matrix() -> str:
    """The laws as numbered columns, the rows of ``cases.py`` below, a mark where a law applies."""
    applies = [set(law.rows) for law in LAWS]
    lines = [
        f"{k:2}  {law.name}  ({len(rows)} rows)" for k, (law, rows) in enumerate(zip(LAWS, applies, strict=True), 1)
    ]
    width = max(map(len, CASES))
    lines += ["", " " * width + "".join(f" {k:2}" for k in range(1, len(LAWS) + 1))]
    lines += [f"{name:{width}}" + "".join("  x" if name in rows else "  ." for rows in applies) for name in CASES]
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(matrix())
