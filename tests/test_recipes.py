"""What a recipe passes on: to each stage its own data and training, and the user's word before the recipe's."""

from dataclasses import replace
from typing import Any

from ptheta.data import load
from ptheta.data.dataset import Dataset
from ptheta.recipes import Recipe, Stage


class Recorder:
    """A model that notes what it is fitted to, and how."""

    def __init__(self) -> None:
        self.fitted: list[tuple[Dataset, dict[str, Any]]] = []

    def fit(self, data: Dataset, **training: Any) -> None:
        self.fitted.append((data, training))


def fitted(**training: Any) -> list[tuple[Dataset, dict[str, Any]]]:
    """What the two stages of a recipe are fitted to, and how."""
    models: list[Any] = [Recorder(), Recorder()]
    stages = (
        Stage("coder", models[0], {"epochs": 3, "batch_size": 10}),
        Stage("prior", models[1], {"steps": 5, "learning_rate": 0.1}, data=lambda data: replace(data, name="codes")),
    )
    Recipe(models[1], stages).fit(load("moons", n=60), **training)
    return [model.fitted[0] for model in models]


def test_each_stage_is_fitted_to_its_own_data():
    coder, prior = fitted()
    assert [data.name for data, _ in (coder, prior)] == ["moons", "codes"]
    assert [training for _, training in (coder, prior)] == [
        {"epochs": 3, "batch_size": 10},
        {"steps": 5, "learning_rate": 0.1},
    ]


def test_the_user_is_heard_before_the_recipe_and_a_length_takes_the_place_of_its_own():
    coder, prior = (training for _, training in fitted(batch_size=7, minutes=2.0))
    assert coder == {"batch_size": 7, "minutes": 2.0}
    assert prior == {"learning_rate": 0.1, "batch_size": 7, "minutes": 2.0}
