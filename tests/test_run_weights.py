"""With which weights a run opens: those that validated best, else the average, else the last."""

from pathlib import Path

import pytest
import torch

from ptheta.runs import fit_run
from ptheta.training import checkpoint
from toy_models import bits


@pytest.mark.parametrize(
    ("recipe", "options", "part"),
    [
        ("fvbn", {"validate_every": 1, "learning_rate": 1.0, "schedule": "constant", "steps": 30}, "best"),
        ("gan", {"steps": 4, "ema": 0.5}, "ema"),
        ("gan", {"steps": 4, "ema": 0.0}, "last"),
    ],
)
def test_a_run_opens_with_the_weights_it_should_be_used_with(recipe: str, options: dict, part: str, tmp_path: Path):
    run = fit_run(recipe, bits(), tmp_path / "run", training=options)
    tensors = checkpoint.load(tmp_path / "run" / "checkpoints").tensors
    weights = dict(run.model.named_parameters())
    assert weights and all(torch.equal(p.detach(), tensors[part][name]) for name, p in weights.items())
    if part != "last":
        assert not all(torch.equal(p.detach(), tensors["last"][name]) for name, p in weights.items())
