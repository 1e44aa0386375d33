"""What only consistency distillation promises: paths of one end, the identity where there is no noise, two stages."""

import pytest
import torch
from torch import nn

from gaussian_walks import MEAN, VARIANCE, edm
from ptheta.data import load
from ptheta.diffusion import EDM, Consistency, ConsistencyStudent
from ptheta.diffusion.consistency import huber
from ptheta.noise import Noise
from ptheta.recipes import find_recipe
from ptheta.runs import fit_run, open_run
from ptheta.spaces import Binary, Classes, Levels, Real

F64 = torch.float64


class EndOfPath(nn.Module):
    """The F that makes f the true end of every path of events N(mean, variance): deviations shrink in proportion."""

    def __init__(self, like: EDM) -> None:
        super().__init__()
        self.low, self.high, self.data = like.sigma_min, like.sigma_max, like.sigma_data
        self.nothing = nn.Parameter(torch.zeros((), dtype=F64))

    def forward(self, x, t, context=None):
        sigma = self.low * (self.high / self.low) ** t[:, None]
        total = (sigma**2 + self.data**2).sqrt()
        x = x * total
        end = MEAN + (VARIANCE / (VARIANCE + sigma**2)).sqrt() * (x - MEAN)
        return (end - (self.data / total) ** 2 * x) / (sigma * self.data / total) + self.nothing


def student(intervals: int, *, perfect: bool) -> ConsistencyStudent:
    """A student of the best teacher of Gaussian events: one that knows the ends, or one that guesses as the teacher."""
    model = ConsistencyStudent(edm(), intervals=intervals).double()
    model.network.network = EndOfPath(model.network) if perfect else model.teacher.network
    return model


@torch.no_grad()
def test_the_true_ends_of_paths_lose_nothing_and_guesses_do():
    x = MEAN + VARIANCE.sqrt() * torch.randn(500, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    losses = [float(student(n, perfect=True).loss(x, None, Noise(0)).mean()) for n in (40, 80, 160)]
    assert losses[2] < 1e-3 and losses[0] > 3 * losses[1] > 9 * losses[2], "only Heun's error is left, of second order"
    twin = float(student(160, perfect=False).loss(x, None, Noise(0)).mean())
    assert twin > 10 * losses[2], "the teacher's guess is a mean over ends, and changes along a path"


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_jumps_with_the_true_ends_draw_the_law_of_events(steps):
    model = student(18, perfect=True)
    model.steps = steps
    x = model.sample(40_000, noise=Noise(0)).double()
    assert (x.mean(0) - MEAN).abs().max() < 0.02 and (x.var(0) - VARIANCE).abs().max() < 0.05
    twin = student(18, perfect=False).sample(40_000, noise=Noise(0)).double()
    assert (twin.var(0) - VARIANCE).abs().max() > 0.3, "one guess from noise alone is the mean of all events"


def test_no_noise_is_left_as_it_is():
    model = ConsistencyStudent(EDM(Real((2,))), intervals=4).double()
    x, zero = torch.randn(5, 2, dtype=F64), torch.zeros(5, dtype=F64)
    assert torch.equal(model._end(x, zero, None), x)
    assert model.sigmas[-1] == 0 and len(model.sigmas) == 5


def test_the_loss_moves_the_student_only_and_it_begins_as_the_teacher():
    data = load("moons")
    model = Consistency(EDM(data.space, steps=10), intervals=4)
    model.teacher.fit(data, steps=5)
    before = {name: p.clone() for name, p in model.teacher.state_dict().items()}
    model.student.begin(data.train.x[:8], None)
    assert all(torch.equal(p, before[name]) for name, p in model.student.network.state_dict().items())
    model.student.fit(data, steps=5)
    assert all(torch.equal(p, before[name]) for name, p in model.teacher.state_dict().items())
    changed = [not torch.equal(p, before[name]) for name, p in model.student.network.named_parameters()]
    assert any(changed)
    assert not set(map(id, model.student.parameters())) & set(map(id, model.teacher.parameters()))


def test_the_length_of_errors_is_nearly_their_norm():
    error = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=F64)
    torch.testing.assert_close(huber(error, 1e-6), torch.tensor([5.0, 0.0], dtype=F64), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("intervals", "steps"), [(1, 1), (4, 0), (4, 5)])
def test_steps_that_are_no_walk_are_refused(intervals, steps):
    with pytest.raises(ValueError, match="at least 2 intervals, and from 1 to as many steps"):
        ConsistencyStudent(EDM(Real((1,))), intervals=intervals, steps=steps)


def test_a_run_has_a_teacher_and_a_student(tmp_path):
    data = load("moons")
    run = fit_run("consistency", data, tmp_path / "r", dials={"width": 16, "intervals": 4}, training={"steps": 3})
    assert (tmp_path / "r" / "stages" / "teacher").is_dir() and (tmp_path / "r" / "stages" / "student").is_dir()
    again = open_run(tmp_path / "r")
    assert torch.equal(again.model.sample(4, noise=Noise(0)), run.model.sample(4, noise=Noise(0)))


@pytest.mark.parametrize(
    ("space", "context_space"), [(Levels((1, 8, 8), 17), Classes(3)), (Binary((5,)), None)], ids=str
)
def test_the_recipe_fits_any_space_of_numbers(space, context_space):
    recipe = find_recipe("consistency")(space, context_space, width=16, sampling_steps=2)
    context = None if context_space is None else torch.zeros(2, *context_space.shape, dtype=context_space.dtype)
    recipe.model.check(recipe.model.sample(2, context, noise=Noise(0)), context)
