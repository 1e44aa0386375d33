"""The report of a comparison: one HTML file that opens without a network."""

import base64
import io
import math
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from torch import Tensor

from ptheta.applications.comparison import Comparison, Contender
from ptheta.report.answers import answers_picture, answers_table, given_as_text
from ptheta.report.commands import next_commands
from ptheta.report.pictures import picture

__all__ = ["page"]

KINDS = {
    "exact": "log p(x) itself, normalised over all events",
    "lower bound": "log p(x) is at least this good; the true value may be better",
    "estimate": "log p(x) up to the stated error of an estimated normaliser",
    "estimated bound": "a lower bound on log p(x), up to the stated error of an estimated normaliser",
    "undefined": "the model defines no density it can compute; judge its samples",
}

VARIANT = "variants of others, which stand for them; ask for one with --models"
# The many reasons that are one to a reader: how they begin, and what is said of all.
WHOLE = (("it models ", "made for other kinds of events"), ("it is a variant of ", VARIANT))
AS_NEAR = "as near as real data are, or not told from the nearest"


def page(result: Comparison) -> str:
    """Builds the report.

    Args:
        result: A comparison, finished or as far as it got.

    Returns:
        HTML with every picture inside.
    """
    from jinja2 import Environment, StrictUndefined

    template = files("ptheta.report").joinpath("templates/compare.html").read_text()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(num=_num, time=_time, uri=partial(_uri, result), budget=_budget)
    done, scored, sampled = result.done, result.by_likelihood(), result.by_samples()
    first = next((c.metrics for c in done if c.metrics), [])
    return environment.from_string(template).render(
        r=result,
        data=result.data,
        real_units=not result.data.space.is_discrete,
        scored=scored,
        unscored=[c for c in done if c not in scored],
        lead={c.name: None if result.unranked else result.lead_over(c) for c in scored},
        sampled=[*sampled, *(c for c in done if c.metrics and c not in sampled)],
        answers={c.name: _answers(result, c) for c in done},
        told={c.name: answers_table(result, c) for c in done},
        given=sorted((c for c in done if c.given), key=lambda c: -c.given.psnr if c.given else 0.0),
        asked=given_as_text(result),
        pictured=[c for c in (*sampled, *(c for c in done if c not in sampled)) if c.shown is not None],
        metric={(c.name, m.name): m for c in done for m in c.metrics},
        reference={m.name: m for m in first},
        fixed={row: {m.name: m for m in results} for row, results in result.fixed_rows.items()},
        features=first[0].extractor if first else "",
        best={"likelihood": result.best_by_likelihood()}
        | {name: result.best_by_metric(name) for name in result.metric_names},
        by_cost=sorted(done, key=lambda c: c.sample_seconds or 0.0),
        left_out=_left_out(result),
        failed=[(c.name, why) for c in result.contenders if (why := _failure(c))],
        kinds=KINDS,
        short=_in_short(result),
        commands=next_commands(result),
        time_figure=_likelihood_against_time(done),
        loss_figure=_losses(done),
    )


def _in_short(result: Comparison) -> list[str]:
    done, lines = result.done, []
    if not done:
        return ["No model could be fitted and scored: what failed, and why, stands below."]
    if result.unranked:
        lines.append(result.unranked)
    if best := result.best_by_likelihood():
        lines.append(_best_likelihood(result, best))
    exact = [c for c in result.by_likelihood() if c.likelihood and c.likelihood.kind == "exact"]
    if best and exact and exact[0].name not in best and not exact[0].hardly_trained:
        lines.append(f"Best exact likelihood: {exact[0].name}, {exact[0].nats:.2f} nats per event.")
    if sampled := result.by_samples():
        name = result.metric_names[0]
        lines.append(_best_samples(result, name, sampled))
        lines += _copying(sampled)
        near = result.best_by_metric(name)
        quick = min((c for c in sampled if c.name in near), key=lambda c: c.sample_seconds or 0.0)
        which = "The fastest of the nearest to draw from" if near[1:] else "To draw from it"
        lines.append(f"{which}: {quick.name}, {_time(quick.sample_seconds)} a sample.")
    if hardly := [c.name for c in done if c.hardly_trained]:
        stands = "they stand" if hardly[1:] else "it stands"
        lines.append(
            f"Hardly trained, by less than one epoch: {_names(hardly)}; {stands} behind the others everywhere."
        )
    lines.append(
        f"{len(done)} model{'s' * (len(done) != 1)} on {len(result.data.train)} training events in "
        f"{_time(result.seconds)}; {_shares(result)}. More time may change the order: see the curves."
    )
    if late := [name for name, reason in result.left_out.items() if "--total" in reason]:
        lines.append(f"The time was too short for {len(late)} more model{'s' * (len(late) != 1)}, named below.")
    return lines


def _best_samples(result: Comparison, name: str, sampled: Sequence[Contender]) -> str:
    best = result.best_by_metric(name)
    if 2 < len(best) == len(sampled):
        return (
            f"Samples: {result.n_samples} of each do not tell the {len(best)} models apart by {name}; those of "
            f"{sampled[0].name} are nearest to real data."
        )
    return f"Samples nearest to real data by {name}: {_names(best)}{_tied(best, AS_NEAR)}."


def _left_out(result: Comparison) -> list[tuple[str, str]]:
    """Models by the reason why they were left out, each reason once."""
    reasons: dict[str, list[str]] = {}
    for name, reason in result.left_out.items():
        for begin, whole in WHOLE:
            reason = whole if reason.startswith(begin) else reason
        reasons.setdefault(reason.replace(f"--models {name}", "--models"), []).append(name)
    return [(", ".join(names), reason) for reason, names in reasons.items()]


def _shares(result: Comparison) -> str:
    """Who had how much time."""
    if result.total is None:
        return f"trained models had {result.minutes:g} minutes each"
    trained = [c.fit_seconds or 0.0 for c in result.done if c.steps is not None]
    n, stopped = len(trained), len(result.stopped)
    ended = "the one that went to the end trained" if n == 1 else f"the {n} that went to the end trained up to"
    each = f", {ended} {_time(max(trained))}{' each' if n > 1 else ''}" if trained else ""
    early = f", and {stopped} {'was' if stopped == 1 else 'were'} stopped early" if stopped else ""
    return f"of {result.total:g} minute{'s' * (result.total != 1)} for everything{each}{early}"


def _failure(c: Contender) -> str | None:
    return c.error if c.unsampled is None else f"scored, but not sampled or judged: {c.unsampled}"


def _copying(sampled: Sequence[Contender]) -> list[str]:
    """Whose samples are nearer to training events than real data are, beyond what chance explains."""
    shares = [(c.name, m) for c in sampled if (m := c.metric("train share")) and m.real]
    copying = [(name, m) for name, m in shares if m.real and m.interval[0] > m.real.interval[1]]
    if not copying:
        return []
    told = ", ".join(f"{name} {m.value:.2f}" for name, m in copying)
    real = copying[0][1].real
    assert real is not None
    return [
        f"Nearer to training events than real data are, so partly copies (train share, real {real.value:.2f}): {told}."
    ]


def _best_likelihood(result: Comparison, best: Sequence[str]) -> str:
    leader = result.by_likelihood()[0]
    found = leader.likelihood
    assert found is not None
    how = {"exact": "exactly", "lower bound": "as a bound"}.get(found.kind, f"as an {found.kind}")
    unit = f"{found.bits_per_dim:.3f} bits/dim" if found.bits_per_dim is not None else f"{leader.nats:.2f} nats"
    if len(best) == 1:
        return f"Best likelihood: {leader.name}, {unit}, known {how}."
    tied = _tied(best, f"paired differences on the same {result.n_test} events do not tell them apart")
    return f"Best likelihood: {_names(best)}{tied}; {leader.name} has {unit}, known {how}."


def _names(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _tied(best: Sequence[str], why: str) -> str:
    return f", tied ({why})" if len(best) > 1 else ""


def _likelihood_against_time(done: Sequence[Contender]) -> str:
    """Validation score against training time; counting models as level lines at their test score."""
    trained = [c for c in done if any(p["validation"] is not None for p in c.curve)]
    level = [c for c in done if not c.curve and math.isfinite(c.nats)]
    if not trained and not level:
        return ""
    figure, axes = _figure(7.5, 4)
    scores = [-p["validation"] for c in trained for p in c.curve[1:] or c.curve] + [c.nats for c in level]
    for i, c in enumerate(trained):
        seconds = [p["seconds"] for p in c.curve]
        nats = [-p["validation"] for p in c.curve]
        axes.plot(seconds, nats, _dot(nats), label=c.name, color=f"C{i}", lw=1.6)
    ordered = sorted(scores)
    low, high = ordered[0], ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    bottom, top = low - 0.08 * (high - low) - 0.01, high + 0.25 * (high - low) + 0.01
    axes.set_ylim(bottom, top)
    for c in level:
        if bottom < c.nats < top:
            axes.axhline(c.nats, color="0.8", lw=0.8, zorder=0)
            axes.text(0.99, c.nats, c.name, transform=axes.get_yaxis_transform(), fontsize=7, color="0.4", ha="right")
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
            known = [(x, y) for x, y in points if y is not None]
            axes.plot([x for x, _ in known], [y for _, y in known], _dot(known), label=name)
        axes.set_title(c.name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_xlabel("epoch", fontsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        if len(c.curve[-1]["losses"]) > 1:
            axes.legend(frameon=False, fontsize=7)
    return _svg(figure)


def _dot(points: Sequence[Any]) -> str:
    """A line's style; one point alone, which no line would show, is a dot."""
    return "o" if len(points) == 1 else "-"


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


def _uri(result: Comparison, x: Tensor) -> str:
    """A picture of events, within the page; rows of a table beside real ones."""
    real = None if x is result.real else result.real
    return _inline(picture(x, (result.data.before or result.data).space, real))


def _answers(result: Comparison, c: Contender) -> str | None:
    """The rows of what was given, what is real and what a model drew, within the page."""
    drawn = answers_picture(result, c)
    return None if drawn is None else _inline(drawn)


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _budget(c: Contender) -> str:
    """What a model's training took, under its picture."""
    took = "CPU time not known" if c.cpu_seconds is None else f"{_time(c.cpu_seconds)} CPU"
    return f"closed form, {took}" if c.steps is None else f"{_num(c.steps)} steps, {took}"


def _num(value: float | int | None, digits: int = 3) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u2009")
    if 10_000 <= abs(value) < 10_000_000:
        return f"{value:,.0f}".replace(",", "\u2009")
    return f"{value:.{digits}f}" if abs(value) < 10_000 else f"{value:.3g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1, 1e3, "ms"), (120, 1, "s")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds / 60:.1f} min"
