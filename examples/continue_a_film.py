"""Goes on with films: draws from p(the frames to come | the four before), beside copying the last frame.

    python examples/continue_a_film.py                    # bouncing balls, half a minute for each model
    python examples/continue_a_film.py films 10           # a folder of films: sub-folders of frames, or GIFs

Afterwards `ptheta sample continued/runs/next-frame --context beginnings --out on.gif` goes on with your own.
"""

import sys
from pathlib import Path

import ptheta
from ptheta.report import write


def main(source: str = "bouncing-balls", minutes: str = "0.5") -> None:
    data = ptheta.load(source, given="frames=4", **({} if source == "bouncing-balls" else {"size": 16, "film": 8}))
    models, out = ("regression", "next-frame"), Path("continued")
    result = ptheta.compare(data, out, models=models, minutes=float(minutes), conditional=True, resume=True, say=print)
    for model in result.contenders:
        if model.given is not None:
            print(f"{model.name}: {model.given.psnr:.2f} dB; spread of draws {model.given.spread:.2f} of 1")
    write(result, out)
    print(f"what was given, the real picture, and draws: {out / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
