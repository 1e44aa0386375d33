"""Faults in metrics."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "metrics/translation.py": (
        Fault("target = (own + 1 + ", "target = (own + ", "some are sent to their own class"),
        Fault("distance(model.translate(faint, own)", "distance(model.translate(made, own)", "no noise in between"),
        Fault(
            "distance(model.translate(x, own).cpu(), x",
            "distance(model.translate(x, target).cpu(), x",
            "not the own label",
        ),
        Fault(
            "(reading.factors == wanted) & reading.sure[:, None]",
            "(reading.factors >= 0) & reading.sure[:, None]",
            "all kept",
        ),
        Fault("distance(made, true, space)", "distance(x, true, space)", "the event is compared, not its counterpart"),
        Fault(
            "kernel_distance(extractor(like), extractor(made))",
            "kernel_distance(extractor(x), extractor(made))",
            "to the own",
        ),
    ),
    "metrics/given.py": (
        Fault("y / 4 if isinstance(space, Real) else y / 2", "y / 2", "two deviations are the range of reals"),
        Fault("error.clamp(min=10 ** (-MOST / 10)).log10()).mean()", "error.mean().log10()).mean()", "pooled decibels"),
        Fault("2 * y.var(1, correction=1)", "2 * y.var(1, correction=0)", "pairs of a draw with itself count"),
        Fault("2 * y.var(1, correction=1)", "y.var(1, correction=1)", "variance is not the mean over pairs"),
        Fault("(2 * (xy - mean_x * mean_y) + c2)", "(2 * xy + c2)", "structure without centring"),
        Fault("-offsets.square() / (2 * SIGMA**2)", "-offsets.square() / SIGMA**2", "a narrower window"),
        Fault("(view.split(y, space)[1]", "(view.split(y, space)[0]", "the event is compared, not what was given"),
    ),
    "metrics/c2st.py": (
        Fault("0.5 * (fake[:, None] == real)", "1.0 * (fake[:, None] == real)", "ties count whole"),
        Fault("(fake[:, None] > real).double()", "(fake[:, None] < real).double()", "the area on the wrong side"),
        Fault("_judge(first, second, seed + split)", "_judge(first, first, seed + split)", "judged on what it learnt"),
        Fault(
            "wins.mean(1).var() / len(fake) + wins.mean(0).var() / len(real)",
            "wins.mean(1).var() / len(real) + wins.mean(0).var() / len(fake)",
            "the sizes of the sets swapped in the error",
        ),
        Fault("statistics.fmean(errors)", "statistics.fmean(errors) / 2", "the halves taken as independent"),
        Fault("mean, scale = x.mean(0), x.std(0)", "mean, scale = x.mean(0), x.var(0)", "standardised by the variance"),
    ),
    "metrics/coverage.py": (
        Fault("precision=_share(is_real),", "precision=_share(is_reached),", "recall for precision"),
        Fault("recall=_share(is_reached),", "recall=_share(is_real),", "precision for recall"),
        Fault(
            "inside = squared <= real_balls.reach[rows, None]",
            "inside = squared <= fake_balls.reach",
            "the balls of the other set",
        ),
        Fault("(holds.double() / real_balls.held).sum()", "holds.double().sum()", "density without what a ball holds"),
        Fault("real_balls.held).sum().item() / len(fake)", "5).sum().item() / len(fake)", "ties crowd the density"),
        Fault("coverage=_share(holds > 0)", "coverage=_share(is_reached)", "coverage of the samples' balls"),
        Fault(", rows.stop)] = torch.inf", ", rows.stop)] = 0.0", "the event counts as its own neighbour"),
        Fault("inside = squared <= real_balls", "inside = squared < real_balls", "edges outside", "slack is added"),
        Fault("reach[rows] = radius + slack", "reach[rows] = radius", "rounding decides ties"),
        Fault("if any(ball.is_rough for ball in balls):", "if False:", "float32 where it tells nothing apart"),
        Fault("middle = real.double().mean(0)", "middle = 0.0", "rounding as large as the offset"),
    ),
    "metrics/distances.py": (
        Fault("alpha=-2)", "alpha=-1)", "the cross term without its factor 2"),
        Fault("slice(start, start + len(part))", "slice(0, len(part))", "every tile is the first"),
        Fault("SAFE * torch", "1e4 * SAFE * torch", "what lies near counts as equal"),
    ),
    "metrics/frechet.py": (
        Fault("- 2 * product", "- product", "the cross term without its factor 2"),
        Fault(
            "(real.mean(0) - fake.mean(0)).square().sum()",
            "(real.mean(0) - fake.mean(0)).square().mean()",
            "the means' distance averaged over features",
        ),
        Fault("values.clamp(min=0).sqrt() @ basis.T", "values.clamp(min=0) @ basis.T", "a covariance for its root"),
        Fault(".clamp(min=0).sqrt().sum()", ".clamp(min=0).sum()", "the trace of the product, not of its root"),
        Fault("centred = x - x.mean(0)", "centred = x", "second moments that are not centred"),
        Fault("/ (len(x) - 1)", "/ len(x)", "a biased covariance"),
        Fault("cov_real.trace() + cov_fake.trace()", "2 * cov_real.trace()", "one trace twice"),
    ),
    "metrics/mmd.py": (
        Fault("base.pow(3) * y_in", "base.pow(2) * y_in", "a square for a cube"),
        Fault("part, y.T, alpha=1 / x.shape[1])", "part, y.T)", "inner products not divided by d"),
        Fault(
            "real_in) + _mean_off_diagonal(fake, fake_in) - 2 * cross",
            "real_in) + _mean_off_diagonal(fake, fake_in) - cross",
            "the cross term without its factor 2",
        ),
        Fault("x_in, x_in) - itself)", "x_in, x_in))", "pairs of an event with itself are counted"),
        Fault("(real_in.sum(1) * fake_in.sum(1))", "(len(real) * len(fake))", "parts divided by the whole"),
        Fault("(values >= values[0] - 1e-12)", "(values > values[0] + 1e-12)", "the p-value forgets the order itself"),
        Fault("return 2 * apart.median()", "return apart.median()", "a kernel too narrow by the root of 2"),
        Fault("ff / (n * (n - 1)) + ss / (m * (m - 1))", "ff / (n * n) + ss / (m * m)", "divided by all pairs"),
        Fault(", rows.stop)] = 0.0", ", rows.stop)] = 1.0", "pairs of an event with itself are counted"),
    ),
    "metrics/memorisation.py": (
        Fault("train.distance < held_out.distance", "train.distance > held_out.distance", "what is far is copied"),
        Fault("return near_train, ~near_train & ~is_tied", "return near_train, ~near_train", "ties are strangers"),
        Fault(
            "(counts.square().sum().item() + 0.5) / total**2",
            "1 / total",
            "samples around one event count as if they were around many",
        ),
        Fault(
            "log_odds += sign * math.log(total / found.among)", "log_odds += sign * math.log(total)", "sizes kept in"
        ),
        Fault("ties / 2 + (1 - ties) / (1 +", "1 / (1 +", "the interval forgets ties"),
        Fault("balanced = m * a / size", "balanced = a / (a + b)", "sizes not taken out"),
        Fault("- 0.5 - bend * a", "- 0.5 + bend * a", "the error of another number"),
        Fault("squared.scatter_(1, own[rows, None], torch.inf)", "pass", "an event is its own neighbour"),
        Fault("own[rows, None]", "own[: len(squared), None]", "the second tile leaves out the wrong events"),
        Fault("len(within) - (own is not None)", "len(within)", "an event counts among its own neighbours"),
        Fault(
            "self.distance.argsort(stable=True)[:n]",
            "self.distance.argsort(stable=True)[-n:]",
            "the farthest for the nearest",
        ),
    ),
    "metrics/result.py": (
        Fault(
            "return self.value - other.value,", "return other.value - self.value,", "a difference the wrong way round"
        ),
        Fault("if mine != theirs:", "if mine == theirs:", "only what differs compares"),
        Fault("else max(0.0, worse)", "else worse", "better than real data is better still"),
        Fault('return -1.0 if self.better == "higher" else 1.0', "return 1.0", "higher is worse"),
        Fault("(self, 1.0), (other, -1.0)", "(self, 1.0), (other, 1.0)", "errors of a sum for those of a difference"),
        Fault("return self.is_as_real or abs", "return abs", "as good as real data, but not tied"),
        Fault("if len(paired) == len(terms):", "if False:", "differences that are not paired"),
        Fault("terms.append((self.real, theirs - mine))", "pass", "real data taken as exactly known"),
    ),
    "metrics/features.py": (
        Fault(
            "data.train[order[:middle]], data.train[order[middle:]]",
            "data.train[order[:middle]], data.train[order[:middle]]",
            "the extractor has seen the perfect model's half",
        ),
        Fault(
            "basis /= _scale((y - mean) @ basis)",
            "basis *= _scale((y - mean) @ basis)",
            "features scaled the wrong way",
        ),
        Fault("features.var(0).mean().sqrt()", "features.var(0).mean()", "the variance for the deviation"),
        Fault("min(FEATURES, n // 10, *y.shape)", "min(FEATURES, n, *y.shape)", "as many features as events"),
        Fault(
            "held_out = data.test.some(2000)",
            "held_out = data.train.some(2000)",
            "the classifier's accuracy on training events",
        ),
    ),
    "metrics/samples.py": (
        Fault(
            "fresh = real_halves(data, seed)[1]",
            "fresh = real_halves(data, seed)[0]",
            "the perfect model's events are those the extractor saw",
        ),
        Fault(
            "self._train = data.train.some(SEEN)",
            "self._train = data.test.some(SEEN)",
            "copies of test events are looked for",
        ),
        Fault(
            "return x.std().item() / math.sqrt(len(x))",
            "return x.std().item()",
            "the deviation of one event for the standard error",
        ),
        Fault("bottom = -math.inf if name", "bottom = 0.0 if name", "no kernel distance below zero"),
        Fault("half = NORMAL_95 * error", "half = error", "intervals of one deviation"),
        Fault("train_share_interval(*near))", "train_share(*near))", "the error of the train share for its ends"),
        Fault("max(bottom, ends[0])", "ends[0]", "intervals that reach below what can be"),
        Fault("ours.mean() / theirs.mean()", "theirs.mean() / ours.mean()", "the distance ratio upside down"),
        Fault(
            "[: len(x) // 2] for x in (real, fake)",
            "[: len(x)] for x in (real, fake)",
            "halves that are the whole sets",
        ),
        Fault(
            'return data.valid, "valid", data.valid',
            'return data.test, "valid", data.test',
            "test events for validation events",
        ),
        Fault('return fresh, "train",', 'return data.test, "train",', "test events for training events"),
        Fault("own=torch.arange(self.n)", "own=None", "held-out events found among themselves"),
    ),
    "metrics/likelihood.py": (
        Fault(
            "nats, n, space = -found.log_p",
            "nats, n, space = found.log_p",
            "the negative log-likelihood without its sign",
        ),
        Fault(
            "NORMAL_95 * nats.std().item() / math.sqrt(n)",
            "NORMAL_95 * nats.std().item() / n",
            "an error that shrinks too fast",
        ),
        Fault("value - space.log_volume", "value + space.log_volume", "standardised with the wrong sign"),
        Fault("int((nats == math.inf).sum())", "int((nats == -math.inf).sum())", "impossible events are not counted"),
        Fault(
            "variance = first * second / draws**2", "variance = 1 / draws**2", "the Monte Carlo error of two draws only"
        ),
        Fault(
            "(first * log_p + second * other) / draws",
            "(log_p + other) / draws",
            "halves averaged as if they were single draws",
        ),
        Fault(
            "model.elbo(x, c, draws=k, noise=source.rows(row))",
            "model.elbo(x, c, draws=k, noise=source)",
            "every batch repeats the noise of the first",
        ),
        Fault('source = noise.at("draws", index)', 'source = noise.at("draws", 0)', "both halves share their noise"),
        Fault(
            '{"reconstruction": -means[0], "rate": means[1]}',
            '{"reconstruction": means[0], "rate": means[1]}',
            "the reconstruction with the wrong sign",
        ),
        Fault(".square().mean().item() / 2", ".square().mean().item()", "the pilot's variance counted twice"),
        Fault("_Scores(-energy - log_z.value", "_Scores(-energy + log_z.value", "log Z with the wrong sign"),
        Fault(
            "0.0 if log_z.exact else NORMAL_95 * log_z.error",
            "0.0 if log_z.exact else log_z.error",
            "one deviation for the 95 % half-width",
        ),
        Fault("            module.training = mode", "            pass", "scoring leaves the model in evaluation mode"),
        Fault("with torch.no_grad(), seeded(0):", "with torch.no_grad():", "scoring moves torch's random stream"),
        Fault("            module.eval()", "            module.train()", "scored in training mode"),
    ),
}
