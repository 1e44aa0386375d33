"""Faults in adversarial models."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "adversarial/gan.py": (
        Fault(
            "return -divergence.penalty(v)",
            "return -divergence.activation(v)",
            "the minimax cost is the non-saturating one",
        ),
        Fault(
            "return -divergence.activation(v)",
            "return divergence.activation(v)",
            "the generator helps the discriminator",
        ),
        Fault(
            "return -divergence.ratio(v)",
            "return divergence.ratio(v)",
            "the maximum-likelihood cost with the wrong sign",
        ),
        Fault(
            "self.divergence.penalty(self._score(fake, c)) - self.divergence.activation(v)",
            "self.divergence.activation(v) - self.divergence.penalty(self._score(fake, c))",
            "the discriminator descends its bound",
        ),
        Fault(
            "self.divergence.penalty(self._score(fake, c)) - self.divergence.activation(v)",
            "self.divergence.penalty(v) - self.divergence.activation(self._score(fake, c))",
            "data and fakes swapped",
        ),
        Fault("self.gradient_penalty / 2 * slope", "self.gradient_penalty * slope", "the penalty without its half"),
        Fault(
            "slope.flatten(1).square().sum(1)",
            "slope.flatten(1).square().mean(1)",
            "the penalty is a mean over variables",
        ),
        Fault(
            "torch.autograd.grad(v.sum(), data, create_graph=True)",
            "torch.autograd.grad(v.sum(), data, retain_graph=True)",
            "the penalty has no gradient",
        ),
        Fault(
            "_learning(self.generator), self.discriminator_steps, maker",
            "_learning(self.generator), 1, maker",
            "the generator learns at every step",
        ),
        Fault(
            "_learning(self.generator), self.discriminator_steps, maker",
            "_learning(self), self.discriminator_steps, maker",
            "the generator moves the discriminator too",
        ),
        Fault(
            "self.discriminator_loss, _learning(self.discriminator), optimizer=critic",
            "self.discriminator_loss, _learning(self.discriminator), optimizer=maker",
            "the discriminator takes the generator's optimiser",
        ),
        Fault('noise, "jitter of data")', 'noise, "jitter of fakes")', "data and fakes share their jitter"),
        Fault(
            'data = self._seen(self.space.embed(x, self._dtype), noise, "jitter of data")',
            "data = self.space.embed(x, self._dtype)",
            "only fakes are jittered",
        ),
        Fault("return y.tanh() if self.space.is_discrete else y", "return y", "generated levels are unbounded"),
        Fault(
            "repeat(None) if c is None else c.split(CHUNK)",
            "repeat(None) if c is None else repeat(c[:CHUNK])",
            "every chunk repeats the contexts of the first",
        ),
        Fault("self.generator.eval()", "self.generator.train()", "samples depend on the rest of their batch"),
        Fault("self.generator.train(mode)", "self.generator.train()", "sampling leaves the generator in training mode"),
    ),
}
