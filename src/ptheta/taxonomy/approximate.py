"""Explicit and approximate: log p(x) is known as a bound, or up to a constant."""

from ptheta.taxonomy.leaf import ALL, DEQUANTISED, DISCRETE, EVERY, Leaf

__all__ = ["APPROXIMATE"]

APPROXIMATE: dict[str, tuple[Leaf, ...]] = {
    "latent variables": (
        Leaf(
            "vae", "latent:VAE", "latent:vae",
            "a decoder of noise, trained through an encoder", "lower bound", "parallel", EVERY,
            "Kingma and Welling (2013), Auto-Encoding Variational Bayes",
            "https://arxiv.org/abs/1312.6114",
        ),
        Leaf(
            "ladder-vae", "latent:LadderVAE", "latent:ladder_vae",
            "codes in layers, each conditioned on the one above", "lower bound", "parallel", ALL,
            "Sonderby et al. (2016), Ladder Variational Autoencoders",
            "https://arxiv.org/abs/1602.02282",
        ),
        Leaf(
            "vq-vae", "latent:LatentBound", "latent:vq_vae",
            "symbols of a codebook, and an autoregressive model of them", "lower bound", "serial", ALL,
            "van den Oord, Vinyals and Kavukcuoglu (2017), Neural Discrete Representation Learning",
            "https://arxiv.org/abs/1711.00937",
        ),
        Leaf(
            "latent-diffusion", "latent:LatentBound", "latent:latent_diffusion",
            "diffusion of an autoencoder's codes", "lower bound", "chain", EVERY,
            "Rombach et al. (2021), High-Resolution Image Synthesis with Latent Diffusion Models",
            "https://arxiv.org/abs/2112.10752",
        ),
    ),
    "diffusion": (
        Leaf(
            "ddpm", "diffusion:DDPM", "diffusion:ddpm",
            "noise removed step by step", "lower bound", "chain", DEQUANTISED,
            "Ho, Jain and Abbeel (2020), Denoising Diffusion Probabilistic Models",
            "https://arxiv.org/abs/2006.11239",
        ),
        Leaf(
            "edm", "diffusion:EDM", "diffusion:edm",
            "noise of any size removed by a preconditioned network", "lower bound", "chain", DEQUANTISED,
            "Karras et al. (2022), Elucidating the Design Space of Diffusion-Based Generative Models",
            "https://arxiv.org/abs/2206.00364",
        ),
        Leaf(
            "flow-matching", "diffusion:FlowMatching", "diffusion:flow_matching",
            "straight paths from noise, followed by a velocity", "lower bound", "chain", DEQUANTISED,
            "Lipman et al. (2022), Flow Matching for Generative Modeling",
            "https://arxiv.org/abs/2210.02747",
        ),
        Leaf(
            "multinomial-diffusion", "diffusion:MultinomialDiffusion", "diffusion:multinomial_diffusion",
            "symbols replaced at random, put right step by step", "lower bound", "chain", DISCRETE,
            "Hoogeboom et al. (2021), Argmax Flows and Multinomial Diffusion",
            "https://arxiv.org/abs/2102.05379",
        ),
        Leaf(
            "tabddpm", "diffusion:TableDiffusion", "tables:tabddpm",
            "rows of a table: Gaussian steps for numbers, replacements for names", "lower bound", "chain", ("table",),
            "Kotelnikov, Baranchuk, Rubachev and Babenko (2023), TabDDPM: Modelling Tabular Data with Diffusion Models",
            "https://arxiv.org/abs/2209.15421",
        ),
        Leaf(
            "absorbing-diffusion", "diffusion:AbsorbingDiffusion", "diffusion:absorbing_diffusion",
            "variables unmasked in a random order", "lower bound", "serial", DISCRETE,
            "Austin et al. (2021), Structured Denoising Diffusion Models in Discrete State-Spaces",
            "https://arxiv.org/abs/2107.03006", completes=True, temperature=True,
        ),
    ),
    "energies": (
        Leaf(
            "rbm", "energy:RBM", "energy:rbm",
            "a restricted Boltzmann machine", "exact or estimate", "chain", ("binary", "real"),
            "Hinton (2002), Training Products of Experts by Minimizing Contrastive Divergence",
            "https://doi.org/10.1162/089976602760128018", contexts="none", completes=True,
        ),
        Leaf(
            "dbm", "energy:DBM", "energy:dbm",
            "a deep Boltzmann machine of two hidden layers", "exact or estimate", "chain", ("binary",),
            "Salakhutdinov and Hinton (2009), Deep Boltzmann Machines",
            "https://proceedings.mlr.press/v5/salakhutdinov09a.html", contexts="none", completes=True,
        ),
        Leaf(
            "ebm", "energy:EBM", "energy:ebm",
            "a network is the energy, Langevin dynamics the sampler", "exact or estimate", "chain", ("real",),
            "Du and Mordatch (2019), Implicit Generation and Modeling with Energy-Based Models",
            "https://arxiv.org/abs/1903.08689", contexts="none", completes=True,
        ),
        Leaf(
            "boltzmann", "energy:BoltzmannMachine", "energy:boltzmann",
            "a general Boltzmann machine: every two bits are joined", "exact or estimate", "chain", ("binary",),
            "Ackley, Hinton and Sejnowski (1985), A Learning Algorithm for Boltzmann Machines",
            "https://doi.org/10.1207/s15516709cog0901_7", contexts="none", most_variables=256, completes=True,
        ),
    ),
}  # fmt: skip
