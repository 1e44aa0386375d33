"""All faults, by file relative to the package."""

from . import (
    adversarial,
    applications,
    autoregressive,
    cli,
    core,
    data,
    diffusion,
    distributions,
    energy,
    flows,
    latent,
    metrics,
    nn,
    papers,
    pixels,
    readers,
    recipes,
    report,
    runs,
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
        readers,
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
        recipes,
        runs,
        applications,
        papers,
        report,
        cli,
    )
    for file, faults in module.FAULTS.items()
}
