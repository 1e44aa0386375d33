"""The laws of the generative stochastic network, each with a broken twin; most by its enumerated stationary law.

Statistical tests fix their seed; the false-alarm rate is the chance that a correct implementation would fail under
another one.
"""

from itertools import product
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from ptheta import NADE, Regression
from ptheta.energy import GSN
from ptheta.model import LossModel
from ptheta.noise import Noise
from ptheta.protocols import HasElbo, HasEnergy, HasLogProb
from ptheta.recipes.energy import gsn
from ptheta.spaces import Binary, Classes, Real, Symbols


def states(space: Any) -> Tensor:
    rows = list(product(range(space.n), repeat=space.dimensions))
    return torch.tensor(rows).to(space.dtype).reshape(-1, *space.shape)


class Known(LossModel):
    """The exact posterior p(x | y) of a known law, or one of its broken twins."""

    def __init__(self, space: Any, law: Tensor, corruption: float, twin: str = "") -> None:
        super().__init__()
        self.space = self.context_space = space
        x = states(space)
        same = (x[:, None] == x).flatten(2).sum(2).double()
        fresh = corruption / space.n
        spoil = (1 - corruption + fresh) ** same * fresh ** (space.dimensions - same)  # C(y | x), x down
        joint = law[:, None] * spoil
        self.table = torch.nn.Parameter((joint / joint.sum(0)).T)  # P(x | y), y down
        d = space.dimensions
        if twin == "factorised":
            bits = x.reshape(len(x), d).double()
            means = self.table.detach() @ bits
            self.table.data = torch.where(bits[None] > 0, means[:, None], 1 - means[:, None]).prod(2)
        if twin == "rounded":
            self.table.data = torch.nn.functional.one_hot(self.table.argmax(1), len(x)).double()

    def index(self, x: Tensor) -> Tensor:
        d = self.space.dimensions
        return (self.space.cells(x).long() * self.space.n ** torch.arange(d - 1, -1, -1)).sum(1)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        assert context is not None
        return self.table[self.index(context), self.index(x)].log()

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        return -self.log_prob(x, context)

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        assert context is not None and noise is not None
        rows = self.table.detach()[self.index(context)].cumsum(1)
        u = noise.uniform((n,), "state", like=rows)
        return states(self.space)[(rows < u[:, None]).sum(1).clamp(max=rows.shape[1] - 1)]


def peaked(space: Any, seed: int = 0) -> Tensor:
    """A law of many dependences over all states."""
    logits = torch.randn(len(states(space)), generator=torch.Generator().manual_seed(seed)).double() * 1.5
    return logits.softmax(0)


def distance(p: Tensor, q: Tensor) -> float:
    return float((p - q).abs().sum()) / 2


@pytest.mark.parametrize("corruption", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("space", [Binary((2, 3)), Symbols((3,), 4)], ids=["bits", "symbols"])
def test_with_the_exact_joint_denoiser_the_chain_ends_in_the_data(space, corruption):
    law = peaked(space)
    model = GSN(Known(space, law, corruption), corruption=corruption)
    assert torch.allclose(model.stationary(), law, rtol=0, atol=1e-12)
    assert torch.allclose(model.transition().sum(1), torch.ones(len(law)).double())


@pytest.mark.parametrize("twin", ["factorised", "rounded"])
def test_a_denoiser_without_dependences_or_without_draws_ends_elsewhere(twin):
    space, corruption = Binary((6,)), 0.3
    law = peaked(space)
    broken = GSN(Known(space, law, corruption, twin), corruption=corruption)
    assert distance(broken.stationary(), law) > 0.02
    weaker = GSN(Known(space, law, 0.02, twin), corruption=0.02)
    if twin == "factorised":  # the less wrong, the weaker the corruption
        assert distance(weaker.stationary(), law) < distance(broken.stationary(), law) / 3


def test_another_corruption_than_the_denoiser_was_made_for_ends_elsewhere():
    space = Binary((6,))
    law = peaked(space)
    assert distance(GSN(Known(space, law, 0.3), corruption=0.6).stationary(), law) > 0.02


@pytest.mark.parametrize(("steps", "arrived"), [(40, True), (0, False)])
def test_samples_follow_the_stationary_law(steps, arrived):
    space = Binary((4,))  # false alarms: 1e-3
    law = peaked(space)
    model, n = GSN(Known(space, law, 0.5), corruption=0.5), 20_000
    x = model.sample(n, noise=Noise(0), steps=steps)
    counts = torch.bincount(model.denoiser.index(x), minlength=16)
    assert (stats.chisquare(counts.numpy(), (n * law).numpy()).pvalue > 1e-3) == arrived


@pytest.mark.parametrize("space", [Binary((3,)), Symbols((2,), 3)], ids=["bits", "symbols"])
def test_corruption_draws_a_variable_anew_as_often_as_it_says(space):
    model, n = GSN(Known(space, peaked(space), 0.3), corruption=0.3), 30_000
    x = states(space)[1].expand(n, *space.shape)
    changed = (model.corrupt(x, Noise(0)) != x).double().mean(0)
    expected = 0.3 * (1 - 1 / space.n)
    assert bool(((changed - expected).abs() < 4 * (expected / n) ** 0.5).all())


def test_corruption_of_reals_is_in_units_of_the_data():
    space = Real((2,), (5.0, -1.0), (3.0, 0.1))
    model, n = GSN(Regression(space, context_space=space), corruption=0.5), 20_000
    spoilt = model.corrupt(torch.tensor([[5.0, -1.0]]).expand(n, 2), Noise(0))
    spread = spoilt.std(0) / torch.tensor([3.0, 0.1])
    assert bool(((spread - 0.5).abs() < 4 * 0.5 / (2 * n) ** 0.5).all())
    assert bool(((spoilt.mean(0) - torch.tensor([5.0, -1.0])).abs() < 4 * torch.tensor([1.5, 0.05]) / n**0.5).all())


@pytest.mark.parametrize("walkback", [1, 2])
def test_the_loss_asks_for_the_event_itself_along_the_walk(walkback):
    """Exactly, by enumeration: after t steps of the chain and one more corruption, -log P of the first event."""
    space, corruption, n = Binary((3,)), 0.4, 40_000
    known = Known(space, peaked(space), corruption)
    model = GSN(known, corruption=corruption, walkback=walkback).eval()
    x = states(space)[:1].expand(n, 3)
    got = model.loss(x, None, Noise(0)).detach()
    bits = states(space).double()
    same = (bits[:, None] == bits).sum(2)
    spoil = 0.8 ** same.double() * 0.2 ** (3 - same).double()
    back = known.table.detach()
    law, expected = torch.eye(8).double()[0], 0.0
    for _ in range(walkback):
        expected += float((law @ spoil) @ -back[:, 0].log()) / walkback
        law = law @ spoil @ back
    assert abs(float(got.mean()) - expected) < 4 * float(got.std()) / n**0.5
    assert walkback == 1 or abs(float(got.mean()) - float(spoil[0] @ -back[:, 0].log())) > 4 * float(got.std()) / n**0.5


def test_it_learns_a_law_with_a_joint_denoiser():
    space = Binary((3,))
    law = torch.tensor([0.4, 0.02, 0.02, 0.06, 0.02, 0.06, 0.02, 0.4]).double()
    index = torch.searchsorted(law.cumsum(0), Noise(0).uniform((5000,), "x", like=law)).clamp(max=7)
    torch.manual_seed(0)
    model = GSN(NADE(space, hidden=16, context_space=space), corruption=0.4, walkback=2)
    model.fit(states(space)[index], steps=400, batch_size=200, learning_rate=0.01, schedule="cosine", seed=0)
    mean = states(space)[index].double().mean(0)
    independent = torch.where(states(space) > 0, mean, 1 - mean).prod(1)
    assert distance(model.stationary(), law) < 0.08 < distance(independent, law)


def test_it_has_no_score():
    for question in (HasLogProb, HasElbo, HasEnergy):
        assert not issubclass(GSN, question)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"context_space": Classes(2)}, "GSN takes no context"),
        ({"walkback": 0}, "walkback should be at least 1"),
        ({"corruption": 1.5}, "on discrete variables, at most 1"),
    ],
)
def test_refusals(settings, message):
    space = Binary((4,))
    with pytest.raises(ValueError, match=message):
        GSN(Regression(space, context_space=space), **settings)


def test_a_denoiser_of_other_contexts_and_a_law_of_many_states_are_refused():
    space = Binary((11,))
    with pytest.raises(ValueError, match="should be given events of"):
        GSN(Regression(space, context_space=Classes(3)))
    with pytest.raises(ValueError, match="at most 1024 states"):
        GSN(Regression(space, context_space=space)).stationary()


@pytest.mark.parametrize(("shape", "kind"), [((8,), NADE), ((1, 28, 28), Regression)])
def test_the_recipe_takes_a_joint_denoiser_of_few_variables(shape, kind):
    model = gsn(Binary(shape)).model
    assert isinstance(model, GSN) and isinstance(model.denoiser, kind)
