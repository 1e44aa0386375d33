"""Laws of autoregressive models. Each is a function that asserts; each is seen to fail on a broken twin.

Statistical laws fix their seed and would raise a false alarm once in a thousand seeds.
"""

import itertools
from collections.abc import Callable

import torch
from scipy import stats
from torch import Tensor, nn

from ptheta.autoregressive import Autoregressive
from ptheta.noise import Noise
from ptheta.spaces import Space

FALSE_ALARM = 1e-3


def roughen(model: Autoregressive, seed: int = 0, scale: float = 0.7) -> Autoregressive:
    """The model in float64 with random weights everywhere, so that no term is zero by accident."""
    generator = torch.Generator().manual_seed(seed)
    model.double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return model


def states(space: Space) -> Tensor:
    """Every event of a small discrete space."""
    rows = itertools.product(range(space.n), repeat=space.dimensions)
    return torch.tensor(list(rows)).to(space.dtype).reshape(-1, *space.shape)


def normalised(log_prob: Callable[[Tensor], Tensor], space: Space) -> None:
    """Probabilities over every state sum to one."""
    total = log_prob(states(space)).detach().exp().sum()
    assert abs(float(total) - 1) < 1e-10, f"probabilities sum to {float(total)}"


def frequencies_agree(x: Tensor, probabilities: Tensor, index: Callable[[Tensor], Tensor]) -> None:
    """Chi-square of sampled states against their probabilities; states expected less than 5 times are pooled."""
    counts = torch.bincount(index(x), minlength=len(probabilities)).double()
    expected = probabilities.detach() * len(x)
    rare = expected < 5
    counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
    expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    counts, expected = (counts[:-1], expected[:-1]) if expected[-1] == 0 else (counts, expected)
    p = float(stats.chisquare(counts.numpy(), expected.numpy() * counts.sum().item() / expected.sum().item()).pvalue)
    assert p > FALSE_ALARM, f"samples disagree with their probabilities: p = {p}"


def state_index(space: Space) -> Callable[[Tensor], Tensor]:
    """The place of an event in ``states``."""
    powers = space.n ** torch.arange(space.dimensions - 1, -1, -1)
    return lambda x: (x.flatten(1).long() * powers).sum(1)


def causal(conditionals: Callable[[Tensor], Tensor], cells: Tensor, changed: Tensor) -> None:
    """Changing variable j changes no parameter of variables up to j, bit for bit, and some of each later one."""
    base = conditionals(cells)
    for j in range(cells.shape[1]):
        other = cells.clone()
        other[:, j] = changed[:, j]
        moved = (conditionals(other) != base).flatten(2).any(2).any(0)
        assert not moved[: j + 1].any(), f"variable {j} leaks into {moved[: j + 1].nonzero().flatten().tolist()}"
        assert moved[j + 1 :].all(), f"variable {j} does not reach {(~moved[j + 1 :]).nonzero().flatten().tolist()}"


def rows_stand_alone(sample: Callable[[int, Noise], Tensor], many: int) -> None:
    """The same noise gives the same events, and event i does not depend on how many are drawn."""
    x = sample(many, Noise(5))
    torch.testing.assert_close(x, sample(many, Noise(5)), rtol=0, atol=0)
    torch.testing.assert_close(x[:7], sample(7, Noise(5)), rtol=1e-9, atol=1e-9)
    assert not torch.equal(x, sample(many, Noise(6)))
    assert not x.requires_grad


def trains_cleanly(model: Autoregressive, x: Tensor, context: Tensor | None = None) -> None:
    """The objective reaches each parameter, and a loss changes no buffer."""
    (objective,) = model.objectives()
    before = {name: b.clone() for name, b in model.named_buffers()}
    model.zero_grad()
    loss = objective.loss(x, context, Noise(0))
    assert loss.shape == (len(x),)
    loss.mean().backward(inputs=objective.parameters)
    assert set(objective.parameters) == set(model.parameters())
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().sum() > 0, f"the loss does not reach {name}"
    for name, b in model.named_buffers():
        assert torch.equal(b, before[name]), f"the loss changed {name}"


def kept_for_backward(function: Callable[[], Tensor], parameters: list[nn.Parameter]) -> int:
    """How many bytes a forward pass keeps for the backward one, parameters aside."""
    own, kept = {p.untyped_storage().data_ptr() for p in parameters}, {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        result = function()
    assert result.requires_grad
    return sum(kept.values())


def empirical_fit(model: Autoregressive, x: Tensor, weights: Tensor, steps: int, learning_rate: float) -> float:
    """Trains on all states weighted by their probabilities; returns the divergence from them in nats."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        (weights * model.loss(x, None, Noise(0))).sum().backward()
        optimizer.step()
    with torch.no_grad():
        return float((weights * (weights.log() - model.log_prob(x))).sum())
