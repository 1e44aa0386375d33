"""Readers: what they make of a context, that it is where it should be, and how networks take it."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.nn.contexts import (
    ClassReader,
    Flat,
    Injection,
    PictureReader,
    Reader,
    TextReader,
    at,
    features_last,
    read,
    reader_of,
    resized,
    shape_of,
    width_of,
)
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary, Classes, Levels, Real, Space, Symbols, Tokens
from toy_law import toy_contexts

SIZES = [(1, 1), (4, 4), (5, 3), (9, 16)]
PICTURES: list[Space] = [
    Levels((1, 2, 2), 90),
    Binary((3, 5, 3)),
    Real((2, 7, 8)),
    Symbols((1, 4, 6), 5),
    Levels((4, 1, 9), 256),
]
READERS: dict[str, Callable[[], Reader]] = {
    "flat class": lambda: Flat(Classes(3)),
    "flat number": lambda: Flat(Real((), (2.0,), (3.0,))),
    "flat picture": lambda: Flat(Levels((1, 2, 3), 5)),
    "class": lambda: ClassReader(Classes(300), features=6),
    "text": lambda: TextReader(Tokens(5, 7), features=6, width=4),
    "picture": lambda: PictureReader(Levels((3, 2, 2), 5), (4, 6), features=4),
    "picture of symbols": lambda: PictureReader(Symbols((1, 4, 4), 3), (4, 6), features=4),
}
readers = pytest.mark.parametrize("make", READERS.values(), ids=READERS)


def made(make: Callable[[], Reader], seed: int = 0) -> Any:
    with seeded(seed):
        return make().double()


# Which reader


@pytest.mark.parametrize(
    ("space", "size", "kind"),
    [
        (None, None, type(None)),
        (None, (4, 4), type(None)),
        (Classes(256), None, Flat),
        (Classes(257), (4, 4), ClassReader),
        (Tokens(3, 4), (4, 4), TextReader),
        (Tokens(1, 1000), None, TextReader),
        (Symbols((2, 3), 4), (4, 4), Flat),
        (Levels((1, 2, 2), 3), None, Flat),
        (Levels((1, 2, 2), 3), (4, 4), PictureReader),
        (Symbols((1, 2, 2), 3), (4, 4), PictureReader),
        (Real((7, 2, 2)), (4, 4), PictureReader),
        (Real((5,)), (4, 4), Flat),
        (Binary((5, 5)), (4, 4), Flat),
    ],
)
def test_the_reader_is_chosen_by_the_space_and_by_who_asks(space, size, kind):
    reader = reader_of(space, size)
    assert type(reader) is kind and shape_of(reader) == (() if reader is None else reader.shape)
    assert len(shape_of(reader)) == {type(None): 0, PictureReader: 3}.get(kind, 1)


def test_a_reader_made_by_hand_is_the_answer_if_it_reads_these_contexts():
    reader = Flat(Classes(3))
    assert reader_of(Classes(3), (4, 4), reader) is reader
    for space in (Classes(4), None):
        with pytest.raises(ValueError, match=r"contexts of Symbols\(\(\), 3\), but those of the model are of"):
            reader_of(space, None, reader)


def test_readers_refuse_spaces_they_cannot_read():
    with pytest.raises(ValueError, match="ClassReader reads classes, Symbols of shape"):
        ClassReader(Tokens(2, 3))
    with pytest.raises(ValueError, match="TextReader reads sequences of symbols, but a context is of Levels"):
        TextReader(Levels((3,), 4))
    with pytest.raises(ValueError, match="features should be even"):
        TextReader(Tokens(2, 3), features=3)
    with pytest.raises(ValueError, match="PictureReader reads pictures of shape"):
        PictureReader(Real((4, 4)), (4, 4))


def test_networks_of_vectors_refuse_maps():
    maps = PictureReader(Levels((1, 2, 2), 3), (4, 4))
    assert width_of(None, "NADE") == 0 and width_of(Flat(Levels((1, 2, 2), 3)), "NADE") == 4
    with pytest.raises(ValueError, match=r"NADE takes a context as a vector, but its reader gives maps of shape \(16"):
        width_of(maps, "NADE")


# What every reader does


@readers
def test_rows_are_read_alone_in_the_type_of_the_reader(make):
    reader = made(make)
    context = toy_contexts(reader.space, 7, Noise(0))
    whole = reader(context)
    assert whole.shape == (7, *reader.shape) and whole.dtype == torch.float64
    assert torch.allclose(reader(context[2:3]), whole[2:3], rtol=1e-12, atol=1e-12)
    assert reader(context[:0]).shape == (0, *reader.shape)
    assert bool((whole != whole[:1]).any()), "all contexts look alike"
    assert reader.float()(context).dtype == torch.float32
    assert torch.equal(read(reader, context), reader(context)) and read(None, context) is read(reader, None) is None


@readers
def test_all_that_a_reader_learns_has_a_gradient_and_nothing_else_is_saved(make):
    reader = made(make)
    whole = reader(toy_contexts(reader.space, 50, Noise(0))).square().sum()
    whole.backward() if whole.requires_grad else None
    for name, p in reader.named_parameters():
        assert p.grad is not None and bool((p.grad != 0).any()), name
    assert set(reader.state_dict()) == {name for name, _ in reader.named_parameters()}
    assert (not reader.state_dict()) == isinstance(reader, Flat)


# Classes and texts


def test_a_class_reader_is_a_linear_layer_on_one_hot_classes():
    reader = made(lambda: ClassReader(Classes(5), features=3))
    context = torch.tensor([4, 0, 2, 4])
    assert torch.allclose(reader(context), F.one_hot(context, 5).double() @ reader.vectors.weight)


class Bag(Reader):
    """Reads words without their order: a twin that the test of orders rejects."""

    def __init__(self, space: Space) -> None:
        super().__init__(space, (6,))
        self.vectors = nn.Embedding(space.n, 6)  # pyright: ignore[reportAttributeAccessIssue]

    def forward(self, context: Tensor) -> Tensor:
        return self.vectors(context).mean(1)


def least_gap(found: Tensor) -> float:
    """How much the two rows differ that differ least."""
    gaps = (found[:, None] - found[None]).abs().flatten(2).amax(2).detach()
    return float((gaps + torch.eye(len(found))).min())


def tells_orders_apart(reader: Reader) -> None:
    """Every order of the same words is read differently, and so is where a word is repeated."""
    orders = torch.tensor(list(permutations(range(reader.space.dimensions))))
    repeats = torch.eye(reader.space.dimensions, dtype=torch.int64)
    for context in (orders, repeats):
        assert least_gap(reader(context)) > 1e-4, "two orders of the same words are read alike"


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_text_reader_tells_orders_apart(length: int):
    tells_orders_apart(made(lambda: TextReader(Tokens(length, 7), features=6, width=4)))
    with pytest.raises(AssertionError, match="are read alike"):
        tells_orders_apart(made(lambda: Bag(Tokens(length, 7))))


@pytest.mark.parametrize("length", [1, 2, 40])
def test_a_text_of_any_length_is_read_to_both_ends(length: int):
    reader = made(lambda: TextReader(Tokens(length, 7)))
    context = toy_contexts(reader.space, 1, Noise(0))
    for place in {0, length // 2, length - 1}:
        other = context.clone()
        other[0, place] = (other[0, place] + 1) % 7
        assert bool((reader(other) != reader(context)).any()), f"word {place} is not read"


# Pictures


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("space", PICTURES, ids=str)
def test_pictures_of_any_size_become_maps_of_any_size(space: Space, size: tuple[int, int]):
    reader = made(lambda: PictureReader(space, size, features=3, blocks=1))
    context = toy_contexts(space, 4, Noise(0))
    maps = reader(context)
    assert maps.shape == (4, 3, *size) == (4, *reader.shape) and bool(torch.isfinite(maps).all())
    assert least_gap(maps) > 1e-6, "two pictures are read alike"


def test_resizing_repeats_averages_or_interpolates():
    maps = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert resized(maps, (3, 4)) is maps
    assert torch.equal(resized(maps, (6, 12)), maps.repeat_interleave(2, 2).repeat_interleave(3, 3))
    assert torch.equal(resized(maps, (6, 4)), maps.repeat_interleave(2, 2))
    assert torch.equal(resized(maps, (3, 2)), maps.unflatten(3, (2, 2)).mean(4))
    assert torch.equal(resized(maps, (1, 1)), maps.mean((2, 3), keepdim=True))
    slope = torch.arange(48.0).reshape(1, 1, 6, 8)
    for size in ((7, 9), (12, 5), (4, 20)):  # a plane stays one, away from the edges
        row, column = (torch.arange(float(n)) for n in size)
        plane = ((row + 0.5) * 6 / size[0] - 0.5)[:, None] * 8 + (column + 0.5) * 8 / size[1] - 0.5
        assert torch.allclose(resized(slope, size)[0, 0, 2:-2, 2:-2], plane[2:-2, 2:-2], atol=1e-5)


class Turned(Reader):
    """Maps of the picture upside down: a twin that the test of places rejects."""

    def __init__(self, reader: Reader, turn: Callable[[Tensor], Tensor]) -> None:
        super().__init__(reader.space, reader.shape)
        self.reader, self.turn = reader, turn

    def forward(self, context: Tensor) -> Tensor:
        return self.turn(self.reader(context))


def maps_follow(reader: Reader, factor: int, reach: int) -> None:
    """Moving a picture by a pixel moves its maps by as many as a pixel was stretched to; what is near stays near."""
    context = toy_contexts(reader.space, 2, Noise(0))
    inside = (..., slice(reach + factor, -reach - factor), slice(reach + factor, -reach - factor))
    for axis in (2, 3):
        moved, here = reader(context.roll(1, axis)), reader(context)
        assert not torch.allclose(moved[inside], here[inside]), "the maps stay where they were"
        assert torch.allclose(moved[inside], here.roll(factor, axis)[inside]), "the maps do not move with the picture"


@pytest.mark.parametrize("factor", [1, 2])
def test_maps_are_where_the_picture_is(factor: int):
    reader = made(lambda: PictureReader(Levels((2, 12, 14), 5), (12 * factor, 14 * factor), features=3, blocks=1))
    maps_follow(reader, factor, reach=3)
    for words, turn in (
        ("do not move with", lambda maps: maps.flip(2)),
        ("do not move with", lambda maps: maps.flip(3)),
        ("stay where", lambda maps: 0 * maps),
    ):
        with pytest.raises(AssertionError, match=words):
            maps_follow(Turned(reader, turn), factor, reach=3)


def test_a_pixel_of_the_picture_reaches_as_far_as_is_said():
    reader = made(lambda: PictureReader(Binary((1, 21, 21)), (21, 21), features=3, blocks=2))
    context = torch.zeros(1, 1, 21, 21, dtype=torch.uint8)
    other = context.clone()
    other[..., 10, 10] = 1
    rows, columns = (reader(other) != reader(context))[0].any(0).nonzero().T
    assert (int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())) == (3, 17, 3, 17)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (4, 5), (14, 28), (17, 3), (33, 16)], ids=str)
def test_every_pixel_of_the_maps_sees_the_whole_picture(size: tuple[int, int]):
    reader = made(lambda: PictureReader(Binary((1, *size)), size, features=6))
    context = torch.zeros(1, 1, *size, dtype=torch.uint8)
    for place in {(0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, 0)}:
        other = context.clone()
        other[..., place[0], place[1]] = 1
        assert bool((reader(other) != reader(context)).any(1).all()), f"pixel {place} is not seen everywhere"


# Into networks


def test_an_injection_moves_all_pixels_alike_or_each_by_what_lies_there():
    with seeded(0):
        by_vector, by_maps = Injection((3,), 5).double(), Injection((3, 4, 6), 5).double()
        vector, maps = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 3, 4, 6, dtype=torch.float64)
    assert torch.equal(by_vector(vector, (9, 9))[..., 0, 0], vector @ by_vector.weight.T)
    whole = by_maps(maps, (4, 6))
    assert torch.allclose(whole, torch.einsum("ochw,fc->ofhw", maps, by_maps.weight))
    other = maps.clone()
    other[..., 1, 4] += 1
    changed = (by_maps(other, (4, 6)) != whole).any(1).any(0)
    assert changed.nonzero().tolist() == [[1, 4]]
    assert torch.allclose(by_maps(maps, (2, 3)), F.avg_pool2d(whole, 2))
    assert torch.allclose(by_maps(maps, (8, 6)), whole.repeat_interleave(2, 2))


def test_features_last_are_the_same_read_at_a_row_or_at_a_pixel():
    with seeded(0):
        vector, maps = torch.randn(2, 3), torch.randn(2, 3, 4, 6)
    everywhere, each = features_last(vector, (4, 6)), features_last(maps, (4, 6))
    assert everywhere.shape == (2, 1, 1, 3) and each.shape == (2, 4, 6, 3)
    assert torch.equal(at(everywhere, 3, 5), vector) and torch.equal(at(everywhere, 3), vector[:, None])
    assert torch.equal(at(each, 3, 5), maps[:, :, 3, 5]) and torch.equal(at(each, 3), maps[:, :, 3].mT)
    assert features_last(maps, (2, 3)).shape == (2, 2, 3, 3)
