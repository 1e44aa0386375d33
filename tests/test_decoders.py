"""The mass of a Gaussian in the cell of a level: a distribution, symmetric, and exact far in either tail."""

import pytest
import torch
from scipy import stats

from ptheta.diffusion.decoders import log_cell_mass


def test_masses_agree_with_scipy_and_add_to_one():
    mean, levels = torch.tensor([-0.7, 0.2, 1.4]).double()[:, None], torch.arange(5)
    log_p = log_cell_mass(mean.expand(3, 5), 0.3, levels.expand(3, 5), 5)
    ends = torch.tensor([-torch.inf, -0.75, -0.25, 0.25, 0.75, torch.inf]).double()
    expected = torch.from_numpy(stats.norm.cdf(ends.numpy(), mean.numpy(), 0.3)).diff(dim=1)
    torch.testing.assert_close(log_p.exp(), expected, atol=1e-12, rtol=1e-9)
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(3).double())


@pytest.mark.parametrize("sigma", [0.5, 0.05, 0.01])
def test_both_tails_are_exact(sigma: float):
    levels = torch.arange(1, 16)
    below = log_cell_mass(torch.full((15,), -1.0).double(), sigma, levels, 17)
    above = log_cell_mass(torch.full((15,), 1.0).double(), sigma, 16 - levels, 17)
    torch.testing.assert_close(below, above)
    assert below.isfinite().all()
    near, far = (torch.from_numpy(stats.norm.logsf(((levels + k) / 8 / sigma).numpy())) for k in (-0.5, 0.5))
    torch.testing.assert_close(below, (near + (far - near).expm1().neg().log()).double(), rtol=1e-6, atol=0)
