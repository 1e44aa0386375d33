"""What only the flow of rows promises: one density for each pattern of blanks, and that blanks move nothing."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from ptheta.autoregressive import MADE
from ptheta.flows.tabular import Present, TableFlow, counted_space
from ptheta.noise import Noise
from ptheta.recipes import find_recipe
from ptheta.spaces import Binary, Classes, Column, Table
from ptheta.taxonomy import leaves

SPACE = Table(
    (
        Column("a", mean=1.0, scale=2.0, blank=""),
        Column("town", "category", ("u", "v"), blank="?"),
        Column("b", mean=-1.0, scale=0.5, blank="NA"),
    )
)
KINDS = ("coupling", "autoregressive")


def small(kind: str, space: Table = SPACE, *, shake: float = 0.3, context_space=None, **settings) -> TableFlow:
    torch.manual_seed(0)
    rest = counted_space(space)
    counted = None if rest is None else MADE(rest, hidden=(8,), context_space=context_space)
    settings = {"layers": 3, "hidden": (8, 8), "context_space": context_space, **settings}
    model = TableFlow(space, counted, kind=kind, **settings).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(shake * torch.randn_like(p))
    return model.eval()


def density_of(model: TableFlow, x: Tensor, context: Tensor | None = None) -> Tensor:
    """log p of the numbers given what is counted."""
    return model._log_density(x, model._counted(x), context)


def line(n: int, column: Column) -> tuple[Tensor, Tensor]:
    """Numbers of a column that lie evenly in asinh of standard units, and how much of the line each stands for."""
    u = torch.linspace(-6, 6, n, dtype=torch.float64)
    step = 12 / (n - 1)
    return u.sinh() * column.scale + column.mean, u.cosh() * column.scale * step


@torch.no_grad()
def integral(model: TableFlow, town: float, *, a: bool, b: bool) -> float:
    """Of p(x) over the numbers that are present, for one town; the others are blank."""
    lines = [line(401, SPACE.fields[d]) if here else None for d, here in ((0, a), (2, b))]
    points = [torch.tensor([math.nan], dtype=torch.float64) if at is None else at[0] for at in lines]
    sizes = [torch.ones(1, dtype=torch.float64) if at is None else at[1] for at in lines]
    x, y = torch.meshgrid(*points, indexing="ij")
    rows = torch.stack([x.flatten(), torch.full_like(x.flatten(), town), y.flatten()], 1)
    return float((model.log_prob(rows).exp() * (sizes[0][:, None] * sizes[1]).flatten()).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_every_pattern_of_blanks_integrate_to_one_together(kind):
    model = small(kind, shake=0.15)
    parts = [
        integral(model, town, a=a, b=b) for town, a, b in product((0.0, 1.0, math.nan), (False, True), (False, True))
    ]
    assert sum(parts) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_moves_blank_numbers_is_caught(kind, monkeypatch):
    model = small(kind)
    honest = integral(model, 0.0, a=False, b=True)
    monkeypatch.setattr(Present, "forward", lambda self, x, context: self.net(x, context))
    assert abs(integral(model, 0.0, a=False, b=True) / honest - 1) > 0.02


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_samples_are_the_noise_pushed_back_and_blank_where_it_was_counted(kind):
    model, n = small(kind), 200
    x = model.sample(n, noise=Noise(3))
    SPACE.check(x)
    counts = model.counted.sample(n, noise=Noise(3).rows(0).at("counted"))
    assert torch.equal(x[:, 0].isnan(), counts[:, 0] == 1) and torch.equal(x[:, 2].isnan(), counts[:, 2] == 1)
    assert torch.equal(x[:, 1].nan_to_num(-1), counts[:, 1].nan_to_num(-1))
    present, seen = model._seen(counts, None)
    u = ((x[:, [0, 2]] - model.mean) / model.scale).nan_to_num(0.0)
    y = u.clamp(-3, 3) + (u - u.clamp(-3, 3)).asinh()
    assert float(u.abs().max()) > 3  # both sides of where it bends
    z = Noise(3).rows(0).normal((n, 2), "numbers", like=present) * present[:, model.places]
    assert torch.allclose(model.chain(y, seen)[0], z, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_weights_bring_along_which_number_stands_where(kind):
    """A flow that was built of other random numbers takes the weights of this one, shuffles and all."""
    space = Table(tuple(Column(name, blank="") for name in "abcd"))
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(TableFlow(space, MADE(counted_space(space), hidden=(8,)), kind=kind, layers=5, hidden=(8,)))
    for p in models[0].parameters():
        p.add_(0.3 * torch.randn_like(p))
    x = models[0].sample(50, noise=Noise(0))
    models[1].load_state_dict(models[0].state_dict())
    torch.testing.assert_close(models[1].log_prob(x), models[0].log_prob(x))


@pytest.mark.parametrize("kind", KINDS)
def test_many_rows_are_drawn_as_few_are(kind, monkeypatch):
    whole = small(kind).sample(20, noise=Noise(3))
    monkeypatch.setattr("ptheta.flows.tabular.CHUNK", 7)
    x = small(kind).sample(20, noise=Noise(3))
    torch.testing.assert_close(x, whole, equal_nan=True)
    assert small(kind).sample(0).shape == (0, 3)


def test_cold_rows_lie_nearer_together():
    model = small("coupling", shake=0.0)
    warm, cold = (model.sample(500, noise=Noise(3), temperature=t) for t in (1.0, 0.3))
    widths = [float(x[~x[:, 2].isnan(), 2].std()) for x in (warm, cold)]
    assert 0.2 < widths[1] / widths[0] < 0.4
    with pytest.raises(ValueError, match="temperature should be positive"):
        model.sample(3, temperature=0.0)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_each_number_depends_on_each_other_and_on_what_is_counted(kind):
    model = small(kind)
    rows = torch.tensor([[0.3, 0.0, -1.2], [0.3, 1.0, -1.2], [math.nan, 0.0, -1.2], [0.3, 0.0, -0.7]]).double()
    lone = torch.tensor([[math.nan, 0.0, -1.2], [0.3, 0.0, math.nan], [0.9, 0.0, math.nan]]).double()
    density = density_of(model, torch.cat([rows, lone]))
    same = torch.isclose(density[:, None], density).nonzero()
    assert same[same[:, 0] < same[:, 1]].tolist() == [[2, 4]]  # the only two rows that are equal
    together, apart = density[0] - density[3], density_of(model, rows[[2]]) - density[4]
    assert abs(float(together)) > 1e-3 and float(apart) == pytest.approx(0.0, abs=1e-12)


def test_far_out_a_number_is_its_logarithm_and_pays_for_the_slope():
    model = small("coupling", Table((Column("a", mean=1.0, scale=2.0), Column("b"))), shake=0.0)
    with torch.no_grad():
        for p in model.chain.parameters():
            p.zero_()  # the identity
    x = torch.tensor([-60.0, -5.1, -2.0, 3.0, 7.2, 900.0], dtype=torch.float64, requires_grad=True)
    u = (x - 1) / 2
    y = torch.where(u.abs() > 3, u.sign() * (3 + (u.abs() - 3).asinh()), u)
    slope = torch.autograd.grad(y.sum(), x)[0]
    normal = torch.distributions.Normal(0.0, 1.0)
    found = model.log_prob(torch.stack([x, torch.zeros_like(x)], 1)) - normal.log_prob(torch.tensor(0.0).double())
    assert torch.allclose(found, normal.log_prob(y) + slope.log())


def test_what_is_counted_begins_with_what_it_counts(monkeypatch):
    model, seen = small("coupling"), []
    monkeypatch.setattr(model.counted, "begin", lambda x, context: seen.append(x))
    model.begin(torch.tensor([[math.nan, 1.0, 2.5]]).double(), None)
    assert seen[0].tolist() == [[1.0, 1.0, 0.0]]


def truth(n: int, seed: int) -> Tensor:
    """b is a number near -1 or 1 by town, a follows its square, and every fifth a is blank."""
    u = Noise(seed).normal((n, 2), "numbers").double()
    town = (Noise(seed).uniform((n,), "town") < 0.3).double()
    b = (2 * town - 1) + 0.3 * u[:, 0]
    a = b.square() + 0.2 * u[:, 1]
    a = torch.where(Noise(seed).uniform((n,), "blank").double() < 0.2, torch.nan, a)
    return torch.stack([a, town, b], 1)


def nats() -> float:
    """The entropy of that law."""

    def binary(p: float) -> float:
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    gauss = 0.5 * math.log(2 * math.pi * math.e)
    return binary(0.3) + binary(0.2) + gauss + math.log(0.3) + 0.8 * (gauss + math.log(0.2))


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_a_known_law_of_mixed_rows(kind):
    space = Table((Column("a", blank=""), Column("town", "boolean", ("u", "v")), Column("b"))).standardising(
        truth(4000, 0)
    )
    recipe = find_recipe("spline-flow")(space, kind=kind, hidden=(32, 32))
    model = recipe.fit(truth(4000, 0), epochs=6, seed=0, validate_every=1000)
    with torch.no_grad():
        found = -float(model.log_prob(truth(4000, 1)).mean())
    x = model.sample(4000, noise=Noise(2))
    assert nats() - 0.05 < found < nats() + 0.15, (found, nats())
    assert abs(float(x[:, 0].isnan().double().mean()) - 0.2) < 0.05
    known = x[~x[:, 0].isnan()]
    assert float((known[:, 0] - known[:, 2].square()).abs().median()) < 0.2  # 0.135 of the law itself


@torch.no_grad()
def test_contexts_reach_both_what_is_counted_and_the_numbers():
    model = small("coupling", context_space=Classes(2))
    x = torch.tensor([[0.3, 0.0, -1.2]]).double()
    zero, one = torch.tensor([0]), torch.tensor([1])
    assert float(density_of(model, x, zero)) != float(density_of(model, x, one))
    assert float(model.counted.log_prob(model._counted(x), zero)) != float(model.log_prob(x, zero))
    assert model.sample(3, torch.tensor([0, 1, 1]), noise=Noise(0)).shape == (3, 3)


def test_a_table_of_reals_only_has_nothing_to_count_and_one_column_is_enough():
    for fields in ((Column("a"),), (Column("a"), Column("b"), Column("c"))):
        space = Table(fields)
        assert counted_space(space) is None
        model = small("coupling", space)
        assert model.log_prob(model.sample(5, noise=Noise(0))).isfinite().all()


def test_what_does_not_fit_is_refused_in_a_sentence():
    names = Table((Column("a", "boolean", ("no", "yes")),))
    with pytest.raises(ValueError, match="no column of this table is of kind number"):
        TableFlow(names, MADE(names))
    with pytest.raises(ValueError, match=r"counted should be a model of .* none was given"):
        TableFlow(SPACE)
    with pytest.raises(ValueError, match="counted should be a model of nothing"):
        TableFlow(Table((Column("a"),)), MADE(names))
    with pytest.raises(ValueError, match="counted should take contexts of"):
        TableFlow(SPACE, MADE(counted_space(SPACE)), context_space=Classes(2))
    with pytest.raises(ValueError, match="bins should be at least 2"):
        small("coupling", bins=1)
    with pytest.raises(ValueError, match="TableFlow"):
        TableFlow(Binary((3,)))


def test_the_tree_says_which_tables_it_suits_and_what_its_number_is():
    leaf = next(leaf for _, leaf in leaves() if leaf.name == "spline-flow")
    assert leaf.against(SPACE) is None
    assert "these rows have none" in leaf.against(Table((Column("a", "boolean", ("no", "yes")),)))
    assert [leaf.score_on(kind) for kind in ("table", "real", "levels")] == ["exact", "exact", "lower bound"]
