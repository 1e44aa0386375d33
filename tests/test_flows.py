"""What the table of laws does not say about flows: exact inverses, log determinants, who sees whom, cached inversion,
splines against an independent implementation, far-away events, masked perceptrons that unroll."""

import math
from typing import Any

import pytest
import torch
import zuko
from torch import Tensor

from ptheta.distributions import TrainedDequantized
from ptheta.flows import MAF, RealNVP, SplineFlow
from ptheta.flows.coupling import Coupling
from ptheta.flows.flow import Affine, Flow, LULinear, Monotone, Permutation
from ptheta.flows.maf import AutoregressiveBijection
from ptheta.flows.realnvp import FirstPart
from ptheta.flows.spline import RationalQuadratic
from ptheta.nn.masked import MaskedMLP
from ptheta.nn.mlp import MLP
from ptheta.nn.unrolled import Unrolled
from ptheta.noise import Noise, seeded
from ptheta.runs import build
from ptheta.spaces import Binary, Classes, Levels, Real

CLASSES = Classes(3)
SPACE = Real((5,), mean=(1.0, 0.0, -1.0, 2.0, 0.0), scale=(2.0, 1.0, 0.5, 1.0, 3.0))
FLOWS = {
    "RealNVP": lambda: RealNVP(SPACE, layers=5, hidden=(8,)),
    "RealNVP of a class": lambda: RealNVP(SPACE, layers=3, hidden=(8,), context_space=CLASSES),
    "RealNVP of images": lambda: RealNVP(Real((1, 8, 8)), layers=2, width=3, blocks=1),
    "RealNVP of colour images of a class": lambda: RealNVP(
        Real((3, 4, 4)), layers=1, width=3, blocks=1, context_space=CLASSES
    ),
    "RealNVP of odd images": lambda: RealNVP(Real((2, 5, 6)), layers=1, width=3, blocks=1),
    "MAF": lambda: MAF(SPACE, layers=3, hidden=(10, 10)),
    "MAF of a class": lambda: MAF(SPACE, layers=2, hidden=(10,), context_space=CLASSES),
    "MAF of a matrix": lambda: MAF(Real((2, 3)), layers=2, hidden=(12,)),
    "MAF of a number": lambda: MAF(Real(()), layers=2, hidden=(4,)),
    "MAF by fixed point": lambda: MAF(SPACE, layers=3, hidden=(10, 10), inversion="fixed-point"),
    "IAF": lambda: MAF(SPACE, layers=2, hidden=(10,), sees="noise"),
    "IAF of a class by fixed point": lambda: MAF(
        SPACE, layers=2, hidden=(10,), sees="noise", inversion="fixed-point", context_space=CLASSES
    ),
    "spline couplings": lambda: SplineFlow(SPACE, layers=5, hidden=(8,)),
    "spline couplings of a class": lambda: SplineFlow(SPACE, layers=3, hidden=(8,), context_space=CLASSES),
    "autoregressive splines": lambda: SplineFlow(SPACE, kind="autoregressive", layers=2, hidden=(10,), bins=5),
    "autoregressive splines of a class": lambda: SplineFlow(
        SPACE, kind="autoregressive", layers=2, hidden=(10,), context_space=CLASSES
    ),
}
every_flow = pytest.mark.parametrize("name", FLOWS)


def shaken(name: str, make: Any = None) -> Any:
    """The flow in float64, far enough from the identity that no term is zero by accident."""
    scale = 0.05 if "images" in name else 0.2
    with seeded(0):
        model = (make or FLOWS[name])().double()
    noise = Noise(1)
    with torch.no_grad():
        for key, p in model.named_parameters():
            p += scale * noise.normal(p.shape, key, like=p)
    return model.eval()


def events(model: Any, n: int) -> tuple[Tensor, Tensor | None]:
    """Events that spread beyond the splines' interval, and contexts."""
    d = model.space.dimensions
    cells = 2 * Noise(2).normal((n, d), "x", like=torch.zeros((), dtype=torch.float64))
    return model.space.events(cells), None if model.context_space is None else torch.arange(n) % 3


# The change of variables


@every_flow
def test_inverses_are_exact_both_ways(name):
    model = shaken(name)
    x, c = events(model, 20)
    cells = model.space.cells
    torch.testing.assert_close(cells(model.decode(model.encode(x, c), c)), cells(x), rtol=1e-9, atol=1e-9)
    z = Noise(3).normal((20, model.space.dimensions), "z", like=x)
    torch.testing.assert_close(model.encode(model.decode(z, c), c), z, rtol=1e-9, atol=1e-9)


def claimed_and_true_log_det(model: Flow, x: Tensor, c: Tensor | None, sign: float = 1.0) -> tuple[Tensor, Tensor]:
    """What the flow says its derivative does to volume, and what automatic differentiation says, with shape (B,)."""
    claimed, true = model.encode_and_log_det(x, c)[1], []
    for i in range(len(x)):
        one = None if c is None else c[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(lambda y, one=one: model.encode(y[None], one)[0], x[i])
        jacobian = jacobian.reshape(model.space.dimensions, -1)  # pyright: ignore[reportAttributeAccessIssue]
        true.append(torch.linalg.slogdet(jacobian)[1] + model.space.log_volume)
    return sign * claimed, torch.stack(true)


@every_flow
def test_log_determinants_are_those_of_the_jacobian(name):
    model = shaken(name)
    claimed, true = claimed_and_true_log_det(model, *events(model, 4))
    torch.testing.assert_close(claimed, true, rtol=1e-9, atol=1e-9)
    assert float(true.abs().max()) > 1e-2


def test_a_log_determinant_of_the_wrong_sign_is_seen():
    model = shaken("MAF")
    with pytest.raises(AssertionError):
        torch.testing.assert_close(*claimed_and_true_log_det(model, *events(model, 4), sign=-1.0))


@every_flow
def test_log_prob_is_the_change_of_variables(name):
    model = shaken(name)
    x, c = events(model, 6)
    z, log_det = model.encode_and_log_det(x, c)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(model.log_prob(x, c), normal + log_det - model.space.log_volume)


@pytest.mark.parametrize("kind", ["coupling", "autoregressive"])
def test_fresh_flows_are_near_the_noise(kind):
    with seeded(0):
        model = SplineFlow(Real((4,)), kind=kind, layers=1, hidden=(16,)).double()
    x, _ = events(model, 50)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1)
    assert float((model.log_prob(x) - normal).detach().abs().max()) < 0.5


@pytest.mark.parametrize("kind", ["affine", "spline"])
def test_mass_in_the_tails_is_counted(kind):
    line = Real((1,))
    with seeded(4):
        model = (
            MAF(line, hidden=(4,))
            if kind == "affine"
            else SplineFlow(line, kind="autoregressive", layers=2, hidden=(4,), bound=2.0)
        )
        model.double()
        with torch.no_grad():
            for p in model.parameters():
                p += 0.5 * torch.randn_like(p)
    x = torch.linspace(-15, 15, 150_001, dtype=torch.float64)[:, None]
    mass = model.log_prob(x).detach().exp() * 30 / 150_000
    assert abs(float(mass.sum()) - 1) < 1e-4
    assert float(mass[x.abs()[:, 0] > 2].sum()) > 0.01


# Who sees whom


def jacobian_of_parameters(net: MaskedMLP, d: int, features: int, context: Tensor | None = None) -> Tensor:
    """Which outputs of which variable see which variable, Boolean with shape (D, D)."""
    x = Noise(0).normal((1, d, features), "x", like=torch.zeros((), dtype=torch.float64))
    jacobian: Any = torch.autograd.functional.jacobian(lambda y: net(y, context)[0], x)  # (outputs, D, 1, D, features)
    return (jacobian != 0).any(-1)[:, :, 0].any(0)


@pytest.mark.parametrize(
    "settings",
    [
        {"features": 1, "outputs": 2, "hidden": (12, 12)},
        {"features": 3, "outputs": 1, "hidden": (7,), "context": 2},
        {"features": 2, "outputs": 4, "hidden": (3, 4), "direct": True, "context": 2},
        {"features": 1, "outputs": 1, "hidden": (), "direct": True},
    ],
)
def test_masked_perceptrons_see_all_before_and_nothing_else_and_unroll(settings):
    d, n = 6, 5
    with seeded(2):
        net = MaskedMLP(d, **settings, activation=torch.tanh).double()
    c = torch.randn(n, settings["context"], dtype=torch.float64) if "context" in settings else None
    before = torch.ones(d, d).tril(-1).bool()
    assert torch.equal(jacobian_of_parameters(net, d, settings["features"], None if c is None else c[:1]), before)
    x = Noise(1).normal((n, d, settings["features"]), "x", like=torch.zeros((), dtype=torch.float64))
    whole, gradients = net(x, c), []
    for keep_graph in (True, False):
        with torch.set_grad_enabled(keep_graph):
            steps, asked = Unrolled(net, n, c), []
            for i in range(d):
                asked.append(steps.ask())
                steps.tell(x[:, i].T)
        torch.testing.assert_close(torch.stack(asked).permute(2, 1, 0), whole, rtol=1e-12, atol=1e-12)
        if keep_graph:
            gradients = torch.autograd.grad(torch.stack(asked).square().sum(), list(net.parameters()))
    reference = torch.autograd.grad(whole.square().sum(), list(net.parameters()))
    for ours, theirs in zip(gradients, reference, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["MAF", "MAF of a class", "IAF", "autoregressive splines"])
def test_one_transform_has_a_triangular_jacobian(name):
    model = shaken(name)
    bijection = model.chain.steps[0]
    assert isinstance(bijection, AutoregressiveBijection)
    features = torch.zeros(1, 3, dtype=torch.float64) if model.context_space is not None else None
    x = Noise(5).normal((1, 5), "x", like=torch.zeros((), dtype=torch.float64))
    jacobian: Any = torch.autograd.functional.jacobian(lambda y: bijection(y, features)[0][0], x)
    assert torch.equal(jacobian[:, 0] != 0, torch.ones(5, 5).tril().bool())


# The slow side, the fast way


def one_pass_per_variable(bijection: AutoregressiveBijection, u: Tensor, context: Tensor | None) -> Tensor:
    """The slowest inversion: the whole network again for every variable."""
    inverse = bijection.monotone.inverse
    step = inverse if bijection.sees == "events" else lambda x, p: bijection.monotone.forward(x, p)[0]
    v = torch.zeros_like(u)
    for i in range(u.shape[1]):
        v[:, i] = step(u, bijection.net(v, context))[:, i]
    return v


@pytest.mark.parametrize("inversion", ["cached", "fixed-point"])
@pytest.mark.parametrize(
    "name", ["MAF", "MAF of a class", "IAF", "autoregressive splines", "autoregressive splines of a class"]
)
@torch.no_grad()
def test_fast_inversion_is_the_slow_one(name, inversion):
    model = shaken(name)
    features = torch.eye(3, dtype=torch.float64)[torch.arange(7) % 3] if model.context_space is not None else None
    for k, bijection in enumerate(step for step in model.chain.steps if isinstance(step, AutoregressiveBijection)):
        bijection.inversion = inversion
        u = 2 * Noise(k).normal((7, 5), "u", like=torch.zeros((), dtype=torch.float64))
        fast = bijection.inverse(u, features) if bijection.sees == "events" else bijection(u, features)[0]
        torch.testing.assert_close(fast, one_pass_per_variable(bijection, u, features), rtol=1e-12, atol=1e-12)


def test_cached_and_fixed_point_samples_are_the_same():
    cached, other = shaken("MAF"), shaken("MAF by fixed point")
    other.load_state_dict(cached.state_dict())
    ours, theirs = (model.sample(40, noise=Noise(7)) for model in (cached, other))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_an_iaf_trains_through_its_steps():
    """Gradients through the unrolled steps equal those through the fixed point, iterated to the end."""
    gradients = []
    for inversion in ("cached", "fixed-point"):
        model = shaken("IAF")
        for step in model.chain.steps:
            if isinstance(step, AutoregressiveBijection):
                step.inversion = inversion
        model.loss(events(model, 6)[0], None, Noise(0)).sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


# Splines


@pytest.mark.parametrize(("bins", "bound"), [(8, 4.0), (3, 1.5), (2, 3.0)])
def test_splines_agree_with_an_independent_implementation(bins, bound):
    spline = RationalQuadratic(bins, bound)
    noise, like = Noise(0), torch.zeros((), dtype=torch.float64)
    params = 1.5 * noise.normal((200, spline.width, 3), "params", like=like)
    x = 0.7 * bound * noise.normal((200, 3), "x", like=like)
    widths, heights, slopes = params.split((bins, bins, bins - 1), 1)
    knots = []
    for raw in (widths, heights):
        share = 1e-3 + (1 - 1e-3 * bins) * raw.softmax(1)
        knots.append(bound * (2 * torch.cat([torch.zeros(200, 1, 3), share.cumsum(1)], 1) - 1).movedim(1, -1))
    inner = (torch.nn.functional.softplus(math.log(2) * slopes) / math.log(2)).clamp(min=1e-3)
    one = torch.ones(200, 1, 3, dtype=torch.float64)
    other = zuko.transforms.MonotonicRQSTransform(torch.zeros(bins), torch.zeros(bins), torch.zeros(bins - 1), bound)
    other.horizontal, other.vertical = knots
    other.derivatives = torch.cat([one, inner, one], 1).movedim(1, -1)
    y, log_slope = spline.forward(x, params)
    torch.testing.assert_close(y, other(x), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_slope, other.log_abs_det_jacobian(x, y), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(spline.inverse(y, params), other.inv(y), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("monotone", [Affine(), RationalQuadratic(4, 2.0)], ids=["affine", "spline"])
def test_monotone_functions_rise_and_their_slopes_are_derivatives(monotone: Monotone):
    noise, like = Noise(1), torch.zeros((), dtype=torch.float64)
    params = noise.normal((1, monotone.width), "params", like=like).expand(2001, -1)
    x = torch.linspace(-4, 4, 2001, dtype=torch.float64).requires_grad_()
    y, log_slope = monotone.forward(x, params)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope.log(), log_slope, rtol=1e-9, atol=1e-9)
    assert bool((y.diff() > 0).all())
    torch.testing.assert_close(monotone.inverse(y, params), x, rtol=1e-9, atol=1e-9)


def test_splines_are_the_identity_outside_and_meet_it_smoothly():
    spline = RationalQuadratic(5, 2.0)
    params = Noise(3).normal((1, spline.width), "params", like=torch.zeros((), dtype=torch.float64)).expand(6, -1)
    x = torch.tensor([-1e4, -2.0, -2 + 1e-12, 2 - 1e-12, 2.0, 1e4], dtype=torch.float64)
    y, log_slope = spline.forward(x, params)
    torch.testing.assert_close(y, x, rtol=0, atol=1e-10)
    torch.testing.assert_close(log_slope, torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-7)


# The other steps


def test_permutations_and_linear_maps():
    x = Noise(0).normal((4, 5), "x", like=torch.zeros((), dtype=torch.float64))
    index = torch.tensor([3, 0, 4, 1, 2])
    z, log_det = Permutation(index)(x, None)
    assert torch.equal(z, x[:, index]) and torch.equal(log_det, torch.zeros(4, dtype=torch.float64))
    with seeded(0):
        linear = LULinear(5).double()
    assert torch.equal(linear(x, None)[0].sort(1).values, x.sort(1).values)  # a permutation at first
    with torch.no_grad():
        for p in linear.parameters():
            p += 0.3 * Noise(1).normal(p.shape, "p", like=p)
    z, log_det = linear(x, None)
    columns = linear(torch.eye(5, dtype=torch.float64), None)[0] - linear(x.new_zeros(1, 5), None)[0]
    torch.testing.assert_close(log_det, torch.linalg.slogdet(columns)[1].expand(4))
    torch.testing.assert_close(linear.inverse(z, None), x)


def test_image_scales_take_turns():
    model: Any = FLOWS["RealNVP of images"]()
    kinds = [type(step).__name__ for step in model.chain.steps]
    coupled = ["Permutation", "Coupling", "Coupling", "Permutation"]
    assert kinds == [*coupled, "Permutation", "Coupling", "Coupling", "FirstPart"]
    last = model.chain.steps[-1].chain.steps[-1]
    assert (model.chain.steps[-1].size, last.size) == (32, 16)  # 2 x 4 x 4, then 4 x 2 x 2
    assert [type(step).__name__ for step in last.chain.steps].count("Coupling") == 3


# Numbers as users have them


@pytest.mark.parametrize("name", [name for name in FLOWS if "number" not in name])
def test_far_events_have_finite_scores_in_float32(name):
    model = shaken(name).float()
    x, c = events(model, 6)
    for far in (1e4, -1e4):
        x = torch.full_like(x, far).float()
        assert bool(torch.isfinite(model.log_prob(x, c)).all())
        loss = model.loss(x, c, Noise(0)).mean()
        assert all(bool(torch.isfinite(g).all()) for g in torch.autograd.grad(loss, list(model.parameters())))


def test_temperature_scales_the_noise():
    model = shaken("MAF")
    cold = model.encode(model.sample(500, noise=Noise(0), temperature=0.5))
    torch.testing.assert_close(cold, 0.5 * model.encode(model.sample(500, noise=Noise(0))), rtol=1e-8, atol=1e-8)


def test_samples_are_drawn_in_chunks(monkeypatch):
    model = shaken("RealNVP of a class")
    whole = model.sample(11, torch.arange(11) % 3, noise=Noise(4))
    monkeypatch.setattr("ptheta.flows.flow.CHUNK", 20)  # four events at once
    pieces = model.sample(11, torch.arange(11) % 3, noise=Noise(4))
    torch.testing.assert_close(whole, pieces, rtol=1e-12, atol=1e-12)
    assert model.sample(0, torch.zeros(0, dtype=torch.int64), noise=Noise(0)).shape == (0, 5)


def test_bad_arguments_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"MAF models events of Real spaces, but the space is Binary"):
        MAF(Binary((3,)))
    with pytest.raises(ValueError, match="coupling needs two variables or more"):
        RealNVP(Real((1,)))
    with pytest.raises(ValueError, match="bins should be at least 2, but it is 1"):
        SplineFlow(Real((3,)), bins=1)


# Recipes


@pytest.mark.parametrize("recipe", ["realnvp", "maf", "iaf", "spline-flow"])
@pytest.mark.parametrize("space", [Real((3,)), Real((1,)), Levels((1, 8, 8), 17), Binary((2, 3))], ids=str)
def test_recipes_build_for_every_space(recipe, space):
    if recipe == "realnvp" and space.dimensions == 1:
        with pytest.raises(ValueError, match="coupling needs two variables"):
            build(recipe, space)
        return
    model: Any = build(recipe, space, CLASSES, seed=0).model
    assert isinstance(model, TrainedDequantized if space.is_discrete else Flow)
    x = model.sample(2, torch.tensor([0, 2]), noise=Noise(0))
    space.check(x)


def test_two_couplings_move_every_variable():
    with seeded(0):
        model = RealNVP(Real((5,)), layers=2, hidden=(8,)).double()
    with torch.no_grad():
        for key, p in model.named_parameters():
            p += 0.2 * Noise(1).normal(p.shape, key, like=p)
    x = Noise(2).normal((3, 5), "x").double()
    assert bool((model.encode(x) != x).any(0).all())


def runs_of_couplings(steps: Any, d: int) -> list[tuple[int, list[Coupling]]]:
    """The couplings that follow one another, with nothing that mixes the variables in between, and of how many."""
    runs: list[tuple[int, list[Coupling]]] = [(d, [])]
    for step in steps:
        if isinstance(step, Coupling):
            runs[-1][1].append(step)
        else:
            runs += runs_of_couplings(step.chain.steps, step.size) if isinstance(step, FirstPart) else []
            runs.append((d, []))
    return [(d, run) for d, run in runs if len(run) > 1]


def moves_and_hears_all(d: int, run: list[Coupling]) -> None:
    """Two couplings or more move every variable, and every variable has a say in how another is moved."""
    moved, heard = torch.zeros(d, dtype=torch.bool), torch.zeros(d, dtype=torch.bool)
    x = Noise(2).normal((1, d), "x", like=torch.zeros((), dtype=torch.float64))
    for coupling in run:
        jacobian = torch.autograd.functional.jacobian(lambda x, c=coupling: c(x, None)[0][0], x)[:, 0]  # (d, d)
        moved |= jacobian.diagonal() != 1
        heard |= (jacobian - jacobian.diagonal().diag() != 0).any(0)
    assert bool(moved.all()), "a variable is never moved"
    assert bool(heard.all()), "a variable has no say"


COUPLED = {
    **{
        name: make for name, make in FLOWS.items() if ("couplings" in name or "RealNVP" in name) and "class" not in name
    },
    "RealNVP of six": lambda: RealNVP(Real((6,)), layers=2, hidden=(16,)),
    "RealNVP of three": lambda: RealNVP(Real((3,)), layers=2, hidden=(16,)),
    "RealNVP of the smallest images": lambda: RealNVP(Real((1, 4, 4)), layers=2, width=3, blocks=1),
    "RealNVP of wide images": lambda: RealNVP(Real((3, 4, 7)), layers=2, width=3, blocks=1),
}


@pytest.mark.parametrize("name", COUPLED)
def test_couplings_that_follow_one_another_move_and_hear_every_variable(name):
    model = shaken(name, COUPLED[name])
    runs = runs_of_couplings(model.chain.steps, model.space.dimensions)
    assert runs
    for d, run in runs:
        moves_and_hears_all(d, run)


@pytest.mark.parametrize(
    ("halves", "fault"), [([(2, False)] * 2, "never moved"), ([(2, False), (2, True)], "has no say")], ids=str
)
def test_the_law_of_couplings_rejects_halves_that_take_no_turns_or_leave_one_out(halves, fault):
    with seeded(0):
        run = [Coupling(MLP(n, 2 * (5 - n), (16,)), Affine(), n, flip=flip).double() for n, flip in halves]
    with pytest.raises(AssertionError, match=fault):
        moves_and_hears_all(5, run)
    with seeded(0):
        whole = [Coupling(MLP(n, 2 * (5 - n), (16,)), Affine(), n, flip=n == 3).double() for n in (2, 3)]
    moves_and_hears_all(5, whole)


def test_two_autoregressive_transforms_let_every_variable_see_every_other():
    with seeded(0):
        model = MAF(Real((4,)), layers=2, hidden=(24,)).double()
    with torch.no_grad():
        for key, p in model.named_parameters():
            p += 0.2 * Noise(1).normal(p.shape, key, like=p)
    x = Noise(2).normal((1, 4), "x").double()
    jacobian = torch.autograd.functional.jacobian(model.encode, x)[0, :, 0]
    assert bool((jacobian != 0).sum() >= 15), "the second order is not the reverse of the first"
