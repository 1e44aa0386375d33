"""Maps: neither a density nor samples, but something made of each event."""

from ptheta.taxonomy.leaf import ALL, DEQUANTISED, Leaf

__all__ = ["MAPS"]

MAPS: dict[str, tuple[Leaf, ...]] = {
    "coders": (
        Leaf(
            "autoencoder", "latent:Autoencoder", "latent:autoencoder",
            "a short code of each event, and the event from its code", "none", "none", ALL,
            "Hinton and Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks",
            "https://doi.org/10.1126/science.1127647", contexts="none",
        ),
    ),
    "translations": (
        Leaf(
            "cyclegan", "adversarial:CycleGAN", "translation:cyclegan",
            "two maps between two classes, learned without pairs", "none", "none", DEQUANTISED,
            "Zhu, Park, Isola and Efros (2017), Unpaired Image-to-Image Translation using CycleGAN",
            "https://arxiv.org/abs/1703.10593", contexts="needed classes",
        ),
        Leaf(
            "stargan", "adversarial:StarGAN", "translation:stargan",
            "one map between any number of classes, learned without pairs", "none", "none", DEQUANTISED,
            "Choi et al. (2017), StarGAN: Unified GANs for Multi-Domain Image-to-Image Translation",
            "https://arxiv.org/abs/1711.09020", contexts="needed classes",
        ),
    ),
}  # fmt: skip
