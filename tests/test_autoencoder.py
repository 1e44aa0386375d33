"""The laws of autoencoders: an affine one finds the principal components, noise shrinks it as its formula says."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ptheta.data.dataset import Events
from ptheta.latent import Autoencoder
from ptheta.metrics.error import map_error
from ptheta.nn.convolutional import ConvEncoder
from ptheta.nn.mlp import MLP
from ptheta.noise import Noise, seeded
from ptheta.recipes.latent import autoencoder
from ptheta.spaces import Binary, Levels, Real, Space, Symbols

VARIANCES = torch.tensor([4.0, 2.0, 0.6, 0.3, 0.1])
WAYS = torch.linalg.qr(Noise(7).normal((5, 5), "ways"))[0]
POINTS = torch.cat([WAYS, -WAYS]) * (5 * VARIANCES).sqrt().repeat(2)[:, None]  # covariance: of these ways and variances
SPACE = Real((5,))


def fitted(latent: int, decoder: nn.Module | None = None, *, steps: int = 600, **settings: Any) -> Autoencoder:
    """An affine autoencoder of points whose mean and covariance are exact in every batch."""
    with seeded(0):
        nets = {"encoder": MLP(5, latent, ()), "decoder": decoder or MLP(latent, 5, ())}
        model = Autoencoder(SPACE, latent=latent, **nets, **settings)
    batch = POINTS.repeat(20, 1) if settings.get("corruption") else POINTS
    model.fit(batch, steps=steps, batch_size=len(batch), learning_rate=0.03, schedule="cosine", seed=0)
    return model.eval()


def principal_angle(model: Autoencoder) -> float:
    """The largest angle between the span of what is decoded and that of the leading principal components."""
    y = model.decode(10 * torch.eye(2)) - model.decode(torch.zeros(2, 2))
    span = torch.linalg.qr(y.detach().T)[0]
    cosines = torch.linalg.svdvals(span.T @ WAYS[:2].T)
    return math.acos(min(1.0, float(cosines.min())))


class Squashed(nn.Module):
    """A decoder that ends in a sigmoid, as those of pixels do: reals about zero are beyond its reach."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 5), nn.Sigmoid())

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


def test_an_affine_autoencoder_spans_the_principal_components():
    model = fitted(2)
    assert principal_angle(model) < 0.01
    error = model.validation(POINTS, None, Noise(0))
    assert float(error.mean().detach()) == pytest.approx(float(VARIANCES[2:].sum()), rel=1e-3)
    with seeded(0):
        squashed = fitted(2, Squashed())
    assert principal_angle(squashed) > 0.1
    assert float(squashed.validation(POINTS, None, Noise(0)).mean().detach()) > 1.5 * float(VARIANCES[2:].sum())


def test_noise_shrinks_what_is_given_back_by_the_share_of_the_noise():
    """The best affine g(f(x + s eps)) is V / (V + s^2) along each way: blurred events are drawn to where events are."""
    s = 0.8
    model = fitted(5, corruption=s)
    shrinkage = VARIANCES / (VARIANCES + s**2)
    got = ((model.decode(model.encode(WAYS)) - model.decode(model.encode(-WAYS))) / 2 @ WAYS.T).diagonal()
    torch.testing.assert_close(got.detach(), shrinkage, rtol=0, atol=0.06)
    clean = ((fitted(5).decode(fitted(5).encode(WAYS))) @ WAYS.T).diagonal()
    assert float((clean.detach() - shrinkage).abs().max()) > 0.5  # the twin: an encoder that saw no noise


def test_a_price_on_codes_makes_them_small_and_is_no_part_of_the_error():
    free, priced = fitted(2), fitted(2, sparsity=0.3)
    size = [float(m.encode(POINTS).abs().sum(1).mean().detach()) for m in (free, priced)]
    assert size[1] < 0.7 * size[0]
    y = priced.decode(priced.encode(POINTS))
    torch.testing.assert_close(priced.validation(POINTS, None, Noise(0)), (POINTS - y).square().sum(1))
    assert bool((priced.loss(POINTS, None, Noise(0)) > priced.validation(POINTS, None, Noise(0))).all())


def test_the_error_of_pixels_is_in_their_own_unit():
    """Summed over pixels between 0 and 1: neither a mean over pixels nor an error of embedded ones in [-1, 1]."""
    space = Levels((1, 2, 2), 5)
    black = nn.Sequential(nn.Linear(3, 4))
    nn.init.zeros_(black[0].weight), nn.init.constant_(black[0].bias, -1.0)
    model = Autoencoder(space, latent=3, decoder=black)
    white = Events(torch.full((2, 1, 2, 2), 4, dtype=torch.uint8))
    found = map_error(model, white)
    assert found is not None and found.value == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("space", "dials", "network"),
    [
        (Levels((1, 8, 8), 17), {}, ConvEncoder),
        (Levels((3, 8, 8), 256), {"hidden": (20,)}, MLP),
        (Levels((1, 8, 8), 17), {"network": "mlp"}, MLP),
        (Binary((1, 8, 8)), {}, MLP),
        (Binary((1, 8, 8)), {"network": "conv"}, ConvEncoder),
        (Symbols((5,), 4), {}, MLP),
        (SPACE, {}, MLP),
    ],
    ids=str,
)
def test_the_recipe_builds_for_every_space(space: Space, dials: dict[str, Any], network: type):
    model = autoencoder(space, **dials).model
    assert isinstance(model, Autoencoder) and isinstance(model.encoder, network)
    codes = Noise(0).normal((2, model.code_space.dimensions), "z")
    x = model.decode(codes)
    model.space.check(x)
    assert bool(model.loss(x, None, Noise(0)).isfinite().all())


def test_the_recipe_refuses_to_convolve_vectors():
    with pytest.raises(ValueError, match="convolutional networks need images"):
        autoencoder(SPACE, network="conv")


def test_the_recipe_refuses_contexts():
    with pytest.raises(ValueError, match="codes events alone"):
        autoencoder(SPACE, SPACE)
