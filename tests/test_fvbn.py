"""The fully visible belief net: normalised, causal, sampled as it scores, and the table it must be on two bits."""

import pytest
import torch

import autoregressive_laws as laws
from ptheta.autoregressive import FVBN, Choice
from ptheta.noise import Noise
from ptheta.spaces import Binary, Classes, Levels, Real, Symbols

SPACES = [Binary((8,)), Levels((2, 2), 3), Symbols((4,), 3)]


def rough(space, **options):
    return laws.roughen(FVBN(space, **options))


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_normalised(space, reverse):
    order = list(range(space.dimensions))[::-1] if reverse else None
    laws.normalised(rough(space, order=order).log_prob, space)


def test_normalised_on_two_levels_of_many():
    laws.normalised(rough(Levels((2,), 40)).log_prob, Levels((2,), 40))


def test_an_unnormalised_twin_is_rejected():
    model = rough(Binary((8,)))
    with pytest.raises(AssertionError, match="sum to"):
        laws.normalised(lambda x: model.log_prob(x) + 1e-3, model.space)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_samples_follow_the_probabilities(space):
    model = rough(space)
    probabilities = model.log_prob(laws.states(space)).exp()
    x = model.sample(4000, noise=Noise(1))
    space.check(x)
    laws.frequencies_agree(x, probabilities, laws.state_index(space))


def test_a_biased_sampler_is_rejected():
    model = rough(Binary((4,)))
    probabilities = model.log_prob(laws.states(model.space)).exp()
    with torch.no_grad():
        choice = Choice(model.head, Noise(1).uniform((4000, 4, 1), "u").double() ** 1.2)
        cells = model.draw(choice, 4000).long()
    with pytest.raises(AssertionError, match="disagree"):
        laws.frequencies_agree(cells, probabilities, laws.state_index(model.space))


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_causal(space):
    cells = laws.states(space)[5:6].flatten(1)
    laws.causal(rough(space).conditionals, cells, (cells + 1) % space.n)


def test_a_leaky_mask_is_rejected():
    model = rough(Binary((8,)))
    model.mask = torch.ones(8, 8, dtype=torch.bool).tril(0)[:, None, :, None]
    cells = torch.zeros(1, 8, dtype=torch.uint8)
    with pytest.raises(AssertionError, match="leaks"):
        laws.causal(model.conditionals, cells, cells + 1)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_sampler_equals_the_naive_one(space):
    model = rough(space, context_space=Classes(3))
    context = torch.arange(50) % 3
    cached, naive = (model.sample(50, context, noise=Noise(2), method=method) for method in ("cached", "naive"))
    assert torch.equal(cached, naive)


def test_rows_stand_alone():
    model = rough(Binary((6,)))
    laws.rows_stand_alone(lambda n, noise: model.sample(n, noise=noise), 130)


def test_an_order_is_a_relabelling():
    space, order = Binary((5,)), [3, 1, 4, 0, 2]
    plain, permuted = rough(space), rough(space, order=order)
    x = laws.states(space)
    torch.testing.assert_close(permuted.log_prob(x), plain.log_prob(x[:, order]))
    y = plain.sample(20, noise=Noise(3))
    assert torch.equal(permuted.sample(20, noise=Noise(3))[:, order], y)


def test_contexts_are_conditions():
    space = Binary((4,))
    model = rough(space, context_space=Classes(3))
    x = laws.states(space)
    scores = torch.stack([model.log_prob(x, torch.full((16,), k)) for k in range(3)])
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(3).double())
    assert (scores[0] - scores[1]).abs().min() > 1e-3
    samples = model.sample(4000, torch.full((4000,), 2), noise=Noise(4))
    laws.frequencies_agree(samples, scores[2].exp(), laws.state_index(space))


def test_the_loss_reaches_every_parameter_and_no_buffer():
    x = laws.states(Levels((3,), 3))
    laws.trains_cleanly(FVBN(Levels((3,), 3), context_space=Classes(2)).eval(), x, torch.arange(len(x)) % 2)


def test_two_bits_are_the_full_table():
    weights = torch.tensor([0.1, 0.4, 0.2, 0.3]).double()
    model = FVBN(Binary((2,))).double()
    assert laws.empirical_fit(model, laws.states(model.space), weights, 200, 0.2) < 1e-6


def test_the_number_of_parameters_is_that_of_the_lectures():
    model = FVBN(Binary((784,)))
    assert int(model.mask.sum()) + model.bias.numel() == 784 * 785 // 2 == 307_720


def test_wrong_calls_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="FVBN models events of Binary or Levels or Symbols spaces, but the space is"):
        FVBN(Real((2,)))
    with pytest.raises(ValueError, match=r"order should be a permutation of 0, \.\.\., 2"):
        FVBN(Binary((3,)), order=[0, 0, 1])
    with pytest.raises(ValueError, match="needs a context"):
        FVBN(Binary((3,)), context_space=Classes(2)).sample(2)
