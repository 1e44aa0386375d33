"""Tables, chains, trees, uniforms and Gaussians: counts of parameters, closed forms against oracles, refusals.

The general laws (normalisation, samples, saving, ...) run over these models in test_laws.py. Statistical tests fix
their seed; a correct model would fail one in a thousand seeds.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.metrics import mutual_info_score
from torch import Tensor

import laws
import ptheta
from ptheta.data.dataset import Events
from ptheta.distributions import (
    ARTable,
    ChowLiu,
    FullTable,
    Gaussian,
    Independent,
    Markov,
    Uniform,
    causal_neighbours,
    prefix_neighbours,
)
from ptheta.distributions.chow_liu import maximum_spanning_tree, mutual_information
from ptheta.distributions.tables import free_parameters
from ptheta.noise import Noise
from ptheta.spaces import Binary, Classes, Levels, Real, Symbols

SIGMAS = 3.29  # a normal deviates further once in a thousand times


def coins(n: int, d: int, values: int = 2, seed: int = 0) -> Tensor:
    """Dependent random cells: each variable repeats the one before it or is drawn afresh, the first is skewed."""
    u = Noise(seed).uniform((n, d, 2), "coins").double()
    cells = (u[..., 0] * values).long()
    cells[:, 0] = (u[:, 0, 0] ** 2 * values).long()
    for i in range(1, d):
        cells[:, i] = torch.where(u[:, i, 1] < 0.6, cells[:, i - 1], cells[:, i])
    return cells


# Claim 6: numbers of parameters


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (Independent(Symbols((), 6)), 5),  # m categories: m - 1
        (Independent(Binary((784,))), 784),
        (Markov(Binary((784,))), 2 * 784 - 1),
        (ChowLiu(Binary((784,))), 2 * 784 - 1),
        (ARTable(Binary((784,)), prefix_neighbours(784, 0)), 784),
        (ARTable(Binary((784,)), prefix_neighbours(784, 8)), 198_911),
        (ARTable(Binary((6,)), prefix_neighbours(6, 5)), 2**6 - 1),
        (FullTable(Binary((10,))), 2**10 - 1),
        (FullTable(Levels((3,), 5)), 5**3 - 1),
        (Markov(Levels((4,), 5)), 4 + 3 * 5 * 4),
        (Markov(Symbols((4,), 5), context_space=Classes(3)), 3 * (4 + 3 * 5 * 4)),
        (Uniform(Binary((9,))), 0),
        (Gaussian(Real((4,))), 4 + 10),
    ],
)
def test_numbers_of_parameters(model, count):
    assert model.n_parameters == count


def test_one_table_of_an_rgb_pixel_has_sixteen_million_parameters():
    assert free_parameters(torch.zeros(1, 0), 256**3) == 256**3 - 1 == 16_777_215


def test_parameters_are_the_entries_that_counting_can_move():
    x = torch.tensor(list(itertools.product(range(3), repeat=3))).to(torch.uint8)
    for model in (Markov(Levels((3,), 3)), Independent(Levels((3,), 3))):
        model.fit(x[:1])
        before = model.log_p.clone()
        moved = torch.zeros_like(before, dtype=torch.bool)
        for row in x:
            moved |= model.fit(row[None]).log_p != before
        rows = moved.any(-1).sum()  # each row of K numbers has K - 1 free ones
        assert int(rows) * 2 == model.n_parameters


# Claim 8: the bias of maximum likelihood. One class is one experiment, so one fit makes them all.


def test_the_largest_value_underestimates_the_end_of_a_uniform():
    n, experiments = 4, 2000
    x = Noise(0).uniform((n * experiments, 1), "x").float()
    c = torch.arange(experiments).repeat_interleave(n)
    model = Uniform(Real((1,)), context_space=Classes(experiments), low=0.0)
    model.fit(Events(x, c))
    error = math.sqrt(n / ((n + 1) ** 2 * (n + 2)) / experiments)
    assert abs(model.high.mean().item() - n / (n + 1)) < SIGMAS * error
    assert abs(model.high.mean().item() - 1) > 10 * error  # the twin: an unbiased estimate
    assert model.low.abs().max() == 0


@pytest.mark.parametrize(("correction", "expected"), [(0, 3 / 4), (1, 1.0)])
def test_the_fitted_variance_is_too_small_by_n_minus_one_over_n(correction, expected):
    n, experiments = 4, 2000
    x = Noise(1).normal((n * experiments, 1), "x")
    c = torch.arange(experiments).repeat_interleave(n)
    model = Gaussian(Real((1,)), context_space=Classes(experiments), correction=correction, floor=0.0)
    variance = model.fit(Events(x, c)).factor.square()
    error = expected * math.sqrt(2 / (n - 1) / experiments)
    assert abs(variance.mean().item() - expected) < SIGMAS * error


# Closed forms against oracles


def test_uniform_over_states_and_over_the_box():
    assert Uniform(Levels((3,), 4)).log_prob(torch.zeros(1, 3).byte()).item() == pytest.approx(-3 * math.log(4))
    x = torch.tensor([[1.0, 5.0], [3.0, 9.0]])
    model = Uniform(Real((2,), mean=(1.0, 2.0), scale=(3.0, 4.0))).fit(x)
    inside, outside = torch.tensor([[2.0, 6.0]]), torch.tensor([[2.0, 9.5]])
    assert model.log_prob(inside).exp().item() == pytest.approx(1 / 8)
    assert model.log_prob(outside).item() == -math.inf


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_gaussian_agrees_with_scipy(covariance):
    x = (Noise(0).normal((50, 3), "x").double() @ torch.tensor([[1.0, 2, 0], [0, 1, 1], [0, 0, 3]]).double()) * 7 + 100
    model = Gaussian(Real.standardising(x), covariance=covariance, floor=0.0).fit(x)
    cov = np.cov(x.numpy().T, bias=True)
    cov = cov if covariance == "full" else np.diag(np.diag(cov))
    expected = stats.multivariate_normal(x.mean(0).numpy(), cov).logpdf(x.numpy())
    np.testing.assert_allclose(model.log_prob(x).numpy(), expected, rtol=1e-9)


def test_independent_frequencies():
    x = coins(100, 4, values=3)
    model = Independent(Symbols((4,), 3), smoothing=0).fit(x)
    for i in range(4):
        expected = torch.bincount(x[:, i], minlength=3) / 100
        torch.testing.assert_close(model.log_p[0, i, 0].exp(), expected.double(), rtol=0, atol=1e-7)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_markov_is_the_product_of_its_transitions(order):
    x = coins(200, 4, values=3)
    model = Markov(Symbols((4,), 3), order=order, smoothing=0.5).fit(x)
    for event in x[:10]:
        first = order[0]
        p = (float((x[:, first] == event[first]).sum()) + 0.5) / (200 + 1.5)
        for before, i in itertools.pairwise(order):
            seen = x[x[:, before] == event[before]]
            p *= (float((seen[:, i] == event[i]).sum()) + 0.5) / (len(seen) + 1.5)
        assert model.log_prob(event[None]).exp().item() == pytest.approx(p, rel=1e-9)


def backed_off_by_hand(x: Tensor, event: Tensor, i: int, parents: list[int], values: int, b: float) -> float:
    """The recursion of the module docstring, one event at a time."""
    if parents:
        shorter = backed_off_by_hand(x, event, i, parents[:-1], values, b)
    else:
        shorter = 1 / values
    seen = x[(x[:, parents] == event[parents]).all(1)]
    return (float((seen[:, i] == event[i]).sum()) + b * values * shorter) / (len(seen) + b * values)


def test_back_off_is_the_recursion():
    x, b = coins(60, 5, values=3), 0.7
    neighbours = prefix_neighbours(5, 3)
    model = ARTable(Symbols((5,), 3), neighbours, backoff=b).fit(x)
    for event in coins(5, 5, values=3, seed=1):
        p = 1.0
        for i in range(5):
            parents = [j for j in neighbours[i].tolist() if j >= 0]
            p *= backed_off_by_hand(x, event, i, parents, 3, b)
        assert model.log_prob(event[None]).exp().item() == pytest.approx(p, rel=1e-9)


def test_all_parents_without_back_off_are_the_full_table():
    x = coins(500, 4).to(torch.uint8)
    chained = ARTable(Binary((4,)), prefix_neighbours(4, 3), backoff=1e-12).fit(x)
    joint = FullTable(Binary((4,)), smoothing=0).fit(x)
    torch.testing.assert_close(chained.log_prob(x), joint.log_prob(x), rtol=0, atol=1e-9)


def test_a_completion_that_forgets_what_is_known_later_is_rejected():
    model = Markov(Binary((6,)), smoothing=0.1).fit(torch.tensor([[0] * 6, [1] * 6]).byte().repeat(50, 1))
    x, backwards = torch.ones(1, 6, dtype=torch.uint8), [5, 4, 3, 2, 1, 0]
    laws.completions_follow_the_conditional(model, x, None, backwards, {})

    def forwards(x, mask, context=None, *, noise):
        cells = model.sample(len(x), noise=noise)
        return torch.where(mask, x, cells)

    twin = Markov(Binary((6,)), smoothing=0.1).fit(torch.tensor([[0] * 6, [1] * 6]).byte().repeat(50, 1))
    object.__setattr__(twin, "complete", forwards)
    with pytest.raises(AssertionError, match="samples disagree"):
        laws.completions_follow_the_conditional(twin, x, None, backwards, {})


@pytest.mark.parametrize("make", [Markov, ChowLiu, FullTable, Independent])
def test_a_tempered_completion_follows_the_power_of_the_conditional(make):
    space, n = Levels((3,), 3), 4000
    model = make(space).fit(torch.tensor([[0, 1, 2], [0, 0, 2], [1, 1, 1], [2, 1, 0], [2, 2, 0]]).byte().repeat(9, 1))
    x, mask = torch.tensor([[0, 0, 2]]).byte().expand(n, -1), torch.tensor([[False, False, True]]).expand(n, -1)
    states = laws.states(space)
    p = (model.log_prob(states) / 0.5).exp() * (states[:, 2] == 2)
    drawn = model.complete(x, mask, noise=Noise(0), temperature=0.5)
    laws.agree(torch.bincount(laws.state_index(space, drawn), minlength=27).double(), p * n / p.sum())


@pytest.mark.parametrize("make", [Markov, ChowLiu, FullTable])
def test_a_condition_that_never_comes_is_refused(make):
    model = make(Binary((3,)), smoothing=0).fit(torch.tensor([[0, 0, 0], [0, 0, 0]]).byte())
    with pytest.raises(ValueError, match="what is known has probability zero"):
        model.complete(torch.ones(2, 3).byte(), torch.tensor([[False, False, True]] * 2), noise=Noise(0))


def test_the_order_changes_the_model_as_a_permutation_of_the_data_does():
    x, order = coins(300, 5).to(torch.uint8), [3, 1, 4, 0, 2]
    ordered = ARTable(Binary((5,)), prefix_neighbours(5, 2, order), order=order).fit(x)
    plain = ARTable(Binary((5,)), prefix_neighbours(5, 2)).fit(x)
    permuted = ARTable(Binary((5,)), prefix_neighbours(5, 2)).fit(x[:, order])
    torch.testing.assert_close(ordered.log_prob(x), permuted.log_prob(x[:, order]))
    assert not torch.allclose(ordered.log_prob(x), plain.log_prob(x))


def test_neighbours():
    assert prefix_neighbours(4, 2).tolist() == [[-1, -1], [0, -1], [1, 0], [2, 1]]
    assert prefix_neighbours(3, 2, order=(2, 0, 1)).tolist() == [[2, -1], [0, 2], [-1, -1]]
    near = causal_neighbours((1, 4, 4), 4)
    assert near[10].tolist() == [9, 6, 7, 5]  # left, above, above right, above left
    assert near[0].tolist() == [-1] * 4 and near[3].tolist() == [2, 1, 0, -1]
    every = causal_neighbours((3, 5, 5), 6)
    assert bool((every < torch.arange(75)[:, None]).all())


def test_mutual_information_agrees_with_sklearn():
    x = coins(300, 4, values=3)
    ours = mutual_information(x, 3)
    for i, j in itertools.product(range(4), repeat=2):
        assert ours[i, j].item() == pytest.approx(mutual_info_score(x[:, i], x[:, j]), abs=1e-9)


def test_spanning_tree_agrees_with_scipy():
    w = Noise(0).uniform((12, 12), "w").double()
    w = w + w.T
    order, parents = maximum_spanning_tree(w)
    ours = sum(w[i, p].item() for i, p in enumerate(parents[:, 0].tolist()) if p >= 0)
    assert ours == pytest.approx(-minimum_spanning_tree(-w.triu(1).numpy()).sum(), abs=1e-9)
    place = {i: t for t, i in enumerate(order.tolist())}
    assert all(p < 0 or place[p] < place[i] for i, p in enumerate(parents[:, 0].tolist()))


def test_no_tree_beats_chow_liu():
    x = coins(200, 4).to(torch.uint8)[:, [2, 0, 3, 1]]
    best = ChowLiu(Binary((4,)), smoothing=0).fit(x).log_prob(x).mean().item()
    others = []
    for order in itertools.permutations(range(4)):
        for choice in itertools.product(*(range(t) for t in range(1, 4))):  # each parent among those before
            parents = torch.full((4, 1), -1)
            for t, s in enumerate(choice, start=1):
                parents[order[t], 0] = order[s]
            tree = ARTable(Binary((4,)), parents, order=order, backoff=1e-12).fit(x)
            others.append(tree.log_prob(x).mean().item())
    assert best == pytest.approx(max(others), abs=1e-8)
    assert best > min(others) + 0.01


# Claim 9: conditional independence, sometimes


def common_cause() -> FullTable:
    """Two coins that depend on a third and on nothing else."""
    p = torch.zeros(2, 2, 2, dtype=torch.float64)
    for a, b, c in itertools.product(range(2), repeat=3):
        heads = (0.9, 0.2)[c]
        p[a, b, c] = (0.3, 0.7)[c] * (heads if a else 1 - heads) * (heads if b else 1 - heads)
    return FullTable.of(Binary((3,)), p)


def test_a_common_cause_explains_a_dependence_away_and_xor_makes_one():
    cause = common_cause()
    assert not cause.are_independent(0, 1) and cause.are_independent(0, 1, given=[2])
    xor = FullTable.of(Binary((3,)), torch.tensor([1, 0, 0, 1, 0, 1, 1, 0]) / 4)
    assert all(xor.are_independent(a, b) for a, b in itertools.combinations(range(3), 2))
    assert xor.conditional_mutual_information(0, 1, given=[2]) == pytest.approx(math.log(2))


def test_marginals_conditionals_and_bayes_rule():
    p = torch.softmax(Noise(2).normal((24,), "p").double(), 0).reshape(2, 3, 4)
    mixed = FullTable.of(Levels((2,), 3), torch.softmax(Noise(3).normal((9,), "p").double(), 0))
    joint = mixed.probabilities[0]
    assert torch.allclose(mixed.marginal([1]).probabilities[0], joint.sum(0))
    assert torch.allclose(mixed.marginal([1, 0]).probabilities[0], joint.T)
    given = mixed.conditional({0: 2})
    assert torch.allclose(given.probabilities[0], joint[2] / joint[2].sum())
    assert given.space == Levels((1,), 3)
    prior, likelihood = joint.sum(1), joint / joint.sum(1, keepdim=True)
    posterior = prior * likelihood[:, 1] / (prior * likelihood[:, 1]).sum()
    assert torch.allclose(mixed.conditional({1: 1}).probabilities[0], posterior)
    assert mixed.entropy([0, 1]) == pytest.approx(stats.entropy(joint.flatten().numpy()))
    assert p.sum().item() == pytest.approx(1)


def test_the_g_test_raises_few_false_alarms_and_sees_dependence():
    truth = common_cause()
    p_values, linked = [], []
    for seed in range(200):  # with few events per cell the test is known to alarm a little too often
        table = FullTable(Binary((3,)), smoothing=0).fit(truth.sample(4000, noise=Noise(seed)))
        p_values.append(table.independence_p_value(0, 1, given=[2]))
        linked.append(table.independence_p_value(0, 1))
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert max(linked) < 1e-6


def test_the_g_test_agrees_with_scipy_for_three_values():
    x = coins(300, 3, 3)
    x[:, 2] = (3 * Noise(7).uniform((300,), "alone")).long()
    table = FullTable(Symbols((3,), 3), smoothing=0).fit(x)
    for a, b in ((0, 2), (0, 1)):
        counts = torch.zeros(3, 3).index_put((x[:, a], x[:, b]), torch.ones(300), accumulate=True)
        oracle = stats.chi2_contingency(counts.numpy(), correction=False, lambda_="log-likelihood")
        assert table.independence_p_value(a, b) == pytest.approx(oracle.pvalue, rel=1e-9)
    strata = [x[x[:, 2] == k] for k in range(3)]  # given x2: the statistics and the degrees of freedom add up
    counts = [torch.zeros(3, 3).index_put((s[:, 0], s[:, 1]), torch.ones(len(s)), accumulate=True) for s in strata]
    found = [stats.chi2_contingency(c.numpy(), correction=False, lambda_="log-likelihood") for c in counts]
    together = stats.chi2.sf(sum(f.statistic for f in found), sum(f.dof for f in found))
    assert table.independence_p_value(0, 1, given=[2]) == pytest.approx(together, rel=1e-9)


def test_states_never_seen_say_nothing():
    model = Markov(Symbols((2,), 3), smoothing=0).fit(torch.tensor([[0, 1], [0, 2], [1, 1]]))
    assert model.log_p[0, 1].exp()[2].tolist() == pytest.approx([1 / 3] * 3)
    assert model.log_p[0, 1].exp()[1].tolist() == [0, 1, 0]


def test_the_tree_of_several_classes_counts_each_as_often_as_it_comes():
    u = Noise(3).uniform((1000, 5), "tree")
    x = (u[:, :3] < 0.5).long()
    common = torch.arange(1000) < 900
    x[:, 1] = torch.where(common & (u[:, 3] < 0.8), x[:, 0], x[:, 1])  # in the common class 1 goes with 0 and 2 with 1
    x[:, 2] = torch.where(common & (u[:, 4] < 0.6), x[:, 1], x[:, 2])
    x[:, 2] = torch.where(common, x[:, 2], x[:, 0])  # in the rare one 2 is 0, and 1 goes alone
    model = ChowLiu(Binary((3,)), context_space=Classes(2)).fit(Events(x.byte(), (~common).long()))
    assert model.parents[:, 0].tolist() == [-1, 0, 1]


# Refusals


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FullTable(Binary((1, 28, 28))), r"Binary\(\(1, 28, 28\)\) has 2\^784 states"),
        (lambda: FullTable(Levels((10,), 4), context_space=Classes(10)), r"4\^10 states, times 10 classes"),
        (lambda: Markov(Levels((3, 32, 32), 256)), "Markov on .* would need a table of 201,326,592 numbers"),
        (lambda: ChowLiu(Levels((1, 28, 28), 256)), "joint table of each pair"),
        (lambda: ChowLiu(Real((3,))), r"ChowLiu models events of .* but the space is Real"),
        (lambda: ARTable(Binary((784,)), prefix_neighbours(784, 20)), "Use fewer neighbours"),
        (lambda: ARTable(Binary((4,)), prefix_neighbours(5, 2)), r"shape \(4, k\)"),
        (lambda: ARTable(Binary((3,)), torch.tensor([[-1], [2], [0]])), "comes before its own"),
        (lambda: ARTable(Binary((2,)), torch.tensor([[-1, -1], [-1, 0]])), "should come last"),
        (lambda: ARTable(Binary((2,)), prefix_neighbours(2, 1), backoff=0), "backoff should be a positive"),
        (lambda: Markov(Binary((3,)), order=(0, 1, 1)), "each variable from 0 to 2 once"),
        (lambda: Independent(Binary((3,)), smoothing=-1), "smoothing should be"),
        (lambda: Independent(Binary((3,)), context_space=Real((2,))), "takes one class per event as context"),
        (lambda: Gaussian(Binary((3,))), r"Gaussian models events of Real spaces"),
        (lambda: Gaussian(Real((3,)), covariance="banded"), "covariance should be 'full' or 'diagonal'"),  # pyright: ignore
        (lambda: Uniform(Binary((3,)), low=0.0), "low is the known lower end on a Real space"),
        (lambda: Independent(Binary((1,))).fit(torch.zeros(2, 1).byte(), epochs=3), "not epochs"),
        (lambda: Uniform(Real((1,))).fit(torch.ones(3, 1)), "a variable is constant"),
        (lambda: Gaussian(Real((1,)), correction=1).fit(torch.ones(1, 1)), "at least 2 training events"),
        (lambda: Gaussian(Real((2,)), floor=0.0).fit(torch.ones(5, 2)), "a covariance is singular"),
        (
            lambda: Gaussian(Real((1,)), context_space=Classes(2)).fit(Events(torch.ones(3, 1), torch.ones(3).long())),
            "of each class, but class 0 has 0",
        ),
        (lambda: FullTable.of(Binary((2,)), torch.ones(4)), "4 probabilities that sum to one"),
        (lambda: common_cause().marginal([0, 3]), "different variables from 0 to 2"),
        (lambda: common_cause().are_independent(0, 1, given=[1]), "should be different variables"),
        (lambda: common_cause().independence_p_value(0, 1), "this table was fitted to none"),
        (lambda: FullTable(Binary((2,)), context_space=Classes(2)).marginal([0]), r"holds p\(x \| class\)"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_condition_that_cannot_happen_is_refused():
    never = FullTable.of(Binary((2,)), torch.tensor([0.5, 0.5, 0, 0]))
    with pytest.raises(ValueError, match="has probability zero"):
        never.conditional({0: 1})
    assert never.conditional({0: 0}).probabilities[0].tolist() == [0.5, 0.5]
    assert bool((never.sample(200, noise=Noise(0))[:, 0] == 0).all())


# Numbers of real data


@pytest.mark.usefixtures("real_data")
@pytest.mark.parametrize(
    ("data", "model", "expected"),
    [
        ("dna", lambda s: Independent(s, smoothing=0.5), 100.39),
        ("dna", lambda s: Markov(s, smoothing=0.5), 89.88),
        ("dna", lambda s: ChowLiu(s, smoothing=0.5), 87.76),
        ("dna", lambda s: ARTable(s, prefix_neighbours(180, 4)), 80.16),
        ("mushrooms", lambda s: ChowLiu(s, smoothing=0.5), 20.98),
        ("nips", lambda s: ChowLiu(s, smoothing=0.5), 281.12),
        ("binarized-mnist", Independent, 205.79),
        ("binarized-mnist", Markov, 145.35),
    ],
)
def test_anchors(data, model, expected):
    events = ptheta.load(data)
    fitted = model(events.space).fit(events)
    assert -fitted.log_prob(events.test.x).mean().item() == pytest.approx(expected, abs=0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("real_data")
def test_slower_anchors():
    data = ptheta.load("binarized-mnist")
    for model, expected, within in (
        (ChowLiu(data.space), 134.99, 0.02),
        (ARTable(data.space, prefix_neighbours(784, 8)), 138.75, 0.5),
        (ARTable(data.space, causal_neighbours((1, 28, 28), 10)), 97.46, 0.05),
    ):
        model.fit(data)
        assert -model.log_prob(data.test.x).mean().item() == pytest.approx(expected, abs=within)


@pytest.mark.usefixtures("real_data")
def test_the_full_gaussian_on_red_wine():
    found = []
    for fold in range(1, 11):
        data = ptheta.load("red-wine", fold=fold)
        x = torch.cat([data.train.x, data.valid.x])
        space = Real.standardising(x)
        found.append(float(Gaussian(space).fit(x).log_prob(data.test.x).mean()) + space.log_volume)
    assert sum(found) / 10 == pytest.approx(-13.18, abs=0.02)  # of standardised data
