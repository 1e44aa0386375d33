"""Synthetic sets: the truth is normalised, knows its entropy, and is what the samples come from."""

import functools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from ptheta import Noise, load
from ptheta.data import synthetic

ALARM = 1e-3  # the false-alarm rate of every statistical test here


@functools.cache
def entropy_of(name):
    return synthetic.truth(name).entropy()


@pytest.mark.parametrize("name", ["mixture-1d", "two-gaussians"])
def test_truths_on_the_line_integrate_to_one_and_to_their_entropy(name):
    law = synthetic.truth(name)

    def density(x):
        return law.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp().item()

    total = integrate.quad(density, -12, 12, points=[-3, -1, 2, 3], limit=200)[0]
    entropy = integrate.quad(lambda x: -density(x) * math.log(density(x)), -12, 12, points=[-3, -1, 2, 3], limit=200)[0]
    assert abs(total - 1) < 1e-8
    assert abs(entropy - law.entropy()) < 1e-8


@pytest.mark.parametrize(
    ("name", "low", "high", "step"), [("ring", -1.1, 1.1, 0.004), ("moons", -1.9, 2.9, 0.03), ("grid", -4.4, 4.4, 0.02)]
)
def test_truths_in_the_plane_integrate_to_one_and_to_their_entropy(name, low, high, step):
    law = synthetic.truth(name)
    line = torch.arange(low, high, step, dtype=torch.float64)
    log_prob = law.log_prob(torch.cartesian_prod(line, line))
    assert abs(float(log_prob.exp().sum()) * step**2 - 1) < 1e-8
    assert abs(float(-(log_prob.exp() * log_prob).sum()) * step**2 - entropy_of(name)) < 1e-8


def test_the_entropy_of_far_modes_is_closed():
    closed = math.log(8) + 1 + math.log(2 * math.pi * 0.01**2)
    assert abs(synthetic.truth("ring").entropy() - closed) < 1e-9


def test_a_wrong_density_fails_the_laws():
    ring = synthetic.truth("ring")
    twin = synthetic.GaussianMixture(ring.weights * 1.02, ring.means, ring.stds)
    line = torch.arange(-1.1, 1.1, 0.004, dtype=torch.float64)
    assert abs(float(twin.log_prob(torch.cartesian_prod(line, line)).exp().sum()) * 0.004**2 - 1) > 1e-2


@pytest.mark.parametrize("name", ["ring", "grid", "moons", "mixture-1d", "two-gaussians"])
def test_samples_score_their_entropy_on_average(name):
    law = synthetic.truth(name)
    x = law.sample(20_000, noise=Noise(1))
    scores = law.log_prob(x)
    error = float(scores.std()) / math.sqrt(len(x))
    bound = stats.norm.isf(ALARM / 2) * error
    entropy = entropy_of(name)
    assert abs(float(scores.mean()) + entropy) < bound
    assert abs(float(law.log_prob(x * 1.3).mean()) + entropy) > bound  # the broken twin


def test_bars_are_normalised_and_their_samples_agree():
    law = synthetic.BarsAndStripes(3)
    states = torch.cartesian_prod(*[torch.tensor([0, 1], dtype=torch.uint8)] * 9).reshape(-1, 1, 3, 3)
    log_prob = law.log_prob(states)
    seen = log_prob > -math.inf
    p = log_prob[seen].exp()
    assert int(seen.sum()) == 14 and abs(float(p.sum()) - 1) < 1e-12
    assert abs(float(-(p * p.log()).sum()) - law.entropy()) < 1e-12
    x = law.sample(5000, noise=Noise(0))
    code = (x.flatten(1).long() * 2 ** torch.arange(8, -1, -1)).sum(1)
    counts = torch.bincount(code, minlength=512)[seen].numpy()
    assert counts.sum() == 5000
    assert stats.chisquare(counts, 5000 * p.numpy()).pvalue > ALARM
    flat = np.full(14, 5000 / 14)  # the broken twin: as if blank and full were not twice as likely
    assert stats.chisquare(counts, flat).pvalue < ALARM


@pytest.mark.parametrize("name", ["ring", "moons", "bars"])
def test_more_rows_leave_the_first_as_they_are(name):
    assert (load(name, n=200).train.x[:100] == load(name, n=100).train.x).all()
    assert (load(name, n=100, seed=1).train.x != load(name, n=100).train.x).any()


def test_a_truth_of_an_unknown_name_or_out_of_reach_is_refused():
    with pytest.raises(ValueError, match="expected a synthetic set out of ring, grid"):
        synthetic.truth("rings")
    with pytest.raises(ValueError, match=r"std of at least 0\.02"):
        synthetic.truth("moons", std=0.01)


def test_copied_tokens_enumerate_to_one_and_to_their_entropy():
    law = synthetic.truth("copy", length=6, lag=2, tokens=3, fresh=0.3)
    x = torch.cartesian_prod(*[torch.arange(3)] * 6)
    log_prob = law.log_prob(x)
    assert abs(float(log_prob.exp().sum()) - 1) < 1e-12
    assert abs(float(-(log_prob.exp() * log_prob).sum()) - law.entropy()) < 1e-12
    twin = synthetic.truth("copy", length=6, lag=3, tokens=3, fresh=0.3)
    assert abs(float(-(log_prob.exp() * twin.log_prob(x)).sum()) - twin.entropy()) > 0.5  # another lag
    counts = torch.bincount((law.sample(40_000, noise=Noise(0)) * 3 ** torch.arange(5, -1, -1)).sum(1), minlength=729)
    expected = log_prob.exp() * 40_000
    assert stats.chisquare(counts.numpy(), expected.numpy()).pvalue > ALARM


@pytest.mark.parametrize("options", [{"lag": 0}, {"lag": 32}, {"tokens": 1}, {"fresh": 0.0}])
def test_bad_copies_are_refused(options):
    with pytest.raises(ValueError, match=r"copied sequences need 1 <= lag < length|should be a positive number"):
        synthetic.truth("copy", **options)
