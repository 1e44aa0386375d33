"""One picture of a file as bytes (channels, height, width), and a remark on whatever was done to it.

Decoders of a few formats only are ever started, and a picture with absurdly many pixels is refused before it is
decoded. Transparent parts are put on white, however the format says that they are: as a channel or as one colour.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from ptheta.data.unpack import most_bytes, require_readable

__all__ = ["IMAGE_SUFFIXES", "Decoder", "pair_of", "require_no_tiles"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".pbm")
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")

SHAPES = ("cut", "pad", "stretch", "tiles")

ALPHA = "had an alpha channel: their transparent parts were put on white"
TURNED = "were turned upright as their EXIF tag says"
FRAMES = "have several frames: the first was taken"
SPACE = "are neither grey nor RGB (CMYK, YCbCr, ...) and were converted to RGB"
UPPER = "have 16 bits per channel: the upper 8 were kept"
USED = "have 16 bits per channel, of which all of them together use {}: the upper 8 of those were kept"
RESHAPED = {
    "cut": "did not have the shape asked for and were cut to their middle before they were resized; shape=pad or "
    "shape=stretch keeps all of them, shape=tiles their size too",
    "pad": "did not have the shape asked for and were filled up with the mean of their edges",
    "stretch": "did not have the shape asked for and were stretched to it",
}
SHORTER = "were resized until their shorter side has {} pixels"
ENLARGED = "are smaller than a tile and were enlarged until they hold one"


def pair_of(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """The height and width that a size means; ValueError where it is none."""
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, int) and 1 <= n <= 4096 for n in pair):
        raise ValueError(f"size should be one number or (height, width), from 1 to 4096 pixels, but it is {size!r}.")
    return pair[0], pair[1]


def require_no_tiles(shape: str, what: str) -> None:
    """Refuses tiles of what is whole or nothing, such as a picture with a caption."""
    if shape == "tiles":
        raise ValueError(f"shape=tiles cuts pictures into pieces, which {what} are not: choose cut, pad or stretch.")


@final
class Decoder:
    """Decodes pictures that belong together.

    Args:
        files: All of them; those of 16 bits are looked at together, to find how many bits they use.
        size: Height and width to resize to, one number for squares; None keeps the size they have.
        shape: How pictures of another shape are brought to it: cut, pad or stretch; tiles leaves them as they are,
            to be cut into tiles of that size, and only enlarges what is smaller than one.
        depth: How many bits those of 16 bits use; None to find it.
        shorter: How many pixels the shorter side of a picture has before it is cut into tiles; None keeps its size.

    ``done`` counts the remarks on what was read.
    """

    def __init__(
        self,
        files: Sequence[Path],
        size: int | tuple[int, int] | None,
        shape: str = "cut",
        depth: int | None = None,
        *,
        shorter: int | None = None,
    ) -> None:
        if shape not in SHAPES:
            raise ValueError(f"shape should be one of {', '.join(SHAPES)}, but it is {shape!r}.")
        if depth is not None and not 8 <= depth <= 16:
            raise ValueError(f"depth should be a number of bits from 8 to 16, but it is {depth}.")
        if shape == "tiles" and size is None:
            raise ValueError("shape=tiles needs the size of a tile: say --size 32, or size=(height, width).")
        if shorter is not None and (shape != "tiles" or not 1 <= shorter <= 4096):
            raise ValueError(
                f"shorter={shorter} should be how many pixels, from 1 to 4096, the shorter side has before a picture "
                "is cut: it goes with shape=tiles."
            )
        self.files, self.size, self.shape, self.depth = files, pair_of(size), shape, depth
        self.shorter = shorter
        self.done: Counter[str] = Counter()

    def frames_of(self, file: Path) -> int:
        """How many frames a picture has; ValueError, in a sentence, where it cannot be read."""
        try:
            with _opened(file) as image:
                return getattr(image, "n_frames", 1)
        except Exception as error:  # decoders raise anything on broken files
            raise ValueError(f"the image {file} cannot be read ({error or type(error).__name__}).") from error

    def read(self, file: Path, frame: int | None = None) -> np.ndarray:
        """Decodes one of them.

        Args:
            file: The file.
            frame: Which of its frames; if None, the first, and others are remarked on.

        Returns:
            Bytes with shape (1 or 3, height, width). Raises ValueError, in a sentence, where it cannot be read.
        """
        from PIL import Image, ImageOps

        remarks: list[str] = []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with _opened(file) as image:
                    if 4 * image.width * image.height > most_bytes():
                        raise Image.DecompressionBombError(f"{image.width}x{image.height} do not fit in memory")
                    if getattr(image, "n_frames", 1) > 1:
                        remarks += [FRAMES] if frame is None else []
                        image.seek(frame or 0)
                    raw = str(image.tile[0][3]) if image.tile else ""
                    image.load()
                    upright = ImageOps.exif_transpose(image)
                    if image.getexif().get(0x0112, 1) != 1:
                        remarks.append(TURNED)
                    pixels = np.array(self._resized(self._grey_or_rgb(upright, raw, remarks), remarks), np.uint8)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ValueError(f"the image {file} has more pixels than any picture should ({error}).") from error
        except Exception as error:  # decoders raise anything on broken files
            raise ValueError(f"the image {file} cannot be read ({error or type(error).__name__}).") from error
        self.done.update(remarks)
        if frame and pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]  # later frames of grey films are decoded as colours
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def _resized(self, image: Any, remarks: list[str]) -> Any:
        from PIL import Image, ImageOps

        if self.size is None:
            return image
        if self.shape == "tiles":
            return self._scaled(image, remarks)
        height, width = self.size
        if image.width * height != image.height * width:
            remarks.append(RESHAPED[self.shape])
        if self.shape == "stretch":
            return image.resize((width, height), Image.Resampling.LANCZOS)
        if self.shape == "cut":
            return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
        edge = np.concatenate([pixels[[0, -1]].reshape(-1, *pixels.shape[2:]), *pixels[:, [0, -1]]]).mean(0).round()
        colour = int(edge) if edge.ndim == 0 else tuple(map(int, edge))
        return ImageOps.pad(image, (width, height), Image.Resampling.LANCZOS, color=colour)

    def _scaled(self, image: Any, remarks: list[str]) -> Any:
        """A picture as it is, or with the shorter side asked for, or just large enough for a tile."""
        from PIL import Image

        assert self.size is not None
        scale = 1.0
        if self.shorter is not None:
            scale = self.shorter / min(image.width, image.height)
            remarks.append(SHORTER.format(self.shorter))
        least = max(self.size[0] / image.height, self.size[1] / image.width)
        if scale < least:
            scale = least
            remarks.append(ENLARGED)
        if scale == 1.0:
            return image
        sides = (image.width, self.size[1]), (image.height, self.size[0])
        width, height = (max(tile, round(scale * side)) for side, tile in sides)
        if 4 * width * height > most_bytes():
            raise Image.DecompressionBombError(f"{width}x{height}, as enlarged for tiles, do not fit in memory")
        return image.resize((width, height), Image.Resampling.LANCZOS)

    def _grey_or_rgb(self, image: Any, raw: str, remarks: list[str]) -> Any:
        """Turns a PIL image of any mode into mode L or RGB."""
        from PIL import Image

        mode = image.mode
        if mode == "F":
            raise ValueError("its pixels are floating-point numbers; save them as an .npy file")
        if mode.startswith("I"):
            return self._deep(image, remarks)
        if ";16" in raw:  # the decoder has dropped the lower 8 bits
            remarks.append(UPPER)
        if "A" in mode or "a" in mode or "transparency" in image.info:
            remarks.append(ALPHA)
            rgba = image.convert("RGBA")
            white = Image.new("RGBA", rgba.size, "white")
            white.alpha_composite(rgba)
            rgb = white.convert("RGB")
        elif mode in ("1", "L", "RGB"):
            return image.convert("L") if mode == "1" else image
        else:
            rgb = image.convert("RGB")
            if mode != "P":
                remarks.append(SPACE)
        pixels = np.asarray(rgb)
        grey = mode in ("1", "L", "LA", "La") or raw.startswith("LA")
        grey = grey or (mode in ("P", "PA") and bool((pixels == pixels[..., :1]).all()))
        return Image.fromarray(pixels[..., 0].copy()) if grey else rgb

    def _deep(self, image: Any, remarks: list[str]) -> Any:
        """A grey picture of 16 bits: the upper 8 of those that are used."""
        from PIL import Image

        if self.depth is None:
            self.depth = self._depth_used()
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError("its pixels are not 8 or 16 bits wide")
        if deep.max() >= 1 << self.depth:
            raise ValueError(f"its pixels go up to {deep.max()}, more than the {self.depth} bits of depth={self.depth}")
        remarks.append(UPPER if self.depth == 16 else USED.format(self.depth))
        pixels = (deep.astype(np.uint16) >> (self.depth - 8)).astype(np.uint8)
        if (hidden := image.info.get("transparency")) is not None:
            remarks.append(ALPHA)
            pixels[deep == hidden] = 255
        return Image.fromarray(pixels)

    def _depth_used(self) -> int:
        """How many bits the pictures of 16 bits use, all of them together, from 8 on."""
        top = 0
        for file in self.files:
            try:
                with _opened(file) as image:
                    if image.mode.startswith("I"):
                        top = max(top, int(np.asarray(image).max()))
            except Exception:
                continue
        return min(16, max(8, top.bit_length()))


def _opened(file: Path) -> Any:
    from PIL import Image

    require_readable(file)
    return Image.open(file, formats=FORMATS)
