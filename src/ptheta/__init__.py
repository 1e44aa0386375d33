"""ptheta is p_theta(x): the whole family tree of deep generative models behind one small set of verbs."""

from typing import Any

__version__ = "0.1.0"

# The public names and where they live, by hand; resolved when first asked for, so that help is instant.
_NAMES = {
    "ARTable": "distributions",
    "Adagrad": "optimizers",
    "Adam": "optimizers",
    "Ancestral": "diffusion.samplers",
    "Binary": "spaces",
    "ChowLiu": "distributions",
    "Classes": "spaces",
    "CosineSchedule": "diffusion.schedules",
    "DCGANDiscriminator": "nn.dcgan",
    "DCGANGenerator": "nn.dcgan",
    "DDIM": "diffusion.samplers",
    "DDPM": "diffusion.ddpm",
    "Dataset": "data.dataset",
    "Dequantized": "distributions",
    "DiagonalBiLSTM": "autoregressive.diagonal_bilstm",
    "EoNADE": "autoregressive.eonade",
    "Estimate": "model",
    "Events": "data.dataset",
    "FDivergence": "distributions.fdivergences",
    "FVBN": "autoregressive.fvbn",
    "FullTable": "distributions",
    "GAN": "adversarial",
    "GANDivergence": "distributions.fdivergences",
    "GatedPixelCNN": "autoregressive.gated_pixelcnn",
    "Gaussian": "distributions",
    "GaussianMixture": "distributions",
    "HasCode": "model",
    "HasComplete": "model",
    "HasElbo": "model",
    "HasEnergy": "model",
    "HasLogProb": "model",
    "Independent": "distributions",
    "Jeffrey": "distributions.fdivergences",
    "JensenShannon": "distributions.fdivergences",
    "KDE": "distributions",
    "KL": "distributions.fdivergences",
    "Levels": "spaces",
    "Likelihood": "metrics.likelihood",
    "LinearSchedule": "diffusion.schedules",
    "LossModel": "model",
    "MADE": "autoregressive.made",
    "MAF": "flows",
    "Markov": "distributions",
    "MaximumLikelihood": "adversarial",
    "Minimax": "adversarial",
    "MixturePrior": "latent",
    "Model": "model",
    "NADE": "autoregressive.nade",
    "Neyman": "distributions.fdivergences",
    "Noise": "noise",
    "NonSaturating": "adversarial",
    "Objective": "model",
    "Pearson": "distributions.fdivergences",
    "PixelCNN": "autoregressive.pixelcnn",
    "PixelCNNPP": "autoregressive.pixelcnnpp",
    "ProductMixture": "distributions",
    "RBM": "energy",
    "RMSProp": "optimizers",
    "RNN": "autoregressive.rnn",
    "RNNNADE": "autoregressive.rnn_nade",
    "Real": "spaces",
    "RealNVP": "flows",
    "ReverseKL": "distributions.fdivergences",
    "RowLSTM": "autoregressive.row_lstm",
    "SGD": "optimizers",
    "SplineFlow": "flows",
    "SquaredHellinger": "distributions.fdivergences",
    "StandardNormal": "latent",
    "Symbols": "spaces",
    "Tokens": "spaces",
    "TotalVariation": "distributions.fdivergences",
    "Trained": "model",
    "TrainedDequantized": "distributions",
    "Transformer": "autoregressive.transformer",
    "UNet": "nn.unet",
    "Uniform": "distributions",
    "VAE": "latent",
    "causal_neighbours": "distributions",
    "dequantized_space": "distributions",
    "evaluate_samples": "metrics.samples",
    "likelihood": "metrics.likelihood",
    "load": "data.loading",
    "open_run": "recipes.runs",
    "pixel_order": "autoregressive.orders",
    "prefix_neighbours": "distributions",
    "save_run": "recipes.runs",
    "scores": "metrics.likelihood",
}

__all__ = ["__version__", *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'ptheta' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"ptheta.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
