"""Faults in reports: pages, tables, pictures and commands to type next."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "report/writing.py": (
        Fault(
            '"half_width_95": None if found is None else found.error',
            '"half_width_95": None if found is None else found.estimator_error',
            "the half-width of the Monte Carlo part",
        ),
        Fault(
            '"bits_per_dim": None if found is None else found.bits_per_dim',
            '"bits_per_dim": None if found is None else found.value',
            "nats are called bits",
        ),
        Fault(
            '"nats_per_event": None if found is None else found.value',
            '"nats_per_event": None if found is None else found.bits_per_dim',
            "bits are called nats",
        ),
        Fault(
            "{m.name: m.value for m in c.metrics}",
            "{m.name: m.interval[0] for m in c.metrics}",
            "the lower end for the value",
        ),
        Fault(
            "{name: values.get(name) for name in result.metric_names}",
            "{name: None for name in result.metric_names}",
            "no sample metric in the table",
        ),
        Fault('"error": c.error,', '"error": c.unsampled,', "why it failed is not said"),
        Fault("{} if result.questions is None else _answers(c)", "{}", "answers are not in the table"),
        Fault("        if contender.failure:", "        if False:", "no traceback of what failed"),
    ),
    "report/page.py": (
        Fault(
            '((1e-3, 1e6, "µs"), (1, 1e3, "ms")', '((1e-3, 1e3, "µs"), (1, 1e3, "ms")', "microseconds off by a thousand"
        ),
        Fault('return f"{seconds / 60:.1f} min"', 'return f"{seconds:.1f} min"', "seconds are called minutes"),
        Fault("quick = min((c for", "quick = max((c for", "the slowest sampler is called the fastest"),
        Fault(
            "{name: result.best_by_metric(name) for name in result.metric_names}",
            "{name: [r.name for r in result.by_metric(name)[-1:]] for name in result.metric_names}",
            "the worst is marked as the best",
        ),
        Fault("m.interval[0] > m.real.interval[1]", "m.value > m.real.value", "chance is called copying"),
        Fault("unscored=[c for c in done if c not in scored]", "unscored=[]", "who has no likelihood is not shown"),
        Fault("max(trained)", "min(trained)", "the shortest training is told"),
        Fault(
            'found.bits_per_dim is not None else f"{leader.nats:.2f} nats"',
            'False else f"{leader.nats:.2f} nats"',
            "nats where bits are known",
        ),
        Fault(
            "if hardly := [c.name for c in done if c.hardly_trained]:",
            "if hardly := []:",
            "the hardly trained are not told",
        ),
        Fault(
            'nats = [-p["validation"] for p in c.curve]',
            'nats = [p["validation"] for p in c.curve]',
            "the curve upside down",
        ),
        Fault(
            "key=lambda c: -c.given.psnr if c.given", "key=lambda c: c.given.psnr if c.given", "the worst answers first"
        ),
        Fault("Environment(autoescape=True", "Environment(autoescape=False", "names are read as HTML"),
    ),
    "report/commands.py": (
        Fault("return shlex.join([", 'return " ".join([', "paths with a space are two words"),
        Fault(
            'f"./{source}" if source.startswith("-")',
            'source if source.startswith("-")',
            "a path is taken for an option",
        ),
        Fault('f"{4 * (result.minutes', 'f"{(result.minutes', "as long as before is called longer"),
        Fault(
            'for name in ("size", "given") if name in options',
            'for name in ("size",) if name in options',
            "what is given is forgotten",
        ),
        Fault(
            "str(value).lower() if isinstance(value, bool)", "str(value) if isinstance(value, bool)", "True for true"
        ),
        Fault('["--seed", result.seed] if result.seed else []', "[]", "the seed is forgotten"),
        Fault(
            "next((c for c in ranked if c.steps is not None), None)",
            "next((c for c in ranked if c.steps is None), None)",
            "a closed form is given minutes",
        ),
        Fault(
            'command("evaluate", ranked[0].run)', 'command("evaluate", ranked[-1].run)', "the worst is evaluated next"
        ),
        Fault('["--models", *result.asked] if result.asked else []', "[]", "all models are compared next"),
        Fault('"--resume", "--out"', '"--out"', "more time begins again in a folder that is in use"),
    ),
    "report/grids.py": (
        Fault(
            "(space.embed(x, torch.float64) + 1) / 2",
            "1 - (space.embed(x, torch.float64) + 1) / 2",
            "white is drawn black",
        ),
        Fault(
            "i // columns * high + GAP, i % columns * wide + GAP",
            "i % columns * high + GAP, i // columns * wide + GAP",
            "column by column",
        ),
        Fault("low, high = x.min(), x.max()", "low, high = x.mean(), x.max()", "half of the values overflow"),
        Fault("zoom = max(1, CELL // max(height, width))", "zoom = 1", "nothing is enlarged"),
        Fault("pixels.permute(1, 2, 0)", "pixels.permute(2, 1, 0)", "colour pictures are transposed"),
    ),
    "report/pictures.py": (
        Fault(
            "np.save(buffer, x.cpu().numpy(), allow_pickle=False)",
            "np.save(buffer, x[:ROWS].cpu().numpy(), allow_pickle=False)",
            "only the first hundred are saved",
        ),
        Fault("range(1, space.dimensions + 1)", "range(space.dimensions)", "columns are counted from 0"),
        Fault('lines = _number_lines(x, " ")', 'lines = _number_lines(x, ",")', "commas in a file of text"),
        Fault('_number_lines(x, ",")', '_number_lines(x, ";")', "the wrong delimiter"),
        Fault('.replace("\\n", "↵")', "", "an event takes two lines"),
        Fault(
            "rows = (pairs.samples, pairs.neighbours,",
            "rows = (pairs.neighbours, pairs.samples,",
            "samples stand under their neighbours",
        ),
        Fault(
            "            fresh.replace(path)",
            "            path.write_bytes(content)",
            "a file cut short where the disk is full",
        ),
    ),
    "report/films.py": (
        Fault("columns=frames.shape[1])", "columns=frames.shape[0])", "films run on into one another"),
        Fault("frames.unbind(1)]", "frames.unbind(0)]", "films one after another, not side by side"),
        Fault("duration=MILLISECONDS, loop=0", "duration=MILLISECONDS", "a film stops at its end"),
    ),
    "report/table_pictures.py": (
        Fault(
            "drawn.triu(1) + associations(real[:, :d], part).tril(-1)",
            "drawn.tril(-1) + associations(real[:, :d], part).triu(1)",
            "real above, drawn below",
        ),
        Fault("(_histogram if f.is_number else _bars)", "(_bars if f.is_number else _histogram)", "bars of numbers"),
    ),
    "report/cards.py": (
        Fault(
            "own = next(row for row in card.rows if row.name == model)",
            "own = card.rows[0]",
            "the worst column of real rows",
        ),
        Fault('"" if value is None else f"{value:.3f}"', 'f"{value or 0:.3f}"', "what was not measured is 0"),
        Fault('if card.target or "{target}" not in text]', "if True]", "usefulness of None"),
        Fault(
            "{sizes['train']} training rows, {sizes['test']} held out",
            "{sizes['test']} training rows, {sizes['train']} held out",
            "sizes exchanged",
        ),
    ),
    "report/uses.py": (
        Fault("axes.plot(sure, right, color", "axes.plot(right, sure, color", "the axes of calibration exchanged"),
    ),
    "report/answers.py": (
        Fault(
            "cells = [_given_tile(questions.context[k]",
            "cells = [_given_tile(questions.context[0]",
            "the first was given always",
        ),
        Fault(
            "[_tile(x, space) for x in (real[k], *contender.answers[k])]",
            "[_tile(x, space) for x in (*contender.answers[k], real[k])]",
            "the real one stands last",
        ),
        Fault(
            "_texts(contender.answers[k], space))", "_texts(contender.answers[0], space))", "the first answers always"
        ),
    ),
}
