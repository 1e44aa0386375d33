"""Optimisers as records: the steps they take, against their formulas by hand."""

import math
import subprocess
import sys

import pytest
import torch

from ptheta.optimizers import SGD, Adagrad, Adam, Optimizer, RMSProp


def walk(optimizer: Optimizer, gradients: list[float], start: float = 1.0) -> list[float]:
    """Where a weight goes under these gradients."""
    weight = torch.nn.Parameter(torch.tensor([start], dtype=torch.float64))
    built, path = optimizer.build([weight]), []
    for gradient in gradients:
        weight.grad = torch.full_like(weight, gradient)
        built.step()
        path.append(weight.item())
    return path


def test_adam_remembers_both_moments():
    first, second = walk(Adam(0.1, betas=(0.5, 0.75)), [1.0, 0.0])
    assert first == pytest.approx(1 - 0.1)
    moment = 0.5 * 0.5 / (1 - 0.5**2)
    square = 0.75 * 0.25 / (1 - 0.75**2)
    assert second == pytest.approx(first - 0.1 * moment / math.sqrt(square))


def test_weight_decay_is_an_l2_penalty_unless_it_is_decoupled():
    # Without a gradient, Adam normalises the penalty's gradient away; AdamW shrinks the weight in proportion.
    assert walk(Adam(0.1, weight_decay=0.01), [0.0]) == pytest.approx([1 - 0.1], rel=1e-5)
    assert walk(Adam(0.1, weight_decay=0.01, decoupled=True), [0.0]) == pytest.approx([1 - 0.1 * 0.01])
    assert walk(SGD(0.1, weight_decay=0.01), [0.0]) == pytest.approx([1 - 0.1 * 0.01])
    assert walk(Adagrad(0.1, weight_decay=0.01), [0.0]) == pytest.approx([1 - 0.1], rel=1e-5)
    assert walk(RMSProp(0.1, weight_decay=0.01, decay=0.75), [0.0]) == pytest.approx([1 - 0.1 / 0.5], rel=1e-5)


def test_momentum_carries_on():
    assert walk(SGD(0.1, momentum=0.5), [1.0, 0.0, 0.0]) == pytest.approx([0.9, 0.85, 0.825])


def test_rmsprop_forgets_at_its_decay():
    first, second = walk(RMSProp(0.1, decay=0.75), [1.0, 1.0])
    assert first == pytest.approx(1 - 0.1 / math.sqrt(0.25))
    assert second == pytest.approx(first - 0.1 / math.sqrt(0.75 * 0.25 + 0.25))


def test_adagrad_sums_squares():
    first, second = walk(Adagrad(0.1), [2.0, 1.0])
    assert first == pytest.approx(0.9)
    assert second == pytest.approx(first - 0.1 / math.sqrt(5))


def test_overrides_replace_what_is_given_and_only_that():
    base = Adam(0.1, weight_decay=0.01, clip=1.0)
    assert base.with_(learning_rate=0.2, weight_decay=None, clip=None) == Adam(0.2, weight_decay=0.01, clip=1.0)
    assert base.with_(weight_decay=0.0).weight_decay == 0.0


@pytest.mark.parametrize(
    ("rule", "theirs"),
    [
        (Adam(0.1, weight_decay=0.1), lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1)),
        (Adam(0.1, weight_decay=0.1, decoupled=True), lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1)),
        (SGD(0.1, momentum=0.5), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5)),
    ],
    ids=["Adam", "AdamW", "SGD"],
)
def test_without_marks_for_the_compiler_the_steps_are_those_of_torch(rule, theirs):
    paths = []
    for make in (rule.build, theirs):
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))
        built = make([weight])
        for _ in range(4):
            built.zero_grad()
            (weight**3).sum().backward()
            built.step()
            built.load_state_dict(built.state_dict())
        paths.append(weight.detach().clone())
    torch.testing.assert_close(*paths)


def test_training_imports_neither_a_compiler_nor_the_data_of_scikit_learn(tmp_path):
    code = (
        "import sys; from ptheta.cli import main; "
        "main('fit nade --data digits --hidden 4 --steps 2 --quiet --out r'.split()); "
        "print([m for m in ('torch._dynamo', 'sympy', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
