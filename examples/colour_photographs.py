"""Colours grey pictures: draws from p(picture in colour | its grey), beside the best squared answer.

    python examples/colour_photographs.py                 # small coloured shapes, half a minute for each model
    python examples/colour_photographs.py photos 10       # a folder of your own pictures in colour, ten minutes

Where a grey may have been several colours the best squared answer mixes them, and a game chooses one. Afterwards
`ptheta sample coloured/runs/pix2pix --context old --out new` colours a folder of pictures that have no colour.
"""

import sys
from pathlib import Path

import ptheta
from ptheta.report import write


def main(source: str = "shapes", minutes: str = "0.5") -> None:
    data = ptheta.load(source, given="grey") if source == "shapes" else ptheta.load(source, given="grey", size=32)
    models, out = ("regression", "pix2pix"), Path("coloured")
    result = ptheta.compare(data, out, models=models, minutes=float(minutes), conditional=True, resume=True, say=print)
    for model in result.contenders:
        if model.given is not None:
            print(f"{model.name}: {model.given.psnr:.2f} dB; spread of draws {model.given.spread:.2f} of 1")
    write(result, out)
    print(f"what was given, the real picture, and draws: {out / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
