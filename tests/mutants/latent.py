"""Faults in latent-variable models."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "latent/priors.py": (
        Fault(
            "-0.5 * (x.square() + math.log(2 * math.pi)).sum(1)",
            "-0.5 * (x.square() + math.log(2 * math.pi)).mean(1)",
            "the mean over latents for their sum",
        ),
        Fault(
            "-0.5 * (x.square() + math.log(2 * math.pi))",
            "-0.5 * (x.square() - math.log(2 * math.pi))",
            "the normal's constant with the wrong sign",
        ),
        Fault(
            "(-2 * log_scales).exp()",
            "(-log_scales).exp()",
            "the reciprocal of the deviation for the precision",
        ),
        Fault("- 2 * x @ (precision", "+ 2 * x @ (precision", "distances to the mirrored means"),
        Fault("log_scales.sum(1) + 0.5 *", "0.5 *", "components without their log-determinant"),
        Fault(
            "log_scales[k].exp() * noise",
            "(2 * log_scales[k]).exp() * noise",
            "samples with the variance for the deviation",
        ),
        Fault(
            "cdf = logits.softmax(0).cumsum(0)",
            "cdf = torch.ones_like(logits).cumsum(0)",
            "samples forget the weights",
        ),
        Fault("self.logits.log_softmax(0), self.means", "self.logits, self.means", "weights that are not normalised"),
        Fault("mean, log_std.clamp(-8, 4)", "mean, log_std.clamp(-8, 0)", "the posterior is never wider than one"),
        Fault("-math.log(len(means))", "0.0", "posteriors are added, not averaged"),
    ),
    "latent/bounds.py": (
        Fault("logsumexp(0) - math.log(len(log_w))", "logsumexp(0)", "the sum of weights for their mean"),
        Fault("log_w.double().logsumexp(0)", "log_w.double().mean(0) + math.log(len(log_w))", "the plain bound"),
        Fault("min(1.0, float(step) / warmup)", "max(1.0, float(step) / warmup)", "the warm-up never rests at one"),
        Fault("min(1.0, float(step) / warmup)", "float(step) / warmup", "the warm-up goes on"),
    ),
    "latent/vae.py": (
        Fault("return reconstruction - rate", "return reconstruction + rate", "the rate's sign flipped"),
        Fault(
            "return weight * rate - reconstruction",
            "return rate - weight * reconstruction",
            "the warm-up weighs the wrong term",
        ),
        Fault(
            "return math.log(self.importance) - log_w.logsumexp(0)",
            "return math.log(self.importance) + log_w.logsumexp(0)",
            "the importance-weighted bound is lowered",
        ),
        Fault("log_px - weight * (log_q", "log_px + weight * (log_q", "weights with q and p swapped"),
        Fault("slope * shares[0]", "slope * shares[0].square()", "the gradient weighed once too often"),
        Fault(
            "log_std.detach().exp(), log_std.detach()", "log_std.detach().exp(), log_std", "q's own slope is left in"
        ),
        Fault(
            "mean.square() + (2 * log_std).exp() - 1 - 2 * log_std",
            "mean.square() + log_std.exp() - 1 - 2 * log_std",
            "the deviation for the variance in the rate",
        ),
        Fault("rate = 0.5 * (mean.square()", "rate = (mean.square()", "the rate without its half"),
        Fault(
            "mean + log_std.exp() * eps",
            "mean + (2 * log_std).exp() * eps",
            "codes drawn with the variance for the deviation",
        ),
        Fault("mean + log_std.exp() * eps", "mean.detach() + log_std.exp() * eps", "no gradient through the mean"),
        Fault(
            "(0.5 * (eps.square() + math.log(2 * math.pi)) + width).sum(-1)",
            "(0.5 * (eps.square() + math.log(2 * math.pi)) - width).sum(-1)",
            "the log-determinant of q with the wrong sign",
        ),
        Fault('[noise.at("draw", j) for j in', "[noise for j in", "all draws share their noise"),
        Fault("torch.stack(terms).sum(0) / draws", "torch.stack(terms).sum(0)", "draws are added, not averaged"),
        Fault(".sum(-1) - self.space.log_volume", ".sum(-1)", "densities per standardised unit, not per unit of x"),
        Fault(
            "yield z, log_px, log_q",
            "yield z, log_px, -log_q",
            "q enters with the wrong sign",
        ),
        Fault("log_q = log_q - stretch", "log_q = log_q + stretch", "a bent posterior with the wrong determinant"),
        Fault("StandardNormal) and self.bend is None", "StandardNormal)", "a bent posterior at a Gaussian's rate"),
        Fault("noise=noise.rows(row))", "noise=noise)", "every chunk repeats the noise of the first"),
        Fault(
            "None if context is None else context[rows]",
            "None if context is None else context[: len(z[rows])]",
            "every chunk repeats the contexts of the first",
        ),
    ),
    "latent/ladder.py": (
        Fault("return reconstruction, rates.sum(0)", "return reconstruction, rates[1:].sum(0)", "a layer left out"),
        Fault("rates.clamp(min=self.free_nats).sum(0)", "rates.sum(0)", "no nat is free"),
        Fault("(a * evidence[0] + b * expected[0])", "(b * evidence[0] + a * expected[0])", "precisions swapped"),
        Fault("-0.5 * (a + b).log()", "-(a + b).log()", "the variance for the deviation where layers join"),
        Fault("(-2 * log_std).exp() for _, log_std", "(-log_std).exp() for _, log_std", "deviations for precisions"),
        Fault("0.5 * (eps.square() - off.square())", "0.5 * (off.square() - eps.square())", "q and p swapped"),
        Fault("- off.square()) + q[1] - p[1])", "- off.square()) - q[1] + p[1])", "the scales with the wrong sign"),
        Fault("variances + off.square() - 1", "variances - 1", "a divergence that forgets the means"),
        Fault("torch.stack(rates[::-1], 1)", "torch.stack(rates, 1)", "layers in the order of the descent"),
        Fault("expected[0] + expected[1].exp() * eps", "expected[1].exp() * eps", "samples forget the layer above"),
        Fault("seen if i == 0 else None", "None", "the encoder sees no context"),
        Fault(".sum(1) - self.space.log_volume", ".sum(1)", "densities per standardised unit, not per unit of x"),
        Fault("noise.rows(start)", "noise", "every chunk repeats the noise of the first"),
    ),
    "latent/codebooks.py": (
        Fault("- 2 * v @ self.words.T", "- v @ self.words.T", "the nearest codeword by half a distance"),
        Fault("self.counts.lerp_(n, 1 - self.decay)", "self.counts.lerp_(n, self.decay)", "the decay upside down"),
        Fault("if bool(dead.any()):", "if False:", "dead codewords stay where they are"),
        Fault("if self.training:", "if True:", "the codebook follows what it only codes"),
        Fault("self.sums / self.counts[:, None]", "self.sums", "codewords are sums, not means"),
        Fault("v + (words - v).detach()", "words", "no gradient past the rounding"),
        Fault(
            "v.sigmoid() * self.size - 0.5", "v.sigmoid() * (self.size - 1)", "the ends of the lattice get half a part"
        ),
    ),
    "latent/latent.py": (
        Fault("return reconstruction - rate", "return reconstruction", "the price of codes is left out"),
        Fault("log_q - self._log_prior(", "-self._log_prior(", "q is left out of the rate"),
        Fault(
            "self._seen(context, r), noise.rows(r.start)) for r in _chunks(n)",
            "self._seen(context, r), noise) for r in _chunks(n)",
            "every chunk repeats the noise of the first",
        ),
    ),
    "latent/vqvae.py": (
        Fault("self.commitment * distance - self._log_prob", "-self._log_prob", "vectors outrun their codewords"),
        Fault("torch.zeros_like(log_px)", "torch.ones_like(log_px)", "a certain code that costs a nat"),
        Fault("self.quantiser.begin(self._vectors(x))", "pass", "the codebook starts anywhere"),
        Fault("CHUNK if len(self.grid) > 1 else", "", "pictures are decoded all at once, out of the cache"),
    ),
}
