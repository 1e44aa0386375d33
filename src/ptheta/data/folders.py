"""A folder of images as events.

PNG, JPEG, BMP, WebP, GIF (first frame), TIFF and PGM/PPM are read; other and hidden files are left out. Sub-folders are
classes. Links to files are followed, links to folders are not. Grey stays grey: only a mixture of grey and colour
becomes colour. Whatever is done to the pictures is said in ``Dataset.notes``; what cannot be read is refused, by name.
Decoders other than these are never started, and a picture with absurdly many pixels is refused before it is decoded.
"""

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptheta.data.dataset import Dataset, Events, split_events
from ptheta.data.unpack import most_bytes, require_readable
from ptheta.spaces import Binary, Classes, Levels

__all__ = ["IMAGE_SUFFIXES", "read_folder"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".pbm")
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")

_ALPHA = "had an alpha channel: their transparent parts were put on white"
_TURNED = "were turned upright as their EXIF tag says"
_FRAMES = "have several frames: the first was taken"
_DEEP = "have 16 bits per channel: the upper 8 were kept"
_SPACE = "are neither grey nor RGB (CMYK, YCbCr, ...) and were converted to RGB"
_COLOURED = "are grey and were made colour, because others are in colour"
_CUT = "did not have the shape asked for and were cut to their middle before they were resized"


def read_folder(
    path: Path,
    *,
    size: int | tuple[int, int] | None = None,
    classes: bool = True,
    skip_corrupt: bool = False,
    valid: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Reads a folder of images of one size, or resizes them to one.

    Args:
        path: The folder.
        size: Height and width to resize to, one number for squares; None keeps the size they all have.
        classes: Whether sub-folders are classes; if not, all images below the folder are read alike.
        skip_corrupt: Whether to skip (and count) images that cannot be read instead of refusing the folder.
        valid: The fraction to choose on.
        test: The fraction to report on.
        seed: Names the split.

    Returns:
        Events of ``Levels((channels, height, width), 256)``, or of ``Binary`` where all pixels are black or white.
    """
    notes: list[str] = []
    files = _list(path, notes)
    labels, names = _classes(path, files, notes) if classes else ([], ())
    pictures, kept = _decode_all(files, _pair(size), skip_corrupt, notes)
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    space = Levels(tuple(x.shape[1:]), 256)
    if x.shape[1] == 1 and bool(((x == 0) | (x == 255)).all()):
        x, space = x.div(255, rounding_mode="floor"), Binary(tuple(x.shape[1:]))
        notes.append("All pixels are black or white, so they were read as bits: 1 is white.")
    context = torch.tensor([labels[i] for i in kept]) if names else None
    splits = split_events(Events(x, context), valid=valid, test=test, seed=seed)
    notes.append(f"Split at random with seed {seed} into {' / '.join(str(len(s)) for s in splits)} events.")
    about = f"{len(x)} images of the folder {path.resolve().name}."
    context_space = Classes(len(names)) if names else None
    return Dataset(path.resolve().name, space, *splits, context_space, about, tuple(notes), names)


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, int) and 1 <= n <= 4096 for n in pair):
        raise ValueError(f"size should be one number or (height, width), from 1 to 4096 pixels, but it is {size!r}.")
    return pair[0], pair[1]


def _list(path: Path, notes: list[str]) -> list[Path]:
    """All image files below the folder, sorted; other files are counted in a note."""

    def refuse(error: OSError) -> None:
        raise ValueError(f"the folder {error.filename} cannot be read: {error.strerror}.") from error

    images: list[Path] = []
    others: list[Path] = []
    for root, folders, files in os.walk(path, onerror=refuse):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for file in (Path(root, f) for f in files if not f.startswith(".")):
            (images if file.suffix.lower() in IMAGE_SUFFIXES else others).append(file)
    if not images:
        what = f"only {len(others)} other files, such as {sorted(others)[0].name}" if others else "no files"
        raise ValueError(
            f"the folder {path} has no images: expected files that end in {', '.join(IMAGE_SUFFIXES)}, found {what}."
        )
    if others:
        notes.append(f"{len(others)} files that are not images were left out, such as {sorted(others)[0].name}.")
    return sorted(images)


def _classes(path: Path, files: list[Path], notes: list[str]) -> tuple[list[int], tuple[str, ...]]:
    """The class of each image: the first folder below the top one."""
    folders = [file.relative_to(path).parts[0] if file.parent != path else "" for file in files]
    names = tuple(sorted(set(folders)))
    if names == ("",):
        return [], ()
    if "" in names:
        raise ValueError(
            f"the folder {path} has images both in itself ({folders.count('')}) and in sub-folders "
            f"({', '.join(names[1:4])}): move them, or say classes=False to read them all alike."
        )
    if len(names) == 1:
        notes.append(f"All images are in the one sub-folder {names[0]}, so there are no classes.")
        return [], ()
    notes.append(f"The sub-folders were read as {len(names)} classes: {', '.join(names)}.")
    return [names.index(folder) for folder in folders], names


def _decode_all(
    files: list[Path], size: tuple[int, int] | None, skip_corrupt: bool, notes: list[str]
) -> tuple[list[np.ndarray], list[int]]:
    """Decodes images (height, width, channels) of one shape; says which of the files they are."""
    pictures: list[np.ndarray] = []
    kept: list[int] = []
    done: Counter[str] = Counter()
    skipped: list[str] = []
    for i, file in enumerate(files):
        try:
            picture, remarks = _decode(file, size)
        except ValueError as error:
            if not skip_corrupt:
                raise ValueError(f"{error} Remove it, or say skip_corrupt=True to skip it.") from error
            skipped.append(file.name)
            continue
        if pictures and picture.shape[:2] != pictures[0].shape[:2]:
            first, other = ("x".join(map(str, p.shape[:2])) for p in (pictures[0], picture))
            raise ValueError(
                f"the images have different sizes: {files[kept[0]].name} has {first} pixels (height x width), "
                f"{file.name} has {other}. Say size=32, or size=(height, width), to resize them all."
            )
        if picture.size * len(files) > most_bytes():
            raise ValueError(
                f"{len(files)} images as large as {file.name} do not fit in memory: say size=64, or smaller."
            )
        pictures.append(picture)
        kept.append(i)
        done.update(remarks)
    if not pictures:
        raise ValueError(f"none of the {len(files)} images could be read; the first is {files[0]}.")
    if skipped:
        notes.append(f"{len(skipped)} of {len(files)} images could not be read and were skipped: {_some(skipped)}.")
    if size is not None:
        notes.append(f"The images were resized to {size[0]}x{size[1]} (height x width, Lanczos).")
    pictures = _same_channels(pictures, done)
    notes.extend(f"{count} of {len(pictures)} images {remark}." for remark, count in done.items())
    return pictures, kept


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _same_channels(pictures: list[np.ndarray], done: Counter[str]) -> list[np.ndarray]:
    grey = sum(p.shape[2] == 1 for p in pictures)
    if 0 < grey < len(pictures):
        done[_COLOURED] = grey
        return [np.repeat(p, 3, 2) if p.shape[2] == 1 else p for p in pictures]
    return pictures


def _decode(file: Path, size: tuple[int, int] | None) -> tuple[np.ndarray, list[str]]:
    """One image as (height, width, 1 or 3) bytes, and what was done to it."""
    from PIL import Image, ImageOps

    remarks: list[str] = []
    try:
        require_readable(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=_FORMATS) as image:
                if 4 * image.width * image.height > most_bytes():
                    raise Image.DecompressionBombError(f"{image.width}x{image.height} do not fit in memory")
                if getattr(image, "n_frames", 1) > 1:
                    remarks.append(_FRAMES)
                image.load()
                upright = ImageOps.exif_transpose(image)
                if image.getexif().get(0x0112, 1) != 1:
                    remarks.append(_TURNED)
                plain = _grey_or_rgb(upright, remarks)
                if size is not None:
                    if plain.width * size[0] != plain.height * size[1]:
                        remarks.append(_CUT)
                    plain = ImageOps.fit(plain, (size[1], size[0]), Image.Resampling.LANCZOS)
                pixels = np.array(plain, np.uint8)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(f"the image {file} has more pixels than any picture should ({error}).") from error
    except Exception as error:  # decoders raise anything on broken files
        raise ValueError(f"the image {file} cannot be read ({error or type(error).__name__}).") from error
    return pixels.reshape(*pixels.shape[:2], -1), remarks


def _grey_or_rgb(image: Any, remarks: list[str]) -> Any:
    """Turns a PIL image of any mode into mode L or RGB."""
    from PIL import Image

    mode = image.mode
    if mode in ("1", "L", "RGB"):
        return image.convert("L") if mode == "1" else image
    if mode.startswith("I"):
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError("its pixels are not 8 or 16 bits wide")
        remarks.append(_DEEP)
        return Image.fromarray((deep.astype(np.uint16) >> 8).astype(np.uint8))
    if mode == "F":
        raise ValueError("its pixels are floating-point numbers; save them as an .npy file")
    has_alpha = mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info
    if has_alpha:
        remarks.append(_ALPHA)
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        white.alpha_composite(rgba)
        rgb = white.convert("RGB")
    else:
        rgb = image.convert("RGB")
        if mode != "P":
            remarks.append(_SPACE)
    pixels = np.asarray(rgb)
    was_grey = mode in ("LA", "La") or (mode in ("P", "PA") and bool((pixels == pixels[..., :1]).all()))
    return Image.fromarray(pixels[..., 0].copy()) if was_grey else rgb
