"""Faults in distributions, heads and divergences."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "distributions/chains.py": (
        Fault("self.backoff * self.values)", "self.backoff)", "the back-off is worth b events, not b K"),
        Fault(
            "(rows + backoff * shorter) / (rows.sum(-1, keepdim=True) + backoff)",
            "(rows + shorter) / (rows.sum(-1, keepdim=True) + 1)",
            "the back-off is worth one event",
        ),
        Fault(
            "view(c, d, values, -1, values).sum(2)",
            "view(c, d, -1, values, values).sum(3)",
            "the nearest parent is forgotten first, not the farthest",
        ),
        Fault(
            "(n_parents >= depth)[:, None, None]", "(n_parents > depth)[:, None, None]", "the last parent is never used"
        ),
        Fault(
            "p.repeat(1, 1, values, 1)", "p.repeat_interleave(values, 2)", "rows meet the shorter memory of other rows"
        ),
        Fault("torch.arange(1, k + 1)", "torch.arange(0, k)", "a variable is its own parent"),
        Fault(".square().sum(1).flip(0)", ".abs().sum(1).flip(0)", "near by blocks, not Euclidean"),
        Fault(
            "i - 1 - distance.sort(stable=True).indices[:k]",
            "distance.sort(stable=True).indices[:k]",
            "neighbours counted from the wrong end",
        ),
        Fault("prefix_neighbours(d, 1, self.order)", "prefix_neighbours(d, 1)", "a chain ignores its order"),
    ),
    "distributions/chow_liu.py": (
        Fault("* (len(rows) / len(train))", "", "classes are weighed alike, however rare"),
        Fault(
            "entropy[:, None] + entropy - torch",
            "entropy[:, None] + entropy + torch",
            "the joint entropy's sign flipped",
        ),
        Fault("inner.diagonal().view(d, k).T", "inner.diagonal().view(k, d)", "the wrong axis is summed out"),
        Fault(
            "(weights[i] > best) & (best > -torch.inf)",
            "(weights[i] < best) & (best > -torch.inf)",
            "the tree keeps the weaker link",
        ),
        Fault(
            "i = int(best.argmax())",
            "i = int(best.where(best > -torch.inf, torch.inf).argmin())",
            "the minimum spanning tree",
        ),
        Fault(
            "order[t], parents[i, 0] = i, source[i]",
            "order[t], parents[i, 0] = i, order[t - 1]",
            "a chain instead of a tree",
        ),
    ),
    "distributions/closed_form.py": (
        Fault(
            "return total - self.space.log_volume",
            "return total",
            "densities per standardised unit, not per unit of x",
        ),
        Fault(
            "classes[rows], noise.rows(rows.start)))",
            "classes[rows], noise))",
            "every chunk repeats the noise of the first",
        ),
        Fault(
            "train, valid = data.train, data.valid if len(data.valid) else None",
            "train, valid = data.test, data.valid if len(data.valid) else None",
            "fitted on the test events",
        ),
        Fault(
            "rows = (classes == c).nonzero()",
            "rows = (classes >= c).nonzero()",
            "a class takes the rows of all later ones",
        ),
    ),
    "distributions/dequantized.py": (
        Fault(", **tempered(self.model, temperature))", ")", "dequantised samples are never tempered"),
        Fault("x.to(like.dtype) + noise", "x.to(like.dtype) - noise", "dequantised into the cell below"),
        Fault("torch.stack(scores).mean(0)", "torch.stack(scores).sum(0)", "draws are added, not averaged"),
        Fault('self.dequantize(x, noise.at("draw", k))', "self.dequantize(x, noise)", "all draws share their noise"),
        Fault(
            "y.floor().clamp(0, self.space.n - 1)",
            "y.round().clamp(0, self.space.n - 1)",
            "samples rounded, not floored to their cell",
        ),
        Fault("else (space.n / 2, space.n / 2)", "else (space.n, space.n)", "standardised by twice the half width"),
        Fault(" - s.log() - (-s).log1p()", " + s.log() + (-s).log1p()", "the logit's slope upside down"),
        Fault("math.log((1 - 2 * self.margin) / self.space.n) - s", "-s", "the logit's slope without its unit"),
        Fault("(y.sigmoid() - self.margin)", "y.sigmoid()", "samples keep the margin"),
        Fault(
            "return loss(v, context, noise) - stretch", "return loss(v, context, noise)", "the loss is not the bound"
        ),
        Fault(
            "self.spread(self.dequantize(x, noise))",
            "self.spread(x.to(next(self.model.parameters()).dtype))",
            "trained on the bare levels",
        ),
        Fault(
            "self.model.step.copy_(self.step)",
            "self.model.step.copy_(self.step * 0)",
            "the inner model does not know the step",
        ),
    ),
    "distributions/fdivergences.py": (
        Fault(
            "torch.where(p > 0, p, 1.0) * self.domain[1]",
            "torch.where(p > 0, p, 1.0) * self.domain[0]",
            "mass without support counts the lower end",
        ),
        Fault("weights[[0, -1]] /= 2", "weights[[0, -1]] /= 1", "a sum instead of the trapezoid rule"),
        Fault("terms = gain - cost", "terms = gain + cost", "the bound's cost is added"),
        Fault("return 1 + u.log()", "return u.log()", "the derivative of KL without its one"),
        Fault("return -1 / u", "return 1 / u", "the derivative of the reverse KL with the wrong sign"),
        Fault("return -1 - (-t).log()", "return 1 - (-t).log()", "the conjugate of the reverse KL off by two"),
        Fault(
            "torch.xlogy(u, 2 * u / (1 + u)) - ((1 + u) / 2).log()",
            "torch.xlogy(u, u / (1 + u)) - ((1 + u) / 2).log()",
            "Jensen-Shannon against P + Q, not its half",
        ),
        Fault(
            "F.softplus(v) - math.log(2)", "F.softplus(v) + math.log(2)", "the penalty of Jensen-Shannon off by log 4"
        ),
        Fault("-(-t.expm1()).log()", "-(-t.exp()).log()", "the conjugate of the GAN's divergence without its one"),
        Fault("return v / 2 + 1", "return v / 2", "Pearson's ratio off by one"),
        Fault("return 1 - u.pow(-2)", "return 1 - u.pow(-1)", "Neyman's derivative not squared"),
        Fault(
            "return 2 - 2 * (-v / 2).exp()",
            "return 2 - 2 * (-v).exp()",
            "Neyman's penalty not the conjugate of its activation",
        ),
        Fault(
            "return 1 - u.rsqrt()", "return 1 - u.sqrt()", "Hellinger's derivative with the root, not its reciprocal"
        ),
        Fault("return (2 * v).exp()", "return v.exp()", "Hellinger's ratio not squared"),
        Fault("return 1 - 1 / u + u.log()", "return 1 + 1 / u + u.log()", "Jeffrey's derivative with the wrong sign"),
        Fault("s.exp() + (-s).exp() + t - 2", "s.exp() + (-s).exp() + t + 2", "Jeffrey's conjugate off by four"),
        Fault("return (u - 1).sign() / 2", "return (u - 1).sign()", "the critic of total variation leaves its domain"),
        Fault("for _ in range(8):", "for _ in range(1):", "Newton's method stops too early"),
        Fault(
            "torch.where(y <= 1, y, y.clamp(min=1).log())",
            "torch.where(y <= 1, y, y)",
            "Newton's method starts where it overflows",
        ),
    ),
    "distributions/full_table.py": (
        Fault(
            "torch.arange(self.space.dimensions - 1, -1, -1, device",
            "torch.arange(self.space.dimensions, device",
            "states numbered from the other end",
        ),
        Fault(
            "self._codes(train.x) + train.context * size", "self._codes(train.x)", "all classes share the first table"
        ),
        Fault(
            "_draw_states(self.log_p[c], u[rows])",
            "_draw_states(self.log_p[0], u[rows])",
            "all classes are drawn from the first table",
        ),
        Fault(
            "FullTable.of(self._space_of(self.space.dimensions - len(given)), p / p.sum())",
            "FullTable.of(self._space_of(self.space.dimensions - len(given)), p)",
            "a conditional that is not normalised",
        ),
        Fault(
            "self.entropy([b, *given]) - joint - self.entropy(given)",
            "self.entropy([b, *given]) - joint",
            "mutual information without the entropy of the condition",
        ),
        Fault(
            "g = 2 * float(self.events.sum())", "g = float(self.events.sum())", "the G statistic without its factor 2"
        ),
        Fault(
            "(self.values - 1) ** 2 * self.values ** len(given)",
            "(self.values - 1) * self.values ** len(given)",
            "too few degrees of freedom",
        ),
        Fault(
            "torch.tensor([freedom / 2, g / 2]", "torch.tensor([freedom, g]", "the chi-square's halves are forgotten"
        ),
        Fault("torch.special.gammaincc", "torch.special.gammainc", "one minus the p-value"),
        Fault("p.permute([kept.index(v) for v in variables])", "p", "a marginal ignores the order asked for"),
    ),
    "distributions/games.py": (
        Fault("[[1, -rate], [rate, 1]]", "[[1, -rate], [-rate, 1]]", "both players minimise"),
        Fault("[[1, -rate], [rate, 1 - rate**2]]", "[[1, -rate], [rate, 1]]", "alternating steps are simultaneous"),
        Fault("[[1 - rate**2, -rate], [rate, 1 - rate**2]]", "[[1 - rate, -rate], [rate, 1 - rate]]", "decay, no look"),
        Fault("second.max(1, keepdim=True)", "second.max(0, keepdim=True)", "the column player moves rows"),
    ),
    "distributions/gaussian_mixture.py": (
        Fault(
            "r.T @ features, r.T @ features.square()",
            "r.T @ features, r.T @ features",
            "second moments without a square",
        ),
        Fault(
            "(second - first * mean).clamp(min=0)", "second.clamp(min=0)", "variances about zero, not about the mean"
        ),
        Fault(
            "(centred + a * broad) / (mass[:, None, None] + a)",
            "(centred + a * broad) / mass[:, None, None]",
            "smoothing enters above, not below",
        ),
        Fault("log_det = 2 * factor", "log_det = factor", "the prior with half the log-determinant"),
        Fault(
            "-0.5 * smoothing * float(log_det + inverse",
            "-0.5 * smoothing * float(log_det - inverse",
            "the prior's trace with the wrong sign",
        ),
        Fault("len(mass) ** (2 / max(", "len(mass) ** (1 / max(", "the broad covariance shrinks by M^(1/D)"),
        Fault("z[rows] @ self.factor[c, j].T", "z[rows] @ self.factor[c, j]", "samples by the factor's transpose"),
        Fault(
            "self.mean[classes, m] + self.factor[classes, m] * z",
            "self.mean[classes, m] + self.factor[classes, m].square() * z",
            "samples with the variance for the deviation",
        ),
        Fault(
            "d * (d + 1) // 2 if self.covariance", "d * (d - 1) // 2 if self.covariance", "the diagonal is not counted"
        ),
    ),
    "distributions/head.py": (
        Fault("clamp(min_log_scale, MAX_LOG_SCALE)", "clamp(min_log_scale)", "scales without end"),
        Fault("if components < 1:", "if components < 0:", "mixtures of nothing pass"),
        Fault(
            "log_scale.clamp(min_log_scale, MAX_LOG_SCALE)",
            "log_scale.clamp(max=MAX_LOG_SCALE)",
            "scales without a floor",
        ),
        Fault(
            "(cdf[..., :-1] <= u[..., None] * cdf[..., -1:]).sum(-1)",
            "(cdf[..., :-1] >= u[..., None] * cdf[..., -1:]).sum(-1)",
            "categories counted from the wrong end",
        ),
    ),
    "distributions/table_heads.py": (
        Fault("2 * F.softplus(-t) - log_scale", "2 * F.softplus(-t)", "a logistic without its log-determinant"),
        Fault("term + inside - math.log(f.scale)", "term + inside", "a density in standard units"),
        Fault("half = 0.5 / f.scale", "half = 0.25 / f.scale", "the mass of half a whole number"),
        Fault(
            "(value == f.least)[..., None], F.logsigmoid(upper)",
            "(value == f.least)[..., None], mass",
            "the tail below the least number lost",
        ),
        Fault("torch.where(value < f.least, -torch.inf, inside)", "inside", "numbers below the least one"),
        Fault("inside = inside + log_p[..., f.rest]", "inside = inside + log_p[..., 0]", "wrong weight"),
        Fault("torch.logaddexp(term, inside), inside)", "term, inside)", "no rest at levels"),
        Fault("code > f.rest, torch.nan", "code >= f.rest, torch.nan", "the rest of the numbers drawn blank"),
        Fault("heads=tuple(self.heads[i] for i in order)", "heads=self.heads", "heads in the order of the table"),
    ),
    "distributions/heads.py": (
        Fault("cells.round() if space", "cells.floor() if space", "means rounded down"),
        Fault("space.events(params.argmax(-1))", "space.events(params.argmin(-1))", "the least probable symbol"),
        Fault(
            "log_scale + 0.5 * math.log(temperature)", "log_scale + math.log(temperature)", "a Gaussian tempered twice"
        ),
        Fault(
            "mean, log_scale + math.log(temperature)",
            "mean, log_scale - math.log(temperature)",
            "a cold logistic is wide",
        ),
        Fault(
            "device=params.device) + 0.5) * (2 / (self.n - 1)) - 1",
            "device=params.device)) * (2 / (self.n - 1)) - 1",
            "the mean level is half a level too small",
        ),
        Fault(
            "uniforms.squeeze(-1) < params.squeeze(-1).sigmoid()",
            "uniforms.squeeze(-1) > params.squeeze(-1).sigmoid()",
            "bits drawn with the odds reversed",
        ),
        Fault("params.log_softmax(-1).gather", "params.gather", "logits taken for log-probabilities"),
        Fault(
            "upper = (x + 1 / (self.n - 1) - mean)",
            "upper = (x + 2 / (self.n - 1) - mean)",
            "the cell of a level is half a level too wide",
        ),
        Fault(
            "torch.log(-torch.expm1(-2 / (self.n - 1) * inverse))",
            "torch.log(-torch.expm1(-1 / (self.n - 1) * inverse))",
            "the mass of half a level",
        ),
        Fault(
            "cell[..., None] == 0, F.logsigmoid(upper), F.logsigmoid(-lower)",
            "cell[..., None] == 0, F.logsigmoid(-lower), F.logsigmoid(upper)",
            "the tails of the end levels swapped",
        ),
        Fault("(cell == 0) | (cell == self.n - 1)", "(cell == 0) | (cell == self.n)", "the last level takes no tail"),
        Fault("- 0.5 * z**2 - log_scale, -1)", "- 0.5 * z**2, -1)", "a Gaussian without its log-determinant"),
        Fault("- 0.5 * math.log(2 * math.pi)", "- math.log(2 * math.pi)", "a Gaussian's constant counted twice"),
        Fault(
            "log_scale.gather(-1, k).squeeze(-1).exp() * z",
            "(2 * log_scale.gather(-1, k).squeeze(-1)).exp() * z",
            "samples with the variance for the deviation",
        ),
        Fault(
            "return CategoricalHead(n) if n <= 32 else",
            "return CategoricalHead(n) if n <= 64 else",
            "the choice of head off the table",
        ),
        Fault(
            "(logits.softmax(-1) * mean).sum(-1)",
            "(logits.softmax(-1) * mean).mean(-1)",
            "the mean of a mixture divided by its components",
        ),
    ),
    "distributions/information.py": (
        Fault(
            "return -p.log() / math.log(base)",
            "return -p.log() * math.log(base)",
            "the base of the logarithm the wrong way",
        ),
        Fault("-torch.special.xlogy(p, q)", "-torch.special.xlogy(q, p)", "the cross-entropy of swapped arguments"),
        Fault(
            "cross_entropy(p, q, base) - entropy(p, base)",
            "cross_entropy(p, q, base) - entropy(q, base)",
            "the KL less the wrong entropy",
        ),
        Fault("return kl(q, p, base)", "return kl(p, q, base)", "the reverse KL is the forward one"),
        Fault("m = (p + q) / 2", "m = p + q", "Jensen-Shannon against P + Q"),
        Fault(
            "(kl(p, m, base) + kl(q, m, base)) / 2",
            "kl(p, m, base) + kl(q, m, base)",
            "twice the Jensen-Shannon divergence",
        ),
        Fault(
            "joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True)",
            "joint.sum(-1, keepdim=True) * joint.sum(-1, keepdim=True)",
            "the same marginal twice",
        ),
        Fault(
            "(mean - other_mean) ** 2 / other_variance - 1 - ratio.log()",
            "(mean - other_mean) ** 2 / other_variance - 1 + ratio.log()",
            "the log ratio of variances with the wrong sign",
        ),
        Fault(
            "(mean - other_mean) ** 2 / other_variance",
            "(mean - other_mean) ** 2 / variance",
            "the shift measured in the wrong variance",
        ),
        Fault("return p / (p + g)", "return g / (p + g)", "the discriminator's answer reversed"),
    ),
    "distributions/kde.py": (
        Fault(
            "copies = distance + square <= SAME * (norms + square)",
            "copies = distance + square < -1",
            "an event is judged by its own kernel",
        ),
        Fault("- d * widths.log() - 0.5 * d", "- widths.log() - 0.5 * d", "the log-determinant of one dimension only"),
        Fault(
            "count, distance = n - copies.sum(1, keepdim=True)",
            "count, distance = n + 0 * copies.sum(1, keepdim=True)",
            "the kernel left out is counted",
            "the same constant for every bandwidth, and only the best is asked for",
        ),
        Fault("(-0.5 / h**2)", "(-0.5 / h)", "divided by the bandwidth, not its square"),
        Fault(
            "out = z * self.width[classes][:, None]",
            "out = z * self.width[classes][:, None] ** 2",
            "samples with the variance for the deviation",
        ),
        Fault("alpha=-2)  # (B, N)", "alpha=-1)  # (B, N)", "distances without the factor 2"),
        Fault(
            "held = valid.x[valid.context == c].double()",
            "held = valid.x.double()",
            "a class's bandwidth is judged by all classes",
        ),
        Fault("own[(u[rows] * len(own)).long()", "own[(u * len(own)).long()", "noise of other rows picks the kernels"),
    ),
    "distributions/mixtures.py": (
        Fault("r = (joint - log_p).exp()", "r = joint.exp()", "responsibilities that are not normalised"),
        Fault(
            "self.component_log_prob(features, parameters) + log_weight",
            "self.component_log_prob(features, parameters)",
            "the E step forgets the weights",
        ),
        Fault(
            "best = max(starts",
            "best = min(starts",
            "the worst start is kept",
        ),
        Fault(
            "judged = held if len(held) else kept",
            "judged = kept",
            "the start is chosen on the training events",
        ),
        Fault("seed + c", "seed", "every class starts alike", "each class has events of its own, so nothing is shared"),
        Fault("(mass / mass.sum()).log()", "(torch.ones_like(mass) / len(mass)).log()", "weights stay equal"),
        Fault(
            "(mass[:, None, None] - above.sum(2, keepdim=True)).clamp(min=0)",
            "(mass[:, None, None] - above).sum(2, keepdim=True).clamp(min=0)",
            "the first value is counted K - 1 times",
        ),
        Fault("features @ ratio.T + log_p[:, :, 0].sum(1)", "features @ ratio.T", "the log-odds without the base"),
        Fault(
            "log_p[:, :, 1:] - log_p[:, :, :1]", "log_p[:, :, 1:] - log_p[:, :, -1:]", "log-odds against the last value"
        ),
        Fault(
            "return smoothing * float(parameters[0].sum())",
            "return 0.0",
            "the objective forgets the pseudo-counts",
        ),
        Fault(
            "nearest = distances[:, : j + 1].amin(1)",
            "nearest = distances[:, : j + 1].amax(1)",
            "centres drawn far from any, not from all",
        ),
        Fault(
            'u = n.uniform((len(c), d), "cells"',
            'u = n.uniform((1, d), "cells"',
            "all samples share their noise",
        ),
    ),
    "distributions/simple.py": (
        Fault(
            "inside = ((cells >= low) & (cells <= high)).all(1)",
            "inside = ((cells >= low) & (cells <= high)).any(1)",
            "inside the box in any variable",
        ),
        Fault(
            "-(high - low).log().sum(1), -torch.inf",
            "-(high - low).log().mean(1), -torch.inf",
            "the mean log side for the log volume",
        ),
        Fault("(u * (high + 1)).floor()", "(u * high).floor()", "the top level is never drawn"),
        Fault("-states.expand(len(cells))", "states.expand(len(cells))", "a uniform with the wrong sign"),
        Fault(
            "spread *= len(rows) / (len(rows) - self.correction)",
            "spread *= (len(rows) - self.correction) / len(rows)",
            "Bessel's correction the wrong way",
        ),
        Fault("z[rows] @ factor.T if", "z[rows] @ factor if", "samples by the factor's transpose"),
        Fault(
            "return mean, spread / n", "return mean, spread / (n - 1)", "the variance is not that of maximum likelihood"
        ),
        Fault(
            "centred = cells[rows].double() - mean",
            "centred = cells[rows].double()",
            "second moments that are not centred",
        ),
        Fault(
            "constant - factor.log().sum(1) - 0.5 * distance.clamp",
            "constant - 0.5 * distance.clamp",
            "a diagonal Gaussian without its log-determinant",
        ),
        Fault(
            "constant - factor.diagonal(dim1=1, dim2=2).log().sum(1)",
            "constant - 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1)",
            "the log-determinant of the covariance, not half of it",
        ),
        Fault(
            "- 2 * (cells @ b.T) + (mean * b)",
            "- 2 * (cells @ b.T) - (mean * b)",
            "a square completed with the wrong sign",
        ),
        Fault(
            "-0.5 * mean.shape[1] * math.log(2 * math.pi)",
            "-0.5 * math.log(2 * math.pi)",
            "the constant of one dimension only",
        ),
    ),
    "distributions/tables.py": (
        Fault("values**k * (values - 1) for k", "values**k * values for k", "parameters that are not free are counted"),
        Fault("alpha=values**j", "alpha=values ** (parents.shape[1] - 1 - j)", "states numbered from the other end"),
        Fault("codes.add_(classes * (d * states * values))", "codes", "all classes share the first table"),
        Fault(
            "torch.full_like(weights, 1 / counts.shape[-1])",
            "torch.zeros_like(weights)",
            "states never seen are impossible",
        ),
        Fault(
            "_entries(cells[rows], classes[rows], parents, log_p.shape[-1])].sum(0)",
            "_entries(cells[rows], classes[rows], parents, log_p.shape[-1])].mean(0)",
            "the mean over variables for their sum",
        ),
        Fault(
            "state = (cells[parents[i]] * powers).sum(0)",
            "state = (cells[parents[i]] * powers.flip(0)).sum(0)",
            "samples read the states from the other end",
        ),
        Fault("uniforms[i])", "uniforms[0])", "all variables share one uniform"),
    ),
}
