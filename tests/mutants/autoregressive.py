"""Faults in autoregressive models."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "autoregressive/autoregressive.py": (
        Fault(
            "return cells.index_select(1, self.order)",
            "return cells.index_select(1, self.order.argsort())",
            "the order undone where it should be applied",
        ),
        Fault(
            ", cells).sum(1) - self.space.log_volume",
            ", cells).mean(1) - self.space.log_volume",
            "the mean over variables for their sum",
        ),
        Fault(".sum(1) - self.space.log_volume", ".sum(1) + self.space.log_volume", "the volume's sign flipped"),
        Fault(
            "self.head.uniforms), self.order.argsort()",
            "self.head.uniforms), self.order",
            "samples are left in the wrong order",
        ),
        Fault("noise.rows(start).uniform(", "noise.uniform(", "every chunk repeats the noise of the first"),
        Fault(
            "c = None if context is None else context[rows]",
            "c = None if context is None else context[: len(u)]",
            "every chunk repeats the contexts of the first",
        ),
        Fault(
            "(cells[..., None] > torch.arange",
            "(cells[..., None] >= torch.arange",
            "the lowest threshold is always passed",
        ),
        Fault("[..., None].clamp(-FAR, FAR)", "[..., None]", "reals that run away are believed"),
        Fault("return -self.log_prob(x, context)", "return self.log_prob(x, context)", "the likelihood is minimised"),
    ),
    "autoregressive/sampling.py": (
        Fault("params, self._u[i])", "params, self._u[0])", "all variables share one uniform"),
        Fault("torch.lt(uniforms[..., 0]", "torch.gt(uniforms[..., 0]", "bits drawn with the odds reversed"),
        Fault("params = head.temper(params, self.temperature)", "pass", "the temperature is ignored"),
        Fault(
            "torch.where(self._mask[i], self._known[i].to(cells.dtype), cells)",
            "torch.where(self._mask[i], cells, self._known[i].to(cells.dtype))",
            "what is open is copied, what is known is drawn",
        ),
        Fault(
            "choice(i, conditionals(cells)[:, i])",
            "choice(i, conditionals(cells)[:, i - 1])",
            "the conditional of the variable before",
        ),
        Fault(
            "if _same(cells, before):",
            "if not _same(cells, before):",
            "the fixed point is left at the first change",
        ),
    ),
    "autoregressive/orders.py": (
        Fault("if y % 2 else row", "if not y % 2 else row", "the zigzag begins on the wrong side"),
        Fault(
            "c * area + pixel for pixel in pixels for c",
            "c + n_channels * pixel for pixel in pixels for c",
            "channels taken for the last axis",
        ),
        Fault("zip(*grid, strict=True)][::-1]", "zip(*grid, strict=True)]", "the spiral turns the wrong way"),
    ),
    "autoregressive/fvbn.py": (
        Fault("dtype=torch.bool).tril(-1)", "dtype=torch.bool).tril(0)", "each variable sees itself"),
        Fault("dtype=torch.bool).tril(-1)", "dtype=torch.bool).tril(-2)", "no variable sees the one before it"),
        Fault("dtype=torch.bool).tril(-1)", "dtype=torch.bool).triu(1)", "each variable sees those after it"),
        Fault("parents = slice(0, i * e)", "parents = slice(0, (i - 1) * e)", "samples forget the variable before"),
        Fault("seen[:, i * e : (i + 1) * e]", "seen[:, i : i + e]", "samples overwrite what was seen"),
        Fault("return self.bias + F.linear(c,", "return F.linear(c,", "a context replaces the bias"),
    ),
    "autoregressive/nade.py": (
        Fault("index.rsqrt() if self.is_scaled", "index if self.is_scaled", "the accumulator is scaled up, not down"),
        Fault("index = torch.arange(1, d + 1", "index = torch.arange(2, d + 2", "the scale is off by one variable"),
        Fault("torch.mul(a, self.scale[i], out=h) if self.is_scaled else a", "a", "samples forget the scale"),
        Fault(
            "return self.hidden_bias + shift, self.output_bias + bias",
            "return self.hidden_bias + shift, bias",
            "a context replaces the output bias",
        ),
        Fault(
            "a.addmm_(seen, block.w, alpha=-1)", "a.addmm_(seen, block.w)", "the accumulator runs further on, not back"
        ),
        Fault(
            "place[:, None] > torch.arange", "place[:, None] >= torch.arange", "backward, each variable hears itself"
        ),
        Fault("rows.addmm_(parents.T, flat)", "pass", "the gradient of a row forgets its own block"),
        Fault("torch.mm(seen.T, grad_a, out=rows)", "rows.zero_()", "the gradient of a row forgets later blocks"),
        Fault(
            "after + (inside * block.feeds).sum(0)",
            "after + inside.sum(0)",
            "the gradient of an event leaks back in time",
        ),
        Fault(
            "-1).T, block.scale.flatten())",
            "-1).T, torch.ones_like(block.scale.flatten()))",
            "the gradient of the accumulator forgets the scale",
        ),
    ),
    "autoregressive/made.py": (
        Fault("int(self.step) % masks).mT", "0).mT", "only the first mask is trained"),
        Fault("self.space.log_volume - self.part", "-self.part", "the loss in standardised units"),
        Fault(
            "F.logsigmoid(parts).logsumexp(-2) - F.logsigmoid(-parts).logsumexp(-2)",
            "parts.mean(-2)",
            "logits averaged, not probabilities",
        ),
        Fault("parts.log_softmax(-1).logsumexp(-2)", "parts.logsumexp(-2)", "averaged without normalising first"),
        Fault(
            "(logits.log_softmax(-1), means, log_scales)",
            "(logits, means, log_scales)",
            "mixtures averaged without normalising first",
        ),
    ),
}
