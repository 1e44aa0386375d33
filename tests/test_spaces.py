"""Spaces: what they refuse and how they say it, maps to networks and back, cells, bits and JSON."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ptheta import Binary, Classes, Levels, Real, Symbols, Tokens
from ptheta.data.dataset import Dataset, Events
from ptheta.spaces import require, space_from_json

SPACES = [
    Binary((5,)),
    Binary((1, 3, 4)),
    Levels((2, 3), 2),
    Levels((1, 4, 4), 17),
    Levels((3, 2, 2), 256),
    Symbols((4,), 7),
    Symbols((2, 3), 1),
    Tokens(6, 65),
    Classes(10),
    Real((3,)),
    Real((2, 2), (1.0, -2.0, 0.0, 1e3), (0.5, 2.0, 1.0, 1e-3)),
    Real((), (4.0,), (3.0,)),
]


def draw(space, n=8, seed=0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if isinstance(space, Real):
        return torch.randn(n, *space.shape, generator=generator, dtype=torch.float64) * 3 + 1
    return torch.randint(0, space.n, (n, *space.shape), generator=generator).to(space.dtype)


@pytest.fixture(params=SPACES, ids=str)
def space(request):
    return request.param


# --- checking ---


def test_good_events_pass(space):
    space.check(draw(space))
    space.check(draw(space)[:0])
    if space.dtype.is_floating_point:
        space.check(draw(space).float())


@pytest.mark.parametrize(
    ("space", "x", "sentence"),
    [
        (
            Binary((2,)),
            torch.zeros(3, 3, dtype=torch.uint8),
            "x should be events of Binary((2,)): a tensor of type uint8 with shape (n, 2), but its shape is (3, 3).",
        ),
        (
            Binary((2,)),
            torch.zeros(3, 2),
            "x should be events of Binary((2,)): a tensor of type uint8 with shape (n, 2), but its type is float32. "
            "Convert it with x.to(torch.uint8).",
        ),
        (
            Binary((2,)),
            torch.full((3, 2), 7, dtype=torch.uint8),
            "x should be events of Binary((2,)): "
            "a tensor of type uint8 with shape (n, 2), but its largest value is 7 and only "
            "0 and 1 are bits.",
        ),
        (
            Levels((1, 2, 2), 16),
            torch.full((1, 1, 2, 2), 16, dtype=torch.uint8),
            "x should be events of Levels((1, 2, 2), 16): "
            "a tensor of type uint8 with shape (n, 1, 2, 2), but its largest "
            "value is 16 and 15 is the largest level.",
        ),
        (
            Classes(3),
            torch.tensor([0, -1]),
            "x should be events of Symbols((), 3): "
            "a tensor of type int64 with shape (n,), but it holds -1 and symbols run "
            "from 0 to 2.",
        ),
        (
            Tokens(2, 3),
            torch.tensor([[0, 3]]),
            "x should be events of Symbols((2,), 3): "
            "a tensor of type int64 with shape (n, 2), but it holds 3 and symbols run "
            "from 0 to 2.",
        ),
        (
            Real((2,)),
            torch.tensor([[0.0, math.nan], [math.inf, 1.0]]),
            "x should be events of Real((2,)): "
            "a tensor of type float32 with shape (n, 2), but 2 of its 4 numbers are NaN or "
            "infinite.",
        ),
        (
            Real((2,)),
            [[0.0, 1.0]],
            "x should be events of Real((2,)): "
            "a tensor of type float32 with shape (n, 2), but it is a list. Convert it with "
            "torch.as_tensor first.",
        ),
        (
            Real((2,)),
            torch.zeros(4, 2, dtype=torch.int64),
            "x should be events of Real((2,)): "
            "a tensor of type float32 with shape (n, 2), but its type is int64. Convert it "
            "with x.to(torch.float32).",
        ),
        (
            Real((2,)),
            torch.zeros(2),
            "x should be events of Real((2,)): a tensor of type float32 with shape (n, 2), but its shape is (2,).",
        ),
    ],
)
def test_bad_events_are_refused_in_a_sentence(space, x, sentence):
    with pytest.raises(ValueError) as caught:
        space.check(x)
    assert str(caught.value) == sentence


def test_a_check_names_what_it_checks():
    with pytest.raises(ValueError, match=r"^context should be events of"):
        Classes(2).check(torch.tensor([2]), "context")


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Levels((2,), 1), "Levels should have 2 to 256 levels, but n is 1."),
        (lambda: Levels((2,), 257), "Levels should have 2 to 256 levels, but n is 257."),
        (lambda: Symbols((2,), 0), "Symbols should have at least one symbol, but n is 0."),
        (lambda: Real((2,), (1.0,)), "mean should hold 2 numbers, one per variable, not 1."),
        (lambda: Real((2,), (), (1.0, 0.0)), "scale should hold positive, finite numbers."),
        (lambda: Real((1,), (), (math.inf,)), "scale should hold positive, finite numbers."),
    ],
)
def test_spaces_that_are_none(build, sentence):
    with pytest.raises(ValueError) as caught:
        build()
    assert str(caught.value) == sentence


# --- to networks and back ---


def test_project_undoes_embed(space):
    x = draw(space)
    y = space.embed(x, torch.float64)
    assert y.shape == (len(x), *space.embedded_shape) and y.dtype == torch.float64
    back = space.project(y)
    assert torch.equal(back, x) if space.is_discrete else torch.allclose(back, x, rtol=1e-12)
    space.check(back)
    wrong = space.project(-y)  # the broken twin: an embedding of the other sign
    assert not torch.equal(wrong, x) or getattr(space, "n", 2) == 1


def test_embeddings_have_the_type_asked_for(space):
    assert space.embed(draw(space)).dtype == torch.get_default_dtype()
    assert space.embed(draw(space), torch.float16).dtype == torch.float16


def test_every_output_projects_to_a_valid_event(space):
    y = torch.randn(50, *space.embedded_shape, generator=torch.Generator().manual_seed(1)) * 10
    space.check(space.project(y))


def test_ordered_values_are_embedded_in_minus_one_to_one():
    assert Levels((2,), 256).embed(torch.tensor([[0, 255]], dtype=torch.uint8)).tolist() == [[-1, 1]]
    assert Levels((3,), 3).embed(torch.tensor([[0, 1, 2]], dtype=torch.uint8)).tolist() == [[-1, 0, 1]]
    assert Binary((2,)).embed(torch.tensor([[0, 1]], dtype=torch.uint8)).tolist() == [[-1, 1]]
    assert Classes(3).embed(torch.tensor([2])).tolist() == [[0, 0, 1]]


@given(st.integers(2, 256), st.integers(0, 10_000))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_projecting_undoes_jitter(n, seed):
    for space in (Levels((50,), n), Binary((50,))):
        x = draw(space, 4, seed)
        u = torch.rand(4, 50, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        y = space.embed(x, torch.float64)
        z = space.jitter(y, u)
        assert torch.equal(space.project(z), x)
        wide = y + 2 * (z - y)  # the broken twin: cells twice as wide
        assert not torch.equal(space.project(wide), x)


def test_jitter_fills_the_cells_without_gaps():
    space = Levels((3,), 3)
    low, high = (
        space.jitter(space.embed(torch.tensor([[0, 1, 2]], dtype=torch.uint8)), torch.full((1, 3), u))
        for u in (0.0, 1.0)
    )
    assert high[0, :-1].tolist() == low[0, 1:].tolist()


def test_reals_and_symbols_are_not_jittered():
    y = torch.zeros(2, 3)
    assert Real((3,)).jitter(y, torch.ones(2, 3)) is y


# --- cells ---


def test_events_undoes_cells(space):
    x = draw(space)
    cells = space.cells(x)
    assert cells.shape == (len(x), space.dimensions)
    back = space.events(cells)
    assert torch.equal(back, x) if space.is_discrete else torch.allclose(back, x, rtol=1e-12)


def test_the_log_volume_is_the_jacobian_of_cells(space):
    if space.is_discrete:
        assert space.log_volume == 0
        return
    x = draw(space, 1)
    jacobian = torch.autograd.functional.jacobian(lambda v: space.cells(v.reshape(x.shape)).flatten(), x.flatten())
    assert abs(float(jacobian.logdet()) + space.log_volume) < 1e-9
    if space.log_volume:
        assert abs(float(jacobian.logdet()) - space.log_volume) > 1e-3  # the broken twin: the other sign


def test_standardising_gives_mean_zero_and_scale_one():
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 5 + 100
    x[:, 1] = 3.3
    space = Real.standardising(x)
    cells = space.cells(x)
    assert cells.mean(0).abs().max() < 1e-6
    assert (cells.std(0, correction=0)[[0, 2]] - 1).abs().max() < 1e-8
    assert space.scale[1] == 1.0
    assert Real.standardising(x + 1e-14 * x) == space  # the last digits of a sum do not count


# --- words and numbers about spaces ---


def test_dimensions_shapes_and_kinds():
    assert [s.dimensions for s in (Binary((1, 3, 4)), Classes(3), Tokens(6, 2))] == [12, 1, 6]
    assert Tokens(6, 65).embedded_shape == (6, 65) and Classes(10).embedded_shape == (10,)
    assert Binary((1, 8, 8)).is_image and Levels((3, 8, 8), 256).is_image and Real((1, 8, 8)).is_image
    assert not any(s.is_image for s in (Binary((64,)), Levels((2, 8, 8), 4), Symbols((1, 8, 8), 9)))
    assert Levels([2, 3], 4) == Levels((2, 3), 4) and len({Levels([2, 3], 4), Levels((2, 3), 4)}) == 1


def test_bits_per_dimension():
    assert Binary((8,)).bits_per_dim(8 * math.log(2)) == pytest.approx(1)
    assert Levels((3, 32, 32), 256).bits_per_dim(3072 * math.log(256)) == pytest.approx(8)
    assert Real((3,)).bits_per_dim(1.0) is None


def test_json_round_trip(space):
    assert space_from_json(json.loads(json.dumps(space.to_json()))) == space
    assert space_from_json(None) is None


def test_json_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="kind binary, levels, symbols, real or table, but the kind is 'os'"):
        space_from_json({"kind": "os", "shape": [2]})


def test_require_names_the_spaces_that_a_model_supports():
    require(Binary((2,)), Binary, Levels, who="NADE")
    with pytest.raises(
        ValueError, match=r"^NADE models events of Binary or Levels spaces, but .* is Real\(\(2,\)\)\.$"
    ):
        require(Real((2,)), Binary, Levels, who="NADE")


# Names: events as a person writes them, and events of one file as those of another

WORDS = Tokens(4, 5, ("", "a", "red", "blue", "circle"))


@pytest.mark.parametrize(
    ("space", "texts"),
    [
        (Classes(3, ("cat", "dog", "10")), ["dog", "10", "cat"]),
        (Classes(3), ["0", "2"]),
        (Tokens(3, 3, ("a", "b", "\n")), ["ab\n", "bbb"]),
        (WORDS, ["a red circle", "blue", "a red blue circle"]),
        (Real((2,)), ["0.5 -3", "1e+06 0"]),
        (Binary((3,)), ["0 1 1"]),
        (Levels((2, 2), 256), ["0 255 3 4"]),
    ],
    ids=str,
)
def test_what_is_shown_is_parsed_back(space, texts):
    x = space.parse(texts)
    space.check(x)
    assert space.show(x) == texts and torch.equal(space.parse(space.show(x)), x)
    assert space_from_json(space.to_json()) == space


def test_classes_are_named_or_numbered_and_a_name_wins():
    space = Classes(3, ("2", "dog", "cat"))
    assert space.parse(["2", "dog", "1"]).tolist() == [0, 1, 1]
    assert WORDS.parse(["red"]).tolist() == [[2, 0, 0, 0]]


@pytest.mark.parametrize(
    ("space", "text", "sentence"),
    [
        (Classes(2, ("cat", "dog")), "dgo", "it should be of cat, dog, but it has 'dgo'. Did you mean dog?"),
        (Classes(2, ("cat", "dog")), "2", "it should be of cat, dog, but it has '2'."),
        (Classes(2), "x", "it should be numbers, but it is 'x'."),
        (Classes(2), "1.5", "it should be whole numbers, for Symbols((), 2), but it is '1.5'."),
        (Classes(2), "7", "it holds 7 and symbols run from 0 to 1"),
        (WORDS, "a green circle", "it should be of a, red, blue, circle, but it has 'green'."),
        (WORDS, "a red red red circle", "it should have 4 words, but 'a red red red circle' has 5."),
        (Tokens(3, 2, ("a", "b")), "ab", "it should have 3 characters, but 'ab' has 2."),
        (Binary((2,)), "0 1 1", "it should be 2 numbers, for Binary((2,)), but '0 1 1' has 3."),
        (Levels((1,), 5), "-1", "it should be numbers from 0 to 255, for Levels((1,), 5), but it is '-1'."),
        (Real((1,)), "nan", "are NaN or infinite"),
        (Levels((1,), 5), "9", "4 is the largest level"),
    ],
    ids=str,
)
def test_texts_that_are_no_events_are_refused_in_a_sentence(space, text, sentence):
    with pytest.raises(ValueError) as refused:
        space.parse([text], "it")
    assert sentence in str(refused.value)


def test_columns_are_matched_by_name():
    space, x = Real((2,), columns=("a", "b")), torch.tensor([[1.0, 2.0, 3.0]])
    assert space.adopt(x, Real((3,), columns=("b", "c", "a"))).tolist() == [[3.0, 1.0]]
    assert space.adopt(x[:, :2], Real((2,), (5.0, 5.0), (2.0, 2.0))).tolist() == [[1.0, 2.0]], "nameless: as they stand"
    with pytest.raises(ValueError, match="expected the columns a, b, but there is no b"):
        space.adopt(x[:, :2], Real((2,), columns=("a", "z")))
    with pytest.raises(ValueError, match="but they are of Binary"):
        space.adopt(x[:, :2].byte(), Binary((2,), ("a", "b")))


def test_symbols_and_classes_are_matched_by_name():
    ours, theirs = Tokens(2, 3, ("a", "b", "c")), Tokens(2, 4, ("A", "c", "b", "a"))
    assert ours.adopt(torch.tensor([[3, 1]]), theirs).tolist() == [[0, 2]]
    with pytest.raises(ValueError, match="expected the symbols a, b, c, but there are others: A"):
        ours.adopt(torch.tensor([[0, 1]]), theirs)
    assert Classes(2, ("no", "yes")).adopt(torch.tensor([0, 1]), Classes(2, ("yes", "no"))).tolist() == [1, 0]
    assert Classes(2).adopt(torch.tensor([0, 1]), Classes(2, ("yes", "no"))).tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"but they are of Symbols\(\(\), 3\)"):
        Classes(2).adopt(torch.tensor([0, 1]), Classes(3))


def test_spaces_are_equal_where_they_hold_the_same_events():
    assert Real((2,), (1.0, 2.0), (3.0, 4.0)) == Real((2,))
    assert Real((2,), columns=("a", "b")) != Real((2,), columns=("b", "a"))
    assert Classes(2, ("a", "b")) != Classes(2, ("b", "a")) and Classes(2, ("a", "b")).unlike(Classes(2)) is None
    assert Binary((2,), ("a", "b")).unlike(Binary((2,), ("b", "a"))) == "their columns are b, a, not a, b"
    for broken in (
        lambda: Binary((2,), ("a", "a")),
        lambda: Real((2, 2), columns=("a", "b")),
        lambda: Classes(2, "aa"),
    ):
        with pytest.raises(ValueError, match="all different"):
            broken()


def test_a_data_set_is_adopted_by_name():
    x, c = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.tensor([0, 1, 0])
    parts = (Events(x, c), Events(x, c), Events(x, c))
    data = Dataset("mine", Real((2,), columns=("b", "a")), *parts, context_space=Classes(2, ("yes", "no")))
    seen = data.adopted(Real((2,), columns=("a", "b")), Classes(2, ("no", "yes")))
    assert seen.test.x.tolist() == x.flip(1).tolist() and seen.test.context.tolist() == [1, 0, 1]
    assert data.adopted(data.space, None).test.context is None
    with pytest.raises(ValueError, match="mine does not fit the model: expected the columns a, z, but there is no z"):
        data.adopted(Real((2,), columns=("a", "z")), None)
    with pytest.raises(ValueError, match=r"expected contexts of Symbols\(\(\), 2\), but mine has none"):
        data.without_context().adopted(data.space, Classes(2))
