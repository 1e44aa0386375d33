"""The family tree of deep generative models, as one literal that the command line, the documents and the tests read.

    explicit    the model gives log p(x)
      tractable     exactly
      approximate   as a bound, or up to a constant
    implicit    the model gives samples only

A leaf says what the types say (a test holds it against the protocols): how it scores, how it samples, on what spaces.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

__all__ = ["TREE", "Leaf", "leaves"]


@final
@dataclass(frozen=True)
class Leaf:
    """One model of the tree.

    Args:
        name: Its name on the command line.
        model: Where the class lives, below ``ptheta``.
        title: What it is, in a phrase.
        score: What it knows of log p(x); the same model is a lower bound on discrete data where it is dequantised.
        sampling: In parallel, one variable after the other, or by a chain.
        spaces: The kinds of events it models.
        reference: Authors, year and title.
        link: Where to read it.
    """

    name: str
    model: str
    title: str
    score: Literal["exact", "lower bound", "exact or estimate", "none"]
    sampling: Literal["parallel", "serial", "chain"]
    spaces: tuple[str, ...]
    reference: str
    link: str


_DISCRETE = ("binary", "levels", "symbols")
_ALL = (*_DISCRETE, "real")
_DEQUANTISED = ("binary", "levels", "real")
_BISHOP = "Bishop (2006), Pattern Recognition and Machine Learning"
_BISHOP_LINK = "https://www.microsoft.com/en-us/research/publication/pattern-recognition-machine-learning/"

TREE: dict[str, dict[str, dict[str, tuple[Leaf, ...]]]] = {
    "explicit": {
        "tractable": {
            "tables and chains": (
                Leaf(
                    "uniform", "distributions:Uniform", "the box the data fills", "exact", "parallel", _ALL,
                    "Fisher (1922), On the Mathematical Foundations of Theoretical Statistics",
                    "https://doi.org/10.1098/rsta.1922.0009",
                ),
                Leaf(
                    "independent", "distributions:Independent", "one table per variable, n parameters",
                    "exact", "parallel", _ALL, _BISHOP, _BISHOP_LINK,
                ),
                Leaf(
                    "markov", "distributions:Markov", "each variable given the one before, 2n - 1 parameters",
                    "exact", "serial", _DISCRETE, _BISHOP, _BISHOP_LINK,
                ),
                Leaf(
                    "ar-table", "distributions:ARTable", "each variable given a few neighbours, with back-off",
                    "exact", "serial", _DISCRETE,
                    "Krichevsky and Trofimov (1981), The Performance of Universal Encoding",
                    "https://doi.org/10.1109/TIT.1981.1056331",
                ),
                Leaf(
                    "chow-liu", "distributions:ChowLiu", "the best tree, 2n - 1 parameters", "exact", "serial",
                    _DISCRETE,
                    "Chow and Liu (1968), Approximating Discrete Probability Distributions with Dependence Trees",
                    "https://doi.org/10.1109/TIT.1968.1054142",
                ),
                Leaf(
                    "full-table", "distributions:FullTable", "every event's own probability, 2^n - 1 parameters",
                    "exact", "parallel", _DISCRETE, _BISHOP, _BISHOP_LINK,
                ),
            ),
            "mixtures and kernels": (
                Leaf(
                    "bernoulli-mixture", "distributions:ProductMixture", "a mixture of independent tables",
                    "exact", "parallel", _DISCRETE,
                    "Dempster, Laird and Rubin (1977), Maximum Likelihood from Incomplete Data via the EM Algorithm",
                    "https://doi.org/10.1111/j.2517-6161.1977.tb01600.x",
                ),
                Leaf(
                    "gaussian", "distributions:Gaussian", "one Gaussian", "exact", "parallel", _DEQUANTISED, _BISHOP,
                    _BISHOP_LINK,
                ),
                Leaf(
                    "gaussian-mixture", "distributions:GaussianMixture", "a mixture of Gaussians by EM",
                    "exact", "parallel", _DEQUANTISED,
                    "Dempster, Laird and Rubin (1977), Maximum Likelihood from Incomplete Data via the EM Algorithm",
                    "https://doi.org/10.1111/j.2517-6161.1977.tb01600.x",
                ),
                Leaf(
                    "kde", "distributions:KDE", "a Gaussian kernel on every event", "exact", "parallel", _DEQUANTISED,
                    "Parzen (1962), On Estimation of a Probability Density Function and Mode",
                    "https://doi.org/10.1214/aoms/1177704472",
                ),
            ),
            "autoregressive": (
                Leaf(
                    "fvbn", "autoregressive:FVBN", "a logistic regression per variable on all before it",
                    "exact", "serial", _DISCRETE,
                    "Frey, Hinton and Dayan (1996), Does the Wake-Sleep Algorithm Produce Good Density Estimators?",
                    "https://papers.nips.cc/paper/1995/hash/c850371fda6892fbfd1c5a5b457e5777-Abstract.html",
                ),
                Leaf(
                    "nade", "autoregressive:NADE", "one shared hidden layer; on reals RNADE",
                    "exact", "serial", _ALL,
                    "Larochelle and Murray (2011), The Neural Autoregressive Distribution Estimator",
                    "https://proceedings.mlr.press/v15/larochelle11a.html",
                ),
                Leaf(
                    "made", "autoregressive:MADE", "a masked perceptron of any depth, all conditionals in one pass",
                    "exact", "serial", _ALL,
                    "Germain, Gregor, Murray and Larochelle (2015), MADE: Masked Autoencoder for Distribution "
                    "Estimation",
                    "https://arxiv.org/abs/1502.03509",
                ),
                Leaf(
                    "eonade", "autoregressive:EoNADE", "one deep network for every order, a mixture over a few",
                    "exact", "serial", _ALL,
                    "Uria, Murray and Larochelle (2014), A Deep and Tractable Density Estimator",
                    "https://arxiv.org/abs/1310.1757",
                ),
                Leaf(
                    "rnn", "autoregressive:RNN", "an LSTM or GRU that reads the variables in turn",
                    "exact", "serial", _ALL,
                    "Graves (2013), Generating Sequences With Recurrent Neural Networks",
                    "https://arxiv.org/abs/1308.0850",
                ),
                Leaf(
                    "rnn-nade", "autoregressive:RNNNADE", "a NADE per frame under a recurrent network over frames",
                    "exact", "serial", _DISCRETE,
                    "Boulanger-Lewandowski, Bengio and Vincent (2012), Modeling Temporal Dependencies in "
                    "High-Dimensional Sequences",
                    "https://arxiv.org/abs/1206.6392",
                ),
                Leaf(
                    "row-lstm", "autoregressive:RowLSTM", "a PixelRNN that reads an image row by row", "exact",
                    "serial", _DISCRETE,
                    "van den Oord et al. (2016), Pixel Recurrent Neural Networks", "https://arxiv.org/abs/1601.06759",
                ),
                Leaf(
                    "diagonal-bilstm", "autoregressive:DiagonalBiLSTM",
                    "a PixelRNN that reads an image along its diagonals, from both sides", "exact", "serial", _DISCRETE,
                    "van den Oord et al. (2016), Pixel Recurrent Neural Networks", "https://arxiv.org/abs/1601.06759",
                ),
                Leaf(
                    "transformer", "autoregressive:Transformer", "attention to all variables before",
                    "exact", "serial", _DISCRETE,
                    "Vaswani et al. (2017), Attention Is All You Need", "https://arxiv.org/abs/1706.03762",
                ),
                Leaf(
                    "pixelcnn", "autoregressive:PixelCNN", "masked convolutions over an image", "exact", "serial",
                    _DISCRETE,
                    "van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel Recurrent Neural Networks",
                    "https://arxiv.org/abs/1601.06759",
                ),
                Leaf(
                    "gated-pixelcnn", "autoregressive:GatedPixelCNN", "two stacks of gated convolutions, no blind spot",
                    "exact", "serial", _DISCRETE,
                    "van den Oord et al. (2016), Conditional Image Generation with PixelCNN Decoders",
                    "https://arxiv.org/abs/1606.05328",
                ),
                Leaf(
                    "pixelcnn-pp", "autoregressive:PixelCNNPP", "shifted convolutions at three sizes, whole pixels",
                    "exact", "serial", ("binary", "levels"),
                    "Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++",
                    "https://arxiv.org/abs/1701.05517",
                ),
            ),
            "flows": (
                Leaf(
                    "realnvp", "flows:RealNVP", "affine couplings, one pass both ways", "exact", "parallel",
                    _DEQUANTISED,
                    "Dinh, Sohl-Dickstein and Bengio (2016), Density Estimation Using Real NVP",
                    "https://arxiv.org/abs/1605.08803",
                ),
                Leaf(
                    "maf", "flows:MAF", "masked autoregressive maps, fast to score", "exact", "serial", _DEQUANTISED,
                    "Papamakarios, Pavlakou and Murray (2017), Masked Autoregressive Flow for Density Estimation",
                    "https://arxiv.org/abs/1705.07057",
                ),
                Leaf(
                    "iaf", "flows:MAF", "inverse autoregressive maps, fast to sample", "exact", "parallel",
                    _DEQUANTISED,
                    "Kingma et al. (2016), Improving Variational Inference with Inverse Autoregressive Flow",
                    "https://arxiv.org/abs/1606.04934",
                ),
                Leaf(
                    "spline-flow", "flows:SplineFlow", "monotone splines, coupling or autoregressive",
                    "exact", "parallel", _DEQUANTISED,
                    "Durkan, Bekasov, Murray and Papamakarios (2019), Neural Spline Flows",
                    "https://arxiv.org/abs/1906.04032",
                ),
            ),
        },
        "approximate": {
            "latent variables": (
                Leaf(
                    "vae", "latent:VAE", "a decoder of noise, trained through an encoder", "lower bound", "parallel",
                    _ALL,
                    "Kingma and Welling (2013), Auto-Encoding Variational Bayes", "https://arxiv.org/abs/1312.6114",
                ),
                Leaf(
                    "ddpm", "diffusion:DDPM", "noise removed step by step", "lower bound", "chain",
                    ("binary", "levels", "real"),
                    "Ho, Jain and Abbeel (2020), Denoising Diffusion Probabilistic Models",
                    "https://arxiv.org/abs/2006.11239",
                ),
            ),
            "energies": (
                Leaf(
                    "rbm", "energy:RBM", "a restricted Boltzmann machine", "exact or estimate", "chain", ("binary",),
                    "Hinton (2002), Training Products of Experts by Minimizing Contrastive Divergence",
                    "https://doi.org/10.1162/089976602760128018",
                ),
            ),
        },
    },
    "implicit": {
        "direct": {
            "adversarial": (
                Leaf(
                    "gan", "adversarial:GAN", "a generator against a discriminator", "none", "parallel",
                    ("binary", "levels", "real"),
                    "Goodfellow et al. (2014), Generative Adversarial Networks", "https://arxiv.org/abs/1406.2661",
                ),
                Leaf(
                    "dcgan", "adversarial:GAN", "a GAN of convolutional networks, for images", "none", "parallel",
                    _DEQUANTISED,
                    "Radford, Metz and Chintala (2015), Unsupervised Representation Learning with DCGAN",
                    "https://arxiv.org/abs/1511.06434",
                ),
                Leaf(
                    "f-gan", "adversarial:GAN", "a GAN for any f-divergence", "none", "parallel",
                    ("binary", "levels", "real"),
                    "Nowozin, Cseke and Tomioka (2016), f-GAN: Training Generative Neural Samplers",
                    "https://arxiv.org/abs/1606.00709",
                ),
            ),
        },
    },
}  # fmt: skip


def leaves() -> Iterator[tuple[tuple[str, str, str], Leaf]]:
    """Walks the tree.

    Yields:
        The path (kind, tractability, family) of each leaf, and the leaf.
    """
    for kind, branches in TREE.items():
        for branch, families in branches.items():
            for family, members in families.items():
                for leaf in members:
                    yield (kind, branch, family), leaf
