"""Puzzle-GAN: patches are a set, the mask is where they lie, and each term is asked where it belongs."""

import pytest
import torch
from torch import Tensor, nn

from ptheta.adversarial import PuzzleGAN
from ptheta.adversarial.puzzle import covered
from ptheta.data.dataset import Dataset, Events
from ptheta.data.views import Patches
from ptheta.nn.contexts import Flat
from ptheta.nn.puzzle import PatchReader, Placer
from ptheta.noise import Noise, seeded
from ptheta.recipes.given import puzzle_gan
from ptheta.spaces import Classes, Levels, Symbols

SPACE, PIECES = Levels((1, 12, 12), 5), Levels((3, 4, 4), 5)


class Deaf(nn.Module):
    """A critic that says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, y: Tensor) -> Tensor:
        return self.weight.expand(len(y))


def pictures(n: int, seed: int = 0) -> Tensor:
    """Squares of noise in three of nine cells; the rest is blank."""
    noise = Noise(seed)
    cells = (noise.uniform((n, 9, 1, 1), "lit").argsort(1) < 3) * (noise.uniform((n, 9, 4, 4), "x") * 5).floor()
    grid = cells.reshape(n, 3, 3, 4, 4).permute(0, 1, 3, 2, 4).reshape(n, 1, 12, 12)
    return grid.clamp(max=4).byte()


def small(**weights: float) -> PuzzleGAN:
    with seeded(0):
        nets = PatchReader(PIECES, 1, features=8, hidden=16), Placer(4, SPACE.shape, 8, width=4), Deaf()
        return PuzzleGAN(SPACE, PIECES, *nets, latent=4, **weights).double()


def test_the_order_of_patches_changes_nothing_to_the_last_bit():
    with seeded(0):
        reader = PatchReader(Levels((5, 4, 4), 256), 1, features=8)
    patches = (Noise(0).uniform((20, 5, 4, 4), "x") * 255).byte()
    for order in ([1, 0, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 1, 0, 3]):
        assert torch.equal(reader(patches[:, order]), reader(patches))
    each = reader.each(reader.space.embed(patches, torch.float32).flatten(2))
    twin = [each[:, order].sum(1) for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])]
    assert not torch.equal(*twin)  # sums of floats that are not sorted
    twice = patches[:, [0, 0, 2, 3, 4]]
    assert not torch.allclose(reader(twice), reader(patches))  # how many of a patch there are matters


def test_channels_of_a_patch_stay_together():
    with seeded(0):
        reader = PatchReader(Levels((6, 4, 4), 256), 3, features=8)
    patches = (Noise(0).uniform((4, 6, 4, 4), "x") * 255).byte()
    assert torch.equal(reader(patches[:, [3, 4, 5, 0, 1, 2]]), reader(patches))
    assert not torch.allclose(reader(patches[:, [1, 0, 2, 3, 4, 5]]), reader(patches))


def test_the_mask_is_where_the_patches_lie():
    x = pictures(6)
    view = Patches(3, 4)
    _, patches = view.split(x, SPACE)
    mask = covered(x, patches)
    lit = x[:, 0].reshape(6, 3, 4, 3, 4).amax((2, 4)) > 0
    assert torch.equal(mask, lit.repeat_interleave(4, 1).repeat_interleave(4, 2))
    assert torch.equal(covered(x, patches.flip(1)), mask)
    assert not covered(x, (patches + 1) % 5).any()
    wide = torch.nn.functional.pad(x, (0, 3, 0, 1))  # what lies beyond the grid is never covered
    assert torch.equal(covered(wide, patches)[:, :12, :12], mask) and not covered(wide, patches)[:, :, 12:].any()


def test_patches_of_colour_are_compared_in_all_channels():
    x = torch.cat([pictures(4, seed) for seed in range(3)], 1)
    space = Levels((3, 12, 12), 5)
    _, patches = Patches(2, 4).split(x, space)
    assert covered(x, patches).flatten(1).sum(1).tolist() == [32] * 4
    patches[:, 0] = (patches[:, 0] + 1) % 5  # the red of the first patch
    assert covered(x, patches).flatten(1).sum(1).tolist() == [16] * 4


def test_each_term_is_asked_where_it_belongs():
    x = pictures(5)
    _, patches = Patches(3, 4).split(x, SPACE)
    noise = Noise(1)
    model = small(spatial=2.0, appearance=3.0, adversarial=0.0)
    image, logits = model.placer.both(model.latents(5, noise), model.reader(patches))  # pyright: ignore
    mask, y = covered(x, patches).double(), SPACE.embed(x, torch.float64)
    misplaced = nn.functional.binary_cross_entropy(logits.sigmoid(), mask, reduction="none").mean((1, 2))
    away = ((y - image.tanh()).abs()[:, 0] * mask).sum((1, 2)) / mask.sum((1, 2))
    torch.testing.assert_close(model.generator_loss(x, patches, noise), 2 * misplaced + 3 * away)
    beside = x.clone()
    beside[:, 0][~mask.bool()] = 0  # what lies beside the patches is not asked for: only the critic sees it
    torch.testing.assert_close(model.generator_loss(beside, patches, noise), 2 * misplaced + 3 * away)
    assert not torch.allclose(away, (y - image.tanh()).abs()[:, 0].mean((1, 2)))  # the twin: all pixels


def test_it_learns_where_patches_belong():
    """Each cell has a level of its own, so a patch tells its place."""
    lit = Noise(0).uniform((300, 9), "lit").argsort(1) < 3
    levels = torch.arange(9) % 4 + 1
    texture = (torch.arange(16).reshape(4, 4) % 2 == 0).long()
    marks = torch.stack([(texture if k < 4 else texture.T) * levels[k] for k in range(9)])  # (9, 4, 4)
    marks[8] = marks[8].flip(1)
    cells = lit[:, :, None, None] * marks
    x = cells.reshape(300, 3, 3, 4, 4).permute(0, 1, 3, 2, 4).reshape(300, 1, 12, 12).byte()
    data = Dataset("cells", SPACE, Events(x), Events(x[:10]), Events(x)).given(Patches(3, 4))
    with seeded(0):
        nets = PatchReader(PIECES, 1, features=32, hidden=64), Placer(2, SPACE.shape, 32, width=8), Deaf()
    model = PuzzleGAN(SPACE, PIECES, *nets, latent=2)
    model.fit(data, steps=600, batch_size=50, learning_rate=3e-3, seed=0)
    patches = data.train.context
    assert patches is not None
    mask = covered(x, patches)
    found = model.place(patches, noise=Noise(0)) > 0.5
    iou = (mask & found).sum() / (mask | found).sum()
    assert iou > 0.8  # of places at random it is .2
    drawn = model.sample(300, patches, noise=Noise(0))
    near = (SPACE.embed(drawn) - SPACE.embed(x)).abs()[:, 0]
    assert near[mask].mean() < 0.3 < SPACE.embed(x)[:, 0][mask].abs().mean()


def test_without_patches_there_is_nothing_to_place():
    model = puzzle_gan(SPACE, Classes(3)).model
    assert isinstance(model, PuzzleGAN) and isinstance(model.reader, Flat)
    loss = model.generator_loss(pictures(4), torch.tensor([0, 1, 2, 0]), Noise(0))
    assert loss.shape == (4,) and bool(loss.isfinite().all())


def test_a_puzzle_refuses_in_sentences():
    nets = PatchReader(PIECES, 1, features=8), Placer(4, SPACE.shape, 8, width=4), Deaf()
    with pytest.raises(ValueError, match="needs patches"):
        PuzzleGAN(SPACE, None, *nets)
    with pytest.raises(ValueError, match="draws images"):
        PuzzleGAN(Levels((6,), 5), PIECES, *nets)
    with pytest.raises(ValueError, match="not be negative"):
        PuzzleGAN(SPACE, PIECES, *nets, spatial=-1.0)
    for space in (Levels((4, 4, 4), 5), Classes(3), Symbols((3, 4, 4), 5)):
        with pytest.raises(ValueError, match="patches with 3 channels"):
            PatchReader(space, 3)
