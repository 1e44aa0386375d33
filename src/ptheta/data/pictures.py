"""Named sets of pictures: digits, MNIST, Fashion-MNIST, binarized MNIST, CIFAR-10, faces, Omniglot.

Each function reads the original files (never a pickle) and cuts the split that its description states.

References:
    Gradient-Based Learning Applied to Document Recognition (LeCun, Bottou, Bengio, Haffner, 1998)
    Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms (Xiao, Rasul, Vollgraf, 2017)
    The Neural Autoregressive Distribution Estimator (Larochelle, Murray, 2011): the static binarization
    Learning Multiple Layers of Features from Tiny Images (Krizhevsky, 2009)
    Human-level concept learning through probabilistic program induction (Lake, Salakhutdinov, Tenenbaum, 2015)
"""

import io
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events, shuffled, split_events
from ptheta.data.store import File, find, locate
from ptheta.data.unpack import gunzip, member_names, members, open_arrays, read_bytes
from ptheta.spaces import Binary, Classes, Levels

__all__ = [
    "binarized_mnist",
    "cifar10",
    "cifar10_subset",
    "digits",
    "frey_faces",
    "horse2zebra",
    "idx_images",
    "omniglot",
    "orl_faces",
]

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
AMAT = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/binarized_mnist_"

IDX = {  # train images, train labels, test images, test labels
    "mnist": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "fashion-mnist": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}
BITS = {
    "train": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "valid": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "test": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
}
CIFAR = File(
    "cifar10/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
)
BATCH = 10_000  # images in one file of CIFAR-10
OMNIGLOT = File(
    "omniglot/images_background_small1.zip",
    "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/images_background_small1.zip",
)
DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def digits(*, binary: bool = False) -> Dataset:
    """The 1,797 digits that scikit-learn ships, 8x8 with 17 levels.

    Args:
        binary: Whether to read levels of 8 and more as ink, the rest as paper.

    Returns:
        The shuffled split 80 / 10 / 10.
    """
    numbers = _digits_of_sklearn()
    x, labels = torch.from_numpy(numbers[:, :-1].astype(np.uint8)).reshape(-1, 1, 8, 8), numbers[:, -1]
    space, name, how = Levels((1, 8, 8), 17), "digits", "17 levels of grey"
    if binary:
        x, space = (x >= 8).to(torch.uint8), Binary((1, 8, 8))
        name, how = "digits-binary", "a pixel is 1 where its level is 8 or more out of 16"
    train, valid, test = split_events(Events(x, torch.from_numpy(labels.astype(np.int64))))
    text = f"Handwritten digits of scikit-learn, 8x8, {how}; a fixed random split 80 / 10 / 10."
    return Dataset(name, space, train, valid, test, Classes(10, DIGITS), text)


def _digits_of_sklearn() -> np.ndarray:
    """Rows of 64 pixels and a label, from the file itself: scikit-learn's data modules take longer than the file."""
    found = find_spec("sklearn")
    path = Path(found.origin if found and found.origin else "").parent / "datasets" / "data" / "digits.csv.gz"
    if path.is_file():
        return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.column_stack([images, labels])


def idx_images(*, name: str) -> Dataset:
    """MNIST or Fashion-MNIST from the four official idx files.

    Args:
        name: "mnist" or "fashion-mnist".

    Returns:
        50,000 / 10,000 / 10,000 events: the last 10,000 training images validate.
    """
    folder, address = ("mnist", MNIST) if name == "mnist" else ("fashion_mnist", FASHION)
    tensors = []
    for file, sha256 in zip(
        ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"), IDX[name], strict=True
    ):
        file = f"{file}-ubyte.gz"
        tensors.append(_read_idx(locate(name, File(f"{folder}/{file}", sha256, address + file))))
    x, labels = tensors[0][:, None], tensors[1].long()
    return Dataset(
        name,
        Levels((1, 28, 28), 256),
        Events(x[:-10_000], labels[:-10_000]),
        Events(x[-10_000:], labels[-10_000:]),
        Events(tensors[2][:, None], tensors[3].long()),
        Classes(10, DIGITS if name == "mnist" else CLOTHES),
        f"{'Handwritten digits' if name == 'mnist' else 'Clothing'}, 28x28 grey; "
        "the last 10,000 of the 60,000 training images validate, the official 10,000 test.",
    )


def _read_idx(path: Path) -> Tensor:
    """Reads an idx file of unsigned bytes."""
    raw = gunzip(path, 16 + 60_000 * 28 * 28)
    axes = raw[3] if len(raw) > 3 else 0
    shape = [int(n) for n in np.frombuffer(raw[4 : 4 + 4 * axes], ">u4")]
    if raw[:3] != b"\0\0\x08" or len(raw) != 4 + 4 * axes + int(np.prod(shape)):
        raise ValueError(f"{path} is not an idx file of bytes; get it again.")
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8, offset=4 + 4 * axes).reshape(shape)


def binarized_mnist() -> Dataset:
    """The static binarization of Larochelle and Murray (2011), from its text files or from a bit-packed npz."""
    packed = find("binarized_mnist/binarized_mnist.npz")
    splits = []
    for split, sha256 in BITS.items():
        if packed is not None:
            splits.append(_unpack(packed, split, 784).reshape(-1, 1, 28, 28))
        else:
            file = File(f"binarized_mnist/binarized_mnist_{split}.amat", sha256, f"{AMAT}{split}.amat")
            text = np.fromfile(locate("binarized-mnist", file), np.uint8)  # "0 1 ... 0\n": a digit, a space
            splits.append(torch.from_numpy(text[::2] - ord("0")).reshape(-1, 1, 28, 28))
    train, valid, test = map(Events, splits)
    text = "MNIST binarized once and for all by Larochelle and Murray (2011), 50,000 / 10,000 / 10,000; no labels."
    return Dataset("binarized-mnist", Binary((1, 28, 28)), train, valid, test, description=text)


def _unpack(path: Path, key: str, bits: int) -> Tensor:
    """Reads rows of bits that ``numpy.packbits`` packed."""
    rows = np.unpackbits(open_arrays(path)[key], axis=1, count=bits)
    return torch.from_numpy(
        np.ascontiguousarray(rows)
    )  # packed column by column, it would be slow to draw batches from


def cifar10() -> Dataset:
    """The whole of CIFAR-10, from its official binary files."""
    files = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
    found = [find(f"cifar10/{f}") or find(f"cifar10/cifar-10-batches-bin/{f}") for f in files]
    paths = [path for path in found if path is not None]
    if len(paths) == len(files):
        raws = [read_bytes(path, 2 * BATCH * 3073) for path in paths]
    else:
        archive = locate("cifar10", CIFAR, "the official binary version; the Python one is a pickle and is not read")
        raws = _members(archive, files)
    for file, raw in zip(files, raws, strict=True):
        if len(raw) != BATCH * 3073:
            raise ValueError(f"the file {file} of cifar10 should have {BATCH * 3073} bytes, but it has {len(raw)}.")
    rows = [torch.frombuffer(bytearray(raw), dtype=torch.uint8).reshape(-1, 3073) for raw in raws]
    events = [Events(r[:, 1:].reshape(-1, 3, 32, 32), r[:, 0].long()) for r in (torch.cat(rows[:5]), rows[5])]
    text = "Colour pictures of ten things, 32x32; the last 5,000 of the 50,000 training images validate."
    return Dataset(
        "cifar10",
        Levels((3, 32, 32), 256),
        events[0][: -BATCH // 2],
        events[0][-BATCH // 2 :],
        events[1],
        Classes(10, THINGS),
        text,
    )


def _members(archive: Path, files: list[str]) -> list[bytes]:
    """Reads members of a tar by their exact names; nothing is unpacked on disk."""
    raws = []
    try:
        with tarfile.open(archive) as tar:
            for file in files:
                member = tar.extractfile(f"cifar-10-batches-bin/{file}")
                raws.append(member.read(BATCH * 3073 + 1) if member else b"")
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise ValueError(f"{archive} is not the whole archive of CIFAR-10 ({error}); get it again.") from error
    return raws


def cifar10_subset() -> Dataset:
    """10,000 training and 3,500 test images of CIFAR-10, in equal numbers per class."""
    missing = "arrays x_train (10000,32,32,3), y_train, x_test (3500,32,32,3), y_test"
    path = locate("cifar10-subset", File("cifar10/cifar10_subset.npz"), missing)
    arrays = open_arrays(path)
    x, test = (torch.from_numpy(arrays[k]).permute(0, 3, 1, 2).contiguous() for k in ("x_train", "x_test"))
    labels, test_labels = (torch.from_numpy(arrays[k]).long() for k in ("y_train", "y_test"))
    text = "A fifth of CIFAR-10 (not comparable to papers): 9,000 / 1,000 / 3,500 colour pictures of ten things, 32x32."
    return Dataset(
        "cifar10-subset",
        Levels((3, 32, 32), 256),
        Events(x[:-1000], labels[:-1000]),
        Events(x[-1000:], labels[-1000:]),
        Events(test, test_labels),
        Classes(10, THINGS),
        text,
    )


def frey_faces() -> Dataset:
    """1,965 video frames of one face, 28x20 grey."""
    path = locate("frey-faces", File("freyfaces/freyfaces.npz"), "an array images (1965,28,20) of bytes")
    x = torch.from_numpy(open_arrays(path)["images"])[:, None]
    train, valid, test = (Events(x[rows]) for rows in shuffled(len(x)).split([1565, 200, 200]))
    text = "Video frames of one face, 28x20 grey; a fixed random split 1,565 / 200 / 200: neighbours in time are alike."
    return Dataset("frey-faces", Levels((1, 28, 20), 256), train, valid, test, description=text)


def orl_faces() -> Dataset:
    """400 faces of 40 people, reduced to 28x23 grey, split by person."""
    missing = "arrays images (400,28,23) of bytes and subject 1..40"
    path = locate("orl-faces", File("orl_faces/orl_faces_28x23.npz"), missing)
    arrays = open_arrays(path)
    x, who = torch.from_numpy(arrays["images"])[:, None], torch.from_numpy(arrays["subject"])
    train, valid, test = Events(x[who <= 32]), Events(x[(who > 32) & (who <= 36)]), Events(x[who > 36])
    text = "Ten faces each of 40 people, reduced to 28x23 grey; people 1-32 train, 33-36 validate, 37-40 test."
    return Dataset("orl-faces", Levels((1, 28, 23), 256), train, valid, test, description=text)


def omniglot() -> Dataset:
    """2,720 characters of five alphabets, averaged down to 28x28, split by who drew them."""
    from PIL import Image

    ink, alphabets, drawers = [], [], []
    path = locate("omniglot-small", OMNIGLOT)
    pictures = sorted(name for name in member_names(path) if name.endswith(".png"))
    for name, raw in zip(pictures, members(path, pictures), strict=True):
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as image:
            if image.size != (105, 105):
                raise ValueError(f"the picture {name} of {path} should have 105x105 pixels, not {image.size}.")
            ink.append(~np.asarray(image, bool))
        alphabets.append(name.split("/")[1])
        drawers.append(int(name[-6:-4]))
    names = tuple(sorted(set(alphabets)))
    events = Events(_shrink(np.stack(ink)), torch.tensor([names.index(a) for a in alphabets]))
    drawer = torch.tensor(drawers)
    splits = (events[drawer <= 16], events[(drawer > 16) & (drawer <= 18)], events[drawer > 18])
    text = (
        "Characters of five alphabets, 105x105 black and white averaged to 28x28 with 256 levels, ink bright; "
        "of the 20 drawers 16 train, 2 validate, 2 test. Not the Omniglot of the IWAE paper."
    )
    return Dataset("omniglot-small", Levels((1, 28, 28), 256), *splits, Classes(len(names), names), text)


def horse2zebra() -> Dataset:
    """200 horses and 200 zebras of CycleGAN's training set, averaged down to 64x64 in colour; nothing pairs them."""
    from PIL import Image

    missing = "JPEG pictures of 256x256 pixels in trainA/ (horses) and trainB/ (zebras)"
    path = locate("horse2zebra", File("horse2zebra/horse2zebra_train_subset.zip"), missing)
    pictures = sorted(name for name in member_names(path) if name.endswith(".jpg"))
    x, classes = [], []
    for name, raw in zip(pictures, members(path, pictures), strict=True):
        with Image.open(io.BytesIO(raw), formats=("JPEG",)) as image:
            if image.size != (256, 256):
                raise ValueError(f"the picture {name} of {path} should have 256x256 pixels, not {image.size}.")
            small = np.asarray(image.convert("RGB")).reshape(64, 4, 64, 4, 3).mean((1, 3)).round()
        x.append(torch.from_numpy(small.astype(np.uint8)).permute(2, 0, 1))
        classes.append(int("trainB" in name.split("/")))
    if not x or len(set(classes)) < 2:
        raise ValueError(f"{path} should hold pictures in trainA and in trainB, but it holds {len(x)} of them.")
    events, place = Events(torch.stack(x), torch.tensor(classes)), torch.arange(len(x)) % 10
    splits = (events[place < 8], events[place == 8], events[place == 9])
    text = (
        "Horses and zebras of ImageNet, 256x256 averaged to 64x64 with 256 levels, grey ones made colour; of each ten "
        "in the order of their names eight train, one validates, one tests. A subset: not comparable to papers."
    )
    return Dataset("horse2zebra", Levels((3, 64, 64), 256), *splits, Classes(2, ("horse", "zebra")), text)


def _shrink(ink: np.ndarray) -> Tensor:
    """Averages (n, 105, 105) bits over areas of 3.75 x 3.75, in whole numbers, to levels (n, 1, 28, 28)."""
    quarter = np.repeat(np.arange(105), 4).reshape(28, 15)  # output row i covers fifteen quarters of input rows
    weights = np.stack([np.bincount(row, minlength=105) for row in quarter])  # (28, 105), rows sum to 15
    area = (weights @ ink.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)  # exact
    return torch.from_numpy(((area * 510 + 225) // 450).astype(np.uint8))[:, None]
