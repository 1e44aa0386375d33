"""Data sets of coloured shapes: with classes, captions or sketches as contexts, and combinations held out of training.

The named sets are choices of these options: see ``ptheta.data.names``. Events are drawn with replacement.
"""

from ptheta.data.dataset import Dataset
from ptheta.data.worlds.base import require_size
from ptheta.data.worlds.shapes import Shapes
from ptheta.noise import Noise

__all__ = ["shapes"]


def shapes(
    *,
    name: str,
    size: int = 16,
    context: str = "shape",
    only: str = "",
    combinations: str = "seen",
    language: str = "both",
    n: int = 10_000,
    seed: int = 0,
) -> Dataset:
    """Draws a set of coloured shapes: n training events, a fifth as many to validate and to test.

    Args:
        name: What the set is called.
        size: The height and width, 16 or 32.
        context: What is given: caption, sketch, or a factor: shape, colour, size, place, background, style, turn, ...
        only: Names of values joined by +, such as red+blue+filled: each factor they name takes those alone.
        combinations: Of shape, colour and place: seen leaves out twelve of the 48; held-out tests on those twelve, and
            trains as seen; all draws from all.
        language: Of captions: english, korean or both.
        n: How many training events.
        seed: Names the draw.

    Returns:
        The data set; ``ptheta.data.world`` reads its events.
    """
    made = {"size": size, "context": context, "only": only, "language": language}
    world = Shapes(combinations=combinations, **made)
    trained = Shapes(combinations="seen", **made) if combinations == "held-out" else world
    require_size(n, world.space)
    noise = Noise(seed).at("worlds", name)
    train, valid, test = (
        own.events(m, noise.at(split))
        for split, own, m in (("train", trained, n), ("valid", trained, n // 5), ("test", world, n // 5))
    )
    text = (
        f"Coloured shapes, {size} x {size}, made of ten factors; given is the {context}; {combinations} combinations "
        f"of shape, colour and place{f', {only} only' * bool(only)}; {world.count} pictures, all equally likely; "
        f"ptheta.data.world({name!r}) reads and draws them."
    )
    return Dataset(name, world.space, train, valid, test, world.context_space, text)
