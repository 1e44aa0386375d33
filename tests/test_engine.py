"""What a training step is: which events and which noise a loss sees, how its gradient moves weights, what is kept."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ptheta.data.dataset import Dataset, Events
from ptheta.ladder import ladder
from ptheta.latent import VAE
from ptheta.model import LossModel, Objective, Trained
from ptheta.noise import Noise, seeded
from ptheta.optimizers import SGD
from ptheta.spaces import Binary, Levels
from ptheta.training import Training, fit, training
from ptheta.training.validation import validation_score
from ptheta.training.weights import Ema, rate_factor

SPACE = Levels((1,), 256)
EVENTS = torch.arange(20).byte()[:, None]


class Watched(Trained):
    """Two objectives that note what they see; the second has a turn every third step."""

    def __init__(self) -> None:
        super().__init__()
        self.space, self.context_space = SPACE, None
        self.weights = nn.ParameterList([torch.zeros(()), torch.zeros(())])
        self.seen: dict[str, list[tuple[int, list[int], Tensor]]] = {"first": [], "second": []}

    def objectives(self) -> Sequence[Objective]:
        def watching(name: str, weight: nn.Parameter) -> Callable[[Tensor, Tensor | None, Noise], Tensor]:
            def loss(x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
                u = noise.uniform((len(x),), "u")
                self.seen[name].append((int(self.step), x[:, 0].tolist(), u))
                return weight * u

            return loss

        first, second = self.weights
        return (
            Objective("first", watching("first", first), (first,)),
            Objective("second", watching("second", second), (second,), every=3),
        )


def watch(**options: Any) -> dict[str, list[tuple[int, list[int], Tensor]]]:
    model = Watched()
    fit(model, EVENTS, batch_size=5, **options)
    return model.seen


def test_an_epoch_visits_every_event_once_in_an_order_of_its_own():
    batches = [x for _, x, _ in watch(epochs=3)["first"]]
    orders = [[i for batch in batches[k : k + 4] for i in batch] for k in (0, 4, 8)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in (*orders, range(20))}) == 4


def test_both_objectives_see_the_batch_and_noise_of_their_own():
    seen = watch(steps=6)
    assert [step for step, _, _ in seen["first"]] == [0, 1, 2, 3, 4, 5]
    assert [step for step, _, _ in seen["second"]] == [0, 3]
    for step, x, _ in seen["second"]:
        assert x == seen["first"][step][1]
    draws = [u for name in seen for _, _, u in seen[name]]
    assert len({tuple(u.tolist()) for u in draws}) == len(draws)


def test_the_seed_names_order_and_noise():
    a, b, c = (watch(steps=4, seed=seed)["first"] for seed in (1, 1, 2))
    assert [x for _, x, _ in a] == [x for _, x, _ in b] != [x for _, x, _ in c]
    assert torch.equal(a[0][2], b[0][2]) and not torch.equal(a[0][2], c[0][2])


class Slope(LossModel):
    """A loss with a constant gradient, and a score that is best where the first weight is ``top``."""

    def __init__(self, gradient: Sequence[float] = (-1.0,), top: float = 3.0, **settings: Any) -> None:
        super().__init__()
        self.space, self.context_space, self.optimizer = SPACE, None, SGD(1.0, **settings)
        self.weight = nn.Parameter(torch.zeros(len(gradient)))
        self.gradient, self.top = torch.tensor(gradient), top

    def loss(self, x: Tensor, context: Tensor | None, noise: Noise) -> Tensor:
        return (self.weight @ self.gradient).expand(len(x))

    def sample(self, n: int, context: Tensor | None = None, *, noise: Noise | None = None) -> Tensor:
        return EVENTS[:1].expand(n, 1)


class Scored(Slope):
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        assert not self.training, "scores are taken in evaluation mode"
        return -(self.weight[0] - self.top).square().expand(len(x))


def splits() -> Dataset:
    return Dataset("twenty", SPACE, Events(EVENTS), Events(EVENTS[:4]), Events(EVENTS[:4]))


def test_gradients_do_not_pile_up_and_the_schedule_scales_each_step():
    model = Slope()
    fit(model, EVENTS, steps=5)
    assert model.weight.item() == pytest.approx(5)
    for schedule in ("linear", "cosine"):
        model = Slope()
        fit(model, EVENTS, steps=5, schedule=schedule, warmup=2)
        assert model.weight.item() == pytest.approx(sum(rate_factor(schedule, k, 5, 2) for k in range(5)))


def test_the_rate_rises_then_falls():
    assert [rate_factor("constant", k, 9, 4) for k in range(5)] == [0.25, 0.5, 0.75, 1, 1]
    assert [rate_factor("linear", k, 4, 0) for k in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    assert [rate_factor("cosine", k, 4, 0) for k in (0, 2, 4)] == pytest.approx([1, 0.5, 0])
    assert rate_factor("linear", 1, 4, 4) == pytest.approx(0.5 * 0.75)


def test_clipping_scales_the_whole_gradient():
    model = Slope((-3.0, -4.0), clip=1.0)
    fit(model, EVENTS, steps=1)
    assert model.weight.tolist() == pytest.approx([0.6, 0.8])


def test_the_average_is_the_one_of_its_formula_and_ends_in_the_model():
    model = Slope()
    fit(model, EVENTS, steps=30, ema=0.5)
    average = 0.0
    for k in range(1, 31):
        decay = min(0.5, (1 + k) / (10 + k))
        average = decay * average + (1 - decay) * k
    assert model.weight.item() == pytest.approx(average)


def test_a_look_at_the_average_leaves_the_weights():
    module = nn.Linear(1, 1)
    ema, before = Ema(module, 0.9), module.weight.item()
    with torch.no_grad():
        module.weight += 1
    with ema.applied(module):
        assert module.weight.item() == pytest.approx(before)
    assert module.weight.item() == pytest.approx(before + 1)


@pytest.mark.parametrize("ema", [0.0, 0.2])
def test_what_validated_best_is_kept_as_it_was(ema: float):
    model = Scored()
    states = training(model, splits(), Training(steps=8, validate_every=1, ema=ema))
    scores = [state.validation or 0.0 for state in states]
    average, expected = 0.0, []
    for k in range(1, 9):
        decay = min(ema, (1 + k) / (10 + k))
        average = decay * average + (1 - decay) * k
        expected.append(-((average - 3) ** 2))
    assert scores == pytest.approx(expected, abs=1e-3)
    assert scores[-1] < max(scores) == pytest.approx(model.log_prob(EVENTS[:1]).item(), abs=1e-6)


@pytest.mark.parametrize("patience", [1, 2])
def test_patience_is_how_many_bad_validations_in_a_row_stop_a_run(patience: int):
    model = Scored()
    steps = [s.step for s in training(model, splits(), Training(steps=50, validate_every=1, patience=patience))]
    assert steps[-1] == 3 + patience
    assert model.weight.item() == pytest.approx(3)


def test_validation_does_not_depend_on_its_chunks_and_restores_the_mode():
    with seeded(0):
        model = VAE(Binary((6,)), latent=2).double().train()
    x = (Noise(0).uniform((7, 6), "x") < 0.5).byte()
    whole = validation_score(model, ladder(model)[0], Events(x), chunk=7)
    assert model.training
    assert validation_score(model, ladder(model)[0], Events(x), chunk=3) == pytest.approx(whole, rel=1e-12)
    expected = model.eval().elbo(x, noise=Noise(0).at("validation")).mean().item()
    assert validation_score(model, ladder(model)[0], Events(x), chunk=7) == whole == pytest.approx(expected)


def test_frozen_parameters_stay():
    model = Slope((-1.0, -1.0))
    model.register_parameter("frozen", nn.Parameter(torch.ones(()), requires_grad=False))
    assert [len(o.parameters) for o in model.objectives()] == [1]
    fit(model, EVENTS, steps=2, weight_decay=0.1)
    assert model.frozen.item() == 1
