"""What only absorbing diffusion promises: sums over subsets, the bound of few steps, the training of orderless NADE."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from exact_scores import mean_over_orders
from model_offers import states
from ptheta.autoregressive import EoNADE
from ptheta.diffusion import AbsorbingDiffusion
from ptheta.distributions.heads import default_head
from ptheta.nn.mlp import MLP
from ptheta.nn.unet import UNet
from ptheta.noise import Noise, seeded
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Tokens

F64 = torch.float64


def made(space: Space, context_space: Space | None = None, **more) -> AbsorbingDiffusion:
    with seeded(0):
        width = default_head(space).width * space.dimensions
        small = MLP(math.prod(space.embedded_shape) + space.dimensions, width, (8,), context=2 * bool(context_space))
        more = {"network": small, **more}
        model = AbsorbingDiffusion(space, context_space=context_space, **more).double().eval()
        with torch.no_grad():
            for p in model.parameters():
                p += 0.7 * torch.randn_like(p)
    return model


@pytest.mark.parametrize("space", [Binary((2, 3)), Levels((3,), 4), Tokens(2, 3), Tokens(1, 5)], ids=str)
def test_subsets_give_what_all_orders_give(space):
    model, x = made(space, Classes(2)), states(space)
    context = torch.arange(len(x)) % 2
    exact = model.exact_log_prob(x, context)
    torch.testing.assert_close(exact, mean_over_orders(model, x, context))
    assert float(model.exact_log_prob(x, torch.zeros_like(context)).exp().sum()) == pytest.approx(1, abs=1e-9)


def every_term(model: AbsorbingDiffusion, x: Tensor) -> Tensor:
    """The bound with every expectation taken: the mean over orders of log p_o(x), several variables at once or one."""
    cells, d, total = model.space.cells(x), model.space.dimensions, torch.zeros(len(x), dtype=F64)
    for before, after in itertools.pairwise(model.known_before):
        for chosen in (sets := list(itertools.combinations(range(d), before))):
            known = torch.tensor([i in chosen for i in range(d)]).expand(len(x), d)
            log_p = model.head.log_prob(model.conditionals(cells, known), cells).masked_fill(known, 0.0).sum(1)
            total += log_p * (after - before) / (d - before) / len(sets)
    return total.detach()


@pytest.mark.parametrize("steps", [1, 2, 4, 6])
def test_draws_have_the_mean_of_all_terms(steps):
    """Of one event, and each is seen to differ from the bound of other steps. Fails once in 16,000 seeds."""
    model, x = made(Binary((6,)), steps=steps), torch.tensor([[0, 1, 1, 0, 1, 0]]).byte()
    drawn = model.elbo(x.expand(4000, 6), draws=6, noise=Noise(0))
    error = float(drawn.std()) / 4000**0.5
    assert abs(float(drawn.mean() - every_term(model, x))) < 4 * error + 1e-9
    other = made(Binary((6,)), steps=3)
    assert abs(float(drawn.mean() - every_term(other, x))) > 8 * error, "a twin of other steps"


def test_one_step_is_independent_variables_and_more_steps_are_tighter():
    model = made(Binary((4,)), steps=1)
    x = states(model.space)
    marginals = model.conditionals(model.space.cells(x), torch.zeros(16, 4, dtype=torch.bool))
    torch.testing.assert_close(every_term(model, x), model.head.log_prob(marginals, x).sum(1).detach())
    torch.testing.assert_close(model.elbo(x, noise=Noise(0)), every_term(model, x))  # nothing is left to chance


def test_the_bound_is_below_the_truth_row_by_row_and_a_missing_weight_is_seen():
    model, x = made(Binary((6,))), states(Binary((6,)))
    exact, bound = model.exact_log_prob(x), every_term(model, x)
    assert bool((bound <= exact + 1e-12).all()) and float((exact - bound).mean()) > 1e-3
    assert float(bound.exp().sum()) < 1 - 1e-3
    d, cells = 6, model.space.cells(x)  # the twin: masked variables are not weighed by D / (D - d)
    twin = torch.zeros(len(x), dtype=F64)
    for size in range(d):
        for chosen in itertools.combinations(range(d), size):
            known = torch.tensor([i in chosen for i in range(d)]).expand(len(x), d)
            log_p = model.head.log_prob(model.conditionals(cells, known), cells).masked_fill(known, 0.0).sum(1)
            twin += log_p.detach() / d / math.comb(d, size)
    assert float(twin.exp().sum()) > 1.5, "it would sum to more than one"


def test_it_trains_as_orderless_nade_does():
    """The same numbers drawn and the same conditionals make the same loss."""
    space, x = Binary((5,)), states(Binary((5,)))
    with seeded(0):
        nade = EoNADE(space, hidden=(7,)).double()

    class Borrowed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nade = nade

        def forward(self, shown: Tensor, features: Tensor | None) -> Tensor:
            value, known = shown.unflatten(1, (5, 2)).unbind(2)
            return nade.conditionals((value > 0).byte(), known > 0)

    class Order:
        def uniform(self, shape, key, like):
            drawn = Noise(0).uniform((len(x), 6), "known", like=like)
            return drawn[:, 0] if key == "count" else drawn[:, 1:] if len(shape) == 2 and shape[1] == 5 else drawn

    model = AbsorbingDiffusion(space, network=Borrowed())
    torch.testing.assert_close(model.loss(x, None, Order()), nade.loss(x, None, Order()))  # type: ignore[arg-type]


def test_masked_values_are_never_seen():
    for space, network in (
        (Levels((1, 4, 4), 3), UNet(2, 3, width=8, multipliers=(1,))),
        (Tokens(4, 3), MLP(16, 12, (8,))),
    ):
        model = made(space, network=network)
        x = (Noise(0).uniform((5, space.dimensions), "x") * 3).to(space.dtype)
        known = Noise(1).uniform(x.shape, "known") < 0.5
        other = torch.where(known, x, (x + 1) % 3)
        assert torch.equal(model.conditionals(x, known), model.conditionals(other, known))
        assert not torch.equal(model.conditionals(x, known), model.conditionals(x, ~known))


def test_completions_keep_what_is_known_and_see_it():
    model = made(Tokens(4, 3))
    x = torch.tensor([[0, 1, 2, 0]]).expand(500, 4)
    mask = torch.tensor([True, False, True, False]).expand(500, 4)
    full = model.complete(x, mask, noise=Noise(0))
    assert torch.equal(full[mask], x[mask]) and len(full.unique(dim=0)) > 3
    first = (full[:, 1] == 1).double().mean()
    other = model.complete((x + 1) % 3, mask, noise=Noise(0))
    assert abs(float(first - (other[:, 1] == 1).double().mean())) > 0.02, "completions do not see what is known"


def test_samples_take_as_many_calls_as_steps():
    for steps, calls in ((None, 6), (4, 4), (1, 1)):
        model, heard = made(Binary((6,)), steps=steps), []
        model.network.register_forward_hook(lambda *_, heard=heard: heard.append(1))
        model.sample(3, noise=Noise(0))
        assert len(heard) == calls


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="AbsorbingDiffusion models events of Binary or Levels or Symbols spaces"):
        AbsorbingDiffusion(Real((2,)))
    with pytest.raises(ValueError, match="takes 1 to 3 steps, but steps is 4"):
        AbsorbingDiffusion(Binary((3,)), steps=4)
    model = made(Binary((3,)), steps=2)
    with pytest.raises(ValueError, match="there are 3 in 2 steps"):
        model.exact_log_prob(torch.zeros(1, 3).byte())


@pytest.mark.parametrize(
    ("space", "context_space"),
    [
        (Binary((1, 8, 8)), None),
        (Levels((1, 16, 17), 256), Levels((1, 4, 4), 3)),
        (Tokens(5, 4), Tokens(3, 4)),
        (Levels((4,), 3), Classes(2)),
    ],
    ids=str,
)
def test_the_recipe_fits_any_discrete_space(space, context_space):
    recipe = find_recipe("absorbing-diffusion")(space, context_space, sampling_steps=2, width=16)
    context = None if context_space is None else torch.zeros(2, *context_space.shape, dtype=context_space.dtype)
    recipe.model.check(recipe.model.sample(2, context, noise=Noise(0)), context)
