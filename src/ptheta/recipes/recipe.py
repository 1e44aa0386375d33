"""What a recipe returns: a model that is ready to fit, and how to fit it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from ptheta.model import Model

__all__ = ["Recipe"]


@final
@dataclass(frozen=True)
class Recipe:
    """A model and how to fit it.

    Args:
        model: A fresh model.
        training: The keywords of its ``fit``, such as ``epochs`` and ``batch_size``.
    """

    model: "Model"
    training: dict[str, Any] = field(default_factory=dict)
