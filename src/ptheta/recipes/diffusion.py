"""Known-good diffusion models.

Adam with a warm-up and half a cosine, gradients clipped, averaged weights; images in bfloat16 where that
is faster.
On coarse lattices (bits, a few levels) a hundred diffusion steps are better than a thousand: the first step should be
about as wide as the cell of a level, or the bound pays for precision that no event has. The cosine schedule did better
than the linear one on digits, in the bound and in the samples. Fresh noise in DDIM's steps (eta 1) repairs what a short
training left undone: it drew better on MNIST and on reals, worse on digits.
"""

import math
from typing import TYPE_CHECKING, Any, Literal

from ptheta.recipes.recipe import Recipe, Stage

if TYPE_CHECKING:
    from ptheta.spaces import Space

__all__ = ["absorbing_diffusion", "consistency", "ddpm", "edm", "flow_matching", "multinomial_diffusion"]


def ddpm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    diffusion_steps: int | None = None,
    noise_schedule: Literal["linear", "cosine"] | None = None,
    width: int | None = None,
    sampling_steps: int = 50,
) -> Recipe:
    """A denoising diffusion model: a U-Net for images, a residual MLP for anything else.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        diffusion_steps: The number T of steps from event to noise; by default 1000, or 100 up to 32 levels.
        noise_schedule: How fast noise comes; by default cosine on levels and bits, linear on reals.
        width: The channels of the U-Net at its finest grid (a multiple of 8), or the width of the MLP.
        sampling_steps: Network calls per sample, by DDIM; 0 draws all T steps of the model itself.

    Returns:
        The model and its training.
    """
    from ptheta.diffusion import DDIM, DDPM, CosineSchedule, LinearSchedule
    from ptheta.nn.contexts import reader_of
    from ptheta.nn.defaults import denoiser
    from ptheta.optimizers import Adam
    from ptheta.spaces import Binary, Levels, Real

    image = len(space.shape) == 3
    reader = reader_of(context_space, space.shape[1:] if image else None)
    coarse = isinstance(space, Binary) or (isinstance(space, Levels) and space.n <= 32)
    default = "linear" if isinstance(space, Real) else "cosine"
    model = DDPM(
        space,
        steps=(100 if coarse else 1000) if diffusion_steps is None else diffusion_steps,
        schedule=CosineSchedule()
        if (default if noise_schedule is None else noise_schedule) == "cosine"
        else LinearSchedule(),
        context_space=context_space,
        reader=reader,
        network=denoiser(space, reader, **_sizes(space, width)),
        sampler=DDIM(sampling_steps, eta=0.0 if coarse else 1.0) if sampling_steps else None,
        optimizer=Adam(1e-3, clip=1.0),
    )
    return Recipe.single(model, _training(space))


def edm(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int | None = None,
    sampling_steps: int = 18,
    churn: float = 0.0,
    guidance: float = 1.0,
) -> Recipe:
    """Elucidated diffusion: a preconditioned U-Net for images, a residual MLP for anything else, walked by Heun's rule.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        width: The channels of the U-Net at its finest grid (a multiple of 8), or the width of the MLP.
        sampling_steps: Steps per sample, of two network calls each but the last.
        churn: How much noise a walk adds on the way and takes off again.
        guidance: How much a context counts in samples; above 1 they are more typical of it, and alike.

    Returns:
        The model and its training.
    """
    from ptheta.diffusion import EDM, Heun

    shared = _shared(space, context_space, width, guidance)
    model = EDM(space, noise_mean=_noise_mean(space), sampler=Heun(sampling_steps, churn=churn), **shared)
    return Recipe.single(model, _training(space))


def consistency(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int | None = None,
    intervals: int = 18,
    sampling_steps: int = 1,
) -> Recipe:
    """Consistency distillation: elucidated diffusion, then a network that draws its events in a call or a few.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        width: The channels of the U-Nets at their finest grid (a multiple of 8), or the width of the MLPs.
        intervals: Between so many moments of the diffusion's walk the second network learns.
        sampling_steps: Network calls per sample.

    Returns:
        The model and its training, in two stages.
    """
    from ptheta.diffusion import EDM, Consistency
    from ptheta.optimizers import Adam

    teacher = EDM(space, noise_mean=_noise_mean(space), **_shared(space, context_space, width, 1.0))
    model = Consistency(teacher, intervals=intervals, steps=sampling_steps, optimizer=Adam(1e-3, clip=1.0))
    how = _training(space)
    student = Stage("student", model.student, how, whole=model)
    return Recipe(model, (Stage("teacher", model.teacher, how), student))


def flow_matching(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int | None = None,
    sampling_steps: int = 25,
    pairing: Literal["independent", "optimal"] = "independent",
    density: bool = False,
    guidance: float = 1.0,
) -> Recipe:
    """Flow matching along straight paths: a U-Net for images, a residual MLP for anything else, walked by Heun's rule.

    Args:
        space: What one event is: levels, bits or reals.
        context_space: What one context is, or None.
        width: The channels of the U-Net at its finest grid (a multiple of 8), or the width of the MLP.
        sampling_steps: Steps per sample, of two network calls each but the last; with a density, of four.
        pairing: How noise and events are paired: as they come, or optimally within a batch, without contexts.
        density: Scores exactly, on reals, by the equation of the flow, and draws by it; on levels and bits it bounds
            their probability, dequantised. For 64 variables at most, and slow beyond a few.
        guidance: How much a context counts in samples; above 1 they are more typical of it, and alike.

    Returns:
        The model and its training.
    """
    from ptheta.diffusion import FlowMatching, Heun, ProbabilityFlow
    from ptheta.distributions import TrainedDequantized, dequantized_space

    real = dequantized_space(space) if density and space.is_discrete else space
    shared = _shared(real, context_space, width, guidance)
    model = FlowMatching(real, pairing=pairing, sampler=Heun(sampling_steps), **shared)
    if not density:
        return Recipe.single(model, _training(space))
    flow = ProbabilityFlow(model, steps=sampling_steps)
    few = {"validation_events": 200 if space.dimensions <= 8 else 20}
    scored = TrainedDequantized(flow, space) if space.is_discrete else flow
    return Recipe.single(scored, _training(space) | few)


def _shared(space: "Space", context_space: "Space | None", width: int | None, guidance: float) -> dict[str, Any]:
    """What EDM and flow matching are given alike."""
    from ptheta.nn.contexts import reader_of
    from ptheta.nn.defaults import denoiser
    from ptheta.optimizers import Adam

    reader = reader_of(context_space, space.shape[1:] if len(space.shape) == 3 else None)
    return {
        "context_space": context_space,
        "reader": reader,
        "network": denoiser(space, reader, **_sizes(space, width)),
        "context_drop": 0.1 if guidance != 1 else 0.0,
        "guidance": guidance,
        "optimizer": Adam(1e-3, clip=1.0),
    }


def _noise_mean(space: "Space") -> float:
    """Vectors of few reals have structure much finer than their spread; pictures have little of it."""
    return -0.5 if len(space.shape) == 3 else -1.5


def _training(space: "Space") -> dict[str, Any]:
    image, small = len(space.shape) == 3, max(space.shape, default=1) < 16
    return {
        "steps": 6000 if not image else 3000 if small else 4500,
        "batch_size": 64 if image else 128,
        "schedule": "cosine",
        "warmup": 100,
        "ema": 0.995,
        "precision": "auto" if image else "float32",
        "validation_events": 1000,
    }


def absorbing_diffusion(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    width: int | None = None,
    sampling_steps: int | None = None,
) -> Recipe:
    """Absorbing diffusion: a U-Net fills in masked images from 16 pixels on, a perceptron anything else.

    Args:
        space: What one event is: bits, levels or symbols.
        context_space: What one context is, or None.
        width: The channels of the U-Net at its finest grid (a multiple of 8), or the width of the perceptron.
        sampling_steps: How many network calls a sample takes; fewer than variables cost likelihood. By default one
            for each variable, or 100 where there are more.

    Returns:
        The model and its training.
    """
    from ptheta.diffusion import AbsorbingDiffusion
    from ptheta.distributions.heads import default_head
    from ptheta.nn.contexts import reader_of, width_of
    from ptheta.nn.defaults import is_convolved, unmasker
    from ptheta.nn.mlp import MLP
    from ptheta.optimizers import Adam

    head = default_head(space)
    large = is_convolved(space) and max(space.shape[1:]) >= 16
    reader = reader_of(context_space, space.shape[1:] if large else None)
    if large:
        network = unmasker(space, head.width, reader, **_sizes(space, width))
    else:
        shown = math.prod(space.embedded_shape) + space.dimensions
        hidden = (256 if width is None else width,) * (2 if is_convolved(space) else 3)
        network = MLP(shown, space.dimensions * head.width, hidden, context=width_of(reader, "a perceptron"))
    model = AbsorbingDiffusion(
        space,
        steps=min(space.dimensions, 100) if sampling_steps is None else sampling_steps,
        context_space=context_space,
        reader=reader,
        network=network,
        head=head,
        optimizer=Adam(1e-3, clip=10.0),
    )
    return Recipe.single(model, _masked_training(large))


def multinomial_diffusion(
    space: "Space",
    context_space: "Space | None" = None,
    *,
    diffusion_steps: int = 100,
    width: int | None = None,
) -> Recipe:
    """Multinomial diffusion: a U-Net for images from 16 pixels on, a residual MLP for anything else.

    Args:
        space: What one event is: bits, levels or symbols.
        context_space: What one context is, or None.
        diffusion_steps: The number T of steps, in the bound and in samples.
        width: The channels of the U-Net at its finest grid (a multiple of 8), or the width of the MLP.

    Returns:
        The model and its training.
    """
    from ptheta.diffusion import MultinomialDiffusion
    from ptheta.nn.contexts import reader_of, width_of
    from ptheta.nn.defaults import categorical_denoiser, is_convolved
    from ptheta.nn.denoiser import ResidualMLP
    from ptheta.optimizers import Adam
    from ptheta.spaces import Binary, Levels, Symbols, require

    require(space, Binary, Levels, Symbols, who="multinomial-diffusion")
    assert isinstance(space, Binary | Levels | Symbols)
    large = is_convolved(space) and max(space.shape[1:]) >= 16
    reader = reader_of(context_space, space.shape[1:] if large else None)
    if large:
        network = categorical_denoiser(space, space.n, reader, **_sizes(space, width))
    else:
        shape, outputs = (math.prod(space.embedded_shape),), space.dimensions * space.n
        context = width_of(reader, "a residual MLP")
        network = ResidualMLP(shape, width=256 if width is None else width, context=context, outputs=outputs)
    model = MultinomialDiffusion(
        space,
        steps=diffusion_steps,
        context_space=context_space,
        reader=reader,
        network=network,
        optimizer=Adam(1e-3, clip=10.0),
    )
    return Recipe.single(model, _masked_training(large))


def _masked_training(large: bool) -> dict[str, Any]:
    """How networks of discrete events are trained; ``large`` ones are U-Nets."""
    return {
        "steps": 4500 if large else 4000,
        "batch_size": 64 if large else 256,
        "schedule": "cosine",
        "warmup": 100,
        "ema": 0.995,
        "precision": "auto" if large else "float32",
        **({"validation_events": 1000} if large else {}),
    }


def _sizes(space: "Space", width: int | None) -> dict[str, Any]:
    """Small images keep their pixels; from 16 pixels on, patches of 2 x 2 become one position.

    Grey ones of up to 32 pixels take half the channels of others, a quarter of the work: in as many seconds it learns
    and draws more than the wider network does.
    """
    sides = space.shape[1:]
    if len(space.shape) != 3 or max(sides) < 16:
        return {"width": width}
    return {
        "width": (32 if space.shape[0] == 1 and max(sides) <= 32 else 64) if width is None else width,
        "multipliers": (1, 2) if max(sides) <= 32 else (1, 2, 2),
        "patch": 2,
    }
