"""NADE: its hand-written gradient, its memory, and the laws of a normalised density."""

import pytest
import torch

import autoregressive_laws as laws
from ptheta.autoregressive import NADE, Choice, nade
from ptheta.autoregressive.nade import Recurrence
from ptheta.data.dataset import Dataset, Events
from ptheta.noise import Noise
from ptheta.recipes import autoregressive as recipes
from ptheta.spaces import Binary, Classes, Levels, Real, Symbols

DISCRETE = [Binary((8,)), Levels((2, 2), 3), Symbols((4,), 3)]


def rough(space, **options):
    scale = 0.3 if isinstance(space, Real) else 0.7
    return laws.roughen(NADE(space, **{"hidden": 6, **options}), scale=scale)


@pytest.fixture(params=[1, 3, 32], ids=lambda k: f"blocks of {k}")
def small_blocks(request, monkeypatch):
    """Blocks of a few variables (for batches of 4 and 5 hidden units), so that all their edges are met."""
    monkeypatch.setattr(nade, "BLOCK_NUMBERS", request.param * 4 * 5)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_the_gradient_is_that_of_finite_differences(activation):
    generator = torch.Generator().manual_seed(0)
    shapes = (4, 7, 2), (7, 2, 5), (4, 5), (7, 3, 5)  # y, W, start, V
    inputs = [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]
    scale = torch.rand(7, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *t: Recurrence.apply(*t, scale, activation), inputs)


@pytest.mark.usefixtures("small_blocks")
def test_the_recurrence_equals_the_sum_written_out():
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    y, w, start, v, scale = draw(4, 7, 2), draw(7, 2, 5), draw(4, 5), draw(7, 3, 5), draw(7)
    out = Recurrence.apply(y, w, start, v, scale, "sigmoid")
    for i in range(7):
        a = start + torch.einsum("bje,jeh->bh", y[:, :i], w[:i])
        torch.testing.assert_close(out[i], v[i] @ (scale[i] * a).sigmoid().T)


def loop_under_autograd(model, x):
    """The same scores the common way: autograd keeps every hidden layer."""
    y, a, total = x.double(), model.hidden_bias.expand(len(x), -1), 0
    for i in range(y.shape[1]):
        params = torch.sigmoid(a) @ model.output_weight[i].T + model.output_bias[i]
        total = total + model.head.log_prob(params, x[:, i])
        a = a + y[:, i : i + 1] @ model.weight[i]
    return total


def test_a_step_keeps_a_few_rows_and_the_loop_does_not():
    b, d, h = 20, 60, 50
    model = rough(Binary((d,)), hidden=h)
    x = (torch.rand(b, d, generator=torch.Generator().manual_seed(0)) < 0.5).to(torch.uint8)
    torch.testing.assert_close(model.log_prob(x), loop_under_autograd(model, x))
    limit = 4 * b * (d + h) * 8
    parameters = list(model.parameters())
    assert laws.kept_for_backward(lambda: model.log_prob(x), parameters) < limit
    assert laws.kept_for_backward(lambda: loop_under_autograd(model, x), parameters) > limit


@pytest.mark.parametrize("space", DISCRETE, ids=str)
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_normalised(space, activation):
    order = [2, 0, 3, 1, *range(4, space.dimensions)]
    laws.normalised(rough(space, order=order, activation=activation).log_prob, space)


def test_normalised_on_two_levels_of_many():
    laws.normalised(rough(Levels((2,), 40)).log_prob, Levels((2,), 40))


def test_an_unnormalised_twin_is_rejected():
    model = rough(Binary((8,)))
    with pytest.raises(AssertionError, match="sum to"):
        laws.normalised(lambda x: model.log_prob(x) + 1e-3, model.space)


def grid(space, low=-14.0, high=14.0, points=350):
    """Midpoints of a fine grid over standardised values, in the unit of x, and the volume of a cell."""
    step = (high - low) / points
    axis = low + step * (torch.arange(points, dtype=torch.float64) + 0.5)
    z = torch.cartesian_prod(*[axis] * space.dimensions).reshape(-1, space.dimensions)
    return space.events(z), step**space.dimensions * torch.tensor(space.log_volume).exp().item()


@pytest.mark.parametrize("space", [Real((1,), (3.0,), (0.5,)), Real((2,), (1.0, -2.0), (2.0, 0.1))], ids=str)
def test_densities_integrate_to_one_in_the_unit_of_x(space):
    model = rough(space)
    x, volume = grid(space)
    with torch.no_grad():
        total = model.log_prob(x).exp().sum() * volume
    assert abs(float(total) - 1) < 1e-4
    assert abs(float(total) * 1.01 - 1) > 1e-4  # a density one percent too large is seen


@pytest.mark.parametrize("space", DISCRETE, ids=str)
def test_samples_follow_the_probabilities(space):
    model = rough(space)
    probabilities = model.log_prob(laws.states(space)).exp()
    x = model.sample(4000, noise=Noise(1))
    space.check(x)
    laws.frequencies_agree(x, probabilities, laws.state_index(space))


def test_real_samples_follow_the_density():
    space = Real((2,), (1.0, -2.0), (2.0, 0.1))
    model = rough(space)
    x, volume = grid(space)

    def index(events):  # a box of 6 x 6 around the bulk; everything beyond belongs to its edge
        z = space.cells(events.double())
        return (((z + 3).floor().clamp(0, 5).long()) * torch.tensor([6, 1])).sum(1)

    with torch.no_grad():
        masses = model.log_prob(x).exp() * volume
        samples = model.sample(4000, noise=Noise(2))
    boxes = torch.zeros(36, dtype=torch.float64).index_add_(0, index(x), masses)
    laws.frequencies_agree(samples, boxes, index)
    with pytest.raises(AssertionError, match="disagree"):
        laws.frequencies_agree(samples + 0.05, boxes, index)


def test_a_biased_sampler_is_rejected():
    model = rough(Binary((4,)))
    probabilities = model.log_prob(laws.states(model.space)).exp()
    with torch.no_grad():
        choice = Choice(model.head, Noise(1).uniform((4000, 4, 1), "u").double() ** 1.2)
        cells = model.draw(choice, 4000).long()
    with pytest.raises(AssertionError, match="disagree"):
        laws.frequencies_agree(cells, probabilities, laws.state_index(model.space))


@pytest.mark.parametrize("space", DISCRETE, ids=str)
def test_causal(space):
    cells = laws.states(space)[5:6].flatten(1)
    laws.causal(rough(space).conditionals, cells, (cells + 1) % space.n)


def test_causal_on_reals():
    model, z = rough(Real((5,))), torch.randn(1, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    laws.causal(model.conditionals, z, z + 1)
    jacobian = torch.autograd.functional.jacobian(lambda z: model.conditionals(z)[0], z)[:, :, 0]  # (D, width, D)
    reached = (jacobian != 0).any(1)
    assert torch.equal(reached, torch.ones(5, 5, dtype=torch.bool).tril(-1))


def test_a_leaky_twin_is_rejected():
    model = rough(Binary((8,)))
    cells = torch.zeros(1, 8, dtype=torch.uint8)
    with pytest.raises(AssertionError, match="leaks"):
        laws.causal(lambda c: model.conditionals(c).roll(-1, 1), cells, cells + 1)
    with pytest.raises(AssertionError, match="does not reach"):
        laws.causal(lambda c: model.conditionals(c)[:, [0, *range(7)]], cells, cells + 1)


@pytest.mark.parametrize("space", [*DISCRETE, Levels((5,), 100), Real((5,))], ids=str)
def test_the_sampler_equals_the_naive_one(space):
    model = rough(space, context_space=Classes(3))
    context = torch.arange(50) % 3
    cached, naive = (model.sample(50, context, noise=Noise(2), method=method) for method in ("cached", "naive"))
    torch.testing.assert_close(cached, naive, rtol=0, atol=1e-9 if isinstance(space, Real) else 0)


@pytest.mark.parametrize("space", [Binary((6,)), Real((3,))], ids=str)
def test_rows_stand_alone(space):
    model = rough(space)
    laws.rows_stand_alone(lambda n, noise: model.sample(n, noise=noise), 130)


@pytest.mark.parametrize("space", [Binary((5,)), Real((5,))], ids=str)
def test_an_order_is_a_relabelling(space):
    order = [3, 1, 4, 0, 2]
    plain, permuted = rough(space), rough(space, order=order)
    y = plain.sample(20, noise=Noise(3))
    x = permuted.sample(20, noise=Noise(3))
    assert torch.equal(x[:, order], y)
    torch.testing.assert_close(permuted.log_prob(x), plain.log_prob(y))


def test_contexts_are_conditions():
    space = Binary((4,))
    model = rough(space, context_space=Classes(3))
    x = laws.states(space)
    scores = torch.stack([model.log_prob(x, torch.full((16,), k)) for k in range(3)])
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(3).double())
    assert (scores[0] - scores[1]).abs().min() > 1e-3
    samples = model.sample(4000, torch.full((4000,), 2), noise=Noise(4))
    laws.frequencies_agree(samples, scores[2].exp(), laws.state_index(space))


@pytest.mark.parametrize("space", [*DISCRETE, Real((3,))], ids=str)
def test_the_loss_reaches_every_parameter_and_no_buffer(space):
    model = NADE(space, hidden=6, context_space=Classes(2)).eval()
    context = torch.arange(30) % 2
    x = torch.randn(30, 3) if isinstance(space, Real) else laws.states(space)[:30]
    laws.trains_cleanly(model, x, context)


def test_it_learns_a_table():
    weights = torch.rand(16, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) ** 3
    torch.manual_seed(0)
    model = NADE(Binary((4,)), hidden=16).double()
    assert laws.empirical_fit(model, laws.states(model.space), weights / weights.sum(), 300, 0.05) < 0.05


def test_the_number_of_parameters_is_that_of_the_lectures():
    model = NADE(Binary((784,)), hidden=500)
    assert sum(p.numel() for p in model.parameters()) == 2 * 784 * 500 + 784 + 500 == 785_284


def test_wrong_calls_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"order should be a permutation of 0, \.\.\., 2"):
        NADE(Binary((3,)), order=[0, 1])
    with pytest.raises(ValueError, match="activation should be sigmoid or relu, but it is 'tanh'"):
        NADE(Binary((3,)), activation="tanh")
    with pytest.raises(ValueError, match="built without context_space"):
        NADE(Binary((3,)), hidden=2).sample(2, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="only 0 and 1 are bits"):
        NADE(Binary((3,)), hidden=2).log_prob(torch.full((1, 3), 2, dtype=torch.uint8))


@pytest.mark.parametrize("space", [*DISCRETE, Binary((1, 28, 28)), Levels((3,), 200), Real((3,))], ids=str)
def test_the_recipe_fits_its_space(space):
    made = recipes.nade(space, Classes(2))
    x = made.model.sample(60, torch.arange(60) % 2, noise=Noise(0))
    events = Events(x, torch.arange(60) % 2)
    data = Dataset("toy", space, events, events[:10], events[:10], context_space=Classes(2))
    made.model.fit(data, **{**made.training, "epochs": 1})
    assert torch.isfinite(made.model.log_prob(x, events.context)).all()


def test_the_accumulator_of_reals_is_scaled_by_one_over_the_root_of_its_terms():
    model = NADE(Real((4,)), hidden=3).double()
    torch.testing.assert_close(model.scale, torch.tensor([1, 2, 3, 4]).double().rsqrt(), rtol=1e-6, atol=0)
    assert NADE(Binary((4,)), hidden=3).scale.tolist() == [1, 1, 1, 1]
