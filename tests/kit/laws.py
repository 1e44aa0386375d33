"""The laws that every model obeys, as functions that assert. Each is seen to fail on a broken twin.

``law_table.py`` says which law applies to which row of ``cases.py``. Statistical laws fix their seed; a correct model
would fail one in a thousand seeds (``FALSE_ALARM``).
"""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import exact_scores
import ptheta
from model_offers import (
    DRAWS,
    GRID,
    SIGMAS,
    Edges,
    agree,
    answers,
    contexts,
    quadrature,
    refusal,
    repeated,
    same,
    scores,
    state_index,
    states,
    tight_log_prob,
    tolerance_of,
)
from ptheta.autoregressive import Choice
from ptheta.data.dataset import Dataset
from ptheta.model import Distribution, Trained
from ptheta.noise import Noise
from ptheta.protocols import HasCode, HasImportanceBound
from ptheta.runs import open_run, save_run
from toy_law import values_of

COUNTS = (1, 7, 100, 101)  # how many samples are drawn beside MOST of them: models draw in chunks of 100, 256, ...
MOST = 300
PARTS = re.compile(r"^(CHUNK|TILE) = ", re.MULTILINE)  # how families call what is in flight at once
FAMILIES = [
    p for p in Path(ptheta.__file__).parent.glob("*/*.py") if p.parent.name not in ("nn", "data", "metrics", "report")
]
CHUNKS = {  # what is in flight at once, and how little to allow instead
    **{f"{p.parent.name}.{p.stem}.{name}": 3 for p in FAMILIES for name in PARTS.findall(p.read_text())},
    "model.NUMBERS": 1,
    "model.FEWEST": 3,
    "autoregressive.eonade.SCORED_NUMBERS": 100,
    "autoregressive.nade.BLOCK_NUMBERS": 40,
    "diffusion.absorbing.SUBSETS": 5,
    "flows.flow.CHUNK": 6,
    "distributions.chow_liu.INDICATORS": 20,
    "distributions.closed_form.CELLS": 10,
    "distributions.kde.DISTANCES": 500,
    "distributions.mixtures.CHUNK": 60,
    "distributions.resampling.TILE": 100,
    "distributions.table_mixture.CHUNK": 60,
    "distributions.tables.CODES": 10,
}
BOUNDS = (1, 2, 8, 64)  # importance samples
BLOCKS = 64  # into which a line is cut


# 1. Samples


def samples_keep_the_contract(model: Any, context: Tensor | None, sampling: dict[str, Any]) -> None:
    """Valid events without gradient; a function of the noise, row by row; the outer random stream untouched.

    The context, if any, has MOST rows.
    """

    def draw(n: int, noise: Noise, start: int = 0) -> Tensor:
        return model.sample(n, None if context is None else context[start : start + n], noise=noise, **sampling)

    before = torch.get_rng_state()
    x = draw(MOST, Noise(5))
    assert torch.equal(torch.get_rng_state(), before), "sampling under a seed moved torch's own random stream"
    assert x.shape == (MOST, *model.space.shape)
    model.space.check(x)
    assert not x.requires_grad
    assert torch.equal(x, draw(MOST, Noise(5))), "the same noise gave other samples"
    for n in COUNTS:
        same(draw(n, Noise(5)), x[:n], "a sample depends on how many are drawn")
    same(draw(2, Noise(5).rows(MOST - 2), MOST - 2), x[-2:], "the noise of later rows gave other samples")
    assert bool((x != x[:1]).any()), "all samples of one call are the same"
    others = (draw(6, Noise(seed)) for seed in range(6, 9))
    assert not all(torch.equal(other, x[:6]) for other in others), "samples do not depend on the noise"
    assert draw(0, Noise(5)).shape == (0, *model.space.shape), "no samples have another shape"
    model.space.check(draw(2, Noise(None)))


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


def codes_keep_the_contract(model: Any, x: Tensor, context: Tensor | None) -> None:
    """Codes are events of the code space and decode to events of the space, each row by itself."""
    for what, space in (("encode", model.code_space), ("decode", model.space)):
        answer = answers(model, {})[what]
        whole = answer(x, context, Noise(0)).detach()
        space.check(whole, what)
        assert len(whole) == len(x), f"{what} gives {len(whole)} rows for {len(x)}"
        for start, stop in ((0, 1), (2, 5)):
            part = None if context is None else context[start:stop]
            alone = answer(x[start:stop], part, Noise(0)).detach()
            same(alone, whole[start:stop], f"{what} depends on the batch")
    assert bool((model.encode(x, context) != model.encode(x[:1], None if context is None else context[:1])).any()), (
        "all events have one code"
    )


# 3. Normalisation


def probabilities_sum_to_one(model: Any, edges: Edges | None = None) -> None:
    """Over every state, or over the line or the plane by quadrature, for every context."""
    log_prob = tight_log_prob(model)
    assert log_prob is not None
    for context in contexts(model):
        x, volume = (states(model.space), 1.0) if model.space.is_discrete else quadrature(model, context, edges)
        total = float(log_prob(x, repeated(context, len(x)), Noise(0)).detach().exp().sum()) * volume
        assert abs(total - 1) < tolerance_of(model), f"probabilities sum to {total} in context {context}"
        if edges is not None:
            low, high = edges(model, context)
            beyond = torch.stack([low - 1e-3 * (high - low), high + 1e-3 * (high - low)])
            outside = log_prob(beyond, repeated(context, 2), Noise(0))
            assert bool((outside == -torch.inf).all()), "there is density beyond the edges"


# 4. Samples against probabilities


def samples_follow_probabilities(model: Any, sampling: dict[str, Any], edges: Edges | None = None) -> None:
    """Chi-square on every state, or on the blocks of a grid over the line or the plane."""
    log_prob = tight_log_prob(model)
    assert log_prob is not None
    for context in contexts(model):
        drawn = model.sample(DRAWS, repeated(context, DRAWS), noise=Noise(1), **sampling)
        if model.space.is_discrete:
            x = states(model.space)
            p = log_prob(x, repeated(context, len(x)), Noise(0)).detach().exp()
            index = state_index(model.space, drawn)
        else:
            x, volume = quadrature(model, context, edges)
            fine = log_prob(x, repeated(context, len(x)), Noise(0)).detach().exp() * volume
            (n, blocks), d = GRID[model.space.dimensions], model.space.dimensions
            p = fine.reshape((blocks, n // blocks) * d).sum(tuple(range(1, 2 * d, 2))).flatten()
            first, last = x[0].reshape(-1), x[-1].reshape(-1)
            edge = (last - first) / (n - 1) / 2
            place = (drawn.reshape(DRAWS, d) - first + edge) / (last - first + 2 * edge) * blocks
            place = place.floor().long().clamp(0, blocks - 1)
            index = (place * blocks ** torch.arange(d - 1, -1, -1)).sum(1)
        agree(torch.bincount(index, minlength=len(p)).double(), p * DRAWS / p.sum())


# 5. What a factorisation forbids


def conditionals_see_only_the_past(model: Any, x: Tensor, context: Tensor | None, sees: Tensor | None = None) -> None:
    """Changing variable j changes, bit for bit, no conditional but those that may see it, and all of those."""
    cells = model.space.cells(x)[:, model.order]
    base = model.conditionals(cells, context)
    sees = all_before(cells) if sees is None else sees
    for j in range(cells.shape[1]):
        other = cells.clone()
        other[:, j] = (
            cells[:, j].roll(1) + 0.5 if cells.is_floating_point() else (cells[:, j].long() + 1) % model.space.n
        )
        moved = (model.conditionals(other, context) != base).flatten(2).any(2).any(0)
        _compare(moved, sees[:, j], j)


def jacobian_is_triangular(model: Any, x: Tensor, context: Tensor | None, sees: Tensor | None = None) -> None:
    """The derivative of conditional i by what the network is shown of variable j is exactly zero unless i may see j."""
    cells, shown, honest = model.space.cells(x)[:, model.order], [], model.look

    def look(cells: Tensor, dtype: torch.dtype) -> Tensor:
        shown.append(honest(cells, dtype).detach().requires_grad_())
        return shown[-1]

    model.look = look
    try:
        out = model.conditionals(cells, context)  # (B, D, width)
    finally:
        del model.look
    assert shown, "the network is shown the event by another way than look"
    weights = Noise(0).uniform(out.shape, "weights", like=out)  # nothing cancels
    moved = []
    for i in range(cells.shape[1]):
        wanted = (weights[:, i] * out[:, i]).sum()
        grads = torch.autograd.grad(wanted, shown, retain_graph=True, allow_unused=True) if wanted.requires_grad else ()
        found = [(g != 0).flatten(2).any(2).any(0) for g in grads if g is not None]
        moved.append(torch.stack(found).any(0) if found else torch.zeros(cells.shape[1], dtype=torch.bool))
    sees = all_before(cells) if sees is None else sees
    for j, column in enumerate(torch.stack(moved).T):
        _compare(column, sees[:, j], j)


def all_before(cells: Tensor) -> Tensor:
    """What the chain rule allows: variable i sees all before it, Boolean with shape (D, D)."""
    return torch.ones(cells.shape[1], cells.shape[1], dtype=torch.bool).tril(-1)


def _compare(moved: Tensor, allowed: Tensor, j: int) -> None:
    leaks, misses = (places.nonzero().flatten().tolist() for places in (moved & ~allowed, allowed & ~moved))
    assert not leaks, f"variable {j} leaks into {leaks}"
    assert not misses, f"variable {j} does not reach {misses}"


def conditionals_are_those_of_the_joint(model: Any, order: list[int]) -> None:
    """Summing log_prob over what comes later in the order leaves the product of the first conditionals, for each i."""
    x, n = states(model.space), values_of(model.space)
    cells = model.space.cells(x)[:, order].long()
    for context in contexts(model):
        c = repeated(context, len(x))
        p = model.log_prob(x, c).detach().exp()
        each = model.head.log_prob(model.conditionals(cells.to(x.dtype), c), cells.to(x.dtype)).detach()  # (S, D)
        for i in range(cells.shape[1]):
            codes = (cells[:, : i + 1] * n ** torch.arange(i, -1, -1)).sum(1)
            marginal = torch.zeros(n ** (i + 1), dtype=p.dtype).index_add_(0, codes, p)[codes]
            first = each[:, : i + 1].sum(1).exp()
            assert torch.allclose(marginal, first, rtol=1e-9, atol=0), f"conditional {i} is not that of the joint law"


def samplers_agree(model: Any, context: Tensor | None) -> None:
    """The cached, the fixed-point and the naive sampler draw the same events from the same noise, tempered or not.

    The cached one decides every variable by the very parameters of a whole pass: events alone hide small faults.
    """
    n = 20 if context is None else len(context)
    for temperature in (1.0, 0.7):
        drawn = {
            method: model.sample(n, context, noise=Noise(4), temperature=temperature, method=method)
            for method in ("naive", "cached", "fixed-point")
        }
        for method in ("cached", "fixed-point"):
            same(drawn[method], drawn["naive"], f"the {method} sampler draws other events than the naive one")
    choice = Choice(model.head, Noise(4).uniform((n, model.space.dimensions, model.head.uniforms), "u").double())
    heard: list[Tensor] = []

    def noted(i: int, params: Tensor) -> Tensor:
        heard.append(params)
        return choice(i, params)

    with torch.no_grad():
        cells = model.draw(noted, n, context)
        same(torch.stack(heard, 1), model.conditionals(cells, context), "the cached sampler hears other conditionals")


def completions_follow_the_conditional(
    model: Any, x: Tensor, context: Tensor | None, order: list[int], sampling: dict[str, Any]
) -> None:
    """Given the first half of an order, known variables stay and open ones follow p(open | known), by chi-square.

    Asked for the first event and context. On reals one variable is open, whose line is cut into blocks.
    """
    n, log_prob = 3000, tight_log_prob(model)
    assert log_prob is not None
    known = torch.zeros(model.space.dimensions, dtype=torch.bool)
    known[order[: len(order) // 2]] = True
    mask = known.reshape(model.space.shape)
    event = x[:1].expand(n, *x.shape[1:])
    full = model.complete(event, mask.expand(event.shape), first_of(context, n), noise=Noise(1), **sampling)
    model.space.check(full)
    assert torch.equal(full[:, mask], event[:, mask]), "a completion changed what was known"
    few = model.complete(event[:3], mask.expand(event[:3].shape), first_of(context, 3), noise=Noise(1), **sampling)
    same(few, full[:3], "a completion depends on how many are made")
    if model.space.is_discrete:
        events, index = states(model.space), state_index(model.space, full)
    else:
        line, index = blocks_of(full[:, ~mask].double().squeeze(1))
        events = event[:1].double().repeat(len(line), *(1,) * mask.ndim)
        events[:, ~mask] = line[:, None]
    p = log_prob(events, first_of(context, len(events)), Noise(0)).detach().exp()
    p = p * (events[:, mask] == event[:1, mask]).all(1) if model.space.is_discrete else p.view(BLOCKS, -1).sum(1)
    agree(torch.bincount(index, minlength=len(p)).double(), p * n / p.sum())


def blocks_of(drawn: Tensor) -> tuple[Tensor, Tensor]:
    """A fine line over where numbers were drawn and beyond, and the one of ``BLOCKS`` of it in which each lies."""
    low, high = drawn.min(), drawn.max()
    low, high = low - 0.4 * (high - low), high + 0.4 * (high - low)
    fine = low + (torch.arange(100 * BLOCKS, dtype=torch.float64) + 0.5) / (100 * BLOCKS) * (high - low)
    return fine, ((drawn - low) / (high - low) * BLOCKS).long()


def first_of(context: Tensor | None, n: int) -> Tensor | None:
    """The first context, n times."""
    return None if context is None else context[:1].expand(n, *context.shape[1:])


# 6. Bijections


def maps_are_bijections(model: Any, x: Tensor, context: Tensor | None) -> None:
    """Each direction undoes the other; the log-determinant is that of autograd's Jacobian by standardised values."""
    space = model.space
    z, log_det = (t.detach() for t in model.encode_and_log_det(x, context))
    assert z.shape == (len(x), space.dimensions) and log_det.shape == (len(x),), (
        "codes or log-determinants are misshapen"
    )
    same(model.decode(z, context).detach(), x, "the inverse does not undo the map", 1e-6)
    other = Noise(0).normal(z.shape, "z", like=z)
    there_and_back = model.encode_and_log_det(model.decode(other, context).detach(), context)[0]
    same(there_and_back.detach(), other, "the map does not undo its inverse", 1e-6)
    forward = _log_dets(lambda v, c: model.encode_and_log_det(space.events(v), c)[0], space.cells(x), context)
    same(log_det, forward, "the log-determinant is not that of the Jacobian", 1e-7)
    inverse = _log_dets(lambda v, c: space.cells(model.decode(v, c)), z, context)
    same(log_det, -inverse, "the log-determinant is not that of the inverse's Jacobian", 1e-6)


def _log_dets(function: Callable[[Tensor, Tensor | None], Tensor], x: Tensor, context: Tensor | None) -> Tensor:
    """The log-absolute determinants of the Jacobians of a map at each row, with shape (B,)."""
    found = []
    for i in range(len(x)):
        c = None if context is None else context[i : i + 1]
        v = x[i : i + 1].clone().requires_grad_()
        z = function(v, c)[0]
        rows = [torch.autograd.grad(number, v, retain_graph=True)[0][0] for number in z]
        found.append(torch.linalg.slogdet(torch.stack(rows)).logabsdet)
    return torch.stack(found)


# 7. Bounds


def bounds_stay_below(model: Any) -> None:
    """elbo <= bound of 1, 2, 8, 64 importance samples <= log p in the mean of many draws; the first two are equal.

    Where log p is known by brute force, the last is also nearer to it than the first. Where it is not, the events are
    discrete, and the exponential of the bound sums to at most one over every state.
    """
    for context in contexts(model):
        x = states(model.space) if model.space.is_discrete else model.sample(50, repeated(context, 50), noise=Noise(2))
        c = repeated(context, len(x))
        if not exact_scores.has_exact(model):
            total = float(model.elbo(x, c, draws=300, noise=Noise(0)).detach().exp().sum())
            assert total < 1.02, f"a lower bound on log p sums to {total}"
        copies = max(1, 1000 // len(x))
        many, c = x.repeat(copies, *(1,) * (x.ndim - 1)), None if c is None else c.repeat(copies, *(1,) * (c.ndim - 1))
        with torch.no_grad():
            bounds = [model.elbo(many, c, draws=1, noise=Noise(1))]
            if isinstance(model, HasImportanceBound):
                bounds += [model.importance_bound(many, k, c, noise=Noise(1)) for k in BOUNDS]
            if exact_scores.has_exact(model):
                bounds.append(exact_scores.exact_log_prob(model, x, repeated(context, len(x))).repeat(copies))
        _increase(bounds)
        if len(bounds) > 2:
            mean, error = _mean_and_error(bounds[1] - bounds[0])
            assert abs(mean) < SIGMAS * error + 1e-9, f"one importance sample is off the elbo by {mean}"
        if len(bounds) > 2 and exact_scores.has_exact(model):
            first, last = (_mean_and_error(bounds[-1] - bound)[0] for bound in (bounds[1], bounds[-2]))
            assert last < first / 2, f"{BOUNDS[-1]} importance samples leave {last} nats of {first}"


def _increase(bounds: list[Tensor]) -> None:
    """Bounds in the order of their tightness, each no higher in the mean than the next one."""
    for low, high in itertools.pairwise(bounds):
        mean, error = _mean_and_error(high - low)
        assert mean > -SIGMAS * error - 1e-9, f"a looser bound is {-mean} nats above a tighter one or the truth"


def _mean_and_error(gaps: Tensor) -> tuple[float, float]:
    return float(gaps.mean()), float(gaps.std()) / len(gaps) ** 0.5


# 13, 14. Objectives


def objectives_reach_their_parameters(
    model: Any, x: Tensor, context: Tensor | None, shared: tuple[str, ...] = (), idle: tuple[str, ...] = ()
) -> None:
    """Each reaches each of its parameters and moves no other; each parameter belongs to one, unless it is shared.

    Idle ones, which nothing comes after, are reached by none.
    """
    covered: set[int] = set()
    before = {name: p.clone() for name, p in model.named_parameters()}
    for objective in model.objectives():
        model.zero_grad()
        loss = objective.loss(x, context, Noise(0))
        assert loss.shape == (len(x),), f"the {objective.name} loss has shape {tuple(loss.shape)}"
        assert bool(torch.isfinite(loss).all()), f"the {objective.name} loss is not finite"
        loss.mean().backward(inputs=objective.parameters)
        for name, p in model.named_parameters():
            own = any(p is q for q in objective.parameters) and name not in idle
            moved = p.grad is not None and bool((p.grad != 0).any())
            assert moved == own, f"the {objective.name} loss {'misses' if own else 'moves'} {name}"
            assert torch.equal(p, before[name]), f"the {objective.name} loss changed {name} by itself"
            taken = own and id(p) in covered and not name.startswith(shared or ("\0",))
            assert not taken, f"the {objective.name} loss moves {name}, which another objective moves"
        covered |= {id(p) for p in objective.parameters}
    missed = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in covered]
    assert not missed, f"no objective trains {missed}"


def losses_stand_alone(model: Any, x: Tensor, context: Tensor | None) -> None:
    """In evaluation mode the loss of an example does not depend on the rest of the batch."""
    model.eval()
    for objective in model.objectives():
        whole = objective.loss(x, context, Noise(3)).detach()
        for start, stop in ((0, 1), (2, 5)):
            part = None if context is None else context[start:stop]
            alone = objective.loss(x[start:stop], part, Noise(3).rows(start)).detach()
            same(alone, whole[start:stop], f"the {objective.name} loss of an example depends on the batch")


def evaluation_changes_nothing(model: Any, x: Tensor, context: Tensor | None, sampling: dict[str, Any]) -> None:
    """Losses in evaluation mode change no weight and no buffer and repeat under the same noise; nor do scores."""
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.eval()
    if isinstance(model, Trained):
        for objective in model.objectives():
            first, second = (objective.loss(x, context, Noise(2)) for _ in range(2))
            assert torch.equal(first, second), f"the {objective.name} loss does not repeat under the same noise"
    for answer in answers(model, sampling).values():
        answer(x, context, Noise(2))
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), f"evaluation changed {key}"


def chunks_change_nothing(model: Any, x: Tensor, context: Tensor | None, sampling: dict[str, Any]) -> None:
    """Scores, samples and codes are the same when work is cut into chunks of a few rows."""

    def work() -> list[Tensor]:
        return [answer(x, context, Noise(2)).detach() for answer in answers(model, sampling).values()]

    whole = work()
    with pytest.MonkeyPatch.context() as patch:
        for name, size in CHUNKS.items():
            patch.setattr(f"ptheta.{name}", size)
        for cut, want in zip(work(), whole, strict=True):
            same(cut, want, "the size of a chunk changes scores, samples or codes")


# 15. Learning


def learns(model: Any, data: Dataset, log_law: Callable[[Tensor, Tensor | None], Tensor], gap: float) -> None:
    """A fitted model's score, exact or a bound, comes within ``gap`` nats of the law of its data, on fresh events."""
    x, c = data.test.x, data.test.context
    score = tight_log_prob(model) or (lambda x, c, noise: model.elbo(x, c, draws=20, noise=noise))
    behind = float((log_law(x, c) - score(x, c, Noise(0)).detach()).mean())
    assert behind < gap, f"the model is {behind} nats behind the law of its data"


def samples_come_near(
    model: Any, log_law: Callable[[Tensor, Tensor | None], Tensor], distance: float, sampling: dict[str, Any]
) -> None:
    """Samples of a fitted model come near the law of its data, in total variation over every state."""
    for context in contexts(model):
        x = states(model.space)
        law = log_law(x, repeated(context, len(x))).exp()
        drawn = model.sample(DRAWS, repeated(context, DRAWS), noise=Noise(1), **sampling)
        counts = torch.bincount(state_index(model.space, drawn), minlength=len(x)).double()
        found = float((counts / DRAWS - law).abs().sum()) / 2
        assert found < distance, f"samples are {found} in total variation from the law of the data"


# 16. Saving


def saving_restores(model: Any, other: Any, data: Dataset, folder: Path, sampling: dict[str, Any]) -> None:
    """A run on disk, opened into a fresh model, has identical scores, samples and codes."""
    save_run(model, data, folder / "run")
    opened: Any = open_run(folder / "run", model=other).model
    x, c = data.train.x[:8], data.train.context
    c = None if c is None else c[:8]
    for name, answer in answers(model, sampling).items():
        again = answers(opened, sampling)[name](x, c, Noise(1))
        assert torch.equal(answer(x, c, Noise(1)), again), f"{name} changed on disk"


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
    if isinstance(model, Distribution):
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
