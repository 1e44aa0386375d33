"""Parts of a diffusion that a whole model hides: drawn terms of the bound, their strata, clipping and times.

With a network that always guesses the event 0, every term of the bound is a number, and only the draw of terms is left
to chance.
"""

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from ptheta.diffusion import DDPM, Ancestral, LinearSchedule, Moment, Sampler
from ptheta.noise import Noise
from ptheta.spaces import Levels, Real, Space

SLOW = LinearSchedule(1e-4, 6e-4)  # much of the event is left at the end, so that the prior term counts


class Blind(nn.Module):
    """Predicts the noise that there would be if the event were 0."""

    def __init__(self, alpha_bar: Tensor) -> None:
        super().__init__()
        self.alpha_bar, self.idle = alpha_bar, nn.Parameter(torch.zeros(()).double())

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        left = self.alpha_bar[(t * (len(self.alpha_bar) - 1)).round().long()]
        return x / (1 - left).sqrt()[:, None]


def blind(space: Space, steps: int = 4) -> DDPM:
    return DDPM(space, steps=steps, schedule=SLOW, network=Blind(SLOW.alpha_bars(steps)))


def test_the_bound_from_drawn_terms_is_that_of_all_terms():
    """A mean over rows; it is more than four standard errors off once in some 16,000 seeds."""
    for model, x in ((blind(Levels((2,), 5)), [1, 2]), (blind(Real((2,))), [0.1, -0.2])):
        x = torch.tensor([x], dtype=model.space.dtype)
        drawn, full = model.elbo(x.expand(20_000, 2), draws=8, noise=Noise(0)), model.elbo_full(x, noise=Noise(1))
        error = float(drawn.std()) / 20_000**0.5
        assert float(model.bound_terms(x, noise=Noise(0)).prior) > 10 * error, "without it nobody would notice"
        assert abs(float(drawn.mean() - full)) < 4 * error


def test_the_prior_term_is_the_divergence_of_two_gaussians():
    model, x = blind(Levels((3,), 5)), torch.tensor([[0, 2, 3]]).byte()
    left = model.alpha_bar[-1]
    last = Normal(left.sqrt() * model.space.embed(x, torch.float64), (1 - left).sqrt())
    expected = kl_divergence(last, Normal(0, 1)).sum(1)
    torch.testing.assert_close(model.bound_terms(x, noise=Noise(0)).prior, expected)


def test_draws_of_terms_are_spread_over_the_terms():
    model = blind(Levels((2,), 5), steps=50)
    x = torch.tensor([[1, 4]]).byte().expand(1000, 2)
    one, eight = model.elbo(x, draws=1, noise=Noise(0)), model.elbo(x, draws=8, noise=Noise(1))
    assert float(eight.var()) < 0.5 * float(one.var()) / 8


def test_guesses_are_clipped_on_levels_only():
    class Wild(nn.Module):
        def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
            return torch.full_like(x, 9.0)

    state, t = torch.zeros(1, 2).double(), torch.tensor([2])
    for space, wild in ((Levels((2,), 5), False), (Real((2,)), True)):
        model = DDPM(space, steps=4, schedule=SLOW, network=Wild())
        assert (float(model.guess(state, t, None).abs().max()) > 1) is wild


def test_times_run_from_1_to_the_last():
    u = torch.tensor([1e-9, 0.24, 0.26, 0.51, 0.76, 1 - 1e-9]).double()
    assert blind(Levels((2,), 5), steps=4)._times(u).tolist() == [1, 1, 2, 3, 4, 4]


def test_the_terms_between_are_divergences_of_two_gaussians():
    """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), where p guesses 0: of eq. 7 for t > 1, by torch.distributions."""
    for model, x in ((blind(Levels((2,), 5)), [0, 3]), (blind(Real((2,))), [0.7, -0.2])):
        events = torch.tensor([x], dtype=model.space.dtype)
        origin, expected = model.space.embed(events, torch.float64), 0.0
        for t in range(2, model.steps + 1):
            before, now = model.alpha_bar[t - 1], model.alpha_bar[t]
            beta = 1 - now / before
            mean = before.sqrt() * beta / (1 - now) * origin  # the part that x_t has in both cancels
            width = ((1 - before) / (1 - now) * beta).sqrt()
            own = beta.sqrt() if isinstance(model.space, Real) else width
            expected += kl_divergence(Normal(mean, width), Normal(torch.zeros_like(mean), own)).sum(1)
        torch.testing.assert_close(model.bound_terms(events, noise=Noise(0)).steps, expected)


def spread(sampler: Sampler, now: float, then: float) -> float:
    """The deviation of what a step draws, where the guess is 0 and so is the state."""

    class One:
        def normal(self, shape, key, like):
            return torch.ones_like(like)

    zero = torch.zeros(1, 1).double()
    moments = (Moment(1, 1.0, share, 1 - share) for share in (now, then))
    return float(sampler.step(lambda x, _: torch.zeros_like(x), zero, *moments, One()))  # type: ignore[arg-type]


def test_an_ancestral_step_is_as_wide_as_its_variance_says():
    now, then = 0.5, 0.8
    beta = 1 - now / then
    assert spread(Ancestral(wide=True), now, then) == pytest.approx(beta**0.5)
    assert spread(Ancestral(wide=False), now, then) == pytest.approx((beta * 0.2 / 0.5) ** 0.5)
    assert [spread(Ancestral(wide), 0.9, 1.0) for wide in (False, True)] == [0, 0]
