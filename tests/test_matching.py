"""What only flow matching promises: its loss has a floor, its walks an order, its equation a density that is exact."""

import math

import pytest
import torch
from torch import Tensor, nn

from gaussian_walks import MEAN, VARIANCE, Corners, Signs, corners, distance_of_walk, flow_matching, has_order
from ptheta.diffusion import DDIM, Ancestral, FlowMatching, Heun, ProbabilityFlow
from ptheta.diffusion import matching as module
from ptheta.noise import Noise
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Classes, Levels, Real

F64 = torch.float64
CENTRES = torch.tensor([[1.0, 0.5], [-1.0, 0.0], [0.2, -1.5]], dtype=F64)
SPREADS, SHARES = torch.tensor([0.4, 0.7, 0.5], dtype=F64), torch.tensor([0.5, 0.3, 0.2], dtype=F64)


def mixture_log_prob(x: Tensor, time: float = 1.0) -> Tensor:
    """log p_t(x) of a mixture of three Gaussians, mixed with noise."""
    parts = torch.distributions.Normal(time * CENTRES, ((time * SPREADS) ** 2 + (1 - time) ** 2).sqrt()[:, None])
    return (SHARES.log() + parts.log_prob(x[:, None]).sum(2)).logsumexp(1)


class BestOfMixture(nn.Module):
    """The velocity field E[event - noise | x] of the mixture."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Parameter(torch.zeros((), dtype=F64))

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        t = t[:, None]  # (B, 1)
        total = (t * SPREADS) ** 2 + (1 - t) ** 2  # (B, K)
        off = x[:, None] - t[..., None] * CENTRES  # (B, K, 2)
        weight = (SHARES.log() - off.square().sum(2) / (2 * total) - total.log()).softmax(1)
        slope = (t * SPREADS**2 - (1 - t)) / total
        return (weight[..., None] * (CENTRES + slope[..., None] * off)).sum(1)


def mixture_flow(steps: int = 25) -> ProbabilityFlow:
    return ProbabilityFlow(FlowMatching(Real((2,)), network=BestOfMixture()), steps=steps)


@pytest.mark.parametrize("t", [0.0, 0.2, 0.7, 1.0])
def test_the_loss_of_the_best_field_is_the_variance_that_remains(t):
    signs, noise = corners()
    model, x = flow_matching(), MEAN + VARIANCE.sqrt() * signs
    drawn = Corners(noise, torch.full((16,), t, dtype=F64))
    gain = (t * VARIANCE - (1 - t)) ** 2 / (t**2 * VARIANCE + (1 - t) ** 2)
    with torch.no_grad():
        loss = float(model.loss(x, None, drawn).mean())  # type: ignore[arg-type]
        assert loss == pytest.approx(float((VARIANCE + 1 - gain).mean()), abs=1e-12)
        model.network.mean += 0.1
        assert float(model.loss(x, None, drawn).mean()) > loss + 1e-3 or t == 1, "at the end the mean is not asked for"  # type: ignore[arg-type]


@pytest.mark.parametrize(("sampler", "order"), [(DDIM, 1), (Heun, 2)], ids=["Euler", "Heun"])
def test_a_walk_has_the_order_it_claims(sampler, order):
    errors = [distance_of_walk(flow_matching(least_noise=1e-6), sampler(n)) for n in (32, 64, 128)]
    assert has_order(order, errors) and not has_order(3 - order, errors), errors


def test_the_chain_of_the_bound_draws_the_law():
    assert distance_of_walk(flow_matching(steps=400), Ancestral(wide=True), draws=400) < 0.05


def test_the_bound_tends_to_log_p():
    x = torch.tensor([[0.2, 0.1], [1.5, -2.0]], dtype=F64).repeat_interleave(2, 0)
    truth = torch.distributions.Normal(MEAN, VARIANCE.sqrt()).log_prob(x).sum(1)[::2]
    gaps = []
    for steps in (100, 200, 400):
        bound = flow_matching(steps=steps).elbo_full(x, noise=Signs()).reshape(2, 2).mean(1)  # type: ignore[arg-type]
        gaps.append(float((truth - bound).min()))
    assert all(gap > 0 for gap in gaps) and gaps[0] > 1.5 * gaps[1] > 2.2 * gaps[2] and gaps[2] < 0.1, gaps


def test_moments_end_close_enough_to_the_event():
    model = FlowMatching(Real((1,)), least_noise=0.05)
    assert [round(m.time, 4) for m in model.moments(4)] == [0, 0.25, 0.5, 0.75, 1]
    times = [m.time for m in model.moments(100)]
    assert times[0] == 0 and times[-2] == pytest.approx(0.95) and times[-1] == 1
    assert [m.time for m in model.moments(1)] == [0, 1]


def test_the_density_is_that_of_the_mixture():
    x = CENTRES.repeat(60, 1) + SPREADS.repeat(60)[:, None] * Noise(0).normal((180, 2), "x", like=CENTRES)
    found, truth = mixture_flow().log_prob(x), mixture_log_prob(x)
    assert float((found - truth).abs().max()) < 1e-4
    errors = [float((mixture_flow(steps).log_prob(x) - truth).abs().median()) for steps in (6, 12, 24)]
    assert errors[0] > 8 * errors[1] > 64 * errors[2], "fourth order"


def test_a_divergence_of_the_wrong_sign_is_seen(monkeypatch):
    honest, x = module.exact_divergence, torch.zeros(3, 2, dtype=F64)
    monkeypatch.setattr(module, "exact_divergence", lambda v, x, rows: -honest(v, x, rows))
    assert float((mixture_flow().log_prob(x) - mixture_log_prob(x)).abs().min()) > 0.1


def test_the_estimate_is_right_on_average_and_for_no_event():
    """Over every direction of signs it is the exact one; a single one is not."""
    x = Noise(0).normal((5, 2), "x", like=CENTRES)

    class Directions:
        def uniform(self, shape, key, like):
            both = torch.tensor([[0.1, 0.1], [0.1, 0.9]], dtype=F64)
            return both.repeat(5, 1)

    found = mixture_flow().estimate_log_prob(x.repeat_interleave(2, 0), noise=Directions()).reshape(5, 2)  # type: ignore[arg-type]
    exact = mixture_flow().log_prob(x)
    torch.testing.assert_close(found.mean(1), exact)
    assert float((found[:, 0] - exact).abs().max()) > 0.01


def test_densities_are_in_the_unit_of_events_and_samples_follow_them():
    model = mixture_flow()
    wide = ProbabilityFlow(FlowMatching(Real((2,), (1.0, 2.0), (3.0, 0.5)), network=BestOfMixture()))
    x = torch.tensor([[0.5, -0.3]], dtype=F64)
    moved = x * torch.tensor([3.0, 0.5]) + torch.tensor([1.0, 2.0])
    torch.testing.assert_close(wide.log_prob(moved), model.log_prob(x) - math.log(1.5))
    drawn = model.sample(4000, noise=Noise(0)).double()
    right = float(((drawn[:, 0] > 0.2) & (drawn[:, 1] > -0.5)).double().mean())
    grid = torch.cartesian_prod(*[torch.linspace(-4, 4, 401, dtype=F64)] * 2)
    inside = (grid[:, 0] > 0.2) & (grid[:, 1] > -0.5)
    expected = float(mixture_log_prob(grid).exp()[inside].sum()) * (8 / 400) ** 2
    assert abs(right - expected) < 3.3 * (expected * (1 - expected) / 4000) ** 0.5 + 0.01


def test_optimal_pairs_are_nearer_and_the_same_noise():
    event, start = (Noise(seed).normal((40, 3), "x") for seed in (0, 1))
    chosen = module._assigned(event, start)
    assert sorted(chosen.tolist()) == list(range(40))
    before, after = ((event - other).square().sum() for other in (start, start[chosen]))
    assert float(after) < 0.8 * float(before)
    near = Noise(2).uniform((5,), "x").argsort()
    assert module._assigned(event[:5], event[:5][near]).tolist() == near.argsort().tolist()


def test_the_loss_is_of_the_optimal_pairs():
    """A network of zeros loses the squared length of its lines."""
    event = Noise(0).normal((30, 2), "x", like=CENTRES)
    lost = {}
    for pairing in ("independent", "optimal"):
        model = FlowMatching(Real((2,)), pairing=pairing).double()
        lost[pairing] = float(model.loss(event, None, Noise(1)).sum().detach()) * 2
    start = Noise(1).normal(event.shape, "noise", event)
    best = start[module._assigned(event, start)]
    assert lost["optimal"] == pytest.approx(float((event - best).square().sum()))
    assert (
        lost["independent"] == pytest.approx(float((event - start).square().sum()))
        and lost["independent"] > 1.2 * lost["optimal"]
    )


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="optimal pairing forgets which event a context belongs to"):
        FlowMatching(Real((2,)), pairing="optimal", context_space=Classes(2))
    with pytest.raises(ValueError, match="pairing should be independent or optimal, but it is 'best'"):
        FlowMatching(Real((2,)), pairing="best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="least_noise should be above 0 and below 1"):
        FlowMatching(Real((2,)), least_noise=1.0)
    with pytest.raises(ValueError, match="ProbabilityFlow models events of Real spaces"):
        ProbabilityFlow(FlowMatching(Binary((2,))))
    with pytest.raises(ValueError, match="at most 64 variables, and these are 65"):
        ProbabilityFlow(FlowMatching(Real((65,)))).log_prob(torch.zeros(1, 65))


@pytest.mark.parametrize(
    ("space", "context_space", "dials"),
    [
        (Levels((1, 8, 8), 17), Classes(3), {}),
        (Real((3,)), None, {"pairing": "optimal", "density": True}),
        (Levels((4,), 3), Classes(2), {"density": True}),
        (Binary((5,)), None, {}),
    ],
    ids=str,
)
def test_the_recipe_fits_any_space_of_numbers(space, context_space, dials):
    recipe = find_recipe("flow-matching")(space, context_space, width=16, **dials)
    context = None if context_space is None else torch.zeros(2, *context_space.shape, dtype=context_space.dtype)
    recipe.model.check(recipe.model.sample(2, context, noise=Noise(0)), context)
