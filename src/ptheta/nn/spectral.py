"""Layers whose largest singular value is one, so that a network of them cannot be steep.

The weight of a layer is divided by its largest singular value, which one step of the power iteration follows while
training; a convolution counts as the matrix of its kernels. Torch does the work.

References:
    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018) https://arxiv.org/abs/1802.05957
"""

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["spectrally_normalised"]


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """Normalises every dense and convolutional layer of a network, in place.

    Args:
        network: The network.

    Returns:
        The same network.

    Example:
        >>> import torch
        >>> layer = spectrally_normalised(nn.Linear(3, 3, bias=False))
        >>> _ = [layer(torch.zeros(1, 3)) for _ in range(50)]  # follows the largest singular value
        >>> round(float(torch.linalg.matrix_norm(layer.weight.detach(), 2)), 3)
        1.0
    """
    for layer in list(network.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            spectral_norm(layer)
    return network
