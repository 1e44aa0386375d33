"""Known-good maps between classes, without pairs.

Their steps decay to zero and they end with averaged weights. On images of at least 4 x 4 critics judge patches, and
maps retouch each pixel by those around it; on all else both are perceptrons. Maps begin at the identity. Critics are
penalised for their slopes at events (R1).
"""

from typing import TYPE_CHECKING

from ptheta.recipes.players import adams, r1, usual_training
from ptheta.recipes.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from ptheta.spaces import Space

__all__ = ["cyclegan", "stargan"]


def cyclegan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    cycle: float = 2.0,
    identity: float = 0.5,
    corruption: float = 0.05,
    history: int = 50,
    reach: int = 1,
    width: int = 32,
    gradient_penalty: float = 0.1,
) -> Recipe:
    """Two maps between two classes, learned without pairs; with --conditional.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: Two classes; it needs them.
        cycle: The weight of the way there and back.
        identity: The weight of leaving alone what is of the class already.
        corruption: The standard deviation of the noise on fakes on their way back, against what is hidden in them.
        history: How many earlier fakes of each class critics are shown again.
        reach: How many pixels around one decide what is added to it: 0 recolours, more redraws, at more cost.
        width: The features of each pixel; critics have as many after their first layer.
        gradient_penalty: The weight of half the squared gradient of critics at events (R1).

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import CycleGAN
    from ptheta.nn.defaults import discriminator, is_convolved
    from ptheta.nn.patches import PatchCritic

    pictures = is_convolved(space)
    critics = [PatchCritic(space.shape, width=width) if pictures else discriminator(space, None) for _ in range(2)]
    model = CycleGAN(
        space,
        context_space,
        [_retouch(space, width, reach) for _ in range(2)],
        critics,
        cycle=cycle,
        identity=identity,
        corruption=corruption,
        history=history,
        optimizers=adams(2e-3, squares=0.99),
        penalty=r1(gradient_penalty, space),
    )
    return Recipe.single(model, usual_training(1_000, 32))


def stargan(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    cycle: float = 10.0,
    identity: float = 5.0,
    reach: int = 1,
    width: int = 32,
    gradient_penalty: float = 0.1,
) -> Recipe:
    """One map between any number of classes, learned without pairs; with --conditional.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: The classes; it needs them.
        cycle: The weight of the way there and back.
        identity: The weight of leaving alone what is of the class already.
        reach: How many pixels around one decide what is added to it: 0 recolours, more redraws, at more cost.
        width: The features of the critic after its first layer; the map has twice as many of each pixel.
        gradient_penalty: The weight of half the squared gradient of the critic at events (R1).

    Returns:
        The model and its training.
    """
    from ptheta.adversarial import StarGAN
    from ptheta.nn.defaults import is_convolved
    from ptheta.nn.mlp import MLP
    from ptheta.nn.patches import PatchCritic

    classes = getattr(context_space, "n", 2)
    if is_convolved(space):
        critic: nn.Module = PatchCritic(space.shape, width=width, outputs=classes**2)
    else:
        critic = MLP(space.dimensions, classes**2, (128, 128))
    model = StarGAN(
        space,
        context_space,
        _retouch(space, 2 * width, reach, classes),
        critic,
        cycle=cycle,
        identity=identity,
        optimizers=adams(2e-3, squares=0.99),
        penalty=r1(gradient_penalty, space),
    )
    return Recipe.single(model, usual_training(2_000, 32))


def _retouch(space: "Space", width: int, reach: int, context: int = 0) -> "nn.Module":
    """What is added to an event: convolutions of images, a perceptron that starts at nothing of all else."""
    from torch import nn

    from ptheta.nn.defaults import is_convolved
    from ptheta.nn.mlp import MLP
    from ptheta.nn.retouch import Retouch

    if is_convolved(space):
        return Retouch(space.shape[0], width=width, reach=reach, context=context)
    net = MLP(space.dimensions, space.dimensions, (128, 128), context=context)
    for p in net.layers[-1].parameters():
        nn.init.zeros_(p)
    return net
