"""Recipes train in bfloat16: losses under autocast, weights in float32."""

import pytest
import torch

from ptheta.data.dataset import Dataset, Events
from ptheta.model import Trained
from ptheta.noise import Noise
from ptheta.recipes import RECIPES
from ptheta.recipes.runs import build
from ptheta.spaces import Binary, Classes

IMAGE, FRAMES = Binary((1, 8, 8)), Binary((4, 3))


@pytest.mark.parametrize("name", [name for name, where in RECIPES.items() if not where.startswith("counting")])
def test_recipes_train_in_bfloat16(name: str):
    space, classes = FRAMES if name == "rnn-nade" else IMAGE, None if name == "rbm" else Classes(2)
    recipe = build(name, space, classes, seed=0)
    model = recipe.model
    assert isinstance(model, Trained)
    x = (Noise(0).uniform((16, *space.shape), "x") < 0.5).to(torch.uint8)
    events = Events(x, None if classes is None else torch.arange(16) % 2)
    data = Dataset("toy", space, events, events, events, context_space=classes)
    lengths = ("epochs", "steps", "minutes")
    training = {k: v for k, v in recipe.training.items() if k not in lengths}
    model.fit(data, **{**training, "steps": 2, "batch_size": 8, "precision": "bfloat16"})
    assert all(p.dtype == torch.float32 and bool(torch.isfinite(p).all()) for p in model.parameters())
