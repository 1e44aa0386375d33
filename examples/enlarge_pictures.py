"""Enlarges small pictures twice: draws from p(picture | the means of its 2 x 2 pixels), beside the best squared answer.

    python examples/enlarge_pictures.py                   # small coloured shapes, half a minute for each model
    python examples/enlarge_pictures.py photos 10         # a folder of your own pictures, ten minutes

A game gives sharp edges and may lose up to 3 dB against the best squared answer, which is blurred. Afterwards
`ptheta sample enlarged/runs/srgan --context small --out large` enlarges a folder of pictures.
"""

import sys
from pathlib import Path

import ptheta
from ptheta.report import write


def main(source: str = "shapes", minutes: str = "0.5") -> None:
    data = ptheta.load(source, given="low-resolution=2", **({} if source == "shapes" else {"size": 32}))
    models, out = ("regression", "srgan"), Path("enlarged")
    result = ptheta.compare(data, out, models=models, minutes=float(minutes), conditional=True, resume=True, say=print)
    for model in result.contenders:
        if model.given is not None:
            print(f"{model.name}: {model.given.psnr:.2f} dB; spread of draws {model.given.spread:.2f} of 1")
    write(result, out)
    print(f"what was given, the real picture, and draws: {out / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
