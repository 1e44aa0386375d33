"""Pictures of what one does with a model: how sure is right how often, and how scores and columns are spread."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from ptheta.applications.classify import Judged
from ptheta.report.plots import BLUE, GOLD, GREEN, RED, SOFT, new_figure

__all__ = ["calibration_picture"]


def calibration_picture(found: Sequence[Judged]) -> bytes:
    """Draws how often classifiers are right against how sure they are, and how many events that is.

    Args:
        found: Their judgements, the model's first.

    Returns:
        The bytes of a png file.
    """
    figure, (axes, below) = new_figure(9.0, 4.2, 2)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
    for judged, colour in zip(found, (BLUE, SOFT, GOLD, GREEN, RED), strict=False):
        sure, right, counts = zip(*judged.bins, strict=True)
        axes.plot(sure, right, color=colour, marker="o", markersize=4, label=f"{judged.name}, ECE {judged.ece:.3f}")
        below.plot(sure, [count / judged.n for count in counts], color=colour, marker="o", markersize=4)
    axes.set(xlabel="probability of the likeliest class", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.02))
    below.set(xlabel="probability of the likeliest class", ylabel="share of events", xlim=(0, 1.02), ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    return png(figure)


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a png file."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=130)
    return out.getvalue()
