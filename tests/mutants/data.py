"""Faults in data sets, splits and readers."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "data/dataset.py": (
        Fault(
            "return events[order[n_valid + n_test :]]",
            "return events[order[n_valid:]]",
            "test events leak into training",
        ),
        Fault(
            "events[order[:n_valid]], events[order[n_valid : n_valid + n_test]]",
            "events[order[:n_valid]], events[order[:n_test]]",
            "validation and test overlap",
        ),
        Fault("order = shuffled(n, seed)", "order = torch.arange(n)", "the split is not shuffled"),
        Fault(
            "for part in (valid, test))",
            "for part in (test, valid))",
            "the fractions of validation and test swapped",
        ),
        Fault('Noise(seed).uniform((n,), "split"', 'Noise(0).uniform((n,), "split"', "every seed names the same split"),
        Fault(
            "self.x[rows], None if self.context is None else self.context[rows]",
            "self.x[rows], self.context",
            "rows are cut without their contexts",
        ),
        Fault(
            "for events in (self.train, self.valid, self.test):",
            "for events in (self.train, self.valid):",
            "the fingerprint forgets the test split",
        ),
        Fault("self[shuffled(len(self))[:n]]", "self[:n]", "some events are the first ones, often of one class"),
    ),
    "data/synthetic.py": (
        Fault(
            "- d * self.stds.log() - 0.5 * d *",
            "- self.stds.log() - 0.5 * d *",
            "the log-determinant of one dimension only",
        ),
        Fault(
            "constant - 0.5 * square / self.stds**2",
            "constant - 0.5 * square / self.stds",
            "divided by the deviation, not the variance",
        ),
        Fault("return -float(sum(terms))", "return float(sum(terms))", "the entropy's sign flipped"),
        Fault(
            "w * (mass @ self._log_prob(m + s * z))",
            "w * (mass @ self._log_prob(m + z))",
            "the quadrature ignores the deviation",
        ),
        Fault(
            "self.means[k] + self.stds[k, None] * z",
            "self.means[k] + self.stds[k, None] ** 2 * z",
            "samples with the variance for the deviation",
        ),
        Fault(
            "- (self.size + 1) * math.log(2)",
            "- self.size * math.log(2)",
            "the choice of bars or stripes is not counted",
        ),
        Fault("- 4 * p * math.log(2 * p)", "- 2 * p * math.log(2 * p)", "blank and full pictures counted half"),
        Fault(
            "torch.where(u[:, :1, None] < 0.5, lines, lines.mT)",
            "torch.where(u[:, :1, None] < 0.25, lines, lines.mT)",
            "bars come less often than stripes",
        ),
        Fault("(2 * math.pi / modes)", "(math.pi / modes)", "the ring is half a circle"),
        Fault("(side - 1) / 2) * spacing", "side / 2) * spacing", "the grid is not centred"),
        Fault("0.5 - angle.sin()", "angle.sin() - 0.5", "the lower moon is upside down"),
        Fault("w, m[:, None], v.sqrt()", "w, m[:, None], v", "variances taken for deviations"),
        Fault("noise=noise.at(split)", "noise=noise", "all splits hold the same events"),
        Fault("Real.standardising(train.x) if", "Real.standardising(test.x) if", "standardised on the test events"),
    ),
    "data/text.py": (
        Fault(
            "cuts = (len(text) - n_test - n_valid, len(text) - n_test)",
            "cuts = (len(text) - n_test, len(text) - n_test)",
            "training runs into the validation text",
        ),
        Fault(
            "round(test * len(text)), round(valid * len(text))",
            "round(valid * len(text)), round(test * len(text))",
            "the fractions of validation and test swapped",
        ),
        Fault(
            "len(p) // sequence_length * sequence_length", "len(p) // sequence_length", "most of each part is dropped"
        ),
    ),
    "data/tables.py": (
        Fault(
            "((values == 0) | (values == 1)).all()",
            "((values == 0) | (values == 1)).any()",
            "any zero makes a table of bits",
        ),
        Fault("Real.standardising(splits[0].x)", "Real.standardising(splits[2].x)", "standardised on the test events"),
        Fault("return int(label) - 1", "return int(label)", "the label is the column after the one named"),
    ),
    "data/tabular.py": (
        Fault("Events(rest[order[n_valid:]])", "Events(rest[order])", "validation events leak into training"),
        Fault("parts.pop(fold - 1)", "parts[fold - 1]", "the test fold leaks into training"),
    ),
    "data/pictures.py": (
        Fault("(x >= 8).to(torch.uint8)", "(x > 8).to(torch.uint8)", "the threshold of ink is off by one"),
        Fault("Events(x[:-10_000], labels[:-10_000])", "Events(x, labels)", "validation images leak into training"),
    ),
}
