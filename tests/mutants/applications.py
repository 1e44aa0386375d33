"""Faults in applications: who competes on what, with which time, and what is concluded."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "applications/compare.py": (
        Fault(
            "data.test.some(MAX_TEST), terms.samples",
            "data.valid.some(MAX_TEST), terms.samples",
            "validation is compared as test",
        ),
        Fault("if leaf.variant_of:", "if False:", "variants compete unasked"),
        Fault("None if name in closed else minutes", "minutes", "closed forms are given minutes"),
        Fault(
            "data if terms.conditional else data.without_context(), terms", "data, terms", "labels reach every model"
        ),
        Fault("if not is_unused(out) and not terms.resume:", "if False:", "a folder that is in use is written to"),
        Fault(
            "n_test, n = min(MAX_TEST, len(data.test))", "n_test, n = len(data.test)", "more events than were scored"
        ),
        Fault(
            'how["resume"] = terms.resume or total is not None',
            'how["resume"] = terms.resume',
            "a race cannot go on with its runs",
        ),
        Fault("time.perf_counter() - gone", "time.perf_counter()", "what passed before is outside the total"),
        Fault("    with locked(out):", "    if True:", "two comparisons in one folder"),
    ),
    "applications/comparison.py": (
        Fault(
            "key=lambda c: (c.hardly_trained, c.nats)",
            "key=lambda c: c.nats",
            "the hardly trained rank with the others",
        ),
        Fault(
            "key=lambda c: (c.hardly_trained, c.nats)",
            "key=lambda c: (c.hardly_trained, -c.nats)",
            "the worst likelihood leads",
        ),
        Fault("difference = scores[0] - scores[1]", "difference = scores[1] - scores[0]", "the lead without its sign"),
        Fault(
            "NORMAL_95 * float(difference.std()) / math.sqrt(n)",
            "float(difference.std()) / math.sqrt(n)",
            "ties of one deviation",
        ),
        Fault("if m.is_tied_with(found[0][1])]", "]", "all are tied"),
        Fault("not abs(lead[0]) > lead[1]]", "lead[0] == 0]", "nobody is tied with the leader"),
        Fault("if self.unranked or not ranked", "if not ranked", "likelihoods rank where they mean nothing"),
        Fault(
            "return self.epochs is not None and self.epochs < 1",
            "return self.epochs is not None and self.epochs < 0",
            "nobody is hardly trained",
        ),
        Fault(
            "[c for c in ranked if c.hardly_trained == ranked[0].hardly_trained]",
            "list(ranked)",
            "the hardly trained may win",
        ),
        Fault(
            "halves += [each.estimator_error or 0.0 for each",
            "halves += [0.0 for each",
            "the normaliser is taken as known",
        ),
    ),
    "applications/bench.py": (
        Fault(
            "contender.likelihood = self.likelihood(model, self.test, draws)",
            "contender.likelihood = self.likelihood(model, self.result.data.valid, draws)",
            "validation is compared as test",
        ),
        Fault('"seed": self.result.seed}', '"seed": 0}', "every seed is one"),
        Fault(
            'run.record["events"] / max(run.record["seconds"], 1e-9)',
            'run.step / max(run.record["seconds"], 1e-9)',
            "steps are called events",
        ),
        Fault(
            "(time.perf_counter() - started) / n",
            "time.perf_counter() - started",
            "the seconds of all samples are called one's",
        ),
        Fault(
            "noise = self.result, self.result.data, Noise(self.result.seed)",
            "noise = self.result, self.result.data, Noise(0)",
            "samples of every seed are one's",
        ),
        Fault("n=samples, seed=result.seed)", "seed=result.seed)", "--samples does nothing"),
        Fault(
            "self.draws = min(MOST_DRAWS, max(LEAST_DRAWS, BOUND_DRAWS // len(test)))",
            "self.draws = 1",
            "bounds of one draw have no error",
        ),
        Fault(
            "sum(p.numel() for p in module.parameters())",
            "len(list(module.parameters()))",
            "tensors are called parameters",
        ),
        Fault(
            "and not isinstance(model, Trained)",
            "or not isinstance(model, Trained)",
            "what has no count of its own is asked for it",
        ),
        Fault(
            "contender.unsampled, contender.failure = str(error)",
            "contender.error, contender.failure = str(error)",
            "who cannot be sampled has no likelihood either",
        ),
        Fault("repeat(-(-n // len(events)))", "repeat(n // len(events))", "fewer contexts than samples"),
    ),
    "applications/race.py": (
        Fault('e.columns["likelihood"] = -best if', 'e.columns["likelihood"] = best if', "the worst go on"),
        Fault('rung in ("log-likelihood", "bound")', "rung", "minus an error competes with likelihoods"),
        Fault("abs(distance) if math.isfinite(distance)", "distance if math.isfinite(distance)", "far below 0 is best"),
        Fault("real = data.whole(data.valid.some(n))", "real = data.whole(data.test.some(n))", "test events choose"),
        Fault(
            "return self.total - REPORT * self.slowness() - self.spent()",
            "return self.total - self.spent()",
            "no time for the report",
        ),
        Fault('- gone - state.get("spent", 0.0)', "- gone", "a total begins again on resume"),
        Fault(
            "e.stalled = before is not None",
            "e.stalled = False and before is not None",
            "who does not gain is given more",
        ),
        Fault(
            'time.process_time if bench.budget == "cpu"',
            'time.perf_counter if bench.budget == "cpu"',
            "a race is the wall's always",
        ),
        Fault("if e.given > e.judged:", "if False:", "who a kill left unjudged is out of the race"),
        Fault("pot = (self.left() - self.reserved(going))", "pot = self.left()", "no time for the scores"),
        Fault(
            "level = (max(0.0, pot) + sum(ordered[:i])) / i",
            "level = max(0.0, pot) / i",
            "what was trained is not counted",
        ),
        Fault(
            "(self.stays_hardly_trained(e), e.columns[column])",
            "e.columns[column]",
            "the hardly trained race with the others",
        ),
    ),
    "applications/classify.py": (
        Fault("prior.double().log()  # (1)", "0 * prior.double().log()  # (1)", "no prior"),
        Fault("return joint.log_softmax(1)", "return joint", "probabilities that do not sum to one"),
        Fault("new.double().log() - old.double().log()", "new.double().log()", "the old prior stays"),
        Fault("abs(sure - share)", "(sure - share)", "errors of calibration cancel"),
        Fault("accuracy * (1 - accuracy) / n", "accuracy * (1 - accuracy)", "the half-width of one event"),
        Fault(
            "log_p[:, torch.from_numpy(way.classes_).long()] =",
            "log_p[:, : len(way.classes_)] =",
            "classes that are missing shift the others",
        ),
    ),
    "applications/anomalies.py": (
        Fault("math.ceil((n + 1) * (1 - false_alarms))", "math.ceil(n * (1 - false_alarms))", "the plain quantile"),
        Fault("[0] - log_p  # (1)", "[0] + log_p  # (1)", "the ratio's sign"),
        Fault("-log_p - compressed  # (2)", "-log_p + compressed  # (2)", "the compressor's sign"),
        Fault("(-log_p - self.mean).abs()", "(-log_p - self.mean)", "too likely is not odd"),
        Fault("return scores > limit + slack", "return scores > limit", "ties are decided by rounding"),
        Fault(
            "columns.append(log_p.gather(1, flat[:, d, None].long())[:, 0])",
            "columns.append(log_p[:, 0])",
            "the first value is scored",
        ),
        Fault("[:, model.order.argsort()]", "[:, model.order]", "cells in another order"),
    ),
    "applications/impute.py": (
        Fault("* mask[:, law.order]", "", "completions are weighed by what was drawn, too"),
        Fault("- math.log(particles)", "", "a sum over completions for their mean"),
        Fault(".std(1) / math.sqrt(particles)", ".std(1)", "the deviation of one completion for the standard error"),
        Fault("known[:, model.order]", "known", "what comes after is said of the columns, not of the order"),
    ),
    "applications/hidden.py": (
        Fault("(known, known & ~hidden)", "(known, known)", "what is hidden is known"),
        Fault("total -= float(", "total += float(", "nats without their sign"),
        Fault("(others - both).sum()", "(both - others).sum()", "estimated nats without their sign"),
        Fault("if variance else (nats", "if not variance else (nats", "an estimate is called exact"),
        Fault("off.square().mean().sqrt()", "off.square().mean()", "the mean square is called its root"),
        Fault("below + (u * (equal + 1)).floor().long()", "below", "ties are below"),
        Fault("- x) / scale)[numbers]", "- x))[numbers]", "errors in the columns' units"),
        Fault("< share) & ~x.isnan() & varies", "< share) & varies", "blank cells are hidden"),
    ),
    "applications/synthesize.py": (
        Fault(
            "test[order[0::2]], test[order[1::2]]",
            "test[order[0::2]], test[order[0::2]]",
            "real rows are judged by themselves",
        ),
        Fault(
            "score[~learned] = judge.predict_proba(cells[~learned])",
            "score[~learned] = judge.predict_proba(cells[learned])",
            "judged on other rows",
        ),
        Fault("[tuple(row) in known for row", "[tuple(row) not in known for row", "strangers are copies"),
        Fault("(-distance).numpy()", "distance.numpy()", "what is far is a member"),
        Fault(
            "rest, smaller = [i for i in range(len(space.columns)) if i != k]",
            "rest, smaller = [*range(len(space.columns) - 1)]",
            "the target is learned from itself",
        ),
        Fault('noise=Noise(seed).at("card"))', 'noise=Noise(0).at("card"))', "every seed has the same card"),
    ),
}
