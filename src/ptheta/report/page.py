"""The report of a comparison: one HTML file that opens without a network."""

import base64
import io
import math
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from ptheta.report.compare import Comparison, Contender

__all__ = ["page"]

KINDS = {
    "exact": "log p(x) itself, normalised over all events",
    "lower bound": "log p(x) is at least this good; the true value may be better",
    "estimate": "log p(x) up to the stated error of an estimated normaliser",
    "undefined": "the model defines no density it can compute; judge its samples",
}


def page(result: Comparison) -> str:
    """Builds the report.

    Args:
        result: A finished comparison.

    Returns:
        HTML with every picture inside.
    """
    from jinja2 import Environment, StrictUndefined

    template = files("ptheta.report").joinpath("templates/compare.html").read_text()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(num=_num, time=_time, uri=_uri)
    done = [c for c in result.contenders if c.error is None]
    scored = sorted((c for c in done if c.likelihood and c.likelihood.value is not None), key=_nats)
    names = list(dict.fromkeys(m.name for c in done for m in c.metrics))
    first = next((c.metrics for c in done if c.metrics), [])
    return environment.from_string(template).render(
        r=result,
        data=result.data,
        real_units=not result.data.space.is_discrete,
        scored=scored,
        unscored=[c for c in done if c not in scored],
        sampled=sorted((c for c in done if c.metrics), key=lambda c: c.metrics[0].value),
        pictured=sorted(done, key=lambda c: c.metrics[0].value if c.metrics else 0.0),
        metric_names=names,
        metric={(c.name, m.name): m for c in done for m in c.metrics},
        reference={m.name: m for m in first},
        best=_best(done, first),
        by_cost=sorted(done, key=lambda c: c.sample_seconds or 0.0),
        failed=[c for c in result.contenders if c.error is not None],
        done=done,
        kinds=KINDS,
        short=_in_short(result, done, scored),
        time_figure=_likelihood_against_time(result, done),
        loss_figure=_losses(done),
    )


def _nats(c: Contender) -> float:
    """The negative log-likelihood; infinite where an event is impossible, NaN where it is undefined."""
    return c.likelihood.value if c.likelihood and c.likelihood.value is not None else math.nan


def _best(done: Sequence[Contender], first: Sequence[Any]) -> dict[str, str]:
    """Which model is best by each metric."""
    best = {}
    for reference in first:
        values = {c.name: m.value for c in done for m in c.metrics if m.name == reference.name}
        if reference.better == "near real" and reference.real:
            best[reference.name] = min(values, key=partial(_distance, values, reference.real.value))
        elif reference.better == "higher":
            best[reference.name] = max(values, key=values.__getitem__)
        else:
            best[reference.name] = min(values, key=values.__getitem__)
    return best


def _distance(values: dict[str, float], target: float, name: str) -> float:
    return abs(values[name] - target)


def _in_short(result: Comparison, done: Sequence[Contender], scored: Sequence[Contender]) -> list[str]:
    lines = []
    if scored:
        c = scored[0]
        found = c.likelihood
        assert found is not None
        how = {"exact": "exactly", "lower bound": "as a bound", "estimate": "as an estimate"}[found.kind]
        unit = f"{found.bits_per_dim:.3f} bits/dim" if found.bits_per_dim is not None else f"{found.value:.2f} nats"
        lines.append(f"Best likelihood: {c.name}, {unit}, known {how}.")
        if found.kind != "exact" and (exact := [d for d in scored if d.likelihood and d.likelihood.kind == "exact"]):
            lines.append(f"Best exact likelihood: {exact[0].name}, {_nats(exact[0]):.2f} nats per event.")
    sampled = [c for c in done if c.metrics]
    if sampled:
        c = min(sampled, key=lambda c: c.metrics[0].value)
        lines.append(f"Samples nearest to the data by {c.metrics[0].name}: {c.name}.")
        quick = min(sampled, key=lambda c: c.sample_seconds or 0.0)
        lines.append(f"Fastest sampler: {quick.name}, {_time(quick.sample_seconds)} a sample.")
    lines.append(
        f"{len(done)} models on {len(result.data.train)} training events in {_time(result.seconds)}; "
        f"trained models had {result.minutes:g} minutes each. More time may change the order: see the curves."
    )
    return lines


def _likelihood_against_time(result: Comparison, done: Sequence[Contender]) -> str:
    """Validation score against training time; counting models as level lines at their test score."""
    trained = [c for c in done if any(p["validation"] is not None for p in c.curve)]
    level = [c for c in done if not c.curve and math.isfinite(_nats(c))]
    if not trained and not level:
        return ""
    figure, axes = _figure(7.5, 4)
    scores = [-p["validation"] for c in trained for p in c.curve[1:] or c.curve] + [_nats(c) for c in level]
    for i, c in enumerate(trained):
        seconds = [p["seconds"] for p in c.curve]
        axes.plot(seconds, [-p["validation"] for p in c.curve], label=c.name, color=f"C{i}", lw=1.6)
    ordered = sorted(scores)
    low, high = ordered[0], ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    bottom, top = low - 0.08 * (high - low) - 0.01, high + 0.25 * (high - low) + 0.01
    axes.set_ylim(bottom, top)
    for c in level:
        if bottom < _nats(c) < top:
            axes.axhline(_nats(c), color="0.8", lw=0.8, zorder=0)
            axes.text(0.99, _nats(c), c.name, transform=axes.get_yaxis_transform(), fontsize=7, color="0.4", ha="right")
    axes.set_xlabel("training time, s")
    axes.set_ylabel("validation: -log p or its bound, nats per event")
    if trained:
        axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def _losses(done: Sequence[Contender]) -> str:
    """The training loss of each objective, a small panel per model."""
    trained = [c for c in done if c.curve]
    if not trained:
        return ""
    from matplotlib.figure import Figure

    columns = 3
    rows = -(-len(trained) // columns)
    figure = Figure(figsize=(8.5, 2.1 * rows), layout="constrained")
    for i, c in enumerate(trained):
        axes = figure.add_subplot(rows, columns, i + 1)
        for name in c.curve[-1]["losses"]:
            points = [(p["epoch"], p["losses"].get(name)) for p in c.curve]
            axes.plot([x for x, y in points if y is not None], [y for _, y in points if y is not None], label=name)
        axes.set_title(c.name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_xlabel("epoch", fontsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        if len(c.curve[-1]["losses"]) > 1:
            axes.legend(frameon=False, fontsize=7)
    return _svg(figure)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _num(value: float | int | None, digits: int = 3) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u2009")
    return f"{value:.{digits}f}" if abs(value) < 10_000 else f"{value:.3g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1, 1e3, "ms"), (120, 1, "s")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds / 60:.1f} min"
