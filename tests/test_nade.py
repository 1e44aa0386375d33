"""NADE: its hand-written gradient, its memory, and what the table of laws does not say of it."""

import pytest
import torch

import autoregressive_laws as laws
from ptheta.autoregressive import NADE, nade
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


@pytest.mark.parametrize("space", [Binary((5,)), Real((5,))], ids=str)
def test_an_order_is_a_relabelling(space):
    order = [3, 1, 4, 0, 2]
    plain, permuted = rough(space), rough(space, order=order)
    y = plain.sample(20, noise=Noise(3))
    x = permuted.sample(20, noise=Noise(3))
    assert torch.equal(x[:, order], y)
    torch.testing.assert_close(permuted.log_prob(x), plain.log_prob(y))


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
