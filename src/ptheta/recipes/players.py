"""What recipes of games share: the networks of both players, their rates, their penalty, how long they play."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ptheta.adversarial import ZeroSlopes
    from ptheta.optimizers import Optimizer
    from ptheta.spaces import Space

__all__ = ["adams", "dense", "r1", "smooth", "strided", "usual_training"]


def usual_training(steps: int, batch_size: int = 64) -> dict[str, Any]:
    """Steps that decay to nothing, and averaged weights."""
    return {"steps": steps, "batch_size": batch_size, "schedule": "linear", "ema": 0.99}


def r1(said: float | None, space: "Space") -> "ZeroSlopes | None":
    """The penalty at the data, of the weight said or the usual one; none of weight 0."""
    from ptheta.adversarial import ZeroSlopes

    weight = (1.0 if space.is_discrete else 0.1) if said is None else said
    return ZeroSlopes(weight) if weight > 0 else None


def adams(learning_rate: float, clip: float | None = None, *, squares: float = 0.999) -> "tuple[Optimizer, Optimizer]":
    """Adam with a short memory (Radford et al., 2015), for both players; ``squares`` is that of squared gradients."""
    from ptheta.optimizers import Adam

    rule = Adam(learning_rate=learning_rate, betas=(0.5, squares), clip=clip)
    return rule, rule


def dense(
    space: "Space",
    context_space: "Space | None",
    latent: int,
    hidden: tuple[int, ...] | None,
    *,
    packing: int = 1,
    projected: bool = False,
    spectral: bool = False,
) -> dict[str, Any]:
    """Two perceptrons."""
    from ptheta.nn.contexts import reader_of
    from ptheta.nn.defaults import discriminator, generator
    from ptheta.nn.spectral import spectrally_normalised

    usual, reader = (256, 512) if space.is_discrete else (128, 128), reader_of(context_space)
    hidden = usual if hidden is None else hidden
    critic = discriminator(space, reader, hidden=hidden[::-1], packing=packing, projected=projected)
    return {
        "reader": reader,
        "generator": generator(space, latent, reader, hidden=hidden),
        "discriminator": spectrally_normalised(critic) if spectral else critic,
    }


def smooth(
    space: "Space",
    context_space: "Space | None",
    latent: int,
    hidden: tuple[int, ...] | None,
    width: int,
    *,
    packing: int = 1,
    spectral: bool = False,
) -> dict[str, Any]:
    """Critics in which no example depends on another: strided networks on images, two perceptrons on all else."""
    from ptheta.nn.defaults import is_convolved
    from ptheta.nn.spectral import spectrally_normalised

    if not is_convolved(space):
        return dense(space, context_space, latent, hidden, packing=packing, spectral=spectral)
    networks = strided(space, context_space, latent, width, normalised=False, packing=packing)
    critic = networks["discriminator"]
    return {**networks, "discriminator": spectrally_normalised(critic) if spectral else critic}


def strided(
    space: "Space",
    context_space: "Space | None",
    latent: int,
    width: int,
    *,
    normalised: bool = True,
    packing: int = 1,
) -> dict[str, Any]:
    """The networks of DCGAN, the critic normalised by batches or not; raises ValueError where events are no images."""
    from ptheta.nn.contexts import reader_of, shape_of
    from ptheta.nn.dcgan import DCGANDiscriminator, DCGANGenerator

    if len(space.shape) != 3:
        raise ValueError(f"dcgan models images (channels, height, width), but the space is {space}. Use gan.")
    channels, height, breadth = space.shape
    reader = reader_of(context_space, (height, breadth))
    read = shape_of(reader)
    packed = (read[0] * packing, *read[1:]) if read else ()
    return {
        "reader": reader,
        "generator": DCGANGenerator(latent, (channels, height, breadth), width, context=read),
        "discriminator": DCGANDiscriminator(
            (channels * packing, height, breadth), width, context=packed, normalised=normalised
        ),
    }
