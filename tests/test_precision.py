"""Recipes train in bfloat16: losses under autocast, weights in float32."""

import pytest
import torch

from ptheta.applications.race import is_closed
from ptheta.data.dataset import Dataset, Events
from ptheta.model import Trained
from ptheta.noise import Noise
from ptheta.runs import build
from ptheta.spaces import Binary, Classes
from ptheta.taxonomy import leaves

IMAGE, FRAMES = Binary((1, 8, 8)), Binary((4, 3))


@pytest.mark.filterwarnings("ignore:.* layers have no bfloat16 here")
@pytest.mark.parametrize("name", [leaf.name for _, leaf in leaves() if "binary" in leaf.spaces and not is_closed(leaf)])
def test_recipes_train_in_bfloat16(name: str):
    leaf = next(leaf for _, leaf in leaves() if leaf.name == name)
    space, classes = FRAMES if name == "rnn-nade" else IMAGE, None if leaf.contexts == "none" else Classes(2)
    recipe = build(name, space, classes, seed=0)
    x = (Noise(0).uniform((128, *space.shape), "x") < 0.5).to(torch.uint8)
    events = Events(x, None if classes is None else torch.arange(128) % 2)
    data = Dataset("toy", space, events, events[:16], events[:16], context_space=classes)
    lengths = ("epochs", "steps", "minutes")
    for stage in recipe.stages:
        assert stage.training.get("precision") in (None, "float32", "auto"), "what is faster is the machine's to say"
        training = {k: v for k, v in stage.training.items() if k not in lengths}
        if isinstance(stage.model, Trained):
            how = {**training, "steps": 2, "batch_size": 8, "precision": "bfloat16"}
            stage.model.fit(stage.data(data), **how)
            parameters = list(stage.model.parameters())
            assert all(p.dtype == torch.float32 and bool(torch.isfinite(p).all()) for p in parameters)
