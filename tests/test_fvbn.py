"""The fully visible belief net: what the table of laws does not say of it, and the table it must be on two bits."""

import pytest
import torch

import autoregressive_laws as laws
from ptheta.autoregressive import FVBN
from ptheta.noise import Noise
from ptheta.spaces import Binary, Classes, Real


def rough(space, **options):
    return laws.roughen(FVBN(space, **options))


def test_an_order_is_a_relabelling():
    space, order = Binary((5,)), [3, 1, 4, 0, 2]
    plain, permuted = rough(space), rough(space, order=order)
    x = laws.states(space)
    torch.testing.assert_close(permuted.log_prob(x), plain.log_prob(x[:, order]))
    y = plain.sample(20, noise=Noise(3))
    assert torch.equal(permuted.sample(20, noise=Noise(3))[:, order], y)


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
