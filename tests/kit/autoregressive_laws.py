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
