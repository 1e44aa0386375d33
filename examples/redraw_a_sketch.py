"""Draws pictures from sketches: draws from p(picture | its edges), beside the best squared answer.

    python examples/redraw_a_sketch.py                    # outlines of shapes that a coin fills, half a minute each
    python examples/redraw_a_sketch.py photos 10          # a folder of your own pictures, ten minutes

Of an outline that is filled red or blue by a coin, the best squared answer is purple; a game draws one of both.
Afterwards `ptheta sample redrawn/runs/pix2pix --context sketches --out drawn` draws your own.
"""

import sys
from pathlib import Path

import ptheta
from ptheta.report import write


def main(source: str = "shapes-sketches", minutes: str = "0.5") -> None:
    data = ptheta.load(source) if source == "shapes-sketches" else ptheta.load(source, given="edges", size=32)
    models, out = ("regression", "pix2pix"), Path("redrawn")
    result = ptheta.compare(data, out, models=models, minutes=float(minutes), conditional=True, resume=True, say=print)
    for model in result.contenders:
        if model.given is not None:
            print(f"{model.name}: {model.given.psnr:.2f} dB; spread of draws {model.given.spread:.2f} of 1")
    write(result, out)
    print(f"what was given, the real picture, and draws: {out / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
