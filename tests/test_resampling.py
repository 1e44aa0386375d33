"""Bootstrap and SMOTE: what is drawn are training events, or lies between two of one class; blanks are kept."""

import math

import pytest
import torch

from ptheta.data.dataset import Events
from ptheta.distributions import SMOTE, Bootstrap
from ptheta.noise import Noise
from ptheta.spaces import Binary, Classes, Column, Levels, Real, Table, Tokens

SPACE = Table((
    Column("size", "number", blank="", mean=2.0, scale=1.5),
    Column("count", "whole", least=0, levels=(0, 7), mean=4.0, scale=3.0),
    Column("kind", "category", ("u", "v", "w"), blank="?"),
    Column("one", "category", ("x",)),
))  # fmt: skip


def rows(n: int = 200) -> torch.Tensor:
    noise = Noise(0)
    kind = (noise.uniform((n,), "kind").double() * 3).floor()
    size = 5 * kind + noise.normal((n,), "size").double()
    count = (noise.uniform((n,), "count").double() * 10).floor()
    size[noise.uniform((n,), "lost") < 0.2] = math.nan
    kind[noise.uniform((n,), "gone") < 0.1] = math.nan
    return torch.stack([size, count, kind, torch.zeros(n).double()], 1)


def are_rows_of(drawn: torch.Tensor, train: torch.Tensor) -> bool:
    known = {tuple(row) for row in train.flatten(1).nan_to_num(-1.0).tolist()}
    return {tuple(row) for row in drawn.flatten(1).nan_to_num(-1.0).tolist()} <= known


@pytest.mark.parametrize("space", [Binary((3,)), Levels((1, 2, 2), 5), Tokens(3, 4), Real((2,)), SPACE], ids=str)
def test_bootstrap_draws_training_events_each_as_often(space):
    if isinstance(space, Table):
        train = rows(20)
    else:
        train = (Noise(1).uniform((20, *space.shape), "x") * 2).to(space.dtype)
    model = Bootstrap(space).fit(train)
    drawn = model.sample(4000, noise=Noise(0))
    assert are_rows_of(drawn, train) and drawn.dtype == space.dtype
    assert torch.equal(model.sample(7, noise=Noise(0)).nan_to_num(), drawn[:7].nan_to_num())
    place = (drawn.flatten(1)[:, None].nan_to_num(-1.0) == train.flatten(1)[None].nan_to_num(-1.0)).all(2).double()
    shares = (place / place.sum(1, keepdim=True)).mean(0)
    assert float((shares - 1 / 20).abs().max()) < 4 * math.sqrt(0.05 * 0.95 / 4000)


def lies_between(model: SMOTE, drawn: torch.Tensor) -> None:
    """The law of SMOTE on the line: every sample lies between a training event and one of its k neighbours."""
    train = model.events[:, 0].double()
    near = (train[:, None] - train).abs().fill_diagonal_(torch.inf).argsort(1)[:, : model.neighbours]
    low, high = torch.minimum(train[:, None], train[near]), torch.maximum(train[:, None], train[near])
    inside = (drawn[:, None, None] >= low - 1e-6) & (drawn[:, None, None] <= high + 1e-6)
    assert bool(inside.flatten(1).any(1).all())


def test_smote_draws_between_neighbours_and_the_law_rejects_others():
    train = torch.cat([torch.linspace(0, 1, 10), torch.linspace(50, 60, 10)])[:, None]
    model = SMOTE(Real((1,)), neighbours=3).fit(train)
    drawn = model.sample(2000, noise=Noise(0)).flatten().double()
    lies_between(model, drawn)
    assert len(drawn.unique()) > 1900
    between = drawn.clone()
    between[0] = 25.0  # between two training events that are no neighbours
    with pytest.raises(AssertionError):
        lies_between(model, between)


def test_a_smote_row_keeps_blanks_kinds_and_names():
    x = rows()
    model = SMOTE(SPACE).fit(x)
    drawn = model.sample(3000, noise=Noise(0))
    SPACE.check(drawn)
    assert abs(float(drawn[:, 0].isnan().double().mean()) - float(x[:, 0].isnan().double().mean())) < 0.04
    assert bool((drawn[:, 1] == drawn[:, 1].round()).all()) and float(drawn[:, 1].min()) >= 0
    kinds = drawn[:, 2]
    assert set(kinds[~kinds.isnan()].tolist()) <= {0.0, 1.0, 2.0}
    known = ~drawn[:, [0, 2]].isnan().any(1)
    off = (drawn[known][:, 0] - 5 * drawn[known][:, 2]).abs()
    assert float((off < 3.5).double().mean()) > 0.95  # sizes still follow kinds
    assert not are_rows_of(drawn, x)


def test_names_are_voted_for_by_hand():
    space = Table((Column("size", "number", scale=1.0), Column("kind", "category", ("u", "v"))))
    x = torch.tensor([[0.0, 0], [0.1, 1], [0.2, 1], [9.0, 0], [9.1, 0], [9.2, 0]], dtype=torch.float64)
    drawn = SMOTE(space, neighbours=2).fit(x).sample(500, noise=Noise(0))
    low = drawn[drawn[:, 0] < 5]
    assert bool((drawn[drawn[:, 0] > 5][:, 1] == 0).all())
    assert bool((low[:, 1] == 1).all())  # 0.0 is outvoted; 0.1 and 0.2 have a neighbour of each and keep their own


def test_classes_have_their_own_events():
    x, c = rows(300), torch.arange(300) % 2
    x[:, 1] = c.double() * 100
    for make in (Bootstrap, SMOTE):
        model = make(SPACE, context_space=Classes(2)).fit(Events(x, c))
        asked = torch.tensor([0, 1, 1, 0]).repeat(50)
        assert torch.equal(model.sample(200, asked, noise=Noise(0))[:, 1], asked.double() * 100)
        with pytest.raises(ValueError, match="a training event of each class, and class 1 has none"):
            make(SPACE, context_space=Classes(2)).fit(Events(x[:4], torch.zeros(4, dtype=torch.int64)))
        with pytest.raises(ValueError, match="one class per event"):
            make(SPACE, context_space=Binary((2,)))


def test_few_events_and_refusals():
    space = Real((1,))
    assert SMOTE(space).fit(torch.tensor([[3.0]])).sample(2, noise=Noise(0)).tolist() == [[3.0], [3.0]]
    two = SMOTE(space).fit(torch.tensor([[0.0], [1.0]])).sample(100, noise=Noise(0))
    assert 0 <= float(two.min()) < 0.2 and 0.8 < float(two.max()) <= 1
    assert len(SMOTE(space, most=10).fit(torch.randn(50, 1)).events) == 10
    with pytest.raises(ValueError, match="SMOTE models events of Table or Real spaces"):
        SMOTE(Binary((2,)))
    with pytest.raises(ValueError, match="neighbours of SMOTE should be at least 1"):
        SMOTE(space, neighbours=0)
    with pytest.raises(ValueError, match="fit it first"):
        Bootstrap(space).sample(1)
    with pytest.raises(ValueError, match="takes data, not steps"):
        Bootstrap(space).fit(torch.zeros(2, 1), steps=3)
