"""The plan of the house, enforced: imports point one way, help needs no torch, names and sizes hold."""

import ast
import re
import subprocess
import sys
from contextlib import suppress
from importlib import import_module, metadata
from pathlib import Path

import pytest

import ptheta
from ptheta.distributions.dequantized import Dequantization
from ptheta.model import HasElbo, HasEnergy, HasLogProb, Model
from ptheta.recipes import RECIPES, find_recipe
from ptheta.spaces import Binary, Levels, Real, Symbols
from ptheta.taxonomy import leaves

SOURCE = Path(ptheta.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

FAMILIES = ("autoregressive", "flows", "latent", "diffusion", "adversarial", "energy")
LAYERS = {
    **dict.fromkeys(("hints", "spaces", "noise", "optimizers", "nn", "taxonomy"), 0),
    "model": 1,
    "data": 2,
    "distributions": 3,
    **dict.fromkeys(FAMILIES, 4),
    **dict.fromkeys(("training", "metrics"), 5),
    "recipes": 7,
    **dict.fromkeys(("report", "cli", "__main__"), 8),
}
EXCEPTIONS = {("model", "training")}  # the three lines of Trained.fit


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    hidden: set[ast.AST] = set()
    for node in ast.walk(tree):
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if typing_only or (top_only and isinstance(node, ast.FunctionDef)):
            hidden.update(ast.walk(node))
    found = set()
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def violations(name: str, imported: set[str]) -> list[str]:
    """Imports that point against the arrows, from the package ``name``."""
    bad = []
    for module in imported:
        parts = module.split(".")
        if parts[0] != "ptheta" or len(parts) == 1 or parts[1] == name or (name, parts[1]) in EXCEPTIONS:
            continue
        target = parts[1]
        sideways = name in FAMILIES and target in FAMILIES
        if sideways or LAYERS[target] > LAYERS[name]:
            bad.append(f"{name} imports {target}")
    return bad


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != SOURCE or p.stem != "__init__"], ids=str)
def test_imports_point_one_way(path: Path):
    assert violations(package(path), imports(path)) == []


def test_the_import_law_rejects_a_family_that_imports_another():
    assert violations("latent", {"ptheta.energy.rbm"}) == ["latent imports energy"]
    assert violations("data", {"ptheta.training"}) == ["data imports training"]


@pytest.mark.parametrize("module", ["ptheta", "ptheta.cli", "ptheta.taxonomy", "ptheta.recipes"])
def test_help_needs_no_torch(module: str):
    code = f"import sys, {module}; print(any(m in sys.modules for m in ('torch', 'matplotlib', 'sklearn')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_recipes_import_no_torch_at_the_top():
    for path in (SOURCE / "recipes").glob("*.py"):
        if path.stem != "runs":
            assert not {"torch", "numpy"} & {m.split(".")[0] for m in imports(path, top_only=True)}, path


def test_every_family_needs_torch_and_numpy_only():
    allowed = {"torch", "numpy", "ptheta", *sys.stdlib_module_names}
    for path in FILES:
        if package(path) in ("nn", "model", "spaces", "noise", "distributions", *FAMILIES):
            assert {m.split(".")[0] for m in imports(path, top_only=True)} <= allowed, path


def test_importing_leaves_torch_unchanged():
    code = (
        "import torch; d = torch.distributions.Distribution; before = (d._validate_args, torch.get_num_threads(),"
        "torch.get_default_dtype()); import ptheta.adversarial, ptheta.autoregressive, ptheta.diffusion, ptheta.energy,"
        "ptheta.latent, ptheta.distributions, ptheta.metrics, ptheta.training, ptheta.data;"
        "assert before == (d._validate_args, torch.get_num_threads(), torch.get_default_dtype())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_resolves():
    for name in ptheta.__all__:
        assert getattr(ptheta, name) is not None


def test_every_public_name_that_texts_mention_is_there():
    text = "".join(path.read_text() for path in [*FILES, SOURCE.parent.parent / "README.md"])
    packages = {path.stem for path in SOURCE.iterdir()}
    mentioned = set(re.findall(r"(?<![\w./])ptheta\.([A-Za-z]\w*)", text)) - packages
    assert {"load", "open_run"} <= mentioned <= set(ptheta.__all__)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'NDAE'"):
        _ = ptheta.NDAE


def test_every_recipe_is_a_leaf_and_every_leaf_a_recipe():
    assert [leaf.name for _, leaf in leaves()] != [] and {leaf.name for _, leaf in leaves()} == set(RECIPES)


@pytest.mark.parametrize(("path", "leaf"), list(leaves()), ids=lambda v: getattr(v, "name", None))
def test_the_tree_agrees_with_the_protocols(path: tuple[str, str, str], leaf):
    module, name = leaf.model.split(":")
    model = getattr(import_module(f"ptheta.{module}"), name)
    offers = {
        "exact": issubclass(model, HasLogProb),
        "lower bound": issubclass(model, HasElbo),
        "exact or estimate": issubclass(model, HasEnergy),
    }
    assert [kind for kind, offered in offers.items() if offered] == ([] if leaf.score == "none" else [leaf.score])
    branch = {"exact": "tractable", "none": "direct"}.get(leaf.score, "approximate")
    assert path[1] == branch
    assert path[0] == ("implicit" if leaf.score == "none" else "explicit")


KINDS = {
    "binary": lambda shape: Binary(shape),
    "levels": lambda shape: Levels(shape, 4),
    "symbols": lambda shape: Symbols(shape, 3),
    "real": lambda shape: Real(shape),
}
SHAPES = ((6,), (2, 3), (1, 16, 16))  # some models take vectors only, some frames, some images


def built(recipe: str, kind: str) -> list[Model]:
    """What a recipe makes of small spaces of a kind; those it refuses in a sentence are left out."""
    models = []
    for shape in SHAPES:
        with suppress(ValueError):
            models.append(find_recipe(recipe)(KINDS[kind](shape)).model)
    return models


def offered(model: Model) -> str:
    """The word of the tree for what a model knows of log p."""
    words = {HasLogProb: "exact", HasElbo: "lower bound", HasEnergy: "exact or estimate"}
    return " and ".join(word for protocol, word in words.items() if isinstance(model, protocol)) or "none"


@pytest.mark.parametrize("leaf", [leaf for _, leaf in leaves()], ids=lambda leaf: leaf.name)
def test_the_tree_agrees_with_what_the_recipes_make(leaf):
    made = {kind: built(leaf.name, kind) for kind in KINDS}
    assert tuple(kind for kind, models in made.items() if models) == leaf.spaces
    for model in (model for models in made.values() for model in models):
        expected = "lower bound" if isinstance(model, Dequantization) else leaf.score
        assert offered(model) == expected, type(model).__name__
        assert (expected == leaf.score) or model.space.is_discrete


def test_no_dependency_pulls_in_torchvision():
    for name in ("scikit-learn", "matplotlib", "pillow", "safetensors", "pydantic", "tyro", "rich", "jinja2"):
        requires = metadata.requires(name) or []
        assert not [r for r in requires if r.startswith("torchvision") and "extra" not in r], name


@pytest.mark.parametrize("path", FILES, ids=str)
def test_files_and_functions_stay_small(path: Path):
    text = path.read_text()
    assert text.count("\n") <= 500, f"{path.name} has over 500 lines"
    tree = ast.parse(text)
    assert text.count("\n") < 15 or ast.get_docstring(tree), f"{path.name} has no module docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 75, f"{path.name}: {node.name} is too long"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{path.name}: a bare except"


def test_nothing_unpickles():
    for path in FILES:
        text = path.read_text()
        assert "pickle.load" not in text and "torch.load(" not in text and "allow_pickle=True" not in text, path
