"""Faults in runs: what is recorded, what is opened, what may go on."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "runs/opening.py": (
        Fault(
            'kept["best"] if "best" in kept else',
            'kept["last"] if "best" in kept else',
            "a run opens with its last weights, not its best",
        ),
        Fault('{**kept["last"], **kept.get("ema", {})}', 'kept["last"]', "a run opens without its average"),
        Fault("with seeded(seed):", "with seeded(0):", "every seed builds the same weights"),
        Fault(
            "if found != self.manifest.fingerprint:", "if False:", "data that have changed are taken for the run's own"
        ),
        Fault('own |= {"valid": 0.0, "test": 0.0}', "pass", "a tenth of a whole file is held out"),
        Fault(
            "load(source, **{**kept, **options})", "load(source, **{**options, **kept})", "--data-options do nothing"
        ),
        Fault(
            "sum(stage.record[name] for stage in saved)", "saved[-1].record[name]", "the seconds of the last stage only"
        ),
        Fault('cast("nn.Module", recipe.model).eval()', "pass", "a run opens in training mode"),
        Fault("return sum(stage.step for stage in saved)", "return saved[-1].step", "the steps of the last stage only"),
        Fault("space = space or self.model.space", "space = self.model.space", "a table without its target is refused"),
    ),
    "runs/fitting.py": (
        Fault("{**kept, **own}", "{**own, **kept}", "the recipe overrides the user"),
        Fault("if own.keys() & set(LENGTHS):", "if False:", "a length stays beside the one that takes its place"),
        Fault('own["minutes"] *= stage.share / whole', "pass", "every stage takes the whole budget"),
        Fault("data = data if conditional else data.without_context()", "data = data", "labels reach every model"),
        Fault(
            "(before or {}).get(stage.name, stage.training)", "stage.training", "a run goes on by the recipe's training"
        ),
        Fault("if found.fingerprint != manifest.fingerprint:", "if False:", "a run goes on with other data"),
        Fault(
            'for name in ("model", "space", "seed"):',
            'for name in ("model", "space"):',
            "a run goes on under another seed",
        ),
        Fault("if found.dials.get(name) != manifest.dials.get(name):", "if False:", "a run goes on with other dials"),
        Fault("            held.enter_context(locked(out))", "            pass", "two processes write to one folder"),
        Fault("if manifest.training[stage.name] != plain(options):", "if False:", "the record keeps the first length"),
        Fault("load_stage(stage, folder, None)", "pass", "a stage in closed form is forgotten on resume"),
        Fault(
            "stage.model.fit(stage.data(data), seed=seed, **options)",
            "stage.model.fit(stage.data(data), **options)",
            "a closed form has one seed",
        ),
        Fault(
            'said.setdefault("seed", before.get("seed", 0))', 'said.setdefault("seed", 0)', "a run goes on under seed 0"
        ),
        Fault(
            "save_closed_form(stage.model, folder, spent, cpu_spent)",
            "save_closed_form(stage.model, folder)",
            "a closed form took no time",
        ),
        Fault("str(Path(source).resolve())", "source", "a run knows its data from one folder only"),
    ),
    "runs/log.py": (
        Fault("if step <= saved.step]", "]", "lines of steps that were lost stay in the log"),
        Fault("if state.validated:", "if True:", "a line for every step"),
        Fault(
            'lines = [*text.splitlines(), json.dumps(saved.record.get("logged"))]',
            "lines = text.splitlines()",
            "the line that a kill left out is lost",
        ),
        Fault("                    file.flush()", "                    pass", "lines wait in memory for a kill"),
    ),
    "runs/manifest.py": (
        Fault('ConfigDict(extra="forbid", frozen=True)', "ConfigDict(frozen=True)", "a record with other fields opens"),
        Fault("if path.stat().st_size > MOST_BYTES:", "if False:", "a record of any size is read"),
        Fault("decided=plain(dict(fitted.decided))", "decided={}", "what the reader decided is forgotten"),
    ),
    "runs/size.py": (
        Fault("needed := 4 * COPIES * n", "needed := 4 * n", "only the weights need memory"),
        Fault("takes > MOST * seconds", "takes > 1000 * seconds", "a step that the minutes cannot hold"),
        Fault("if values < LARGE:", "if True:", "nothing is ever too large"),
    ),
    "runs/contexts.py": (
        Fault("max(1, MOST // max(1, first.nbytes))", "1", "one context is kept"),
        Fault("contexts = data.train.some(", "contexts = data.test.some(", "contexts of test events are kept"),
    ),
}
