"""Every law over every model of the table, and the table itself: no model and no law is left out.

The laws are in ``laws.py``, the models in ``cases.py``, what applies to what in ``law_table.py``; broken twins, which
the laws must reject, in ``test_twins.py``.
"""

import ast
import importlib
import inspect
import pkgutil
from functools import cache
from pathlib import Path

import pytest

import laws
import ptheta
from cases import CASES, ORDERED, shaken, shared
from law_table import LAWS, Law, Row, matrix
from model_offers import is_enumerable, is_model_class
from ptheta.latent import VampPrior
from ptheta.noise import Noise
from ptheta.protocols import HasLogProb
from ptheta.taxonomy import leaves
from toy_law import toy_events

PAIRS = [pytest.param(law, name, id=f"{law.name}-{name}") for law in LAWS for name in law.rows]


@pytest.mark.parametrize(("law", "name"), PAIRS)
def test_law_holds(law: Law, name: str, tmp_path: Path):
    law.hold(Row(name, tmp_path))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ORDERED)
def test_any_order_keeps_the_laws(name, seed):
    make = ORDERED[name]
    order = Noise(seed).uniform((make(None).space.dimensions,), "order").argsort().tolist()
    model = shaken(make(order), 0.1)
    x, context = toy_events(model, 6)
    laws.conditionals_see_only_the_past(model, x, context)
    laws.jacobian_is_triangular(model, x, context)
    laws.samplers_agree(model, context)
    laws.probabilities_sum_to_one(model) if is_enumerable(model.space) else None
    if model.space.is_discrete:
        laws.conditionals_are_those_of_the_joint(model, order)


# The table


def test_every_public_model_has_a_row():
    made = {type(shared(name)) for name in CASES}
    for family in (module.name for module in pkgutil.iter_modules(ptheta.__path__) if module.ispkg):
        package = importlib.import_module(f"ptheta.{family}")
        for export in getattr(package, "__all__", ()):
            value = getattr(package, export)
            if (
                is_model_class(value) and value is not VampPrior
            ):  # a part of the VAE whose encoder it uses: it has a row
                assert value in made, f"{family}.{export} has no row in tests/cases.py"


def test_every_leaf_of_the_tree_has_a_row():
    made = {type(shared(name)) for name in CASES}
    for _, leaf in leaves():
        module, name = leaf.model.split(":")
        assert getattr(importlib.import_module(f"ptheta.{module}"), name) in made, leaf.name


def test_chunks_of_families_are_cut_by_the_law_of_chunks():
    assert {"diffusion.gaussian.CHUNK", "latent.vae.CHUNK", "distributions.resampling.TILE"} <= set(laws.CHUNKS)


def test_every_exact_model_is_summed_or_integrated():
    (law,) = (law for law in LAWS if law.check is laws.probabilities_sum_to_one)
    exact = {name: type(shared(name)) for name in CASES if isinstance(shared(name), HasLogProb)}
    assert set(exact.values()) == {exact[name] for name in law.rows if name in exact}


def test_every_law_is_in_the_table_and_applies_to_some_row():
    known = {law.name for law in LAWS}
    written = {
        name
        for name, function in inspect.getmembers(laws, inspect.isfunction)
        if function.__module__ == "laws" and next(iter(inspect.signature(function).parameters), "") == "model"
    }
    assert {name for name in written if not name.startswith("_")} == known
    assert [law.name for law in LAWS if not law.rows] == []


def test_the_matrix_shows_every_law_and_every_row():
    lines = matrix().splitlines()
    marks = {line[: max(map(len, CASES))].strip(): line.count("x", max(map(len, CASES))) for line in lines[len(LAWS) :]}
    assert len(lines) == len(LAWS) + 2 + len(CASES)
    assert sum(marks[name] for name in CASES) == len(PAIRS)
    assert min(marks[name] for name in CASES) >= 4, "samples, evaluation, chunks and refusals concern every model"


# Law 0: a law must be able to fail


@cache
def twins() -> dict[str, str]:
    """The source of every test named after a law that it sees fail."""
    found = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        source = path.read_text()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_law_"):
                found[node.name] = ast.get_source_segment(source, node) or ""
    return found


def rejected(law: str, tests: dict[str, str]) -> bool:
    """Whether some test holds a law against a twin and expects it to fail."""
    named = (body for name, body in tests.items() if name.startswith(f"test_law_{law}_rejects"))
    return any(f"laws.{law}(" in body and "rejects(" in body for body in named)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_every_law_rejects_a_twin(law: Law):
    assert rejected(law.name, twins())


def test_a_law_without_a_twin_is_seen():
    empty = {"test_law_gravity_rejects_levitation": "def test_law_gravity_rejects_levitation(): ..."}
    assert not rejected("gravity", empty)
    assert not rejected("grav", dict.fromkeys(empty, "laws.gravity() rejects()"))
    assert not rejected("learns", {})
