"""The named data sets, in one literal table. Nothing heavy is imported here, so listing them is instant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

__all__ = ["NAMES", "Entry"]


@final
@dataclass(frozen=True)
class Entry:
    """Where a named set is made.

    Args:
        maker: The function, as module:function inside ``ptheta.data``.
        about: One line for lists.
        fingerprint: Of the set as loaded without options; empty where it could not be taken.
        fixed: The arguments that the name stands for.
    """

    maker: str
    about: str
    fingerprint: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)


def _synthetic(name: str, about: str, fingerprint: str) -> Entry:
    return Entry("synthetic:synthetic", about, fingerprint, {"name": name})


def _debd(name: str, about: str, fingerprint: str) -> Entry:
    return Entry("tabular:debd", about, fingerprint, {"name": name})


def _uci(name: str, about: str, fingerprint: str) -> Entry:
    return Entry("tabular:uci", about, fingerprint, {"name": name})


def _shapes(name: str, about: str, fingerprint: str, **fixed: Any) -> Entry:
    return Entry("worlds.shape_sets:shapes", about, fingerprint, {"name": name, **fixed})


RED_WINE = (
    "e9a68601bb397b45",
    "586273d7615bbf3d",
    "bbd95602aa685d18",
    "36e14f64e2d1cd3d",
    "481833832f540530",
    "8e8db9028e26245d",
    "9436a1ff97e98efe",
    "3f2ed9b07092b501",
    "9a0fa3c8a9ae5b8b",
    "ad06e8f44e31c6af",
)  # of each fold

NAMES: dict[str, Entry] = {
    "digits": Entry("pictures:digits", "1,797 digits, 8x8, 17 levels; needs no download", "815d8f25ca52de71"),
    "digits-binary": Entry("pictures:digits", "the same with 2 levels", "96aaeeb3205febd1", {"binary": True}),
    "mnist": Entry("pictures:idx_images", "70,000 digits, 28x28, 256 levels", "c246772486a1812a", {"name": "mnist"}),
    "fashion-mnist": Entry(
        "pictures:idx_images", "70,000 clothes, 28x28, 256 levels", "87b5431f16c6fc42", {"name": "fashion-mnist"}
    ),
    "binarized-mnist": Entry(
        "pictures:binarized_mnist", "Larochelle's static binarization, no labels", "52057bf0ea7ad85c"
    ),
    "cifar10": Entry("pictures:cifar10", "60,000 colour pictures of ten things, 32x32"),
    "cifar10-subset": Entry("pictures:cifar10_subset", "13,500 of them", "589aa048626f705e"),
    "frey-faces": Entry("pictures:frey_faces", "1,965 video frames of one face, 28x20", "069a8430d18d5403"),
    "orl-faces": Entry("pictures:orl_faces", "400 faces of 40 people, 28x23", "d78f5eae69288e5c"),
    "omniglot-small": Entry("pictures:omniglot", "2,720 characters of five alphabets, 28x28", "161d517a5db31bc3"),
    "horse2zebra": Entry(  # without a fingerprint, since decoders of JPEG differ in their last bits
        "pictures:horse2zebra", "200 horses and 200 zebras, 64x64 in colour, unpaired"
    ),
    "dna": Entry("tabular:dna", "180 bits, the split of the NADE paper", "af436a8769ff2021"),
    "dna-debd": _debd("dna-debd", "180 bits, the split of the DEBD collection", "7f063639a5dd6583"),
    "mushrooms": _debd("mushrooms", "112 bits", "79ba0509601bee43"),
    "nips": _debd("nips", "500 bits, words in papers", "f7b66da344302dab"),
    "nltcs": _debd("nltcs", "16 bits, abilities of elderly people", "f3390d32adef5509"),
    "plants": _debd("plants", "69 bits, where plants grow", "99b9e731d2505e60"),
    "baudio": _debd("baudio", "100 bits, artists listened to", "eb6953ffe809d692"),
    "bnetflix": _debd("bnetflix", "100 bits, films rated", "7306914b4834e5c8"),
    "accidents": _debd("accidents", "111 bits, circumstances of accidents", "ce35994663795ccc"),
    "moviereview": _debd("moviereview", "1,001 bits, words in reviews", "9bc4b6825fe5f583"),
    "voting": _debd("voting", "1,359 bits, votes of a parliament", "9910ad135b652d8b"),
    "red-wine": Entry(
        "tabular:red_wine", "11 reals, RNADE's ten folds: red-wine-1 to -10, or fold=", "e9a68601bb397b45"
    ),
    **{
        f"red-wine-{k}": Entry("tabular:red_wine", f"tests on part {k}", fingerprint, {"fold": k})
        for k, fingerprint in enumerate(RED_WINE, 1)
    },
    "adult": Entry("tabular:adult", "32,561 census rows of 15 mixed columns, some cells blank", "8e1591f527c92891"),
    "power-plant": _uci("power-plant", "5 reals", "47638741fe97fe4a"),
    "protein": _uci("protein", "10 reals", "31494b1437ce5adb"),
    "kin8nm": _uci("kin8nm", "9 reals", "05f00697d3e0d6ec"),
    "energy": _uci("energy", "9 reals, most of few values", "f59b5f04e97515f7"),
    "concrete": _uci("concrete", "9 reals", "83cecdf88e6de186"),
    "shakespeare": Entry("text:shakespeare", "1,115,394 characters of plays, 65 distinct", "50df68730ac986c9"),
    "jsb": Entry("music:jsb", "Bach's chorales, windows of 32 quarter notes, 88 keys", "ed4dbf4ca2552e83"),
    "ring": _synthetic("ring", "8 Gaussians on a circle, truth known", "4d5afb32d6f601b7"),
    "grid": _synthetic("grid", "25 Gaussians on a lattice, truth known", "6b7cfea3164a2af4"),
    "moons": _synthetic("moons", "two blurred half circles, truth known", "3f0c81781a70f1a9"),
    "mixture-1d": _synthetic("mixture-1d", "a narrow and a wide Gaussian, truth known", "68fbbb67bff2779f"),
    "two-gaussians": _synthetic("two-gaussians", "two far Gaussians, truth known", "dc8248ecfb03f646"),
    "copy": _synthetic("copy", "32 tokens that repeat those 8 before, truth known", "ad3b7926649a2654"),
    "bars": _synthetic("bars", "bars or stripes, 4x4 bits, truth known", "a873f87f8e77144e"),
    "shapes": _shapes(
        "shapes", "coloured shapes, 16x16, read exactly; context=caption, sketch, colour", "d5ae5ef446b7ec5c"
    ),
    "shapes-32": _shapes("shapes-32", "the same, 32x32", "5d8bc6bf622a70f2", size=32),
    "shapes-styles": _shapes(
        "shapes-styles",
        "two domains, outlined and filled, counterpart known",
        "c2cb3c90412a4ec1",
        context="style",
        combinations="all",
    ),
    "shapes-colours": _shapes(
        "shapes-colours",
        "four domains, by colour, counterpart known",
        "831da9d7883da3f8",
        context="colour",
        combinations="all",
    ),
    "shapes-turns": _shapes(
        "shapes-turns",
        "four domains, triangles in quarter turns, counterpart known",
        "e1aff7889d1290f1",
        context="turn",
        combinations="all",
        only="triangle+up+right+down+left",
    ),
    "shapes-sketches": _shapes(
        "shapes-sketches",
        "an outline is given; it is filled in one of two colours, by a coin",
        "1c2b56ce7b0ab813",
        context="sketch",
        combinations="all",
        only="filled+red+blue+100%",
    ),
    "bouncing-balls": Entry(
        "worlds.balls:bouncing_balls", "films of three balls in a box, 20 frames of 15x15", "47b4c17a4afc040a"
    ),
    "coin-flip": Entry("worlds.coins:coin_flip", "films with two equally likely ends, both known", "e817b0441c8b4a6a"),
    "stacked-digits": Entry(
        "worlds.stacked:stacked_digits", "three digits as colours, 8x8, a thousand modes", "7c3f05e6ac73f1c2"
    ),
}
