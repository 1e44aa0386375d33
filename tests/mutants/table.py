"""All faults, by file relative to the package."""

from . import (
    adversarial,
    autoregressive,
    core,
    data,
    diffusion,
    distributions,
    energy,
    flows,
    latent,
    metrics,
    nn,
    pixels,
    sequences,
    training,
)
from .fault import Faults

__all__ = ["FAULTS"]

FAULTS: Faults = {
    file: faults
    for module in (
        core,
        data,
        distributions,
        nn,
        autoregressive,
        sequences,
        pixels,
        flows,
        latent,
        diffusion,
        adversarial,
        energy,
        metrics,
        training,
    )
    for file, faults in module.FAULTS.items()
}
