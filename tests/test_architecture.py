"""The plan of the house, enforced: imports point one way, help needs no torch, names and sizes hold."""

import ast
import re
import subprocess
import sys
from contextlib import suppress
from importlib import import_module, metadata
from inspect import signature
from pathlib import Path

import pytest

import ptheta
from ptheta.distributions.dequantized import Dequantization
from ptheta.model import Distribution, Model
from ptheta.protocols import HasComplete, HasElbo, HasEnergy, HasLogProb
from ptheta.recipes import RECIPES, find_recipe
from ptheta.spaces import Binary, Classes, Column, Levels, Real, Space, Symbols, Table
from ptheta.taxonomy import leaves

SOURCE = Path(ptheta.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

FAMILIES = ("regression", "autoregressive", "flows", "latent", "diffusion", "adversarial", "energy")
LAYERS = {
    **dict.fromkeys(("hints", "signals", "files", "spaces", "noise", "optimizers", "nn", "taxonomy"), 0),
    **dict.fromkeys(("model", "protocols", "ladder"), 1),
    "data": 2,
    "distributions": 3,
    **dict.fromkeys(FAMILIES, 4),
    **dict.fromkeys(("training", "metrics"), 5),
    "recipes": 6,
    "runs": 7,
    "applications": 8,
    **dict.fromkeys(("papers", "report"), 9),
    **dict.fromkeys(("cli", "studio", "__main__"), 10),
}
EXCEPTIONS = {("model", "training")}  # the three lines of Trained.fit


def names_imported(path: Path, *, top_only: bool = False) -> set[tuple[str, str]]:
    """Each module that is imported and the name that is taken from it, empty for all of it; not what is for types."""
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
            found.update((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update((node.module, alias.name) for alias in node.names)
    return found


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    return {module for module, _ in names_imported(path, top_only=top_only)}


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


def module_name(path: Path) -> str:
    return ".".join(("ptheta", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


def imported_modules(path: Path, known: set[str]) -> set[str]:
    """The modules of the library that one imports anywhere, also within functions; what is for types only is not."""
    taken = {(module, f"{module}.{name}") for module, name in names_imported(path)}
    return {name if name in known else module for module, name in taken} & known


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules that reach one another, sorted."""
    reached = {name: {name} for name in graph}
    grown = True
    while grown:
        grown = False
        for name, targets in graph.items():
            more = set().union(*(reached[target] for target in targets)) - reached[name]
            reached[name] |= more
            grown = grown or bool(more)
    found = {frozenset(b for b in graph if b in reached[a] and a in reached[b]) for a in graph}
    return sorted(sorted(circle) for circle in found if len(circle) > 1)


def import_graph() -> dict[str, set[str]]:
    names = {module_name(path): path for path in FILES}
    return {name: imported_modules(path, set(names)) - {name} for name, path in names.items()}


def test_no_modules_import_in_a_circle_but_the_one_named():
    graph = import_graph()
    (named,) = circles(graph)
    assert {"ptheta.model", "ptheta.training"} <= set(named)
    graph["ptheta.model"].remove("ptheta.training")  # the three lines of Trained.fit
    assert circles(graph) == []


def test_the_law_of_circles_rejects_one_within_a_function(tmp_path: Path):
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    lazy, typed = tmp_path / "lazy.py", tmp_path / "typed.py"
    lazy.write_text("def f():\n    from ptheta.nn import masked\n    return masked\n")
    typed.write_text(
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from ptheta.nn.masked import MaskedMLP\n"
    )
    known = {"ptheta.nn", "ptheta.nn.masked"}
    assert imported_modules(lazy, known) == {"ptheta.nn.masked"} and imported_modules(typed, known) == set()
    graph = import_graph()
    graph["ptheta.nn.masked"] |= {"ptheta.nn.unrolled"}  # as it was once
    assert ["ptheta.nn.masked", "ptheta.nn.unrolled"] in circles({**graph, "ptheta.model": set()})


@pytest.mark.parametrize(
    "code",
    [
        *(
            f"import {module}"
            for module in ("ptheta", "ptheta.cli", "ptheta.taxonomy", "ptheta.recipes", "ptheta.papers")
        ),
        "from ptheta.cli import main; main(['models', '--json'])",
    ],
)
def test_help_needs_no_torch(code: str):
    code = f"import sys; {code}; print(any(m in sys.modules for m in ('torch', 'matplotlib', 'sklearn')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"


def test_recipes_and_papers_import_no_torch_at_the_top():
    for path in [*(SOURCE / "recipes").glob("*.py"), *(SOURCE / "papers").glob("*.py")]:
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
    explicit = "tractable" if leaf.score == "exact" else "approximate"
    drawn = "chain" if leaf.sampling == "chain" else "direct"
    implicit = ("implicit", drawn) if issubclass(model, Distribution) else ("map", "deterministic")
    assert path[:2] == (implicit if leaf.score == "none" else ("explicit", explicit))
    assert issubclass(model, Distribution) == (leaf.sampling != "none")
    assert leaf.completes == issubclass(model, HasComplete)
    drawn = getattr(model, "sample", None)
    assert leaf.temperature == (drawn is not None and "temperature" in signature(drawn).parameters)


def table_of(shape: tuple[int, ...]) -> Table:
    kinds = [("category", ("a", "b")), ("number", ()), ("whole", ())] * shape[-1]
    return Table(tuple(Column(f"c{i}", kind, names) for i, (kind, names) in enumerate(kinds[: shape[-1]])))


KINDS = {
    "binary": lambda shape: Binary(shape),
    "levels": lambda shape: Levels(shape, 4),
    "symbols": lambda shape: Symbols(shape, 3),
    "real": lambda shape: Real(shape),
    "table": table_of,
}
SHAPES = ((6,), (2, 3), (1, 16, 16))  # some models take vectors only, some frames, some images


def built(recipe: str, kind: str, context_space: Space | None = None) -> list[Model]:
    """What a recipe makes of small spaces of a kind; those it refuses in a sentence are left out."""
    models = []
    for shape in SHAPES:
        with suppress(ValueError):
            models.append(find_recipe(recipe)(KINDS[kind](shape), context_space).model)
    return models


def offered(model: Model) -> str:
    """The word of the tree for what a model knows of log p."""
    words = {HasLogProb: "exact", HasElbo: "lower bound", HasEnergy: "exact or estimate"}
    return " and ".join(word for protocol, word in words.items() if isinstance(model, protocol)) or "none"


@pytest.mark.parametrize("leaf", [leaf for _, leaf in leaves()], ids=lambda leaf: leaf.name)
def test_the_tree_agrees_with_what_the_recipes_make(leaf):
    made = {kind: built(leaf.name, kind, Classes(2) if leaf.contexts.startswith("needed") else None) for kind in KINDS}
    assert tuple(kind for kind, models in made.items() if models) == leaf.spaces
    for model in (model for models in made.values() for model in models):
        expected = "lower bound" if isinstance(model, Dequantization) else leaf.score
        assert offered(model) == expected == leaf.score_on(model.space.kind), type(model).__name__
        assert (expected == leaf.score) or model.space.is_discrete


GIVEN = {"class": Classes(2), "vector": Real((3,)), "picture": Levels((1, 8, 8), 4), "text": Symbols((4,), 3)}


@pytest.mark.parametrize("leaf", [leaf for _, leaf in leaves()], ids=lambda leaf: leaf.name)
def test_the_tree_agrees_with_what_recipes_can_be_given(leaf):
    taken = {"none": [], "classes": ["class"], "needed classes": ["class"]}.get(leaf.contexts, list(GIVEN))
    kind = leaf.spaces[0]
    assert [name for name, space in GIVEN.items() if built(leaf.name, kind, space)] == taken
    assert bool(built(leaf.name, kind)) != leaf.contexts.startswith("needed")
    for name, space in GIVEN.items():
        shape = next(shape for shape in reversed(SHAPES) if leaf.axes in (None, len(shape)))
        assert (leaf.against(KINDS[kind](shape), space) is None) == (name in taken) or leaf.most_variables


@pytest.mark.parametrize("leaf", [leaf for _, leaf in leaves()], ids=lambda leaf: leaf.name)
def test_the_tree_agrees_with_the_shapes_that_recipes_take(leaf):
    kind, given = leaf.spaces[0], Classes(2) if leaf.contexts.startswith("needed") else None
    spaces = map(KINDS[kind], SHAPES)
    suited = [space.shape for space in spaces if leaf.against(space, given) is None]
    taken = [model.space.shape for model in built(leaf.name, kind, given)]
    assert suited == taken or leaf.most_variables


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


ROOT = SOURCE.parent.parent
CODE = [
    p for folder in ("src", "tests", "benchmarks", "docs", "examples") for p in sorted((ROOT / folder).rglob("*.py"))
]


def misnamed(tree: ast.AST) -> list[str]:
    """Constants that begin with an underscore, and names with one that are taken from another file of the project."""
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and re.fullmatch(r"_[A-Z][A-Z0-9_]*", node.id)
        ):
            found.append(f"the constant {node.id}")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("ptheta", "tests"):
            found += [f"{a.name} of {node.module}" for a in node.names if re.match("_[^_]", a.name)]
    return found


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_names_say_who_may_use_them(path: Path):
    assert misnamed(ast.parse(path.read_text())) == []


def test_the_law_of_names_rejects_a_hidden_constant_and_a_borrowed_private_name():
    assert sorted(misnamed(ast.parse("_CHUNK = 3\nfrom ptheta.noise import _plain\nX = 1\n_name = 2"))) == [
        "_plain of ptheta.noise",
        "the constant _CHUNK",
    ]


def test_tables_of_names_have_one_syntax_and_resolve():
    from ptheta.cli import VERBS
    from ptheta.data import NAMES
    from ptheta.data.loading import READERS

    places = {
        "ptheta": [leaf.model for _, leaf in leaves()],
        "ptheta.cli": [place for place, _ in VERBS.values()],
        "ptheta.recipes": list(RECIPES.values()),
        "ptheta.data": [*(entry.maker for entry in NAMES.values()), *READERS.values()],
    }
    for package, names in places.items():
        for module, name in (place.split(":") for place in names):
            assert callable(getattr(import_module(f"{package}.{module}"), name))


def test_nothing_unpickles():
    for path in FILES:
        text = path.read_text()
        assert "pickle.load" not in text and "torch.load(" not in text and "allow_pickle=True" not in text, path
