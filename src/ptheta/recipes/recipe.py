"""What a recipe returns: a model that is ready to fit, and the stages in which it is fitted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, final

if TYPE_CHECKING:
    from ptheta.data.dataset import Dataset
    from ptheta.model import Model

__all__ = ["Recipe", "Stage"]


def same(data: "Dataset") -> "Dataset":
    """The data as they are."""
    return data


@final
@dataclass(frozen=True)
class Stage:
    """One training within a run.

    Args:
        name: What the run folder and the bar call it; empty where there is one stage.
        model: What is fitted: the recipe's model or a part of it, with the weights of its own in this stage.
        training: The keywords of its ``fit``, such as ``epochs`` and ``batch_size``.
        data: Makes its data from those of the run. Asked when the stages before are done, so their models may be used.
        share: Its part of a budget in minutes, beside those of the other stages.
        whole: What draws samples meanwhile, where the model is a part of it; None: the model itself.
    """

    name: str
    model: "Model"
    training: dict[str, Any] = field(default_factory=dict)
    data: "Callable[[Dataset], Dataset]" = same
    share: float = 1.0
    whole: "Model | None" = None


@final
@dataclass(frozen=True)
class Recipe:
    """A model and how to fit it.

    Args:
        model: A fresh model.
        stages: The trainings that fit it, in order; together they hold all of its weights.
    """

    model: "Model"
    stages: tuple[Stage, ...]

    @classmethod
    def single(cls, model: "Model", training: dict[str, Any] | None = None) -> Self:
        """The common case: one stage, which trains the model itself."""
        return cls(model, (Stage("", model, {} if training is None else training),))

    @property
    def training(self) -> dict[str, Any]:
        """The training of the only stage."""
        (stage,) = self.stages
        return stage.training

    def fit(self, data: "Dataset", **training: Any) -> "Model":
        """Fits the model in memory, stage after stage.

        Args:
            data: What to fit.
            **training: Fields of ``Training`` that override the recipe's, in every stage; a length (epochs, steps,
                minutes) takes the place of its own.

        Returns:
            The fitted model.
        """
        from ptheta.training.options import LENGTHS

        own = LENGTHS if training.keys() & set(LENGTHS) else ()
        for stage in self.stages:
            kept = {name: value for name, value in stage.training.items() if name not in own}
            stage.model.fit(stage.data(data), **{**kept, **training})
        return self.model
