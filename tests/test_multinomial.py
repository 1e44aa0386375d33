"""What only multinomial diffusion promises: posteriors by Bayes' rule, a bound whose terms are divergences."""

import pytest
import torch
from torch import Tensor, nn

from exact_scores import sum_over_chains
from model_offers import states
from ptheta.diffusion import LinearSchedule, MultinomialDiffusion
from ptheta.nn.denoiser import ResidualMLP
from ptheta.noise import Noise, seeded
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Classes, Levels, Real, Tokens

F64 = torch.float64


class Prior(nn.Module):
    """Guesses the marginals of an event of independent variables, by Bayes' rule from the state."""

    def __init__(self, p: Tensor, alpha_bar: Tensor) -> None:
        super().__init__()
        self.p, self.alpha_bar = nn.Parameter(p), alpha_bar

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        here = x.unflatten(1, self.p.shape)  # (B, D, K), one-hot
        left = self.alpha_bar[(t * (len(self.alpha_bar) - 1)).round().long()][:, None, None]
        return (self.p * (left * here + (1 - left) / self.p.shape[1])).log().flatten(1)


def chain_matrix(model: MultinomialDiffusion, t: int) -> Tensor:
    """q(x_t | x_{t-1}) of one variable, rows by x_{t-1}."""
    stays = float(model.alpha_bar[t] / model.alpha_bar[t - 1])
    return stays * torch.eye(model.n, dtype=F64) + (1 - stays) / model.n


def test_the_posterior_is_that_of_the_chain():
    model = MultinomialDiffusion(Tokens(1, 3), steps=5).double()
    for t in range(2, 6):
        before = torch.eye(3, dtype=F64)
        for s in range(1, t):
            before = before @ chain_matrix(model, s)
        joint = before[:, :, None] * chain_matrix(model, t)[None]  # x_0, x_{t-1}, x_t
        posterior = joint / joint.sum(1, keepdim=True)
        for first in range(3):
            event = nn.functional.one_hot(torch.full((3, 1), first), 3).double()
            found = model._between(torch.arange(3)[:, None], event, torch.full((3,), t)).exp()[:, 0]
            torch.testing.assert_close(found, posterior[first].T)


def bound_of_one_variable(steps: int, plugged: bool = False) -> tuple[Tensor, Tensor]:
    """The bound of each of three values under the best guess, every expectation taken, and their probabilities."""
    p, schedule = torch.tensor([[0.6, 0.3, 0.1]], dtype=F64), LinearSchedule()
    network = Prior(p, schedule.alpha_bars(steps))
    model = MultinomialDiffusion(Tokens(1, 3), steps=steps, schedule=schedule, network=network)
    honest, x = model._between, torch.arange(3)[:, None]

    def plug_in(cells: Tensor, event: Tensor, t: Tensor) -> Tensor:
        here, now = nn.functional.one_hot(cells, 3).double(), model._left(t)[:, None, None]
        weight = honest(cells, event * (now * here + (1 - now) / 3), t).exp()
        return (weight / weight.sum(2, keepdim=True)).log()

    if plugged:
        model._between = plug_in  # type: ignore[method-assign]
    total = torch.full((3,), model._prior_term(), dtype=F64)
    for t in range(1, steps + 1):
        for state in range(3):
            cells, times, left = torch.full((3, 1), state), torch.full((3,), t), model.alpha_bar[t]
            weight = left * (x[:, 0] == state) + (1 - left) / 3
            back = model.step_back(cells, times, None)[:, 0].detach()
            q = honest(cells, nn.functional.one_hot(x, 3).double(), times.clamp(min=2))[:, 0]
            term = -back.gather(1, x)[:, 0] if t == 1 else (q.exp() * (q - back)).sum(1)
            total += weight * term
    return -total, p[0]


@pytest.mark.parametrize("steps", [6, 12])
def test_the_bound_is_tight_where_the_best_guess_is_made(steps):
    """One variable: the only loss is that the last state still knows a little. A guess that is plugged in loses."""
    bound, p = bound_of_one_variable(steps)
    loss = float((p * (p.log() - bound)).sum())
    assert 0 <= loss < 1e-3
    twin, _ = bound_of_one_variable(steps, plugged=True)
    assert float((p * (p.log() - twin)).sum()) > 0.01


def test_draws_have_the_mean_of_all_terms():
    """Over many draws; fails once in 16,000 seeds."""
    expected, p = bound_of_one_variable(4)
    network = Prior(p[None], LinearSchedule().alpha_bars(4))
    model = MultinomialDiffusion(Tokens(1, 3), steps=4, schedule=LinearSchedule(), network=network)
    drawn = model.elbo(torch.arange(3)[:, None].repeat(20_000, 1), draws=2, noise=Noise(0)).reshape(-1, 3)
    assert bool(((drawn.mean(0) - expected).abs() < 4 * drawn.std(0) / 20_000**0.5).all())


def test_a_fresh_network_knows_nothing_and_its_bound_says_so():
    """Guesses are uniform, and so is every step back that does not know better."""
    model = MultinomialDiffusion(Binary((3,)), steps=6, network=ResidualMLP((3,), width=8, outputs=6)).double()
    exact = sum_over_chains(model, states(model.space), None)
    torch.testing.assert_close(exact, torch.full((8,), -3 * torch.tensor(2.0).log().item(), dtype=F64))


def test_samples_take_as_many_calls_as_steps():
    with seeded(0):
        model, heard = MultinomialDiffusion(Tokens(4, 3), steps=7), []
    model.network.register_forward_hook(lambda *_: heard.append(1))
    model.sample(3, noise=Noise(0))
    assert len(heard) == 7


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="MultinomialDiffusion models events of Binary or Levels or Symbols spaces"):
        MultinomialDiffusion(Real((2,)))
    with pytest.raises(ValueError, match="at least 2 diffusion steps, but steps is 1"):
        MultinomialDiffusion(Binary((2,)), steps=1)


@pytest.mark.parametrize(
    ("space", "context_space"),
    [(Binary((1, 8, 8)), None), (Levels((1, 16, 17), 5), Levels((1, 4, 4), 3)), (Tokens(5, 4), Classes(3))],
    ids=str,
)
def test_the_recipe_fits_any_discrete_space(space, context_space):
    recipe = find_recipe("multinomial-diffusion")(space, context_space, diffusion_steps=2, width=16)
    context = None if context_space is None else torch.zeros(2, *context_space.shape, dtype=context_space.dtype)
    recipe.model.check(recipe.model.sample(2, context, noise=Noise(0)), context)
