"""Faults in rows of papers: the wrong split, the wrong sign, a mean that is none, numbers lost on their way."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "papers/running.py": (
        Fault("if not math.isfinite(number):", "if False:", "a run that ends in no number is kept"),
        Fault("seeds[str(result", "seeds = {}; seeds[str(result", "other seeds of a row are lost"),
        Fault("return scored(model, data.test)", "return scored(model, data.valid)", "validation is reported as test"),
        Fault(
            "time.process_time() - started_cpu",
            "time.perf_counter() - started",
            "seconds of the wall are called the processor's",
        ),
        Fault("found.value - row.paper", "row.paper - found.value", "the difference the wrong way round"),
        Fault('"passed": row.passed(found.value)', '"passed": True', "every row is reached"),
        Fault(
            "is_small = row.small is not None and device",
            "is_small = False and device",
            "hours of a GPU's row on two cores",
        ),
        Fault(
            '"paper": None if is_small else row.paper', '"paper": row.paper', "a smaller version claims the paper's row"
        ),
        Fault("dials=row.dials, training=options)", "training=options)", "a row's dials do not arrive"),
        Fault("dials=row.dials, training=options)", "dials=row.dials)", "a row's training does not arrive"),
        Fault(
            "fitted(row.model, data, folder, seed, dials",
            "fitted(row.model, data, folder, 0, dials",
            "every seed is one",
        ),
        Fault('"details": found.details,', '"details": {},', "further numbers are lost"),
        Fault(
            "is_resumed = folder is not None and not is_unused(folder)",
            "is_resumed = False",
            "seconds since are called all",
        ),
        Fault("if isinstance(seeds, dict):", "if True:", "anything passes for kept results"),
    ),
    "papers/row.py": (
        Fault("return ours <= self.pass_line", "return ours >= self.pass_line", "at most means at least"),
        Fault("return ours >= self.pass_line", "return ours <= self.pass_line", "at least means at most"),
        Fault(
            "abs(ours - self.paper) <= self.pass_line", "ours - self.paper <= self.pass_line", "within means not above"
        ),
        Fault("decimals = 2 if abs(", "decimals = 2 if (", "large negative numbers have four decimals"),
        Fault("number if beside is None else beside", "number", "a difference has decimals of its own"),
    ),
    "papers/fitting.py": (
        Fault('{**(training or {}), "seed": seed}', '{"seed": 0, **(training or {})}', "every seed is one"),
        Fault("        resume=True,", "        resume=False,", "a row that was stopped cannot go on"),
        Fault("conditional=conditional,", "conditional=False,", "what is given is left out"),
        Fault("return model.eval()", "return model.train()", "longer pieces are scored in training mode"),
    ),
    "papers/scoring.py": (
        Fault("likelihood(model, events, **options)", "likelihood(model, events)", "importance samples are not drawn"),
        Fault(
            '"95 % half-width over events": found.error',
            '"95 % half-width over events": found.estimator_error',
            "one error for another",
        ),
        Fault('"bits per dimension": found.bits_per_dim', '"bits per dimension": found.value', "nats are called bits"),
        Fault(
            "found[metric.name] = metric.value",
            "found[metric.name] = metric.interval[0]",
            "the lower end for the value",
        ),
        Fault(
            'of real data"] = metric.real.value', 'of real data"] = metric.value', "the model's number is called real"
        ),
    ),
    "papers/wine.py": (
        Fault(
            "volume = float(parts.double().std(0, correction=0).log().sum())", "volume = 0.0", "densities per unit of x"
        ),
        Fault(
            "scores.append(volume - scored(fit, data.test).value)",
            "scores.append(volume - scored(fit, data.valid).value)",
            "validation is reported as test",
        ),
        Fault("range(1, FOLDS + 1)", "range(1, FOLDS)", "nine folds of ten"),
        Fault(
            "statistics.stdev(scores) / FOLDS**0.5",
            "statistics.stdev(scores)",
            "the deviation of a fold is called the mean's",
        ),
        Fault("        if not hold_out:", "        if hold_out:", "what is held out trains"),
    ),
    "papers/sequences.py": (
        Fault(
            "return -total / sum(map(len, pieces))",
            "return -total / len(pieces)",
            "nats of a piece are called those of a step",
        ),
        Fault("longer.load_state_dict({**longer.state_dict(), **weights})", "pass", "longer pieces by other weights"),
        Fault("test = data.test.x.flatten()", "test = data.valid.x.flatten()", "validation is reported as test"),
        Fault('jsb_pieces("test")', 'jsb_pieces("valid")', "chorales that chose the weights"),
    ),
    "papers/modes.py": (
        Fault(
            "ratio = estimate / max(slope, 1e-12) / exact", "ratio = estimate / exact", "a steep critic is not scaled"
        ),
        Fault("if ratio > 1 + SLACK:", "if False:", "a bound that is exceeded"),
        Fault(
            "return Found(min(ratios[:2]), details)", "return Found(max(ratios[:2]), details)", "the better of two laws"
        ),
        Fault(
            "true = count_modes(truth(data)",
            "true = ours if True else count_modes(truth(data)",
            "the model's counts are called true",
        ),
        Fault(
            "float(slope.norm(dim=1).max())", "float(slope.norm(dim=1).mean())", "the mean slope is called the steepest"
        ),
        Fault(
            '"high_quality": 100 * ours.high_quality', '"high_quality": ours.high_quality', "a share is called per cent"
        ),
    ),
    "papers/adversarial.py": (
        Fault("-torch.xlogy(share, share).sum()", "torch.xlogy(share, share).sum()", "the entropy without its sign"),
        Fault("(p.amax(1) > 0.9)", "(p.amax(1) > 0.1)", "always sure"),
    ),
    "papers/few_labels.py": (
        Fault("mean(ours) - mean(spread)", "mean(spread) - mean(ours)", "the difference the wrong way round"),
        Fault(
            "2.776 * stdev(shares) / DRAWS**0.5",
            "2.776 * stdev(shares)",
            "the deviation of a draw is called the mean's",
        ),
        Fault("range(DRAWS * seed, DRAWS * (seed + 1))", "range(DRAWS)", "every seed has the same draws"),
        Fault(
            "model.classify(events.x).argmax(1) != events.context",
            "model.classify(events.x).argmax(1) == events.context",
            "what is right counts",
        ),
    ),
    "papers/latent.py": (
        Fault(
            "scored(model, loaded.test, importance=IMPORTANCE)",
            "scored(model, loaded.valid, importance=IMPORTANCE)",
            "validation is reported as test",
        ),
        Fault(
            'found["without"].value - found["with"].value',
            'found["with"].value - found["without"].value',
            "a loss is called a gain",
        ),
        Fault(
            "return Found(one.value - two.value",
            "return Found(two.value - one.value",
            "a second layer's loss is called its gain",
        ),
        Fault(
            '100 * (1 - whole.details["rate"] / unigram)',
            '100 * (1 - unigram / whole.details["rate"])',
            "per cent of the other",
        ),
        Fault(
            "-shares.log()[new].sum(1).mean()",
            "-shares.log()[new].mean(1).mean()",
            "nats of a code are called those of all",
        ),
    ),
}
