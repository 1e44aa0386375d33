"""Fills a hole in the middle of pictures: draws from p(what is hidden | what surrounds it), with its exact likelihood.

    python examples/fill_a_hole.py                        # small digits, half a minute for each model
    python examples/fill_a_hole.py photos 10              # a folder of your own pictures, ten minutes

PixelCNN knows how probable the real filling was, in nats. Afterwards `ptheta sample filled/runs/pixelcnn --context
damaged --out whole` fills the holes of a folder of pictures; what is known stays, pixel for pixel.
"""

import sys
from pathlib import Path

import ptheta
from ptheta.report import write


def main(source: str = "digits", minutes: str = "0.5") -> None:
    data = ptheta.load(source, given="box=4") if source == "digits" else ptheta.load(source, given="box=8", size=32)
    models, out = ("regression", "pixelcnn"), Path("filled")
    result = ptheta.compare(data, out, models=models, minutes=float(minutes), conditional=True, resume=True, say=print)
    for model in result.contenders:
        if model.given is not None:
            print(f"{model.name}: {model.given.psnr:.2f} dB; spread of draws {model.given.spread:.2f} of 1")
    write(result, out)
    print(f"what was given, the real picture, and draws: {out / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
