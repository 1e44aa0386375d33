"""Networks on tables: probabilities of mixed rows sum to one in any order, and samples hold what tables promise."""

import math

import pytest
import torch

from ptheta.autoregressive import MADE, NADE, Transformer
from ptheta.distributions.table_heads import ColumnHead, TableHead
from ptheta.latent import VAE, VQVAE, LadderVAE
from ptheta.noise import Noise
from ptheta.spaces import Binary, Column, Table

SPACE = Table((
    Column("size", "number", blank="", mean=2.0, scale=1.5),
    Column("count", "whole", least=0, levels=(0, 7), mean=4.0, scale=3.0),
    Column("kind", "category", ("u", "v", "w"), blank="?"),
    Column("stars", "whole", digits=1, levels=(10, 11, 12), mean=11.0, scale=0.8),
    Column("one", "category", ("x",)),
    Column("gone", "category", (), blank=""),
))  # fmt: skip
NAN = math.nan


def shaken(model, seed: int = 0):
    """A model whose weights are moved at random, in float64."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


MODELS = {
    "nade": lambda: NADE(SPACE, hidden=6),
    "nade in another order": lambda: NADE(SPACE, hidden=6, order=(2, 3, 0, 5, 1, 4)),
    "made": lambda: MADE(SPACE, hidden=(12,), direct=True),
    "transformer": lambda: Transformer(SPACE, width=8, layers=1, heads=2),
    "transformer in another order": lambda: Transformer(SPACE, width=8, layers=1, heads=2, order=(2, 3, 0, 5, 1, 4)),
    "made in another order": lambda: MADE(SPACE, hidden=(12,), direct=True, order=(3, 1, 4, 2, 5, 0)),
}


def lattice() -> tuple[torch.Tensor, torch.Tensor]:
    """All rows but for the sizes, which lie on a line, and the weight of each in a sum."""
    line = torch.linspace(-40, 44, 337, dtype=torch.float64)
    sizes = torch.cat([line, torch.tensor([NAN], dtype=torch.float64)])
    counts, kinds = torch.arange(0, 40, dtype=torch.float64), torch.tensor([0.0, 1.0, 2.0, NAN], dtype=torch.float64)
    stars = torch.arange(4, 19, dtype=torch.float64)
    a, c, k, s = (t.flatten() for t in torch.meshgrid(sizes, counts, kinds, stars, indexing="ij"))
    x = torch.stack([a, c, k, s, torch.zeros_like(a), torch.full_like(a, NAN)], 1)
    return x, torch.where(a.isnan(), 1.0, float(line[1] - line[0]))


@pytest.mark.parametrize("field", SPACE.fields, ids=lambda f: f.name)
def test_each_head_sums_to_one(field: Column):
    head = ColumnHead(field, components=2)
    params = torch.randn(head.width + 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    if field.kind == "number":
        cells, step = torch.linspace(-400, 400, 400_001, dtype=torch.float64), 0.002
    elif field.kind == "whole":
        cells, step = torch.arange(-3000.0 if field.least is None else 0, 3000, dtype=torch.float64), 1.0
    else:
        cells, step = torch.arange(len(field.names), dtype=torch.float64), 1.0
    total = float(head.log_prob(params.expand(len(cells), -1), cells).exp().sum()) * step
    if field.blank is not None:
        total += float(head.log_prob(params[None], torch.tensor([NAN], dtype=torch.float64)).exp())
    assert total == pytest.approx(1, abs=1e-5)
    warm = head.temper(params, 0.5)
    total = float(head.log_prob(warm.expand(len(cells), -1), cells).exp().sum()) * step
    total += 0 if field.blank is None else float(head.log_prob(warm[None], cells.new_tensor([NAN])).exp())
    assert total == pytest.approx(1, abs=1e-5)


def test_the_sum_rejects_a_density_in_place_of_a_mass():
    """Whole numbers scored by the density at them do not sum to one where steps are wide."""
    field = Column("n", "whole", mean=0.0, scale=1.0)
    params = torch.tensor([0.0, 0.0, 0.3, -2.0], dtype=torch.float64)
    cells = torch.arange(-50, 51, dtype=torch.float64)
    mass = ColumnHead(field, 1).log_prob(params.expand(101, -1), cells).exp().sum()
    density = ColumnHead(Column("n", "number"), 1).log_prob(params.expand(101, -1), cells).exp().sum()
    assert float(mass) == pytest.approx(1, abs=1e-9) and abs(float(density) - 1) > 0.1


@pytest.mark.parametrize("field", SPACE.fields, ids=lambda f: f.name)
def test_draws_of_each_head_follow_its_probabilities(field: Column):
    head = ColumnHead(field, components=2)
    n, params = 20_000, torch.randn(head.width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x = head.sample(params.expand(n, -1), Noise(0).uniform((n, 3), "u", like=params))
    assert SPACE.fields[0].kind == "number" and field.fault(x) is None
    if field.kind == "number":
        blank = float(head.log_prob(params[None], x.new_tensor([NAN])).exp())
        assert float(x.isnan().double().mean()) == pytest.approx(blank, abs=0.015)
        grid = torch.linspace(-300, 3.0, 300_001, dtype=torch.float64)
        below = float(head.log_prob(params.expand(len(grid), -1), grid).exp().sum()) * 303 / 300_000
        assert float((x < 3).double().mean()) == pytest.approx(below, abs=0.015)
        return
    values = x.nan_to_num(-9e9).unique()
    cells = torch.where(values < -8e9, NAN, values)
    expected = head.log_prob(params.expand(len(cells), -1), cells).exp()
    seen = torch.stack([(x.nan_to_num(-9e9) == v).double().mean() for v in values])
    assert float((seen - expected).abs().max()) < 0.015


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_of_mixed_rows_sum_to_one(name: str):
    x, weight = lattice()
    model = shaken(MODELS[name]())
    with torch.no_grad():
        total = float((model.log_prob(x).exp() * weight).sum())
    assert 0.98 < total < 1.0005, total  # what lies beyond the lattice


@pytest.mark.parametrize("name", MODELS)
def test_samples_hold_what_tables_promise(name: str):
    model = shaken(MODELS[name]())
    x = model.sample(300, noise=Noise(3))
    SPACE.check(x)  # whole numbers whole, no name that is not, no blank where none may be
    assert bool(x[:, 5].isnan().all()) and bool(x[:, [0, 2]].isnan().any()) and not bool(x[:, [1, 3, 4]].isnan().any())
    for method in ("naive", "fixed-point"):
        other = model.sample(40, noise=Noise(3), method=method)
        torch.testing.assert_close(x[:40], other, equal_nan=True)
    again = model.sample(10, noise=Noise(3))
    torch.testing.assert_close(x[:10], again, equal_nan=True)


@pytest.mark.parametrize("name", MODELS)
def test_no_conditional_sees_its_own_column_or_a_later_one(name: str):
    model = shaken(MODELS[name]())
    x, other = model.sample(1, noise=Noise(4)), model.sample(1, noise=Noise(5))
    cells, changed = model.cells(x), model.cells(other)
    for i in range(6):
        moved = cells.clone()
        moved[:, i] = changed[:, i]
        differs = (model.conditionals(moved) != model.conditionals(cells)).any(-1)[0]
        assert not bool(differs[: i + 1].any())


def test_networks_train_on_rows_far_out_and_of_any_size():
    """No gradient is infinite for a date in seconds, a huge count, a number a thousand deviations out."""
    space = Table((
        Column("when", "whole", date="%Y-%m-%d %H:%M:%S", mean=1.5e9, scale=1e7),
        Column("people", "whole", least=0, mean=1e3, scale=1e2),
        Column("size", "number", mean=0.0, scale=1e-3),
    ))  # fmt: skip
    x = torch.tensor([[1.5e9, 0.0, 0.0], [2.5e9, 8e9, 1.0], [1.5e9 + 1, 1000.0, -1e-9]], dtype=torch.float64)
    for model in (NADE(space, hidden=4), MADE(space, hidden=(4,))):
        score = model.log_prob(x)
        assert bool(score.isfinite().all())
        score.sum().backward()
        assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_a_vae_bounds_and_draws_rows():
    model = shaken(VAE(SPACE, latent=3))
    x = model.sample(200, noise=Noise(8))
    SPACE.check(x)
    assert bool(x[:, [0, 2]].isnan().any()) and not bool(x[:, [1, 3, 4]].isnan().any())
    with torch.no_grad():
        low, high = (model.importance_bound(x, k, noise=Noise(9)).mean() for k in (1, 64))
    assert low.item() < high.item() and bool(model.decode(model.encode(x))[:, 3].isfinite().all())


@pytest.mark.parametrize("make", [VQVAE, LadderVAE])
def test_models_of_other_spaces_refuse_tables_in_a_sentence(make):
    with pytest.raises(ValueError, match="models events of Binary or Levels or Symbols or Real spaces"):
        make(SPACE)


def test_completions_keep_what_is_known():
    model = shaken(MODELS["made"]())
    x = model.sample(50, noise=Noise(6))
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[:, :2] = True
    full = model.complete(x, mask, noise=Noise(7))
    torch.testing.assert_close(full[:, :2], x[:, :2], equal_nan=True)
    SPACE.check(full)


def test_the_law_without_blanks_is_the_law_of_cells_that_are_not():
    model = shaken(MODELS["made in another order"]())
    law = model.without_blanks()
    x = law.sample(300, noise=Noise(10))
    assert not bool(x[:, :5].isnan().any()) and bool(model.sample(300, noise=Noise(10))[:, 0].isnan().any())
    grid, weight = lattice()
    seen = ~(grid[:, 0].isnan() | grid[:, 2].isnan())
    with torch.no_grad():
        assert float((law.log_prob(grid[seen]).exp() * weight[seen]).sum()) == pytest.approx(1, abs=0.02)
        assert float((model.log_prob(grid[seen]).exp() * weight[seen]).sum()) < 0.9
    with pytest.raises(ValueError, match="only rows of tables have blank cells"):
        MADE(Binary((3,)), hidden=(6,)).without_blanks()


def test_several_masks_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="build the model with one mask"):
        MADE(SPACE, hidden=(6,), masks=2)
    assert isinstance(MADE(SPACE).head, TableHead)
