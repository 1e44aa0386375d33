"""The laws that every model obeys, as functions that assert. Each is seen to fail on a broken twin.

Statistical laws fix their seed; a correct model would fail one in a thousand seeds (``FALSE_ALARM``).
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from scipy import stats
from torch import Tensor

from ptheta.data.dataset import Dataset
from ptheta.metrics import HasImportanceBound
from ptheta.model import (
    HasCode,
    HasElbo,
    HasEnergy,
    HasLogProb,
    HasPseudoLikelihood,
    Model,
    Trained,
)
from ptheta.noise import Noise
from ptheta.recipes.runs import open_run, save_run
from ptheta.spaces import Space

FALSE_ALARM = 1e-3
DRAWS, STATES = 10_000, 256
GRID, BLOCKS = 200, 8  # quadrature points per axis, and the blocks into which samples are counted

Score = Callable[[Tensor, Tensor | None, Noise], Tensor]


# What a model offers


def scores(model: Any) -> dict[str, Score]:
    """Every score of a model as a function of events, contexts and noise."""
    found: dict[str, Score] = {}
    if isinstance(model, HasLogProb):
        found["log_prob"] = lambda x, c, noise: model.log_prob(x, c)
    if isinstance(model, HasElbo):
        found["elbo"] = lambda x, c, noise: model.elbo(x, c, draws=2, noise=noise)
    if isinstance(model, HasImportanceBound):
        found["importance_bound"] = lambda x, c, noise: model.importance_bound(x, 3, c, noise=noise)
    if isinstance(model, HasEnergy):
        found["energy"] = lambda x, c, noise: model.energy(x, c)
    if isinstance(model, HasPseudoLikelihood):
        found["pseudo_log_likelihood"] = lambda x, c, noise: model.pseudo_log_likelihood(x, c)
    return found


def tight_log_prob(model: Any) -> Score | None:
    """Log-probabilities that should sum to one: exact, by an exact log Z, or by a bound with many draws."""
    if isinstance(model, HasLogProb):
        return lambda x, c, noise: model.log_prob(x, c)
    if isinstance(model, HasEnergy) and model.log_partition().exact:
        log_z = model.log_partition().value
        return lambda x, c, noise: -model.energy(x, c) - log_z
    if isinstance(model, HasImportanceBound) and model.space.is_discrete:
        return lambda x, c, noise: model.importance_bound(x, 3000, c, noise=noise)
    return None


def is_enumerable(space: Space) -> bool:
    """Whether all states of a space are few enough to visit, or it is a plane to integrate over."""
    return space.n**space.dimensions <= STATES if space.is_discrete else space.dimensions == 2


def states(space: Any) -> Tensor:
    """Every event of a small discrete space."""
    rows = itertools.product(range(space.n), repeat=space.dimensions)
    return torch.tensor(list(rows)).to(space.dtype).reshape(-1, *space.shape)


def contexts(model: Any) -> list[int | None]:
    """Every context of a model; None alone without a context space."""
    return [None] if model.context_space is None else list(range(model.context_space.n))


def repeated(context: int | None, n: int) -> Tensor | None:
    """One context, n times."""
    return None if context is None else torch.full((n,), context)


# 1. Samples


def samples_keep_the_contract(model: Any, context: Tensor | None, sampling: dict[str, Any]) -> None:
    """Valid events without gradient; a function of the noise, row by row; the outer random stream untouched."""

    def draw(n: int, noise: Noise, start: int = 0) -> Tensor:
        return model.sample(n, None if context is None else context[start : start + n], noise=noise, **sampling)

    before = torch.get_rng_state()
    x = draw(6, Noise(5))
    assert torch.equal(torch.get_rng_state(), before), "sampling under a seed moved torch's own random stream"
    assert x.shape == (6, *model.space.shape)
    model.space.check(x)
    assert not x.requires_grad
    assert torch.equal(x, draw(6, Noise(5))), "the same noise gave other samples"
    same(draw(2, Noise(5)), x[:2], "a sample depends on how many are drawn")
    same(draw(2, Noise(5).rows(4), 4), x[4:], "the noise of later rows gave other samples")
    assert not all(torch.equal(draw(6, Noise(seed)), x) for seed in range(6, 9)), "samples do not depend on the noise"
    model.space.check(draw(2, Noise(None)))


def same(a: Tensor, b: Tensor, message: str) -> None:
    """Equal events: discrete ones exactly, real ones to 1e-9."""
    close = torch.allclose(a, b, rtol=1e-9, atol=1e-9) if a.is_floating_point() else torch.equal(a, b)
    assert close, message


# 2. Scores


def scores_keep_the_contract(model: Any, x: Tensor, context: Tensor | None) -> None:
    """One finite number per event, none for none, the same whatever the rest of the batch."""
    for name, score in scores(model).items():
        whole = score(x, context, Noise(3))
        assert whole.shape == (len(x),), f"{name} has shape {tuple(whole.shape)}"
        assert whole.dtype == torch.float64, f"{name} of a float64 model is {whole.dtype}"
        assert bool(torch.isfinite(whole).all()), f"{name} is not finite"
        for start, stop in ((0, 1), (2, 5)):
            part = None if context is None else context[start:stop]
            alone = score(x[start:stop], part, Noise(3).rows(start))
            assert torch.allclose(alone, whole[start:stop], rtol=1e-9, atol=1e-9), f"{name} depends on the batch"
        assert torch.equal(score(x, context, Noise(3)), whole), f"{name} does not repeat under the same noise"
        none = score(x[:0], None if context is None else context[:0], Noise(3))
        assert none.shape == (0,), f"{name} of no events has shape {tuple(none.shape)}"


# 3. Normalisation


def probabilities_sum_to_one(model: Any) -> None:
    """Over every state, or over the plane by quadrature, for every context."""
    log_prob = tight_log_prob(model)
    assert log_prob is not None
    for context in contexts(model):
        if model.space.is_discrete:
            x, volume = states(model.space), 1.0
        else:
            x, volume = plane(model, context)
        total = float(log_prob(x, repeated(context, len(x)), Noise(0)).detach().exp().sum()) * volume
        tolerance = tolerance_of(model)
        assert abs(total - 1) < tolerance, f"probabilities sum to {total} in context {context}"


def tolerance_of(model: Any) -> float:
    """Enumeration is exact; quadrature misses tails and edges; a bound with many draws falls a little short."""
    if isinstance(model, HasLogProb | HasEnergy):
        return 1e-9 if model.space.is_discrete else 0.02
    return 0.02


def plane(model: Any, context: int | None) -> tuple[Tensor, float]:
    """Midpoints of a grid (GRID^2, 2) over the plane, as wide as the model's own samples and more, and their area."""
    seen = model.sample(2000, repeated(context, 2000), noise=Noise(11)).double()
    low, high = seen.amin(0), seen.amax(0)
    low, high = low - 0.3 * (high - low), high + 0.3 * (high - low)
    steps = (torch.arange(GRID, dtype=torch.float64) + 0.5) / GRID
    axes = [low[i] + steps * (high[i] - low[i]) for i in range(2)]
    return torch.cartesian_prod(*axes), float((high - low).prod()) / GRID**2


# 4. Samples against probabilities


def samples_follow_probabilities(model: Any, sampling: dict[str, Any]) -> None:
    """Chi-square on every state, or on the blocks of a grid over the plane."""
    log_prob = tight_log_prob(model)
    assert log_prob is not None
    for context in contexts(model):
        drawn = model.sample(DRAWS, repeated(context, DRAWS), noise=Noise(1), **sampling)
        if model.space.is_discrete:
            x = states(model.space)
            p = log_prob(x, repeated(context, len(x)), Noise(0)).detach().exp()
            powers = model.space.n ** torch.arange(model.space.dimensions - 1, -1, -1)
            index = (drawn.flatten(1).long() * powers).sum(1)
        else:
            x, area = plane(model, context)
            fine = log_prob(x, repeated(context, len(x)), Noise(0)).detach().exp() * area
            side = GRID // BLOCKS
            p = fine.reshape(BLOCKS, side, BLOCKS, side).sum((1, 3)).flatten()
            first, last = x[0], x[-1]
            edge = (last - first) / (GRID - 1) / 2
            place = (drawn - first + edge) / (last - first + 2 * edge) * BLOCKS
            place = place.floor().long().clamp(0, BLOCKS - 1)
            index = place[:, 0] * BLOCKS + place[:, 1]
        agree(torch.bincount(index, minlength=len(p)).double(), p * DRAWS / p.sum())


def agree(counts: Tensor, expected: Tensor) -> None:
    """Chi-square of counts; cells expected less than 5 times are pooled."""
    rare = expected < 5
    if rare.any():
        counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
        expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    keep = expected > 0.5
    assert float(counts[~keep].sum()) < 10, "samples fall where they have no probability"
    counts, expected = counts[keep], expected[keep]
    expected = expected * (counts.sum() / expected.sum())
    p = float(stats.chisquare(counts.numpy(), expected.numpy()).pvalue)
    assert p > FALSE_ALARM, f"samples disagree with probabilities: p = {p}"


# 5. What a factorisation forbids


def conditionals_see_only_the_past(model: Any, x: Tensor, context: Tensor | None) -> None:
    """Changing variable j changes no conditional up to j, bit for bit, and some after it."""
    cells = model.space.cells(x)[:, model.order]
    base = model.conditionals(cells, context)
    for j in range(cells.shape[1]):
        other = cells.clone()
        other[:, j] = cells[:, j].roll(1) + 0.5 if cells.is_floating_point() else (cells[:, j] + 1) % model.space.n
        moved = (model.conditionals(other, context) != base).flatten(2).any(2).any(0)
        assert not moved[: j + 1].any(), f"variable {j} leaks into {moved[: j + 1].nonzero().flatten().tolist()}"
        assert moved[j + 1 :].all(), f"variable {j} does not reach all variables after it"


def samplers_agree(model: Any, context: Tensor | None) -> None:
    """The cached, the fixed-point and the naive sampler draw the same events from the same noise, tempered or not."""
    n = 20 if context is None else len(context)
    for temperature in (1.0, 0.7):
        drawn = {
            method: model.sample(n, context, noise=Noise(4), temperature=temperature, method=method)
            for method in ("naive", "cached", "fixed-point")
        }
        for method in ("cached", "fixed-point"):
            same(drawn[method], drawn["naive"], f"the {method} sampler draws other events than the naive one")


# 7. Bounds


def bounds_stay_below(model: Any) -> None:
    """exp of a lower bound on log p sums to at most one over every state; more importance samples tighten it."""
    draws = 300
    for context in contexts(model):
        x = states(model.space)
        c = repeated(context, len(x))
        elbo = model.elbo(x, c, draws=draws, noise=Noise(0)).detach()
        total = float(elbo.exp().sum())
        assert total < 1.02, f"a lower bound on log p sums to {total}"
        if isinstance(model, HasImportanceBound):
            tighter = model.importance_bound(x, draws, c, noise=Noise(1)).detach()
            assert float((tighter - elbo).mean()) > -0.02, "importance samples loosened the bound"


# 13, 14. Objectives


def objectives_reach_their_parameters(model: Any, x: Tensor, context: Tensor | None) -> None:
    """Each reaches each of its parameters and moves no other; together they cover all that are trainable."""
    covered = set()
    for objective in model.objectives():
        model.zero_grad()
        loss = objective.loss(x, context, Noise(0))
        assert loss.shape == (len(x),), f"the {objective.name} loss has shape {tuple(loss.shape)}"
        assert bool(torch.isfinite(loss).all()), f"the {objective.name} loss is not finite"
        loss.mean().backward(inputs=objective.parameters)
        for name, p in model.named_parameters():
            own = any(p is q for q in objective.parameters)
            moved = p.grad is not None and bool((p.grad != 0).any())
            assert moved == own, f"the {objective.name} loss {'misses' if own else 'moves'} {name}"
        covered |= {id(p) for p in objective.parameters}
    missed = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in covered]
    assert not missed, f"no objective trains {missed}"


def evaluation_changes_nothing(model: Any, x: Tensor, context: Tensor | None, sampling: dict[str, Any]) -> None:
    """Losses in evaluation mode change no weight and no buffer and repeat under the same noise; nor do scores."""
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.eval()
    if isinstance(model, Trained):
        for objective in model.objectives():
            first, second = (objective.loss(x, context, Noise(2)) for _ in range(2))
            assert torch.equal(first, second), f"the {objective.name} loss does not repeat under the same noise"
    for score in scores(model).values():
        score(x, context, Noise(2))
    model.sample(len(x), context, noise=Noise(2), **sampling)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), f"evaluation changed {key}"


# 15. Learning


def learns(model: Any, data: Dataset, log_law: Callable[[Tensor, Tensor | None], Tensor], gap: float) -> None:
    """A fitted model comes within ``gap`` nats of the law its data were drawn from, on fresh events."""
    log_prob = tight_log_prob(model)
    assert log_prob is not None
    x, c = data.test.x, data.test.context
    behind = float((log_law(x, c) - log_prob(x, c, Noise(0)).detach()).mean())
    assert behind < gap, f"the model is {behind} nats behind the law of its data"


# 16. Saving


def saving_restores(model: Any, other: Any, data: Dataset, folder: Path, sampling: dict[str, Any]) -> None:
    """A run on disk, opened into a fresh model, has identical scores and samples."""
    save_run(model, data, folder / "run")
    opened: Any = open_run(folder / "run", model=other).model
    x, c = data.train.x[:8], data.train.context
    c = None if c is None else c[:8]
    for name, score in scores(model).items():
        assert torch.equal(score(x, c, Noise(1)), scores(opened)[name](x, c, Noise(1))), f"{name} changed on disk"
    first, second = (m.sample(8, c, noise=Noise(1), **sampling) for m in (model, opened))
    assert torch.equal(first, second), "samples changed on disk"


# 18. Refusals


def bad_calls_are_refused(model: Any, x: Tensor, context: Tensor | None, sampling: dict[str, Any]) -> None:
    """Wrong shapes and types of events, and missing, needless or too few contexts, raise ValueError in a sentence."""
    calls: dict[str, Callable[[Tensor, Tensor | None], Any]] = {
        name: lambda x, c, score=score: score(x, c, Noise(0)) for name, score in scores(model).items()
    }
    if isinstance(model, HasCode):
        calls["encode"] = model.encode
    wrong_type = x.to(torch.int32)
    for name, call in calls.items():
        with refusal(f"its shape is {tuple(x[..., None].shape)}", f"{name} of events with an axis too many"):
            call(x[..., None], context)
        with refusal("its type is int32", f"{name} of int32 events"):
            call(wrong_type, context)
    calls["sample"] = lambda x, c: model.sample(len(x), c, noise=Noise(0), **sampling)
    for name, call in calls.items():
        if context is None:
            with refusal("a context was given, but the model was built without", f"{name} with a needless context"):
                call(x, torch.zeros(len(x), dtype=torch.int64))
        else:
            with refusal("the model needs a context of", f"{name} without a context"):
                call(x, None)
            with refusal(f"{len(x)} rows, but the context has {len(x) - 1}", f"{name} with a context too few"):
                call(x, context[1:])


class refusal:
    """Expects a ValueError whose sentence holds the given words; says which call should have been refused."""

    def __init__(self, words: str, what: str) -> None:
        self.words, self.what = words, what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        assert kind is not None, f"{self.what} was not refused"
        if not issubclass(kind, ValueError):
            return False
        assert self.words in str(error), f"{self.what} was refused with another sentence: {error}"
        return True


def is_model_class(value: Any) -> bool:
    """Whether an exported name is a class of models that can be built."""
    return isinstance(value, type) and issubclass(value, Model) and not getattr(value, "__abstractmethods__", None)
