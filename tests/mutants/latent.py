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
            "(-2 * self.log_scales).exp()",
            "(-self.log_scales).exp()",
            "the reciprocal of the deviation for the precision",
        ),
        Fault("- 2 * x @ (precision", "+ 2 * x @ (precision", "distances to the mirrored means"),
        Fault("self.log_scales.sum(1) + 0.5 *", "0.5 *", "components without their log-determinant"),
        Fault(
            "self.log_scales[k].exp() * noise",
            "(2 * self.log_scales[k]).exp() * noise",
            "samples with the variance for the deviation",
        ),
        Fault(
            "cdf = self.logits.softmax(0).cumsum(0)",
            "cdf = torch.ones_like(self.logits).cumsum(0)",
            "samples forget the weights",
        ),
        Fault("self.logits.log_softmax(0) - constant", "self.logits - constant", "weights that are not normalised"),
    ),
    "latent/vae.py": (
        Fault("return reconstruction - rate", "return reconstruction + rate", "the rate's sign flipped"),
        Fault("logsumexp(0) - math.log(k)", "logsumexp(0)", "the sum of weights for their mean"),
        Fault(
            "log_w.double().logsumexp(0)", "log_w.double().mean(0) + math.log(k)", "the mean of logs: the plain bound"
        ),
        Fault(
            "return weight * rate - reconstruction",
            "return rate - weight * reconstruction",
            "the warm-up weighs the wrong term",
        ),
        Fault(
            "min(1.0, float(self.step) / self.warmup)",
            "max(1.0, float(self.step) / self.warmup)",
            "the warm-up never rests at one",
        ),
        Fault(
            "return math.log(self.importance) - log_w.logsumexp(0)",
            "return math.log(self.importance) + log_w.logsumexp(0)",
            "the importance-weighted bound is lowered",
        ),
        Fault("log_px - weight * log_ratio", "log_px + weight * log_ratio", "weights with q and p swapped"),
        Fault("mean, log_std.clamp(-8, 4)", "mean, log_std.clamp(-8, 0)", "the posterior is never wider than one"),
        Fault(
            "mean.square() + (2 * log_std).exp() - 1 - 2 * log_std",
            "mean.square() + log_std.exp() - 1 - 2 * log_std",
            "the deviation for the variance in the rate",
        ),
        Fault("rate = 0.5 * (mean.square()", "rate = (mean.square()", "the rate without its half"),
        Fault(
            "z = mean + log_std.exp() * eps",
            "z = mean + (2 * log_std).exp() * eps",
            "codes drawn with the variance for the deviation",
        ),
        Fault(
            "z = mean + log_std.exp() * eps", "z = mean.detach() + log_std.exp() * eps", "no gradient through the mean"
        ),
        Fault(
            "(0.5 * (eps.square() + math.log(2 * math.pi)) + log_std).sum(-1)",
            "(0.5 * (eps.square() + math.log(2 * math.pi)) - log_std).sum(-1)",
            "the log-determinant of q with the wrong sign",
        ),
        Fault('[noise.at("draw", j) for j in', "[noise for j in", "all draws share their noise"),
        Fault("torch.stack(terms).sum(0) / draws", "torch.stack(terms).sum(0)", "draws are added, not averaged"),
        Fault(".sum(1) - self.space.log_volume", ".sum(1)", "densities per standardised unit, not per unit of x"),
        Fault(
            "yield log_px.view(len(eps), -1), log_q - log_pz",
            "yield log_px.view(len(eps), -1), log_pz.neg() - log_q - 0 * log_pz",
            "q enters with the wrong sign",
        ),
        Fault("u = noise.rows(start).uniform", "u = noise.uniform", "every chunk repeats the noise of the first"),
        Fault(
            "None if features is None else features[rows])",
            "None if features is None else features[: len(z[rows])])",
            "every chunk repeats the contexts of the first",
        ),
        Fault(
            "cells.round() if self.space.is_discrete", "cells.floor() if self.space.is_discrete", "means rounded down"
        ),
        Fault(
            "self.space.events(params.argmax(-1))", "self.space.events(params.argmin(-1))", "the least probable symbol"
        ),
    ),
}
