"""A leaf of the family tree: all that the command line, ``compare``, the documents and the tests need to know."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["ALL", "BISHOP", "DEQUANTISED", "DISCRETE", "EVERY", "FLOWS", "Leaf"]

DISCRETE = ("binary", "levels", "symbols")
ALL = (*DISCRETE, "real")
EVERY = (*ALL, "table")
DEQUANTISED = ("binary", "levels", "real")
FLOWS = (*DEQUANTISED, "table")  # whose columns of reals they move
BISHOP = (
    "Bishop (2006), Pattern Recognition and Machine Learning",
    "https://www.microsoft.com/en-us/research/publication/pattern-recognition-machine-learning/",
)


@final
@dataclass(frozen=True)
class Leaf:
    """One model of the tree.

    Args:
        name: Its name on the command line.
        model: Where the class lives, below ``ptheta``.
        recipe: Where the recipe lives, below ``ptheta.recipes``.
        title: What it is, in a phrase.
        score: What it knows of log p(x); the same model is a lower bound on discrete data where it is dequantised.
        sampling: In parallel, one variable after the other, or by a chain; a map draws no samples.
        spaces: The kinds of events it models.
        reference: Authors, year and title.
        link: Where to read it.
        contexts: Which contexts it can be given: none, one class for each event, or events of any space; needed where
            it models nothing without.
        images: Whether it models images only.
        axes: How many axes its events have: 3 of grids (channels, height, width), 2 of frames; None for any number.
        stands: Where it stands for its family if only one is tried: on events of some kinds, or on images (image);
            elsewhere the first that suits does.
        most_variables: Beyond so many variables it is too large to build.
        variant_of: The model that stands for it in a comparison, unless it is asked for.
        completes: Whether it fills what is not known of an event.
        temperature: Whether its samples have one.
    """

    name: str
    model: str
    recipe: str
    title: str
    score: Literal["exact", "lower bound", "exact or estimate", "none"]
    sampling: Literal["parallel", "serial", "chain", "none"]
    spaces: tuple[str, ...]
    reference: str
    link: str
    contexts: Literal["none", "classes", "any", "needed", "needed classes"] = "any"
    images: bool = False
    axes: int | None = None
    stands: tuple[str, ...] = ()
    most_variables: int | None = None
    variant_of: str = ""
    completes: bool = False
    temperature: bool = False

    def score_on(self, kind: str) -> str:
        """What it knows of log p on one kind of events: densities bound the probability of what is dequantised."""
        dequantised = self.spaces in (DEQUANTISED, FLOWS) and kind not in ("real", "table")
        return "lower bound" if self.score == "exact" and dequantised else self.score

    def stands_on(self, space: "Space") -> bool:
        """Whether it stands for its family on events of a space."""
        return ("image" if space.is_image else space.kind) in self.stands

    def against(self, space: "Space", context_space: "Space | None" = None) -> str | None:
        """Why it does not suit events of a space, given contexts of another; the end of a sentence, or None."""
        if space.kind not in self.spaces:
            return f"it models {', '.join(self.spaces)} events, and these are {space.kind}"
        if self.spaces == FLOWS and space.kind == "table" and space.is_discrete:
            return "it moves columns of reals, and these rows have none"
        if self.images and not space.is_image:
            return "it is for images"
        if self.axes not in (None, len(space.shape)):
            kind = {2: "(frames, variables)", 3: "(channels, height, width)"}[self.axes or 0]
            return f"it is for events with shape {kind}, and these have {space.shape}"
        if self.most_variables is not None and space.dimensions > self.most_variables:
            return f"it is for at most {self.most_variables} variables, and these are {space.dimensions}"
        if self.contexts.startswith("needed") and context_space is None:
            return "it needs something given: --conditional or --given"
        is_class = context_space is not None and context_space.kind == "symbols" and context_space.shape == ()
        if context_space is not None and (
            self.contexts == "none" or (self.contexts.endswith("classes") and not is_class)
        ):
            taken = "no contexts" if self.contexts == "none" else "one class for each event as its context"
            return f"it takes {taken}, and these are {context_space}"
        return None
