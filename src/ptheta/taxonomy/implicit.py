"""Implicit: the model gives samples only."""

from ptheta.taxonomy.leaf import ALL, DEQUANTISED, EVERY, Leaf

__all__ = ["CHAINS", "DIRECT"]

DIRECT: dict[str, tuple[Leaf, ...]] = {
    "adversarial": (
        Leaf(
            "gan", "adversarial:GAN", "adversarial:gan",
            "a generator against a discriminator", "none", "parallel", DEQUANTISED,
            "Goodfellow et al. (2014), Generative Adversarial Networks",
            "https://arxiv.org/abs/1406.2661",
        ),
        Leaf(
            "dcgan", "adversarial:GAN", "adversarial:dcgan",
            "a GAN of convolutional networks, for images", "none", "parallel", DEQUANTISED,
            "Radford, Metz and Chintala (2015), Unsupervised Representation Learning with DCGAN",
            "https://arxiv.org/abs/1511.06434", images=True, stands=("image",),
        ),
        Leaf(
            "f-gan", "adversarial:GAN", "adversarial:f_gan",
            "a GAN for any f-divergence", "none", "parallel", DEQUANTISED,
            "Nowozin, Cseke and Tomioka (2016), f-GAN: Training Generative Neural Samplers",
            "https://arxiv.org/abs/1606.00709", variant_of="gan",
        ),
        Leaf(
            "wgan-gp", "adversarial:GAN", "adversarial:wgan_gp",
            "a GAN whose critic bounds a distance from below", "none", "parallel", DEQUANTISED,
            "Gulrajani et al. (2017), Improved Training of Wasserstein GANs",
            "https://arxiv.org/abs/1704.00028", variant_of="gan",
        ),
        Leaf(
            "pacgan", "adversarial:GAN", "adversarial:pacgan",
            "a GAN that is judged by several events at once", "none", "parallel", DEQUANTISED,
            "Lin, Khetan, Fanti and Oh (2018), PacGAN: The power of two samples in GANs",
            "https://arxiv.org/abs/1712.04086", variant_of="gan",
        ),
        Leaf(
            "r3gan", "adversarial:GAN", "adversarial:r3gan",
            "a relativistic GAN with two penalties, the modern baseline", "none", "parallel", DEQUANTISED,
            "Huang, Gokaslan, Kuleshov and Tompkin (2024), The GAN is dead; long live the GAN!",
            "https://arxiv.org/abs/2501.05441", variant_of="gan",
        ),
        Leaf(
            "ctgan", "adversarial:CTGAN", "tables:ctgan",
            "a GAN of the rows of a table, told one name of one column", "none", "parallel", ("table",),
            "Xu, Skoularidou, Cuesta-Infante and Veeramachaneni (2019), Modeling Tabular Data using Conditional GAN",
            "https://arxiv.org/abs/1907.00503", contexts="none",
        ),
        Leaf(
            "infogan", "adversarial:InfoGAN", "adversarial_uses:infogan",
            "a GAN whose code can be read off its events", "none", "parallel", DEQUANTISED,
            "Chen et al. (2016), InfoGAN: Interpretable Representation Learning",
            "https://arxiv.org/abs/1606.03657", contexts="none", variant_of="gan",
        ),
        Leaf(
            "semi-supervised-gan", "adversarial:SemiSupervisedGAN", "adversarial_uses:semi_supervised_gan",
            "a GAN whose discriminator learns classes from few labels", "none", "parallel", DEQUANTISED,
            "Salimans et al. (2016), Improved Techniques for Training GANs",
            "https://arxiv.org/abs/1606.03498", contexts="classes", variant_of="gan",
        ),
        Leaf(
            "pix2pix", "adversarial:ConditionalGAN", "given:pix2pix",
            "a picture for what is given: near the right one, and like one", "none", "parallel", DEQUANTISED,
            "Isola et al. (2016), Image-to-Image Translation with Conditional Adversarial Networks",
            "https://arxiv.org/abs/1611.07004", contexts="needed", images=True,
        ),
        Leaf(
            "aae", "adversarial:AAE", "aae:aae",
            "an autoencoder whose codes are pulled to a prior by a discriminator", "none", "parallel", DEQUANTISED,
            "Makhzani et al. (2015), Adversarial Autoencoders",
            "https://arxiv.org/abs/1511.05644", contexts="classes",
        ),
        Leaf(
            "progressive-gan", "adversarial:ProgressiveGAN", "adversarial_uses:progressive_gan",
            "a GAN whose images grow while it is trained", "none", "parallel", DEQUANTISED,
            "Karras, Aila, Laine and Lehtinen (2018), Progressive Growing of GANs",
            "https://arxiv.org/abs/1710.10196", contexts="none", images=True, variant_of="dcgan",
        ),
        Leaf(
            "text-to-image", "adversarial:TextToImage", "adversarial_uses:text_to_image",
            "a GAN whose critic asks which text an image belongs to", "none", "parallel", DEQUANTISED,
            "Reed et al. (2016), Generative Adversarial Text to Image Synthesis",
            "https://arxiv.org/abs/1605.05396", contexts="needed", images=True, variant_of="dcgan",
        ),
        Leaf(
            "srgan", "adversarial:ConditionalGAN", "given:srgan",
            "a picture from a smaller one: near in content, and like one", "none", "parallel", DEQUANTISED,
            "Ledig et al. (2016), Photo-Realistic Single Image Super-Resolution Using a GAN",
            "https://arxiv.org/abs/1609.04802", contexts="needed", images=True, variant_of="pix2pix",
        ),
        Leaf(
            "next-frame", "adversarial:ConditionalGAN", "given:next_frame",
            "the frames after those given, by a recurrent network", "none", "parallel", DEQUANTISED,
            "Lotter, Kreiman and Cox (2015), Unsupervised Learning of Visual Structure",
            "https://arxiv.org/abs/1511.06380", contexts="needed", axes=3, variant_of="pix2pix",
        ),
        Leaf(
            "puzzle-gan", "adversarial:PuzzleGAN", "given:puzzle_gan",
            "a picture from some of its patches, without their places", "none", "parallel", DEQUANTISED,
            "Lee et al. (2018), Unsupervised Holistic Image Generation from Key Local Patches",
            "https://arxiv.org/abs/1703.10730", contexts="needed", images=True, variant_of="pix2pix",
        ),
    ),
    "distilled diffusion": (
        Leaf(
            "consistency", "diffusion:Consistency", "diffusion:consistency",
            "the whole walk of a diffusion in one network call", "none", "parallel", DEQUANTISED,
            "Song, Dhariwal, Chen and Sutskever (2023), Consistency Models",
            "https://arxiv.org/abs/2303.01469", variant_of="edm",
        ),
    ),
    "resampling": (
        Leaf(
            "smote", "distributions:SMOTE", "resampling:smote",
            "training events, part of the way to a neighbour", "none", "parallel", ("real", "table"),
            "Chawla, Bowyer, Hall and Kegelmeyer (2002), SMOTE: Synthetic Minority Over-sampling Technique",
            "https://doi.org/10.1613/jair.953", contexts="classes",
        ),
        Leaf(
            "bootstrap", "distributions:Bootstrap", "resampling:bootstrap",
            "training events again, all copies", "none", "parallel", EVERY,
            "Efron (1979), Bootstrap Methods: Another Look at the Jackknife",
            "https://doi.org/10.1214/aos/1176344552", contexts="classes", variant_of="smote",
        ),
    ),
}  # fmt: skip

CHAINS: dict[str, tuple[Leaf, ...]] = {
    "denoising chains": (
        Leaf(
            "gsn", "energy:GSN", "energy:gsn",
            "a learned denoiser, and the chain of spoiling and mending", "none", "chain", ALL,
            "Bengio, Thibodeau-Laufer, Alain and Yosinski (2014), Deep Generative Stochastic Networks",
            "https://arxiv.org/abs/1306.1091", contexts="none",
        ),
    ),
}  # fmt: skip
