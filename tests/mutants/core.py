"""Faults in spaces, noise, optimisers and the interfaces of models."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "spaces/lattice.py": (
        Fault(
            "get_default_dtype()) * (2 / (self.n - 1)) - 1",
            "get_default_dtype()) * (2 / self.n) - 1",
            "levels embedded by n, not n - 1",
        ),
        Fault(
            "((self.n - 1) / 2)).round()",
            "((self.n - 1) / 2)).floor()",
            "projection rounds down, not to the nearest level",
        ),
        Fault(
            "y + (u - 0.5) * (2 / (self.n - 1))", "y + u * (2 / (self.n - 1))", "the jitter of levels is not centred"
        ),
        Fault("y + (2 * u - 1)", "y + (u - 0.5)", "the jitter of bits is half as wide as their cell"),
        Fault('0 and 1 are bits" if top > 1', '0 and 1 are bits" if top > 2', "the bit 2 is let through"),
        Fault(
            'is the largest level" if top >= self.n',
            'is the largest level" if top > self.n',
            "the level n is let through",
        ),
        Fault("(y > 0).to(self.dtype)", "(y > 0.5).to(self.dtype)", "bits projected with the threshold of [0, 1]"),
    ),
    "spaces/space.py": (
        Fault("nats / (self.dimensions * math.log(2))", "nats / self.dimensions", "nats for bits"),
        Fault("(self.dimensions * math.log(2))", "math.log(2)", "bits per event for bits per dimension"),
        Fault(
            "other.columns.index(name) for name in self.columns",
            "other.columns.index(name) for name in sorted(self.columns)",
            "columns in the order of the alphabet",
        ),
    ),
    "spaces/symbols.py": (
        Fault("if low < 0 or top >= self.n", "if top >= self.n", "negative symbols are let through"),
        Fault("y.argmax(-1)", "y.argmax(1)", "symbols projected over the wrong axis"),
        Fault("return place[x]", "return x", "symbols matched by code, not by name"),
    ),
    "spaces/real.py": (
        Fault("flat.var(0, correction=0)", "flat.var(0)", "standardised by n - 1"),
        Fault(
            "apart.square() * (n * more", "apart.square() * (more", "the moments of pieces are not those of the whole"
        ),
        Fault("((x - mean) / scale)", "((x - mean) * scale)", "standardised by multiplying with the scale"),
        Fault("(y * scale + mean)", "((y + mean) * scale)", "mean and scale undone in the wrong order"),
        Fault(
            "sum(math.log(s) for s in self.scale)", "-sum(math.log(s) for s in self.scale)", "the volume's sign flipped"
        ),
        Fault(
            "sum(math.log(s) for s in self.scale)",
            "math.log(math.prod(self.scale)) / self.dimensions",
            "the volume averaged over variables",
        ),
        Fault("not (s > 0 and math", "not (s >= 0 and math", "a scale of zero is let through"),
    ),
    "noise.py": (
        Fault("(self.seed or 0, *self._path, key)", "(self.seed or 0, *self._path)", "all keys share one stream"),
        Fault("(self.seed or 0, *self._path, key)", "(*self._path, key)", "all seeds share one stream"),
        Fault("(self.seed or 0, *self._path, key)", "(self.seed or 0, key)", "all paths share one stream"),
        Fault("self._path, self._start + start", "self._path, start", "rows of rows forget the first start"),
        Fault(
            "stream.advance(self._start * math.prod(shape[1:]))",
            "stream.advance(self._start)",
            "rows jump by numbers, not by rows",
        ),
        Fault(
            "(*self._path, *path), self._start", "(*self._path, *path), 0", "a part of the work forgets the first row"
        ),
        Fault("u.clamp_(eps * 2**-10, 1 - eps)", "u", "uniforms of exactly 0 and 1"),
        Fault(
            "torch.special.ndtri(u)", "torch.special.ndtr(u)", "normals by the distribution function, not its inverse"
        ),
    ),
    "optimizers.py": (
        Fault(
            "_AdamW if self.decoupled else _Adam",
            "_Adam if self.decoupled else _AdamW",
            "coupled and decoupled weight decay swapped",
        ),
        Fault("lr=self.learning_rate, betas=self.betas", "lr=self.learning_rate", "Adam forgets its betas"),
        Fault("momentum=self.momentum", "momentum=0.0", "SGD forgets its momentum"),
        Fault("alpha=self.decay", "alpha=1 - self.decay", "RMSProp's decay swapped"),
        Fault("if v is not None}", "if v}", "an override by zero is ignored"),
        Fault(
            "parameters, lr=self.learning_rate, weight_decay=self.weight_decay, foreach",
            "parameters, lr=self.learning_rate, foreach",
            "Adagrad forgets its weight decay",
        ),
    ),
    "model.py": (
        Fault(
            "for p in self.parameters() if p.requires_grad",
            "for p in self.parameters()",
            "frozen parameters are trained",
        ),
        Fault("if len(context) != n:", "if len(context) > n:", "too few contexts are let through"),
        Fault("if context is not None:", "if context is None:", "a needless context is let through"),
        Fault("if size < least:", "if size < 0:", "a size of zero passes"),
        Fault('return {"temperature": temperature}', "return {}", "a temperature that is not passed on"),
        Fault("torch.where(mask, x, torch.zeros_like(x))", "x", "what is open is held against the space"),
    ),
}
