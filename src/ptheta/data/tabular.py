"""Named sets of vectors: the binary density sets, red wine in ten folds, and UCI tables of reals.

References:
    Learning Markov Network Structure with Decision Trees (Lowd, Davis, 2010)
    Markov Network Structure Learning: A Randomized Feature Generation Approach (Van Haaren, Davis, 2012)
    The Neural Autoregressive Distribution Estimator (Larochelle, Murray, 2011)
    RNADE: The Real-valued Neural Autoregressive Density-estimator (Uria, Murray, Larochelle, 2013)
    Probabilistic Backpropagation for Scalable Learning of Bayesian Neural Networks (Hernandez-Lobato, Adams, 2015)
"""

import numpy as np
import torch
from torch import Tensor

from ptheta.data.dataset import Dataset, Events, shuffled
from ptheta.data.store import File, find, locate
from ptheta.data.unpack import gunzip, members, open_arrays
from ptheta.spaces import Binary, Real

__all__ = ["adult", "debd", "dna", "red_wine", "uci"]

DEBD = "https://raw.githubusercontent.com/UCLA-StarAI/Density-Estimation-Datasets/master/datasets/"
SHA256 = {  # train, valid, test
    "accidents": (
        "a76648cf00772c275b4277b21d858e235e3c6d3c5ef30beeb4958189b6bed21c",
        "fd3a80a0f411f157cf3772a057d26980bb166cb89b10cafb818a53f1ec30d46d",
        "df3f1b6c035bf3e306a7d7127320e479d2546ce14a5d6d3043e6be0925b8b414",
    ),
    "baudio": (
        "b1ec73f4aa9d4ce48b465ded865cc3d22b3f68cf6258f9e15fbef8902138add1",
        "7164d8a4943f74953f0e982002d84693fdf483e17f69e7407dc939c5ce5622fe",
        "1474f3206f1f35e099803a0f40b0cd209bdc8d787825095ef6cb23fd87ed0d05",
    ),
    "bnetflix": (
        "73c87cf0635ec734cc0726a5c644b904ff33e81ea51f1049db0e77b787ebad7c",
        "7f0a3e597c6f305f707f9ecd2b2aa523c576cdb17fdc5d902fc832ebea5163de",
        "af73990782fd2f146d96059855c4f3bbb6a7a7caefc417ff620a3ed1415a2395",
    ),
    "dna": (
        "bb8de0ca4b6ad9b610036b7a302962ebecd4b504354b14c02c7d0bee48d207d9",
        "4b0fc89cda5eaf5c75926e281afb6af99de194a546070d5b81b524ba251f4f3f",
        "fec3ae7b26804020a9c43c99828441c5e08bb76b23719368a74ad2b09af99100",
    ),
    "moviereview": (
        "195729f0d72e9707abb7a901b57193bd1b1c9108bb261202170eec6c7e5e2ed1",
        "d887c7726485ca46026c3c9ab511174679cd1c96443c5410ab24fb81c8be38e3",
        "9fea48ab7422d4a1c0b5d063311e6fd3104e59c11018276f7a9e909685a856d2",
    ),
    "mushrooms": (
        "465c712c066bbbee3ccceded24bbe42b4c379df67b524e28cce9bf3a8b83f27b",
        "5a067e6854df71623415e6adc8e913cbff766637a324788882ba800907aa5385",
        "313c5f04b5d0a18bee2f2ffa264be265d09f5362aad6f714637acd9552f81aa0",
    ),
    "nips": (
        "4d744cb1f2c725405bff6ef6878df06eafbbc2a91f0510e0f3d8a508b05ec7bb",
        "b06acd8e6a701d63d4e58b5076c11c59bcd0343fb9b1fbb5997459d3e6b8ca96",
        "48711bdaffbd43aa439679785e19d9cc80c64a157fa84eadc5dce60ee4edf7bc",
    ),
    "nltcs": (
        "e547a7aedad1dd2f7177030881ab1b92c7e24ae5464c71a0f1f89daecaf52b30",
        "93bbbf5c6febdc9bc6e5b5bfab636f4dc0685ab2896d24b23dd267794c3bfcf6",
        "f9ffa6b74b27dc03bee3203d157ee31079e80b13be40d0c0093d635c25aed523",
    ),
    "plants": (
        "1fb1219ff94068d12a563f9e81f8889a1885f41e867884cff608669300c6848f",
        "47834ed318b2d74f48e4b083226ef47fd446d41986012ceae19d230574821b34",
        "95f53c033cd1d86467aec2610dc5bfe014534206c2da4919f73bcab246ab8755",
    ),
    "voting": (
        "113c35bd468a0bb97772623634c1b729b76ba90674e62b68c38fe8d5ac08b341",
        "391bad94351ac4565e2f6628c917607b6e82b82ebdc52d64dd8bfbebcdae12b7",
        "c77c851edfc1fd5c275e961de3530ae406fc5c3446fa305959720273a5bbe9c8",
    ),
}


ADULT = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex capital-gain "
    "capital-loss hours-per-week native-country income"
)


def adult() -> Dataset:
    """The census rows of the adult set, 32,561 of its training file, blanks and all."""
    from ptheta.data.tables import named_table

    url = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data"
    sha = "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"
    return named_table(locate("adult", File("adult/adult.data", sha, url)), "adult", ADULT.split())


def debd(*, name: str) -> Dataset:
    """A binary set of the density estimation benchmark, as split there.

    Args:
        name: Such as "mushrooms".

    Returns:
        Its three files.
    """
    folder = "dna" if name == "dna-debd" else name
    splits = []
    for split, sha256 in zip(("train", "valid", "test"), SHA256[folder], strict=True):
        path = f"debd/{folder}/{folder}.{split}.data"
        packed = find(f"{path}.gz")
        if packed is None:
            raw = locate(name, File(path, sha256, f"{DEBD}{folder}/{folder}.{split}.data")).read_bytes()
        else:
            raw = gunzip(packed, 64 << 20)
        splits.append(Events(_bits(raw)))
    text = f"Binary density set {folder}, as the density estimation benchmark (DEBD) splits it."
    if folder in ("mushrooms", "nips"):
        text += " The NADE paper reports on the same split."
    return Dataset(name, Binary((splits[0].x.shape[1],)), *splits, description=text)


def _bits(raw: bytes) -> Tensor:
    """Reads lines of bits with one character between them."""
    if not raw.endswith(b"\n"):
        raise ValueError("they should hold lines of bits")
    width = raw.index(b"\n") // 2 + 1
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8)[::2].sub(ord("0")).reshape(-1, width)


def dna() -> Dataset:
    """DNA in the split of the NADE and MADE papers, 1,400 / 600 / 1,186."""
    missing = "arrays train, valid, test of the NADE split, the 180 bits of each row packed by numpy.packbits"
    path = locate("dna", File("debd/dna/dna_nade_split.npz"), missing)
    arrays = open_arrays(path)
    rows = [np.unpackbits(arrays[k], axis=1, count=180) for k in ("train", "valid", "test")]
    train, valid, test = (Events(torch.from_numpy(r)) for r in rows)
    text = "Binary density set DNA in the split of the NADE paper, 1,400 / 600 / 1,186; dna-debd is the other split."
    return Dataset("dna", Binary((180,)), train, valid, test, description=text)


def red_wine(*, fold: int = 1) -> Dataset:
    """The eleven inputs of the red wine quality set, in the ten parts of the RNADE papers.

    Args:
        fold: The part to test on, 1 to 10. A fixed random tenth of the other nine validates.

    Returns:
        The split, in raw units, with the space standardised on the training rows.
    """
    if fold not in range(1, 11):
        raise ValueError(f"red-wine has folds 1 to 10, but fold is {fold}.")
    missing = "arrays part1 to part10 with 11 columns, the folds of the RNADE papers"
    path = locate("red-wine", File("uci/red_wine_10folds.npz"), missing)
    arrays = open_arrays(path)
    parts = [torch.from_numpy(arrays[f"part{k}"]) for k in range(1, 11)]
    test = parts.pop(fold - 1)
    text = f"Eleven measurements of 1,599 red wines; part {fold} of ten tests, a random tenth of the rest validates."
    return _held_out(f"red-wine-{fold}", torch.cat(parts), test, text)


def uci(*, name: str, split: int = 0) -> Dataset:
    """A UCI regression table, inputs and target modelled jointly.

    Args:
        name: "power-plant", "protein", "kin8nm", "energy" or "concrete".
        split: Which of the published test splits. A fixed random tenth of the other rows validates.

    Returns:
        The split, in raw units, with the space standardised on the training rows.
    """
    file = "protein-tertiary-structure" if name == "protein" else name
    missing = f"members {file}/data.txt and {file}/index_test_0.txt"
    path = locate(name, File(f"uci/{file}.zip"), missing)
    number, table = members(path, [f"{file}/n_splits.txt", f"{file}/data.txt"])
    splits = int(float(number))
    if split not in range(splits):
        raise ValueError(f"{name} has splits 0 to {splits - 1}, but split is {split}.")
    rows = [line.split() for line in table.decode().splitlines() if line.strip()]
    index = [int(float(k)) for k in members(path, [f"{file}/index_test_{split}.txt"])[0].split()]
    x = torch.tensor([[float(cell) for cell in row] for row in rows], dtype=torch.float64).float()
    held = torch.zeros(len(x), dtype=torch.bool)
    held[index] = True
    text = f"UCI table {file}, inputs and target together; published test split {split}, a random tenth validates."
    if name in ("energy", "concrete", "protein"):
        text += " Some columns take few values, so densities can grow without bound there."
    return _held_out(name if split == 0 else f"{name}-{split}", x[~held], x[held], text)


def _held_out(name: str, rest: Tensor, test: Tensor, text: str) -> Dataset:
    """Splits a random tenth off for validation and standardises on what is left."""
    order = shuffled(len(rest))
    n_valid = round(0.1 * len(rest))
    train, valid = Events(rest[order[n_valid:]]), Events(rest[order[:n_valid]])
    return Dataset(name, Real.standardising(train.x), train, valid, Events(test), description=text)
