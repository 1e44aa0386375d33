"""Measures of answers to what was given: against independent ones, and the law of a perfect sampler."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from ptheta.cli import main
from ptheta.data.dataset import Dataset, Events
from ptheta.data.views import Grey, Half, LowResolution
from ptheta.metrics.given import answered, answers, inconsistency, is_answered, psnr, spread, ssim
from ptheta.model import Distribution
from ptheta.noise import Noise
from ptheta.spaces import Classes, Levels, Real, Space

PICTURES = Levels((3, 16, 16), 256)


def pictures(n: int = 4, seed: int = 0) -> torch.Tensor:
    return (Noise(seed).uniform((n, 3, 16, 16), "x") * 256).floor().clamp(max=255).byte()


def test_psnr_is_of_each_event_by_hand():
    space = Levels((2,), 256)
    real = torch.tensor([[0, 255], [10, 10]]).byte()
    x = torch.tensor([[51, 255], [10, 10]]).byte()  # a fifth of the range in one of two variables; the same event
    assert psnr(x, real, space) == pytest.approx((-10 * math.log10(0.2**2 / 2) + 100) / 2)


def test_psnr_of_reals_takes_four_deviations_for_the_range():
    space = Real((1,), mean=(5.0,), scale=(2.0,))
    real, x = torch.tensor([[5.0]]), torch.tensor([[9.0]])  # two deviations, half of the range
    assert psnr(x, real, space) == pytest.approx(10 * math.log10(4))


def test_ssim_agrees_with_torchmetrics():
    reference = pytest.importorskip("torchmetrics.functional.image").structural_similarity_index_measure
    x, y = pictures(seed=0), pictures(seed=1)
    y[:, :, 4:12] = x[:, :, 4:12]
    mine = ssim(x, y, PICTURES)
    _, map_of_theirs = reference(x.double() / 255, y.double() / 255, data_range=1.0, return_full_image=True)
    theirs = map_of_theirs[:, :, 5:-5, 5:-5].mean()  # where windows lie within the picture; theirs pads the borders
    whole = ssim(x, x, PICTURES)
    assert whole == pytest.approx(1.0) and 0.05 < mine < 0.95
    assert mine == pytest.approx(float(theirs), abs=1e-6)


def test_draws_that_show_what_was_given_are_consistent():
    x = pictures()
    view = LowResolution(4)
    shuffled = x.reshape(4, 3, 4, 4, 4, 4).flip(3).flip(5).reshape(x.shape)  # pixels move within their blocks
    assert inconsistency(shuffled, x, view, PICTURES) == 0.0
    assert inconsistency(x.roll(4, 2), x, view, PICTURES) > 0.01
    grey = inconsistency(255 - x, x, Grey(), PICTURES)
    seen = Grey().split(x, PICTURES)[1].double() / 255
    assert grey == pytest.approx(float((1 - 2 * seen).abs().mean()), abs=0.01)


def gaussian_draws(scale: float, n: int = 2_000, k: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws m + scale e beside events m + e, of forty variables each."""
    mean = 3 * Noise(0).normal((n, 40), "mean").double()
    real = mean + Noise(1).normal((n, 40), "real").double()
    return mean[:, None] + scale * Noise(2).normal((n, k, 40), "drawn").double(), real


def test_a_perfect_sampler_has_twice_the_least_squared_error_and_a_spread_of_one():
    space = Real((40,))
    drawn, real = gaussian_draws(1.0)
    mean, _ = gaussian_draws(0.0)
    perfect = answers(drawn, real, space)
    best = answers(mean, real, space)
    assert best.psnr - perfect.psnr == pytest.approx(10 * math.log10(2), abs=0.05)
    assert perfect.spread == pytest.approx(1.0, abs=0.02) and best.spread == 0.0
    # Of k draws the mean has 1 + 1 / k times the least error.
    assert best.psnr - perfect.psnr_of_mean == pytest.approx(10 * math.log10(1.25), abs=0.05)
    narrow = answers(gaussian_draws(0.5)[0], real, space)  # the twin: half of the spread
    assert narrow.spread == pytest.approx(2 * 0.25 / 1.25, abs=0.02)
    assert best.psnr - narrow.psnr == pytest.approx(10 * math.log10(1.25), abs=0.05)


def test_spread_counts_pairs_of_two_draws():
    drawn = torch.tensor([[[0.0], [2.0]]])
    assert spread(drawn, torch.tensor([[1.0]]), Real((1,))) == pytest.approx(4.0)  # 2^2 apart, 1^2 away
    assert spread(drawn[:, :1], torch.tensor([[1.0]]), Real((1,))) == 0.0


def test_what_does_not_apply_is_none():
    x = pictures(2)
    halves, space = Half("top").split(x, PICTURES)[0], Half("top").spaces(PICTURES)[0]
    found = answers(halves[:, None], halves, space, view=Half("top"), before=PICTURES)
    assert found.inconsistency is None and found.spread is None and found.ssim is None
    assert found.psnr == 100.0 and found.n == 2 and "PSNR 100.00 dB" in str(found)
    whole = answers(x[:, None], x, PICTURES, view=LowResolution(4), before=PICTURES)
    assert whole.inconsistency == 0.0 and whole.ssim == pytest.approx(1.0)
    assert set(whole.to_json()) == {"psnr", "psnr_of_mean", "ssim", "inconsistency", "spread", "draws", "n"}


class Repeating(Distribution):
    """Draws the mean of the whole range whatever it is given, or a context stretched."""

    def __init__(self, space: Space, context_space: Space, copies: bool) -> None:
        self.space, self.context_space, self.copies = space, context_space, copies

    def fit(self, data: Any, **training: Any) -> "Repeating":
        return self

    def sample(self, n: int, context: torch.Tensor | None = None, *, noise: Noise | None = None) -> torch.Tensor:
        assert context is not None
        x = context.repeat_interleave(4, 2).repeat_interleave(4, 3)
        return x if self.copies else torch.full_like(x, 128)


def test_a_model_is_measured_on_what_its_data_were_given():
    view, x = LowResolution(4), pictures(40)
    data = Dataset("noise", PICTURES, Events(x), Events(x), Events(x)).given(view)
    spaces = (data.space, data.context_space)
    found = [answered(Repeating(*spaces, copies), data.test, data, noise=Noise(0)) for copies in (True, False)]
    assert found[0] is not None and found[0].inconsistency == 0.0 and found[0].spread == 0.0
    assert found[1] is not None and found[1].inconsistency > 0.02
    assert (found[0].n, found[0].draws) == (40, 3)


def test_nothing_is_measured_where_only_a_class_is_given():
    x = pictures(6)
    events = Events(x, torch.arange(6) % 2)
    data = Dataset("noise", PICTURES, events, events, events, Classes(2))
    model = Repeating(PICTURES, Classes(2), copies=False)
    assert answered(model, data.test, data, noise=Noise(0)) is None and not is_answered(data)


def test_compare_and_evaluate_tell_how_draws_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    words = ["compare", "digits", "--given", "low-resolution=2", "--models", "regression", "--minutes", "0.02"]
    assert main([*words, "--samples", "60", "--out", str(out)]) == 0
    (model,) = json.loads((out / "results.json").read_text())["models"]
    assert model["given"]["draws"] == 3 and 2 < model["given"]["psnr"] < 40
    assert "PSNR, dB" in (out / "report.html").read_text()
    assert "inconsistency" in (out / "results.csv").read_text().splitlines()[0]
    capsys.readouterr()
    assert main(["evaluate", str(out / "runs" / "regression"), "--samples", "60"]) == 0
    assert "what was given: PSNR" in capsys.readouterr().out
