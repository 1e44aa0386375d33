"""Explicit and tractable: log p(x) is known exactly."""

from ptheta.taxonomy.leaf import ALL, BISHOP, DEQUANTISED, DISCRETE, EVERY, FLOWS, Leaf

__all__ = ["TRACTABLE"]

TRACTABLE: dict[str, tuple[Leaf, ...]] = {
    "tables and chains": (
        Leaf(
            "uniform", "distributions:Uniform", "counting:uniform",
            "the box the data fills", "exact", "parallel", ALL,
            "Fisher (1922), On the Mathematical Foundations of Theoretical Statistics",
            "https://doi.org/10.1098/rsta.1922.0009", contexts="classes", completes=True,
        ),
        Leaf(
            "independent", "distributions:Independent", "counting:independent",
            "one table per variable, n parameters on bits", "exact", "parallel", EVERY,
            *BISHOP, contexts="classes", completes=True,
        ),
        Leaf(
            "markov", "distributions:Markov", "counting:markov",
            "each variable given the one before, 2n - 1 parameters on bits", "exact", "serial", DISCRETE,
            *BISHOP, contexts="classes", completes=True,
        ),
        Leaf(
            "ar-table", "distributions:ARTable", "counting:ar_table",
            "each variable given a few neighbours, with back-off", "exact", "serial", DISCRETE,
            "Krichevsky and Trofimov (1981), The Performance of Universal Encoding",
            "https://doi.org/10.1109/TIT.1981.1056331", contexts="classes",
        ),
        Leaf(
            "chow-liu", "distributions:ChowLiu", "counting:chow_liu",
            "the best tree, 2n - 1 parameters on bits", "exact", "serial", DISCRETE,
            "Chow and Liu (1968), Approximating Discrete Probability Distributions with Dependence Trees",
            "https://doi.org/10.1109/TIT.1968.1054142", contexts="classes", completes=True,
        ),
        Leaf(
            "full-table", "distributions:FullTable", "counting:full_table",
            "every event's own probability, 2^n - 1 parameters on bits", "exact", "parallel", DISCRETE,
            *BISHOP, contexts="classes", most_variables=16, completes=True,
        ),
    ),
    "mixtures and kernels": (
        Leaf(
            "mixture", "distributions:TableMixture", "tables:mixture",
            "a mixture of independent columns of any kinds, some cells blank", "exact", "parallel", ("table",),
            "Ghahramani and Jordan (1993), Supervised Learning from Incomplete Data via an EM Approach",
            "https://papers.nips.cc/paper/1993/hash/f2201f5191c4e92cc5af043eebfd0946-Abstract.html",
            contexts="classes", completes=True,
        ),
        Leaf(
            "forest", "distributions:Forest", "tables:forest",
            "trees cut a table into leaves of independent columns", "exact", "parallel", ("table",),
            "Watson, Blesch, Kapar and Wright (2023), Adversarial Random Forests for Density Estimation and Generative "
            "Modeling",
            "https://proceedings.mlr.press/v206/watson23a.html", contexts="classes", completes=True,
        ),
        Leaf(
            "bernoulli-mixture", "distributions:ProductMixture", "counting:bernoulli_mixture",
            "a mixture of independent tables", "exact", "parallel", DISCRETE,
            "Dempster, Laird and Rubin (1977), Maximum Likelihood from Incomplete Data via the EM Algorithm",
            "https://doi.org/10.1111/j.2517-6161.1977.tb01600.x", contexts="classes", completes=True,
        ),
        Leaf(
            "gaussian", "distributions:Gaussian", "counting:gaussian",
            "one Gaussian", "exact", "parallel", DEQUANTISED,
            *BISHOP, contexts="classes", completes=True,
        ),
        Leaf(
            "gaussian-copula", "distributions:GaussianCopula", "counting:gaussian_copula",
            "margins of any shape, joined by a Gaussian's correlations", "exact", "parallel", DEQUANTISED,
            "Nelsen (2006), An Introduction to Copulas",
            "https://doi.org/10.1007/0-387-28678-0", contexts="classes", completes=True,
        ),
        Leaf(
            "gaussian-mixture", "distributions:GaussianMixture", "counting:gaussian_mixture",
            "a mixture of Gaussians by EM", "exact", "parallel", DEQUANTISED,
            "Dempster, Laird and Rubin (1977), Maximum Likelihood from Incomplete Data via the EM Algorithm",
            "https://doi.org/10.1111/j.2517-6161.1977.tb01600.x", contexts="classes", completes=True,
        ),
        Leaf(
            "kde", "distributions:KDE", "counting:kde",
            "a Gaussian kernel on every event", "exact", "parallel", DEQUANTISED,
            "Parzen (1962), On Estimation of a Probability Density Function and Mode",
            "https://doi.org/10.1214/aoms/1177704472", contexts="classes", completes=True,
        ),
    ),
    "regression": (
        Leaf(
            "regression", "regression:Regression", "regression:regression",
            "every variable on its own, given what is given", "exact", "parallel", ALL,
            "Bishop (1994), Mixture Density Networks",
            "https://publications.aston.ac.uk/id/eprint/373/", contexts="needed",
        ),
    ),
    "autoregressive": (
        Leaf(
            "fvbn", "autoregressive:FVBN", "autoregressive:fvbn",
            "a logistic regression per variable on all before it", "exact", "serial", DISCRETE,
            "Frey, Hinton and Dayan (1996), Does the Wake-Sleep Algorithm Produce Good Density Estimators?",
            "https://papers.nips.cc/paper/1995/hash/c850371fda6892fbfd1c5a5b457e5777-Abstract.html",
            completes=True, temperature=True,
        ),
        Leaf(
            "nade", "autoregressive:NADE", "autoregressive:nade",
            "one shared hidden layer; on reals RNADE", "exact", "serial", EVERY,
            "Larochelle and Murray (2011), The Neural Autoregressive Distribution Estimator",
            "https://proceedings.mlr.press/v15/larochelle11a.html", completes=True, temperature=True,
        ),
        Leaf(
            "made", "autoregressive:MADE", "autoregressive:made",
            "a masked perceptron of any depth, all conditionals in one pass", "exact", "serial", EVERY,
            "Germain, Gregor, Murray and Larochelle (2015), MADE: Masked Autoencoder for Distribution Estimation",
            "https://arxiv.org/abs/1502.03509", completes=True, temperature=True,
        ),
        Leaf(
            "eonade", "autoregressive:EoNADE", "autoregressive:eonade",
            "one deep network for every order, a mixture over a few", "exact", "serial", ALL,
            "Uria, Murray and Larochelle (2014), A Deep and Tractable Density Estimator",
            "https://arxiv.org/abs/1310.1757", completes=True, temperature=True,
        ),
        Leaf(
            "rnn", "autoregressive:RNN", "sequences:rnn",
            "an LSTM or GRU that reads the variables in turn", "exact", "serial", ALL,
            "Graves (2013), Generating Sequences With Recurrent Neural Networks",
            "https://arxiv.org/abs/1308.0850", completes=True, temperature=True,
        ),
        Leaf(
            "rnn-nade", "autoregressive:RNNNADE", "sequences:rnn_nade",
            "a NADE per frame under a recurrent network over frames", "exact", "serial", DISCRETE,
            "Boulanger-Lewandowski, Bengio and Vincent (2012), Modeling Temporal Dependencies in High-Dimensional "
            "Sequences",
            "https://arxiv.org/abs/1206.6392", axes=2, completes=True, temperature=True,
        ),
        Leaf(
            "row-lstm", "autoregressive:RowLSTM", "pixelrnn:row_lstm",
            "a PixelRNN that reads an image row by row", "exact", "serial", DISCRETE,
            "van den Oord et al. (2016), Pixel Recurrent Neural Networks",
            "https://arxiv.org/abs/1601.06759", axes=3, completes=True, temperature=True,
        ),
        Leaf(
            "diagonal-bilstm", "autoregressive:DiagonalBiLSTM", "pixelrnn:diagonal_bilstm",
            "a PixelRNN that reads an image along its diagonals, from both sides", "exact", "serial", DISCRETE,
            "van den Oord et al. (2016), Pixel Recurrent Neural Networks",
            "https://arxiv.org/abs/1601.06759", axes=3, completes=True, temperature=True,
        ),
        Leaf(
            "transformer", "autoregressive:Transformer", "sequences:transformer",
            "attention to all variables before", "exact", "serial", (*DISCRETE, "table"),
            "Vaswani et al. (2017), Attention Is All You Need",
            "https://arxiv.org/abs/1706.03762", stands=("symbols",), completes=True, temperature=True,
        ),
        Leaf(
            "pixelcnn", "autoregressive:PixelCNN", "pixels:pixelcnn",
            "masked convolutions over an image", "exact", "serial", DISCRETE,
            "van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel Recurrent Neural Networks",
            "https://arxiv.org/abs/1601.06759", axes=3, stands=("image",), completes=True, temperature=True,
        ),
        Leaf(
            "gated-pixelcnn", "autoregressive:GatedPixelCNN", "pixels:gated_pixelcnn",
            "two stacks of gated convolutions, no blind spot", "exact", "serial", DISCRETE,
            "van den Oord et al. (2016), Conditional Image Generation with PixelCNN Decoders",
            "https://arxiv.org/abs/1606.05328", axes=3, completes=True, temperature=True,
        ),
        Leaf(
            "pixelcnn-pp", "autoregressive:PixelCNNPP", "pixels:pixelcnn_pp",
            "shifted convolutions at three sizes, whole pixels", "exact", "serial", ("binary", "levels"),
            "Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++",
            "https://arxiv.org/abs/1701.05517", axes=3, completes=True, temperature=True,
        ),
    ),
    "flows": (
        Leaf(
            "realnvp", "flows:RealNVP", "flows:realnvp",
            "affine couplings, one pass both ways", "exact", "parallel", DEQUANTISED,
            "Dinh, Sohl-Dickstein and Bengio (2016), Density Estimation Using Real NVP",
            "https://arxiv.org/abs/1605.08803", temperature=True,
        ),
        Leaf(
            "maf", "flows:MAF", "flows:maf",
            "masked autoregressive maps, fast to score", "exact", "serial", DEQUANTISED,
            "Papamakarios, Pavlakou and Murray (2017), Masked Autoregressive Flow for Density Estimation",
            "https://arxiv.org/abs/1705.07057", temperature=True,
        ),
        Leaf(
            "iaf", "flows:MAF", "flows:iaf",
            "inverse autoregressive maps, fast to sample", "exact", "parallel", DEQUANTISED,
            "Kingma et al. (2016), Improving Variational Inference with Inverse Autoregressive Flow",
            "https://arxiv.org/abs/1606.04934", temperature=True,
        ),
        Leaf(
            "spline-flow", "flows:SplineFlow", "flows:spline_flow",
            "monotone splines, coupling or autoregressive", "exact", "parallel", FLOWS,
            "Durkan, Bekasov, Murray and Papamakarios (2019), Neural Spline Flows",
            "https://arxiv.org/abs/1906.04032", temperature=True,
        ),
    ),
}  # fmt: skip
