"""Every option does something: dials, training, verbs. What changing it changes; what changes nothing is refused."""

import inspect
import json
import math
import re
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch

from ptheta.cli import main
from ptheta.data import load
from ptheta.data.dataset import Dataset, Events
from ptheta.noise import Noise
from ptheta.recipes import RECIPES, Recipe, find_recipe
from ptheta.recipes.dials import LEAST, parts, require_in_range, require_telling
from ptheta.recipes.renamed import RENAMED
from ptheta.runs import build, fit_run, open_run
from ptheta.spaces import Binary, Classes, Column, Levels, Real, Space, Table
from ptheta.taxonomy import leaves
from ptheta.training.precision import NOT_LOWER

LEAVES = {leaf.name: leaf for _, leaf in leaves()}
CLASSES = Classes(3)
PICTURE, BITS, REALS, FRAMES = Levels((1, 8, 8), 40), Binary((6,)), Real((4,)), Binary((4, 5))
TABLE = Table((Column("a", "category", ("x", "y")), Column("b", "category", ("p", "q", "r"))))
SPACES: tuple[Space, ...] = (PICTURE, REALS, BITS, FRAMES, TABLE, Binary((1, 6, 6)))
BESIDE: dict[str, dict[str, Any]] = {  # what else is turned, where a dial means something beside it only
    "vae.width": {"network": "conv"},
    "vae.components": {"prior": "mixture"},
    "next-frame.gradient_penalty": {"adversarial": 1.0},
}
VALUES: dict[str, Any] = {
    "transformer.heads": 2,
    "pixelcnn.middle": 3,
    "ar-table.parents": 1,
    "pix2pix.halvings": 0,
}
GIVEN: tuple[Space | None, ...] = (
    None,
    CLASSES,
    Levels((1, 8, 8), 4),
    Classes(2),
)  # some dials are about what is given


def dials(name: str) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(find_recipe(name)).parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}


ALL = [(name, dial) for name in RECIPES for dial in dials(name)]


def kind_of(p: inspect.Parameter) -> Any:
    """The type of a dial, without None."""
    kinds = get_args(p.annotation) if type(None) in get_args(p.annotation) else (p.annotation,)
    return next(kind for kind in kinds if kind is not type(None))


def others(name: str, p: inspect.Parameter) -> list[Any]:
    """Values of a dial that are not its default: one of them should tell."""
    kind, default = kind_of(p), p.default
    if f"{name}.{p.name}" in VALUES:
        return [VALUES[f"{name}.{p.name}"]]
    if kind is bool:
        return [not default]
    if get_origin(kind) is Literal:
        return [choice for choice in get_args(kind) if choice != default]
    if get_origin(kind) is tuple:
        return [(24, 16)]
    if kind is int:
        return [24, 16] if default is None else [default + (1 if default % 8 else 8), 2 * default]
    return [0.3] if default is None else [default + 0.25]


def numbers(p: inspect.Parameter) -> list[Any]:
    """Values of a dial that no model can be built with."""
    kind = kind_of(p)
    if get_origin(kind) is tuple:
        return [(0,), (-3,)]
    return {int: [0, -3], float: [-1.0, math.nan, math.inf]}.get(kind, [])


@cache
def suits(name: str) -> list[tuple[Space, Space | None]]:
    """Events and contexts that a model takes."""
    found = []
    for context in GIVEN:
        for space in SPACES:
            if LEAVES[name].against(space, context) is None:
                with suppress(ValueError):
                    build(name, space, context)
                    found.append((space, context))
    return found


@pytest.mark.parametrize(("name", "dial"), ALL)
def test_a_dial_changes_the_model_or_its_training(name: str, dial: str):
    beside = BESIDE.get(f"{name}.{dial}", {})
    for value, (space, context) in product(others(name, dials(name)[dial]), suits(name)):
        with suppress(ValueError):  # not for these events
            recipes = [build(name, space, context, dials=d) for d in (beside, {**beside, dial: value})]
            first, second = (list(parts(recipe)) for recipe in recipes)
            if first != second:
                return
    pytest.fail(f"--{dial} of {name} changes nothing on any events")


@pytest.mark.parametrize(("name", "dial"), ALL)
def test_a_dial_out_of_range_is_refused_by_name(name: str, dial: str):
    space, context = suits(name)[0]
    for value in numbers(dials(name)[dial]):
        least = LEAST.get(f"{name}.{dial}", LEAST.get(dial))
        if value == least:
            continue
        with pytest.raises(ValueError, match=f"--{dial.replace('_', '-')} of {name} should be"):
            build(name, space, context, dials={dial: value})


@pytest.mark.parametrize("name", RECIPES)
def test_a_dial_accepts_its_default_and_the_zero_its_page_explains(name: str):
    for dial, words in dials(name).items():
        told = re.search(rf"^ +{dial}: (.*?)(?=^ +\w+: |^\w|\Z)", inspect.getdoc(find_recipe(name)) or "", re.S | re.M)
        assert told, f"{dial} of {name} is not explained"
        explained = re.search(r"(?<![\w.-])0(?![\w.])(?= \w)", told[1])
        zero = {int: [0], float: [0.0]}.get(kind_of(words), []) if explained else []
        for value in [words.default] * (words.default is not None) + zero:
            require_in_range(name, {dial: value})


def test_a_dial_that_may_be_zero_is_not_the_default_then():
    for name, dial in ALL:
        least = LEAST.get(f"{name}.{dial}", LEAST.get(dial))
        if least == 0 and dials(name)[dial].default != 0:
            differs = (name, dial) == ("vae", "rate_warmup")  # zero on events of this size
            for space, context in suits(name):
                first, second = (list(parts(build(name, space, context, dials=d))) for d in ({}, {dial: 0}))
                differs = differs or first != second
            assert differs, f"--{dial} 0 of {name} is the default"
    for name in ("gan", "dcgan", "f-gan", "pacgan", "r3gan", "infogan", "wgan-gp"):
        space = BITS if name == "infogan" else PICTURE  # whose pictures have none anyway, as in its paper
        models = [build(name, space, dials=d).model for d in ({}, {"gradient_penalty": 0.0})]
        first, second = (getattr(model.penalty, "weight", 0.0) for model in models)  # type: ignore[attr-defined]
        assert first > 0 and second == 0, name


@pytest.mark.parametrize(
    ("name", "space", "dial", "value"),
    [
        ("nade", BITS, "components", 20),
        ("vae", BITS, "width", 8),
        ("vae", BITS, "components", 8),
        ("realnvp", PICTURE, "hidden", (8,)),
        ("wgan-gp", REALS, "width", 8),
        ("gan", REALS, "conditioning", "projected"),
        ("vq-vae", PICTURE, "codes", 3),
        ("independent", REALS, "smoothing", 2.0),
        ("pixelcnn", Binary((1, 8, 8)), "softmax", True),
    ],
)
def test_a_dial_that_changes_nothing_here_is_refused(name: str, space: Space, dial: str, value: Any):
    with pytest.raises(ValueError, match=f"--{dial} changes nothing in {name} on events of"):
        require_telling(name, lambda d: build(name, space, dials=d), {dial: value}, space)


def test_a_dial_that_is_the_default_by_chance_may_be_said():
    usual = {"vae": {"latent": 16}, "ddpm": {"noise_schedule": "cosine"}, "maf": {"hidden": (64, 64)}}
    for name, dials in usual.items():
        space = REALS if name == "maf" else PICTURE
        assert list(parts(build(name, space, dials=dials))) == list(parts(build(name, space)))
        require_telling(name, lambda d, n=name, s=space: build(n, s, dials=d), dials, space)


def test_parts_tell_recipes_apart_and_know_the_same_again():
    class Held:
        def __init__(self, value: Any) -> None:
            self.value = value

    def closed(value: int) -> Any:
        return lambda: value

    for a, b in ((1, 2), (1, 1.0), ((1,), [1]), (None, 0), ({"a": 1}, {"a": 2}), (closed(1), closed(2))):
        assert list(parts(Held(a))) != list(parts(Held(b)))
    assert list(parts(Held(closed(1)))) == list(parts(Held(closed(1))))
    recipes: list[Recipe] = [build("vae", BITS, seed=seed) for seed in (0, 0, 1)]
    one, same, other = (list(parts(recipe)) for recipe in recipes)
    assert one == same != other


# --- how models are trained ---


def bits(n: int = 60) -> Dataset:
    x = (Noise(0).uniform((n, 6), "x") < 0.5).to(torch.uint8)
    return Dataset("bits", BITS, Events(x[20:]), Events(x[10:20]), Events(x[:10]))


def test_precision_is_lower_or_said_to_be_of_no_use(tmp_path: Path):
    how = {"steps": 2, "precision": "bfloat16"}
    with pytest.warns(UserWarning, match=NOT_LOWER):
        fit_run("nade", bits(), tmp_path / "nade", training=how)
    recipes = [build("made", BITS) for _ in range(2)]
    for recipe, precision in zip(recipes, ("float32", "bfloat16"), strict=True):
        recipe.fit(bits(), steps=2, precision=precision)
    one, other = (recipe.model.state_dict().values() for recipe in recipes)  # type: ignore[attr-defined]
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    recipe = build("ddpm", BITS)  # its last layer begins at zero: its first loss is the same in any precision
    recipe.fit(bits(), steps=1, precision="bfloat16")


@pytest.mark.parametrize(
    "training", [{"minutes": -1.0}, {"minutes": 1.0}, {"budget": "cpu"}, {"patience": 3}, {"learning_rate": 0.1}]
)
def test_a_closed_form_has_no_training_options(training: dict[str, Any], tmp_path: Path):
    with pytest.raises(ValueError, match=f"closed form and has no training option {next(iter(training))}"):
        fit_run("markov", bits(), tmp_path / "r", training=training)


def test_what_validates_nothing_has_no_patience(tmp_path: Path):
    with pytest.raises(ValueError, match="GAN has no score to validate by, so patience would never stop it"):
        fit_run("gan", bits(), tmp_path / "a", training={"steps": 2, "patience": 3})
    with pytest.raises(ValueError, match="no score to validate by, so validation_events changes nothing"):
        fit_run("gan", bits(), tmp_path / "b", training={"steps": 2, "validation_events": 3})
    with pytest.raises(ValueError, match="no validation events here, so patience would never stop it"):
        build("nade", BITS).model.fit(bits().train.x, steps=2, patience=3)


def test_a_budget_is_of_minutes(tmp_path: Path):
    with pytest.raises(ValueError, match="whose clock keeps the minutes, but no minutes are given"):
        fit_run("nade", bits(), tmp_path / "a", training={"steps": 2, "budget": "cpu"})
    fit_run("nade", bits(), tmp_path / "b", training={"minutes": 0.005, "budget": "cpu"})
    run = fit_run("nade", bits(), tmp_path / "b", training={"steps": 2000}, resume=True)
    assert run.step == 2000 and "budget" not in run.manifest.training[""], "the clock went with the minutes"


def test_dials_of_old_runs_are_read_with_the_words_of_today(tmp_path: Path, capsys):
    for name, words in RENAMED.items():
        assert words.keys().isdisjoint(dials(name)) and set(words.values()) <= dials(name).keys(), name
    now = {"width": 4, "layers": 1}
    run = fit_run("pixelcnn", load("bars", n=40), tmp_path / "r", dials=now, training={"steps": 1})
    record = json.loads((tmp_path / "r" / "run.json").read_text())
    record["dials"] = {"hidden": 4, "blocks": 1}
    (tmp_path / "r" / "run.json").write_text(json.dumps(record))
    again = open_run(tmp_path / "r")
    assert again.manifest.dials == now
    assert bool((again.model.sample(3, noise=Noise(0)) == run.model.sample(3, noise=Noise(0))).all())
    for flag in ("--blocks", "--blocks=2", "--hidden"):
        assert main(["fit", "pixelcnn", flag, "2"]) == 2
    assert "--blocks of pixelcnn is called --layers." in capsys.readouterr().err
    assert main(["fit", "absorbing-diffusion", "--unmasking_steps", "2"]) == 2
    assert "--unmasking-steps of absorbing-diffusion is called --sampling-steps." in capsys.readouterr().err
