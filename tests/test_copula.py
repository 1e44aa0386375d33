"""Gaussian copulas: known correlations found behind any margins, conditionals in closed form, tails and ties.

The general laws (normalisation, samples, completions, saving, ...) run over this model in test_laws.py.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from ptheta.data.dataset import Dataset, Events
from ptheta.distributions import Gaussian, GaussianCopula
from ptheta.distributions.copula import from_scores, margins_of, normal_scores
from ptheta.noise import Noise
from ptheta.spaces import Real

RHO = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, -0.5], [0.0, -0.5, 1.0]], dtype=torch.float64)


def warped(n: int, seed: int = 0) -> Tensor:
    """A Gaussian copula with correlations RHO: a skewed, a long-tailed and a two-humped margin."""
    return warp(scores(n, seed))


def scores(n: int, seed: int) -> Tensor:
    return Noise(seed).normal((n, 3), "z").double() @ torch.linalg.cholesky(RHO).T


def warp(z: Tensor) -> Tensor:
    return torch.stack([z[:, 0].exp(), z[:, 1].sinh(), 2 * (2 * z[:, 2]).tanh() + 0.5 * z[:, 2]], 1)


def fitted(n: int = 3000) -> tuple[GaussianCopula, Tensor]:
    space = Real.standardising(warped(n))
    return GaussianCopula(space).fit(warped(n)), warped(n)


def correlations(model: GaussianCopula) -> Tensor:
    return model.factor[0] @ model.factor[0].T


def farthest(a: Tensor, b: Tensor) -> float:
    """The largest distance between the distribution functions of two samples, over all variables."""
    return max(float(stats.ks_2samp(a[:, i], b[:, i]).statistic) for i in range(a.shape[1]))


def test_correlations_and_margins_are_found_behind_the_warp():
    model, x = fitted()
    assert float((correlations(model) - RHO).abs().max()) < 0.03
    assert float((torch.corrcoef(x.T) - RHO).abs().max()) > 0.05, "the warp hides nothing from plain correlations"
    assert farthest(model.sample(5000, noise=Noise(3)), warped(5000, 4)) < 0.04
    gaussian = Gaussian(model.space).fit(x)
    assert farthest(gaussian.sample(5000, noise=Noise(3)), warped(5000, 4)) > 0.1, "a Gaussian has these margins too"


def test_the_density_is_the_one_of_the_warp():
    model, z = fitted()[0], scores(2000, 5).requires_grad_()
    x = warp(z)
    (slope,) = torch.autograd.grad(x.sum(), z)
    normal = torch.distributions.MultivariateNormal(torch.zeros(3).double(), RHO)
    truth, x = (normal.log_prob(z) - slope.log().sum(1)).detach(), x.detach()
    assert float((truth - model.log_prob(x)).mean()) < 0.25
    assert float((truth - Gaussian(model.space).fit(warped(3000)).log_prob(x)).mean()) > 0.9


def testnormal_scores_are_undone_far_into_the_tails():
    margins = margins_of(warped(300), 50, torch.full((3,), 0.45))
    z = torch.linspace(-30, 30, 121, dtype=torch.float64)[:, None].expand(-1, 3)
    x = from_scores(z, margins)
    torch.testing.assert_close(normal_scores(x, margins)[0], z, rtol=1e-9, atol=1e-9)
    far = normal_scores(torch.tensor([[1e6] * 3, [-1e6] * 3]).double(), margins)
    assert all(bool(torch.isfinite(t).all()) for t in far)


def test_the_slope_of_a_score_is_that_of_its_margin():
    margins = margins_of(warped(300), 50, torch.full((3,), 0.45))
    x = warped(20, 7).requires_grad_()
    z, log_f = normal_scores(x, margins)
    (slope,) = torch.autograd.grad(z.sum(), x)
    phi = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(slope * phi, log_f.exp())


def conditional(model: GaussianCopula, x: Tensor, line: Tensor) -> Tensor:
    """The distribution function of the middle variable given the others of one event, along a line, by its density."""
    events = x.expand(len(line), -1).clone()
    events[:, 1] = line
    p = model.log_prob(events).exp()
    return p.cumsum(0) / p.sum()


def test_completions_follow_the_density_given_several_variables():
    model, x = fitted()[0], warped(1, 9)
    mask = torch.tensor([[True, False, True]])
    drawn = model.complete(x.expand(3000, -1), mask.expand(3000, -1), noise=Noise(1))
    assert torch.equal(drawn[:, [0, 2]], x[:, [0, 2]].expand(3000, -1))
    line = torch.linspace(-15, 15, 8000, dtype=torch.float64)
    cdf = conditional(model, x, line)
    assert stats.kstest(drawn[:, 1], lambda v: interpolated(v, line, cdf)).pvalue > 1e-3
    blind = model.sample(3000, noise=Noise(1))[:, 1]
    assert stats.kstest(blind, lambda v: interpolated(v, line, cdf)).pvalue < 1e-6


def interpolated(at: np.ndarray, line: Tensor, cdf: Tensor) -> np.ndarray:
    return np.interp(at, line.numpy(), cdf.numpy())


def test_it_validates_at_least_as_well_as_independent_margins():
    x = Noise(2).normal((120, 30), "noise").double()  # nothing to find, and 435 correlations to be misled by
    held = Noise(3).normal((200, 30), "noise").double()
    data = Dataset("noise", Real((30,)), Events(x), Events(held), Events(held))
    model = GaussianCopula(data.space).fit(data)
    alone = GaussianCopula(data.space).fit(data)
    alone.factor = torch.eye(30, dtype=torch.float64)[None]
    assert float(model.log_prob(held).mean()) >= float(alone.log_prob(held).mean()) - 1e-9
    z = normal_scores(x, (model.centre[0], model.width[0], model.log_weight[0]))[0]
    alone.factor = torch.linalg.cholesky(torch.corrcoef(z.T))[None]
    assert float(alone.log_prob(held).mean()) < float(model.log_prob(held).mean()) - 1, "shrinking does nothing here"


def test_ties_constants_and_copies_do_no_harm():
    x = (Noise(0).uniform((200, 4), "x") * 3).floor().double()
    x[:, 1], x[:, 2] = 5.0, x[:, 0]
    model = GaussianCopula(Real.standardising(x)).fit(x)
    assert bool(torch.isfinite(model.log_prob(x)).all())
    assert bool(torch.isfinite(model.sample(10, noise=Noise(0))).all())
    assert float(model.width.min()) > 1e-3


def test_refusals():
    with pytest.raises(ValueError, match="quantiles of a GaussianCopula should be at least 2, but it is 1"):
        GaussianCopula(Real((2,)), quantiles=1)
    with pytest.raises(ValueError, match="needs at least 2 training events"):
        GaussianCopula(Real((2,))).fit(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="temperature should be positive"):
        fitted(100)[0].complete(warped(2), torch.ones(2, 3, dtype=torch.bool), temperature=0.0)
