"""Faults in the command line: between what is typed and what is done, and between what is found and what is said."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "cli/__init__.py": (
        Fault("return work() or 0", "return 0", "a verb that failed ends with 0"),
        Fault("128 + number)", "128)", "a signal has no number"),
        Fault("return _say(str(error), 1)", "return _say(str(error), 2)", "a run that failed is called a mistake"),
        Fault("return _say(_sentence(error), 2)", "return _say(_sentence(error), 1)", "a mistake is called a failure"),
        Fault("c.isprintable() else c.enc", "c else c.enc", "names of files are obeyed by the terminal"),
        Fault('if int(os.environ.get("WORLD_SIZE", "1")) > 1 and verb not in TOGETHER:', "if False:", "torchrun"),
    ),
    "cli/options.py": (
        Fault('options[name.replace("-", "_")] = _plain(value)', "options[name] = _plain(value)", "dashes in names"),
        Fault('return value.lower() == "true"', "return True", "false is true"),
        Fault("for kind in (int, float):", "for kind in (float,):", "whole numbers become floats"),
        Fault('options["given"] = given', "pass", "what is given is forgotten"),
        Fault("{} if size is None else", "{} if True else", "the size is forgotten"),
        Fault('entries[name] += " " + line.strip()', "pass", "help stops at the end of a line"),
    ),
    "cli/outputs.py": (
        Fault("if not os.path.lexists(out):", "if not out.exists():", "a link to nowhere is replaced"),
        Fault("or out.is_symlink() or", "or", "a link that points to what was made is replaced"),
        Fault("out.exists() and out.samefile(source)", "out == Path(source)", "the table itself, by another path"),
        Fault("!= _hash(out)", "is None", "a file that was changed since is taken for one's own"),
        Fault("if not force and (", "if (", "force does nothing"),
        Fault("{**_made(run), _place(out)", "{_place(out)", "only the last output is remembered"),
        Fault("str(out.parent.resolve() / out.name)", "str(out)", "the same file from another folder is another"),
        Fault("if out.name in RECORDS and", "if False and", "run.json is an output"),
    ),
    "cli/events.py": (
        Fault('split = split or "test"', 'split = split or "valid"', "validation events for test events"),
        Fault('split or ("test" if source in NAMES else "all")', 'split or "all"', "training events of a named set"),
        Fault('split or ("test" if source in NAMES else "all")', 'split or "test"', "a tenth of a file is scored"),
        Fault('whole=split == "all"', "whole=True", "a split of other data is empty"),
        Fault("getattr(data, split).in_order()", "getattr(data, split)", "rows are scored in the order of the split"),
        Fault("getattr(data, split).in_order()", "data.test.in_order()", "--split changes nothing"),
        Fault("[self.data.sources[row] for row in rows]", "list(self.data.sources)", "files of other rows"),
        Fault("return kept[(places * len(kept)).long()]", "return kept[: len(places)]", "contexts of the first events"),
        Fault('Noise(seed).uniform((n,), "context")', 'Noise(0).uniform((n,), "context")', "every seed, one context"),
        Fault(
            "valid=data.valid[:0], test=found.events", "test=found.events", "samples are judged by the run's validation"
        ),
        Fault("found.split if own and", '"test" if own and', "samples are compared with test events always"),
        Fault(".bincount(minlength=space.n) > 0", ".bincount(minlength=space.n) >= 0", "unseen classes are seen"),
    ),
    "cli/use.py": (
        Fault(
            "number = likelihood(opened.model, found.events, noise=Noise(seed)",
            "number = likelihood(opened.model, found.events, noise=Noise(0)",
            "--seed does not reach the bound",
        ),
        Fault("draws=drawn_of_bound, importance=importance)", "draws=drawn_of_bound)", "--importance does nothing"),
        Fault("draws=drawn_of_bound, importance=importance)", "importance=importance)", "--draws does nothing"),
        Fault(
            "values, kind = scores(opened.model, found.events)",
            "values, kind = scores(opened.model, found.data.test)",
            "scores of other events than the rows say",
        ),
        Fault(
            'noise=Noise(seed).at("sample"), **manner)',
            'noise=Noise(0).at("sample"), **manner)',
            "--seed of sample does nothing",
        ),
        Fault(
            "one.expand(n, *space.shape)",
            "contexts_of(run, n, None, seed)",
            "--context does nothing",
        ),
        Fault(
            "return found.events[:n].context",
            "return contexts_of(run, n, found, seed)",
            "contexts in another order than the events'",
        ),
        Fault("tempered(model, temperature)", "tempered(model, 1.0)", "--temperature does nothing"),
        Fault('return {"method": method}', "return {}", "--method does nothing"),
        Fault(
            "mean = float(values.double().mean())", "mean = float(values.double().sum())", "the sum is called the mean"
        ),
        Fault('"split": found.split}', '"split": "test"}', "every split is called test"),
        Fault("error = None if number.value is not None else", "error = None if True else", "a map has no error"),
        Fault(
            "evaluate_samples(x, whole, split=part, seed=seed)",
            "evaluate_samples(x, whole, seed=seed)",
            "samples beside test events, whatever the split",
        ),
        Fault("else len(given.contexts) if given is not None else 64", "else 64", "as many as always"),
        Fault("if n > len(found.events):", "if False:", "fewer events than were asked for"),
        Fault(
            'if found.data.sources else "row", f"log_prob', 'if False else "row", f"log_prob', "files are called rows"
        ),
        Fault(
            "if data is None and (split is not None or data_options):", "if False:", "--split without --data is ignored"
        ),
        Fault(
            "return [names[i % len(names)] for i in range(n)] if names",
            "return [str(i) for i in range(n)] if names",
            "answers do not bear the names of what was given",
        ),
        Fault('replace_file(run / "evaluation.json"', 'str(run / "evaluation.json"', "what was evaluated is not kept"),
    ),
    "cli/train.py": (
        Fault("training={n: chosen[n] for n in options}", "training={}", "no training option reaches the engine"),
        Fault(
            'conditional = chosen["conditional"] or chosen["given"] is not None',
            'conditional = chosen["conditional"]',
            "what is given is not a context",
        ),
        Fault('resume=chosen["resume"]', "resume=True", "a run is gone on with unasked"),
        Fault('source=chosen["data"],', "source=None,", "where the data came from is forgotten"),
        Fault("data_options=loading,", "data_options={},", "how the data were read is forgotten"),
        Fault("or last:", "or False:", "no picture of the last step"),
        Fault("with state.preview():", "if True:", "pictures of the weights in training"),
        Fault("file=sys.stderr if error else sys.stdout", "file=sys.stdout", "remarks stand among the answer"),
        Fault("folder.mkdir(parents=True)", "folder.mkdir(parents=True, exist_ok=True)", "two runs get one folder"),
        Fault("        remove_unused(folder)", "        pass", "a mistake leaves an empty folder"),
        Fault("return there[-1] if there else None", "return there[0] if there else None", "the oldest run goes on"),
        Fault(
            "fields[field.name] = (kind | None, None,",
            "fields[field.name] = (kind | None, field.default,",
            "defaults of training override the recipe's",
        ),
    ),
    "cli/compare.py": (
        Fault('"samples": samples,', '"samples": 1000,', "--samples does nothing"),
        Fault('"seed": seed,', '"seed": 0,', "--seed does nothing"),
        Fault('"budget": budget,', '"budget": "wall",', "--budget does nothing"),
        Fault("gone, aside = time.perf_counter() - began", "gone, aside = 0.0", "loading is outside the total"),
        Fault(
            '"conditional": conditional or given is not None',
            '"conditional": conditional',
            "what is given is not a context",
        ),
        Fault("        write(result, out)", "        pass", "no report"),
        Fault("        return 1", "        return 0", "a comparison in which all failed ends with 0"),
        Fault('"data_options": loading}', '"data_options": {}}', "the next commands forget how the data were read"),
    ),
    "cli/reproduce.py": (
        Fault("run_row(name, seed=seed, folder=run)", "run_row(name, folder=run)", "--seed does nothing"),
        Fault("path = keep(result, out)", "path = keep(result, RESULTS)", "--out does nothing"),
        Fault('return 0 if result["passed"] else 1', "return 0", "a missed line ends with 0"),
        Fault("run.exists() and not resume:", "False:", "what is there is gone on with unasked"),
        Fault("(newest_folder(stem) if resume else None)", "None", "--resume begins again"),
        Fault('"reached" if result["passed"] else "MISSED"', '"reached"', "every line is reached"),
        Fault(
            'seconds < 90 else f"{seconds / 60:.0f} min"',
            'seconds < 90 else f"{seconds / 3600:.0f} min"',
            "hours are called minutes",
        ),
    ),
    "cli/anomalies.py": (
        Fault(
            "detector(own.valid.loaded(), cells=by_cell)",
            "detector(own.test.loaded(), cells=by_cell)",
            "the threshold is that of test events",
        ),
        Fault(
            "limit = threshold(ordinary.scores[name], false_alarms)",
            "limit = threshold(ordinary.scores[name], 0.5)",
            "--false-alarms does nothing",
        ),
        Fault("own.train.some(MOST)", "own.test.some(MOST)", "typicality of test events"),
        Fault("rarer = int(counts[1] <= counts[0])", "rarer = int(counts[1] > counts[0])", "what is common is odd"),
        Fault("oddness.cells.argmax(1)", "oddness.cells.argmin(1)", "the cell that fits best is blamed"),
        Fault(
            "texts.insert(len(oddness.scores), names[worst[i]])",
            "texts.insert(0, names[worst[i]])",
            "names in a column of numbers",
        ),
        Fault("draws=draws, seed=seed)", "draws=2, seed=seed)", "--draws does nothing"),
    ),
    "cli/classify.py": (
        Fault(
            "log_p, known = asked.log_posterior(new)",
            "log_p, known = asked.log_posterior(asked.shares)",
            "--prior does nothing",
        ),
        Fault(
            "class_scores(run.model, events.x, draws=draws, noise=Noise(seed))",
            "class_scores(run.model, events.x, noise=Noise(seed))",
            "--draws does nothing",
        ),
        Fault(
            "torch.cat([others[:, :k], others.new_full",
            "torch.cat([others[:, :0], others.new_full",
            "columns shift behind the target",
        ),
        Fault(
            "rest = [i for i in range(space.dimensions) if i != k]",
            "rest = list(range(space.dimensions))",
            "classifiers see what they guess",
        ),
        Fault("guess = log_p.argmax(1)", "guess = log_p.argmin(1)", "the least likely class is guessed"),
        Fault(
            'known = "" if truth < 0 else asked.names[truth]',
            "known = asked.names[best]",
            "the guess is called the class",
        ),
        Fault(
            "judged(opened.name, log_p[known], asked.truth[known])",
            "judged(opened.name, log_p, asked.truth)",
            "unknown classes are judged",
        ),
        Fault("return shifted(own, self.shares, prior)", "return own", "--prior does nothing to a joint"),
    ),
    "cli/impute.py": (
        Fault("fills(opened.model, x, n=n, seed=seed)", "fills(opened.model, x, n=n)", "--seed does nothing"),
        Fault(
            "rows = own.test.loaded().x if x is None else x",
            "rows = own.train.loaded().x if x is None else x",
            "cells of training rows are hidden",
        ),
        Fault("= int(x.isnan().sum()), how", "= x.numel(), how", "all cells are called blank"),
        Fault(
            "claim(place, force=force, source=str(data))",
            "claim(out, force=force, source=str(data))",
            "a second fill replaces what is there",
        ),
        Fault(
            "hidden_cells(space, rows, share, seed=seed)",
            "hidden_cells(space, rows, 0.1, seed=seed)",
            "--hide is a tenth always",
        ),
    ),
    "cli/synthesize.py": (
        Fault('noise=Noise(seed).at("sample"))', 'noise=Noise(0).at("sample"))', "--seed does nothing"),
        Fault("n = len(opened.data().train) if n is None else n", "n = len(opened.data().train)", "-n does nothing"),
        Fault("for place in (out, *pages):", "for place in (out,):", "a card of the user's is replaced"),
    ),
    "cli/show.py": (Fault("loaded.train.some(100).x", "loaded.test.some(100).x", "the picture is of test events"),),
    "cli/translate.py": (
        Fault('target = classes.parse([to], "--to")', 'target = classes.parse(["0"], "--to")', "--to does nothing"),
        Fault("len(found.events) if n is None else n", "len(found.events)", "-n does nothing"),
        Fault("torch.cat([x[:few], made[:few]])", "torch.cat([made[:few], x[:few]])", "counterparts stand above"),
        Fault(
            "(made == events.x).flatten(1).all(1)", "(made == events.x).flatten(1).any(1)", "a pixel alike is no change"
        ),
    ),
    "cli/given.py": (
        Fault(
            "return self.contexts[[i % len(self.contexts) for i in range(n)]]",
            "return self.contexts[[0 for i in range(n)]]",
            "the first is given always",
        ),
        Fault("x, found = x * (space.n - 1), Levels", "x, found = x, Levels", "white bits are nearly black"),
        Fault("(x >= found.n // 2)", "(x < found.n // 2)", "black and white are exchanged"),
        Fault('f"{name}-{seen[name]}")', "name)", "pictures of one name replace one another"),
    ),
}
