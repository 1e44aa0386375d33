"""EoNADE: the loss is the mean over orders, the score a mixture of orders, both by enumeration."""

import itertools
import math
import warnings

import pytest
import torch

import autoregressive_laws as laws
from ptheta.autoregressive import EoNADE
from ptheta.noise import Noise
from ptheta.recipes import autoregressive as recipes
from ptheta.spaces import Binary, Classes, Levels, Real, Symbols

SPACES = [Binary((2, 2)), Levels((4,), 3), Symbols((4,), 3), Real((4,), scale=(2.0, 1.0, 0.5, 3.0))]


def rough(space=SPACES[0], scale=0.6, **options):
    return laws.roughen(EoNADE(space, **{"hidden": (6, 5), "orders": 3, **options}), scale=scale).eval()


def events(model, n=6):
    return model.sample(n, None if model.context_space is None else torch.arange(n) % 2, noise=Noise(7))


def subsets(d):
    """Every set of fewer than d known variables as a mask, and how often a random order at a random place knows it."""
    for size in range(d):
        for chosen in itertools.combinations(range(d), size):
            yield torch.tensor([i in chosen for i in range(d)]), 1 / (d * math.comb(d, size))


def by_the_chain_rule(model, x, order, context=None):
    """log p_o(x), with one whole pass for every variable."""
    cells, known, total = model.space.cells(x), torch.zeros(len(x), 4, dtype=torch.bool), -model.space.log_volume
    for i in order:
        total = total + model.head.log_prob(model.conditionals(cells, known, context), cells)[:, i]
        known[:, i] = True
    return total


# The loss


def mean_loss(model, x, weighted=True):
    """The expectation of the loss over what is known, by enumeration."""
    total = 0
    for known, p in subsets(4):
        factor = 1.0 if weighted else float((~known).sum()) / 4  # what the loss multiplies by, undone
        total = total + p * factor * model.open_loss(x, known.expand(len(x), -1))
    return total


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_expected_loss_is_the_mean_over_all_orders(space):
    model = rough(space)
    x = events(model)
    orders = list(itertools.permutations(range(4)))
    exact = -torch.stack([by_the_chain_rule(model, x, order) for order in orders]).mean(0)
    torch.testing.assert_close(mean_loss(model, x), exact, rtol=0, atol=1e-10)
    unweighted = mean_loss(model, x, weighted=False)  # the broken twin
    assert float((unweighted - exact).detach().abs().min()) > 1e-3


def test_what_is_known_follows_its_law():
    model, n = rough(), 20_000
    known = model.known(n, Noise(0))
    index = (known.long() * torch.tensor([8, 4, 2, 1])).sum(1)
    masks, p = zip(*subsets(4), strict=True)
    probabilities = torch.zeros(16, dtype=torch.float64)
    for mask, mass in zip(masks, p, strict=True):
        probabilities[int((mask.long() * torch.tensor([8, 4, 2, 1])).sum())] = mass
    laws.frequencies_agree(index, probabilities, lambda i: i)
    fair = torch.full((16,), 1 / 15, dtype=torch.float64)  # every subset alike: not how orders know
    fair[15] = 0
    with pytest.raises(AssertionError, match="disagree"):
        laws.frequencies_agree(index, fair, lambda i: i)


def test_the_loss_of_an_event_does_not_depend_on_the_others():
    model = rough()
    x = events(model)
    whole = model.loss(x, None, Noise(3))
    torch.testing.assert_close(model.loss(x[4:], None, Noise(3).rows(4)), whole[4:], rtol=0, atol=1e-12)


# The score


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("hidden", [(6,), (6, 5, 4)])
def test_the_score_is_the_mixture_written_out(space, hidden, monkeypatch):
    model = rough(space, hidden=hidden, context_space=Classes(2))
    x, c = events(model), torch.arange(6) % 2
    parts = torch.stack([by_the_chain_rule(model, x, order, c) for order in model.orders.tolist()])
    torch.testing.assert_close(model.order_log_probs(x, c), parts, rtol=0, atol=1e-10)
    torch.testing.assert_close(model.log_prob(x, c), parts.exp().mean(0).log(), rtol=0, atol=1e-10)
    monkeypatch.setattr("ptheta.autoregressive.eonade.SCORED_NUMBERS", 2 * 3 * 6)  # two events at a time
    torch.testing.assert_close(model.log_prob(x, c), parts.exp().mean(0).log(), rtol=0, atol=1e-10)


def test_other_averages_are_rejected():
    model = rough()
    laws.normalised(model.log_prob, SPACES[0])
    with pytest.raises(AssertionError, match=r"sum to 3\.0"):  # without log K
        laws.normalised(lambda x: model.order_log_probs(x).logsumexp(0), SPACES[0])
    with pytest.raises(AssertionError, match=r"sum to 0\."):  # logs averaged: no distribution, and below the mixture
        laws.normalised(lambda x: model.order_log_probs(x).mean(0), SPACES[0])
    x = laws.states(SPACES[0])
    assert bool((model.order_log_probs(x).mean(0) < model.log_prob(x)).all())


def test_orders_are_no_weights():
    few, many = rough(orders=2), rough(orders=6)
    assert torch.equal(few.orders, many.orders[:2])
    assert "orders" not in few.state_dict()
    many.load_state_dict(few.state_dict())
    x = laws.states(SPACES[0])
    torch.testing.assert_close(many.order_log_probs(x)[:2], few.order_log_probs(x))
    assert not torch.equal(EoNADE(SPACES[0], orders=2, order_seed=1).orders, few.orders)


# Samples and completions


@pytest.mark.filterwarnings("ignore:.*filled in under one of the orders")
@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_both_methods_draw_the_same_events(space, temperature):
    model, c = rough(space, context_space=Classes(2)), torch.arange(150) % 2
    naive, cached = (
        model.sample(150, c, noise=Noise(2), temperature=temperature, method=method) for method in ("naive", "cached")
    )
    torch.testing.assert_close(cached, naive, rtol=1e-9, atol=1e-9)
    mask = torch.rand(naive.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    naive_filled, filled = (
        model.complete(naive, mask, c, noise=Noise(3), temperature=temperature, method=method)
        for method in ("naive", "cached")
    )
    torch.testing.assert_close(filled, naive_filled, rtol=1e-9, atol=1e-9)
    assert torch.equal(filled[mask], naive[mask])


def completion_law(model, x, known, orders):
    """The mixture of p_o(open | known) over orders, each with the known variables moved to the front."""
    log_p = []
    for order in orders:
        first = sorted(order, key=lambda i: not known[i])
        cells, seen, total = x.flatten(1), torch.zeros(len(x), 4, dtype=torch.bool), 0
        for i in first:
            if not known[i]:
                total = total + model.head.log_prob(model.conditionals(cells, seen), cells)[:, i]
            seen[:, i] = True
        log_p.append(total)
    return torch.stack(log_p).exp().mean(0).detach()


def test_completions_follow_the_law_they_promise():
    model, n = rough(scale=1.2), 5000
    known = torch.tensor([False, True, False, False])
    x = torch.tensor([[1, 1], [0, 0]], dtype=torch.uint8).expand(n, -1, -1)
    with pytest.warns(UserWarning, match="5000 of 5000 events are filled in .* not the conditional of log_prob"):
        filled = model.complete(x, known.view(2, 2).expand(n, -1, -1), noise=Noise(0))
    states = laws.states(SPACES[0])
    expected = completion_law(model, states, known, model.orders.tolist()) * (states.flatten(1)[:, 1] == 1)
    assert float(expected.sum()) == pytest.approx(1, abs=1e-10)
    laws.frequencies_agree(filled, expected, laws.state_index(SPACES[0]))
    blind = model.log_prob(states).exp() * (states.flatten(1)[:, 1] == 1)
    with pytest.raises(AssertionError, match="disagree"):  # the conditional of the mixture is another law
        laws.frequencies_agree(filled, blind / blind.sum(), laws.state_index(SPACES[0]))


def test_nothing_known_is_a_sample_and_all_known_is_the_event():
    model = rough()
    x = events(model, 40)
    none = torch.zeros_like(x, dtype=torch.bool)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # these are exact
        model.complete(x, none, noise=Noise(2))
    assert torch.equal(model.complete(x, none, noise=Noise(2)), model.sample(40, noise=Noise(2)))
    assert torch.equal(model.complete(x, ~none, noise=Noise(2)), x)


def test_cold_events_are_likelier():
    model = rough()
    warm, cold = (model.sample(1000, noise=Noise(0), temperature=t) for t in (1.0, 0.3))
    assert model.log_prob(cold).mean() > model.log_prob(warm).mean() + 0.2


# The rest


def test_bad_calls_are_refused():
    model = rough()
    x = events(model)
    with pytest.raises(ValueError, match="cached or naive, but it is 'fixed-point'"):
        model.sample(2, method="fixed-point")
    with pytest.raises(ValueError, match=r"mask should be torch.bool with shape \(6, 2, 2\)"):
        model.complete(x, torch.ones(6, 4, dtype=torch.bool))
    for options in ({"hidden": ()}, {"hidden": (4, 0)}, {"orders": 0}):
        with pytest.raises(ValueError, match="EoNADE needs hidden layers and an order"):
            EoNADE(SPACES[0], **options)


@pytest.mark.parametrize("space", [*SPACES, Levels((2,), 40), Binary((1, 28, 28))], ids=str)
def test_the_recipe_fits_every_space(space):
    recipe = recipes.eonade(space, hidden=(8,), orders=2)
    assert recipe.model.log_prob(recipe.model.sample(2, noise=Noise(0))).shape == (2,)
    assert recipe.training["epochs"] > 0


def test_one_variable_has_one_order():
    model, x = rough(Binary((1,))), laws.states(Binary((1,)))
    laws.normalised(model.log_prob, Binary((1,)))
    torch.testing.assert_close(model.loss(x, None, Noise(0)), -model.log_prob(x))
