"""Faults in metrics."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "metrics/c2st.py": (
        Fault("0.5 * (fake[:, None] == real)", "1.0 * (fake[:, None] == real)", "ties count whole"),
        Fault("(fake[:, None] > real).double()", "(fake[:, None] < real).double()", "the area on the wrong side"),
        Fault(
            "_judge(halves[i], halves[1 - i], seed)", "_judge(halves[i], halves[i], seed)", "judged on what it learnt"
        ),
        Fault(
            "wins.mean(1).var() / len(fake) + wins.mean(0).var() / len(real)",
            "wins.mean(1).var() / len(real) + wins.mean(0).var() / len(fake)",
            "the sizes of the sets swapped in the error",
        ),
        Fault("/ math.sqrt(2)", "/ 2", "the halves taken as independent"),
        Fault("mean, scale = x.mean(0), x.std(0)", "mean, scale = x.mean(0), x.var(0)", "standardised by the variance"),
    ),
    "metrics/coverage.py": (
        Fault("precision=_share(in_real.any(0)),", "precision=_share(in_fake.any(1)),", "recall for precision"),
        Fault("recall=_share(in_fake.any(1)),", "recall=_share(in_real.any(0)),", "precision for recall"),
        Fault(
            "in_real = between < real_radius[:, None]", "in_real = between < fake_radius", "the balls of the other set"
        ),
        Fault("in_real.sum().item() / (k * len(fake))", "in_real.sum().item() / len(fake)", "density without its k"),
        Fault("between.amin(1) < real_radius", "between.amin(0) < fake_radius", "coverage of the samples' balls"),
        Fault(".kthvalue(k + 1, 1)", ".kthvalue(k, 1)", "the event counts as its own neighbour"),
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
        Fault("base * base * base", "base * base", "a square for a cube"),
        Fault("x, y.T, alpha=1 / d)", "x, y.T)", "inner products not divided by d"),
        Fault(
            "within - 2 * kernel(real, fake).mean()",
            "within - kernel(real, fake).mean()",
            "the cross term without its factor 2",
        ),
        Fault("kernel.sum() - kernel.diagonal().sum()", "kernel.sum()", "pairs of an event with itself are counted"),
        Fault("(values >= values[0] - 1e-12)", "(values > values[0] + 1e-12)", "the p-value forgets the order itself"),
        Fault(
            "-squared / (2 * squared[squared > 0].median())",
            "-squared / squared[squared > 0].median()",
            "a kernel too narrow by the root of 2",
        ),
        Fault("ff / (n * (n - 1)) + ss / (m * (m - 1))", "ff / (n * n) + ss / (m * m)", "divided by all pairs"),
        Fault("- side @ diagonal for side", "for side", "pairs of an event with itself are counted"),
    ),
    "metrics/memorisation.py": (
        Fault("return self.distance < self.own", "return self.distance > self.own", "what is far counts as copied"),
        Fault(
            "d.scatter_(1, without[start : start + rows, None], torch.inf)",
            "pass",
            "a training event is its own neighbour",
        ),
        Fault("[0][back]", "[0][: len(events)]", "distances in the order of the training events"),
        Fault(
            "self.distance.argsort(stable=True)[:n]",
            "self.distance.argsort(stable=True)[-n:]",
            "the farthest for the nearest",
        ),
    ),
    "metrics/result.py": (
        Fault("return self.value - other.value", "return other.value - self.value", "a difference the wrong way round"),
        Fault("if mine != theirs:", "if mine == theirs:", "only what differs compares"),
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
            "self.extractor(self.data.train.x)",
            "self.extractor(self.data.test.x)",
            "copies of test events are looked for",
        ),
        Fault(
            "return x.std().item() / math.sqrt(len(x))",
            "return x.std().item()",
            "the deviation of one event for the standard error",
        ),
        Fault(
            "value - 1.96 * error), min(top, value + 1.96 * error)",
            "value - error), min(top, value + error)",
            "intervals of one deviation",
        ),
        Fault("ours.mean() / theirs.mean()", "theirs.mean() / ours.mean()", "the distance ratio upside down"),
        Fault(
            "[: len(x) // 2] for x in (real, fake)",
            "[: len(x)] for x in (real, fake)",
            "halves that are the whole sets",
        ),
        Fault(
            "self.extractor(self._fresh), self._control",
            "self.extractor(self._held_out), self._control",
            "held-out events compared with themselves",
        ),
    ),
    "metrics/likelihood.py": (
        Fault(
            "nats, n, space = -found.log_p",
            "nats, n, space = found.log_p",
            "the negative log-likelihood without its sign",
        ),
        Fault(
            "_NORMAL_95 * nats.std().item() / math.sqrt(n)",
            "_NORMAL_95 * nats.std().item() / n",
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
            "0.0 if log_z.exact else _NORMAL_95 * log_z.error",
            "0.0 if log_z.exact else log_z.error",
            "one deviation for the 95 % half-width",
        ),
        Fault("            module.training = mode", "            pass", "scoring leaves the model in evaluation mode"),
        Fault("with torch.no_grad(), seeded(0):", "with torch.no_grad():", "scoring moves torch's random stream"),
        Fault("            module.eval()", "            module.train()", "scored in training mode"),
    ),
}
