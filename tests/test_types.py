"""What a type checker sees of the library: misspelled names and arguments are errors before anything runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ptheta

ROOT = Path(ptheta.__file__).parent

RIGHT = """
import ptheta

data = ptheta.load("digits")
model: ptheta.NADE = ptheta.NADE(data.space, hidden=3)
recipe: ptheta.Recipe = ptheta.find_recipe("nade")(data.space)
likelihood: ptheta.Likelihood = ptheta.likelihood(model, data.test)
run: ptheta.Run = ptheta.fit_run("nade", data, ptheta.open_run("r").folder)
ptheta.recipes.find_recipe("vae")
ptheta.training.Training(epochs=3)
"""
WRONG = {
    "ptheta.NADES": '"NADES" is not a known attribute',
    "ptheta.NADE(ptheta.Binary((3,)), hiden=3)": 'No parameter named "hiden"',
    "ptheta.NADE(ptheta.Binary((3,)), hidden='many')": "Literal['many']",
    "ptheta.load('digits').space.dimension": 'Cannot access attribute "dimension"',
    "ptheta.recipes.find_recip('nade')": '"find_recip" is not a known attribute',
}


@pytest.mark.slow
def test_a_type_checker_sees_what_is_wrong_and_nothing_else(tmp_path: Path):
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text("import ptheta\n\n" + "".join(f"print({line})\n" for line in WRONG))
    settings = {"extraPaths": [str(ROOT.parent)], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    words = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = [e for e in found if e["severity"] == "error"]
    assert [e for e in errors if e["file"].endswith("right.py")] == []
    told = {e["range"]["start"]["line"] - 2: e["message"] for e in errors}
    for line, (code, words) in enumerate(WRONG.items()):
        assert words in told.get(line, ""), f"{code}: {told.get(line)}"


def test_the_library_ships_its_types():
    assert (ROOT / "py.typed").is_file()
    stub = (ROOT / "__init__.pyi").read_text()
    assert set(re.findall(r" as (\w+)$", stub, re.MULTILINE)) >= set(ptheta.NAMES), "make docs"


def test_submodules_and_nouns_are_there_after_one_import():
    lines = [
        "import ptheta",
        "ptheta.recipes.find_recipe; ptheta.training.joined",
        "ptheta.data.synthetic.truth; ptheta.latent.VAE",
        "ptheta.Run, ptheta.Recipe, ptheta.fit_run, ptheta.compare, ptheta.find_recipe",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
    with pytest.raises(AttributeError, match=r"no attribute 'NADES'\. Did you mean NADE\?"):
        ptheta.NADES  # noqa: B018
