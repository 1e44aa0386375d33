"""What only EDM promises: a network of unit size at any noise, the moments, the order of its walks, guidance."""

import pytest
import torch

from gaussian_walks import MEAN, VARIANCE, Corners, Signs, corners, distance_of_walk, edm, has_order
from ptheta.diffusion import DDIM, EDM, Ancestral, Heun
from ptheta.nn.denoiser import ResidualMLP
from ptheta.noise import Noise
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Classes, Levels, Real, Symbols

F64 = torch.float64


def silent(deviation: float) -> EDM:
    """A fresh network answers 0."""
    model = EDM(Real((2,)), network=ResidualMLP((2,), width=8, blocks=1)).double()
    model.sigma_data.fill_(deviation)
    return model


@pytest.mark.parametrize("sigma", [0.01, 0.3, 1.0, 10.0])
@pytest.mark.parametrize("deviation", [0.5, 1.0])
def test_silence_loses_exactly_one_at_any_noise(sigma, deviation):
    """For events N(0, σ_d²) the best F is 0; a mean over corners is exact for quadratics."""
    signs, noise = corners()
    model = silent(deviation)
    z = (torch.tensor(sigma / deviation).double().log() - model.noise_mean) / model.noise_std
    drawn = Corners(noise, z.expand(16))
    loss = model.loss(deviation * signs, None, drawn).mean()  # type: ignore[arg-type]
    assert float(loss.detach()) == pytest.approx(1, abs=1e-9)
    with torch.no_grad():
        model.network.leave.bias += 0.1
        assert float(model.loss(deviation * signs, None, drawn).mean()) > 1.005, "and any other F loses more"
        model.network.leave.bias.zero_()
        model.sigma_data.mul_(2)  # the twin: another deviation than that of the events
        z = z - torch.tensor(2.0).log() / model.noise_std
        twin = float(model.loss(deviation * signs, None, Corners(noise, z.expand(16))).mean())  # type: ignore[arg-type]
    assert abs(twin - 1) > 0.01 or not 0.1 < sigma < 3, "far from the events' deviation it does not matter"


def test_the_best_network_guesses_the_best_guess():
    model, x = edm(), torch.tensor([[1.0, -2.0], [30.0, 5.0]], dtype=F64)
    sigma = torch.tensor([0.4, 40.0], dtype=F64)
    best = MEAN + VARIANCE / (VARIANCE + sigma[:, None] ** 2) * (x - MEAN)
    torch.testing.assert_close(model.guess(x, sigma, None).detach(), best)


def test_moments_are_even_in_a_root_of_the_noise():
    moments = EDM(Real((1,)), sigma_min=0.002, sigma_max=80.0).moments(18)
    sigmas = [moment.time for moment in moments]
    assert len(sigmas) == 19 and sigmas[-1] == 0 and moments[-1].noise == 0
    assert sigmas[0] == pytest.approx(80) and sigmas[-2] == pytest.approx(0.002)
    roots = torch.tensor(sigmas[:-1], dtype=F64) ** (1 / 7)
    torch.testing.assert_close(roots.diff(), roots.diff()[:1].expand(17))
    assert [moment.index for moment in moments] == [*range(18, -1, -1)]
    assert len(EDM(Real((1,))).moments(1)) == 2


@pytest.mark.parametrize(("sampler", "order"), [(DDIM, 1), (Heun, 2)], ids=["Euler", "Heun"])
def test_a_walk_has_the_order_it_claims(sampler, order):
    errors = [distance_of_walk(edm(), sampler(n)) for n in (32, 64, 128)]
    assert has_order(order, errors) and not has_order(3 - order, errors), errors
    assert errors[-1] < (0.2, 0.01)[order - 1]


def test_churn_forgets_the_errors_of_the_walk():
    """Eighty steps, each with noise of its own, and the law at the end is right; noise that is not told of is seen."""
    n = 80
    sampler = Heun(n, churn=20.0, churn_to=1e9, churn_from=0.0, churn_scale=1.0)
    assert distance_of_walk(edm(), sampler, draws=1 + n) < 0.05
    twin = Heun(n, churn=20.0, churn_to=1e9, churn_from=0.0, churn_scale=1.3)
    assert distance_of_walk(edm(), twin, draws=1 + n) > 0.2


def test_the_chain_of_the_bound_draws_the_law():
    assert distance_of_walk(edm(steps=300), Ancestral(wide=True), draws=300) < 0.08
    assert distance_of_walk(edm(steps=300), DDIM(300, eta=1.0), draws=300) < 0.08


def test_the_bound_tends_to_log_p():
    x = torch.tensor([[0.2, 0.1], [1.5, -2.0]], dtype=F64).repeat_interleave(2, 0)
    truth = torch.distributions.Normal(MEAN, VARIANCE.sqrt()).log_prob(x).sum(1)[::2]
    gaps = []
    for steps in (100, 200, 400):
        bound = edm(steps=steps).elbo_full(x, noise=Signs()).reshape(2, 2).mean(1)  # type: ignore[arg-type]
        gaps.append(float((truth - bound).min()))
    assert all(gap > 0 for gap in gaps) and gaps[0] > 1.7 * gaps[1] > 2.8 * gaps[2] and gaps[2] < 0.15, gaps


def test_the_first_batch_gives_the_deviation():
    model = EDM(Levels((4,), 5))
    x = (Noise(0).uniform((200, 4), "x") * 5).byte()
    model.begin(x, None)
    assert float(model.sigma_data) == pytest.approx(float((x / 2.0 - 1).std(correction=0)), rel=1e-5)
    model.begin(torch.full((5, 4), 2).byte(), None)
    assert float(model.sigma_data) > 0, "constant events"


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="EDM models events of Levels or Binary or Real spaces"):
        EDM(Symbols((3,), 5))
    with pytest.raises(ValueError, match="EDM needs 0 < sigma_min < sigma_max"):
        EDM(Real((2,)), sigma_min=100.0)
    with pytest.raises(ValueError, match="guidance of EDM needs contexts, and a context_drop above 0"):
        EDM(Real((2,)), guidance=2.0)
    with pytest.raises(ValueError, match="context_drop of EDM should be at least 0 and below 1"):
        EDM(Real((2,)), context_drop=1.0)


def test_guidance_goes_beyond_what_the_context_says():
    """A network that knows two classes: guided means lie on the line through both guesses, and drops leave them."""

    class Known(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle = torch.nn.Parameter(torch.zeros((), dtype=F64))

        def forward(self, x, t, context=None):
            return 0 * x + (context[:, :1] - context[:, 1:] if context is not None else 0)

    def guess(guidance: float, context: torch.Tensor) -> torch.Tensor:
        model = EDM(Real((1,)), network=Known(), context_space=Classes(2), context_drop=0.2, guidance=guidance).double()
        features = model.reader(context)
        return model._guided(features)(torch.zeros(2, 1, dtype=F64), model.moments(5)[2])

    context = torch.tensor([0, 1])
    plain, none, more = guess(1.0, context), guess(0.0, context), guess(3.0, context)
    assert bool((none == 0).all()) and float(plain[0]) == -float(plain[1]) != 0
    torch.testing.assert_close(more, 3 * plain)


def test_training_leaves_contexts_out_as_often_as_asked():
    model = EDM(Real((1,)), context_space=Classes(2), context_drop=0.3)
    features = model.heard(torch.zeros(5000).long(), Noise(0))
    assert features is not None
    dropped = float((features == 0).all(1).double().mean())
    assert abs(dropped - 0.3) < 3.3 * (0.21 / 5000) ** 0.5  # false alarms: one in a thousand


@pytest.mark.parametrize(
    ("space", "context_space"),
    [(Levels((1, 8, 8), 17), Classes(3)), (Levels((3, 16, 17), 256), Levels((1, 4, 4), 3)), (Binary((5,)), None)],
    ids=str,
)
def test_the_recipe_fits_any_space_of_numbers(space, context_space):
    recipe = find_recipe("edm")(space, context_space, width=16, sampling_steps=2)
    context = None if context_space is None else torch.zeros(2, *context_space.shape, dtype=context_space.dtype)
    recipe.model.check(recipe.model.sample(2, context, noise=Noise(0)), context)
