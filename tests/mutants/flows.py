"""Faults in flows."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "flows/flow.py": (
        Fault("log_det = log_det + stretch", "log_det = stretch", "only the last bijection's determinant counts"),
        Fault(
            "for bijection in reversed(self.steps):",
            "for bijection in self.steps:",
            "inverted in the order of the way there",
        ),
        Fault(
            "torch.exp(log_slope), log_slope",
            "torch.exp(log_slope), -log_slope",
            "the log-determinant with the wrong sign",
        ),
        Fault(
            "(x - shift) * torch.exp(log_slope)",
            "x * torch.exp(log_slope) - shift",
            "shifted after scaling, unlike the inverse",
        ),
        Fault(
            "z, self.log_diagonal.sum().expand(len(x))",
            "z, self.log_diagonal.exp().sum().expand(len(x))",
            "the trace for the log-determinant",
        ),
        Fault("self.entries.tril(-1) + one", "self.entries.tril(0) + one", "L's diagonal is not one"),
        Fault(
            "self.space.dimensions + self.space.log_volume",
            "self.space.dimensions",
            "densities per standardised unit, not per unit of x",
        ),
        Fault(
            "torch.sub(log_det, z.square()",
            "torch.sub(-log_det, z.square()",
            "the change of variables the wrong way",
        ),
        Fault(
            "torch.sub(log_det, z.square()",
            "torch.sub(0 * log_det, z.square()",
            "the log-determinant is forgotten",
        ),
        Fault("temperature * noise.rows(start)", "temperature * noise", "every chunk repeats the noise of the first"),
        Fault("if not temperature > 0:", "if not temperature > -2:", "a negative temperature passes"),
        Fault("index.argsort())", "index.clone())", "a permutation undone by itself"),
    ),
    "flows/coupling.py": (
        Fault(
            "return x[:, -self.fixed :], x[:, : -self.fixed]",
            "return x[:, : self.fixed], x[:, self.fixed :]",
            "flipped couplings move the same half",
        ),
        Fault("[moved, fixed] if self.flip else [fixed, moved]", "[fixed, moved]", "halves joined in the wrong order"),
        Fault("log_slope.sum(1)", "log_slope.mean(1)", "the mean log slope for the log-determinant"),
        Fault("flip=k % 2 == 1", "flip=False", "the first half never moves"),
    ),
    "flows/maf.py": (
        Fault("return z, log_slope.sum(1)", "return z, -log_slope.sum(1)", "the log-determinant with the wrong sign"),
        Fault(
            "return self.monotone.inverse(z, self.net(z, context))",
            "return self.monotone.forward(z, self.net(z, context))[0]",
            "the fast inverse goes forward",
        ),
        Fault("for _ in range(u.shape[1]):", "for _ in range(1):", "the fixed point is left after one pass"),
        Fault("torch.arange(d).flip(0)", "torch.arange(d)", "all transforms have one order"),
    ),
    "flows/spline.py": (
        Fault("params.to(u.dtype)  #", "params  #", "bins in bfloat16"),
        Fault(
            "torch.cat([index, index + 1], 1)",
            "torch.cat([index, index], 1)",
            "the slope of the left end on both sides",
        ),
        Fault("F.softplus(raw, beta=math.log(2))", "F.softplus(raw)", "the slopes do not meet those of the tails"),
        Fault(
            "self._back(y, x - inside), slope.log()",
            "self._back(y, x - inside), -slope.log()",
            "the log slope with the wrong sign",
        ),
        Fault("sy / (b + root)", "sy / (b - root)", "the other root of the quadratic"),
        Fault("1 - k * LEAST_BIN)", "1 - LEAST_BIN)", "bins may be a K-th of the least"),
        Fault(
            "torch.addcmul(st * t, p.d0, v)",
            "torch.addcmul(st * t, p.d1, v)",
            "the spline with the slope of the wrong end",
        ),
        Fault(
            "(p.d1 * t * t + 2 * s * v + p.d0 * (1 - t) ** 2)",
            "(p.d0 * t * t + 2 * s * v + p.d1 * (1 - t) ** 2)",
            "the slopes of the two ends swapped",
        ),
        Fault(
            "torch.addcmul(s, torch.sub(p.d0 + p.d1, s, alpha=2), v)",
            "torch.addcmul(s, torch.sub(p.d0 + p.d1, s), v)",
            "the denominator without its factor 2",
        ),
    ),
    "flows/realnvp.py": (
        Fault(
            "z[:, : self.size], context), z[:, self.size :]",
            "z[:, : self.size], context), z[:, : self.size]",
            "what was done is replaced by what moves",
        ),
        Fault(
            "((row + column) % 2)", "(row % 2)", "stripes for a checkerboard", "any split into two halves is a coupling"
        ),
        Fault(
            "(colour == 0).nonzero()[:, 0], (colour == 1)",
            "(colour == 0).nonzero()[:, 0], (colour == 0)",
            "black squares twice and no white ones",
        ),
    ),
    "flows/tabular.py": (
        Fault("* context[:, None, self.moves]", "", "blank numbers are moved"),
        Fault("math.log(2 * math.pi)) * present[:, self.places]", "math.log(2 * math.pi))", "blank numbers are scored"),
        Fault("u - straight).square().log1p() + self", "u - straight).square() + self", "the wrong slope of the tails"),
        Fault("log1p() + self.scale.log()) * present", "log1p()) * present", "densities per standard unit"),
        Fault("(straight + (y - straight).sinh())", "y", "samples whose tails stay logarithms"),
        Fault(
            '"numbers", like=like) * present[:, self.places]', '"numbers", like=like)', "noise where a cell is blank"
        ),
        Fault("at = step.move(at)", "at = at", "shuffled and turned numbers take others for blank"),
        Fault("step.split(at)[1][0]", "step.split(at)[0][0]", "the half that stays says what of the other is blank"),
        Fault("return at[0]", "return at[0].sort().values", "noise that went through shuffles takes others for blank"),
        Fault(
            "self.counted.loss(counts, context, noise) - density",
            "self.counted.loss(counts, context, noise)",
            "the flow does not learn",
        ),
        Fault("self.counted.begin(self._counted(x), context)", "pass", "what is counted begins anywhere"),
        Fault(
            'self.register_buffer("moves", moves.clone())', "self.moves = moves.clone()", "weights leave blanks behind"
        ),
    ),
}
