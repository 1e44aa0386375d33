"""Faults in diffusion models."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "diffusion/schedules.py": (
        Fault(
            "(1 - self.betas(steps)).cumprod(0)",
            "(1 - self.betas(steps)).cumsum(0) / steps",
            "shares added, not multiplied",
        ),
        Fault(
            "1 - (1 - thousand) ** (1000 / steps)",
            "1 - (1 - thousand) ** (steps / 1000)",
            "short walks leave the event almost whole",
        ),
        Fault(
            "(t + self.offset) / (1 + self.offset) * (math.pi / 2)) ** 2",
            "(t + self.offset) / (1 + self.offset) * (math.pi / 2))",
            "a cosine that is not squared",
        ),
        Fault("(1 - f[1:] / f[:-1]).clamp(max=self.largest)", "(1 - f[1:] / f[:-1])", "the last variance is one"),
        Fault("1 - f[1:] / f[:-1]", "1 - f[1:] / f[:1]", "1 - alpha-bar for beta"),
    ),
    "diffusion/samplers.py": (
        Fault("return list(range(steps, -1, -1))", "return list(range(steps, 0, -1))", "the last step is not taken"),
        Fault("beta = 1 - now / then", "beta = 1 - now", "1 - alpha-bar for beta"),
        Fault(
            "a = math.sqrt(then) * beta / (1 - now)",
            "a = math.sqrt(now) * beta / (1 - now)",
            "the posterior mean with the wrong alpha-bar",
        ),
        Fault(
            "math.sqrt(1 - beta) * (1 - then) / (1 - now)",
            "math.sqrt(1 - beta) * (1 - now) / (1 - then or 1)",
            "the posterior mean's weights swapped",
        ),
        Fault(
            "self.wide and then < 1 else (1 - then) / (1 - now) * beta",
            "self.wide and then < 1 else beta",
            "beta for the posterior variance",
        ),
        Fault(
            "self.eta * math.sqrt((1 - then) / (1 - now) * (1 - now / then))",
            "self.eta * math.sqrt(1 - now / then)",
            "DDIM with beta for the posterior variance",
        ),
        Fault("max(1 - then - sigma**2, 0.0)", "max(1 - then, 0.0)", "fresh noise on top of all the old"),
        Fault(
            "math.sqrt(then) - b * math.sqrt(now), b, sigma",
            "math.sqrt(then), b, sigma",
            "the old event stays in the state",
        ),
        Fault(
            "round(steps * k / leaps) for k in range(leaps, -1, -1)",
            "round(steps * k / leaps) for k in range(leaps - 1, -1, -1)",
            "the walk starts late",
        ),
    ),
    "diffusion/decoders.py": (
        Fault(
            "-(z**2) / 2 - math.log(sigma) - math.log(2 * math.pi) / 2",
            "-(z**2) / 2 - math.log(2 * math.pi) / 2",
            "a Gaussian without its log-determinant",
        ),
        Fault(
            "space.dimensions).sum(1) - space.log_volume",
            "space.dimensions).mean(1) - space.log_volume",
            "the mean over variables for their sum",
        ),
        Fault(".sum(1) - space.log_volume", ".sum(1)", "densities per standardised unit, not per unit of x"),
        Fault(
            "torch.where(levels == n - 1, math.inf,",
            "torch.where(levels == n, math.inf,",
            "the last level takes no tail",
        ),
        Fault(
            "(centre - 1 / (n - 1) - mean) / sigma",
            "(centre - 2 / (n - 1) - mean) / sigma",
            "the cell of a level is half a level too wide",
        ),
        Fault(
            "torch.where(flip, -lower, upper), torch.where(flip, -upper, lower)",
            "torch.where(flip, -upper, upper), torch.where(flip, -lower, lower)",
            "cells in the upper tail have negative width",
        ),
        Fault("flip = lower > 0", "flip = lower > math.inf", "masses in the upper tail cancel"),
        Fault("torch.log1p(-torch.exp(low - high))", "torch.log1p(torch.exp(low - high))", "the two tails added"),
    ),
    "diffusion/ddpm.py": (
        Fault(
            "(ratio.log() + 1 / ratio - 1)",
            "(ratio.log() - 1 / ratio + 1)",
            "the cost of wide steps with the wrong sign",
        ),
        Fault(
            "weight * (1 - before) / (1 - now) if self.wide",
            "weight * (1 - now) / (1 - before) if self.wide",
            "wide steps weighed by the inverse ratio of variances",
        ),
        Fault(
            "self.sigma = math.sqrt(1 - float(self.alpha_bar[1]))",
            "self.sigma = 1 - float(self.alpha_bar[1])",
            "the variance for the deviation of the last step",
        ),
        Fault(
            "epsilon - self.network(state, self._clock(t, origin)",
            "origin - self.network(state, self._clock(t, origin)",
            "the network learns the event, not the noise",
        ),
        Fault(
            'epsilon = noise.normal(origin.shape, "noise", origin)',
            'epsilon = noise.normal((1, *origin.shape[1:]), "noise", origin).expand_as(origin)',
            "all events share their noise",
        ),
        Fault(
            't = self._times(noise.uniform((len(x),), "time", origin))',
            't = self._times(noise.uniform((1,), "time", origin)).expand(len(x))',
            "all events share their time",
        ),
        Fault(
            "error.square().reshape(len(x), self.space.dimensions).mean(1)  # eq. 14",
            "error.abs().reshape(len(x), self.space.dimensions).mean(1)  # eq. 14",
            "the absolute error of the noise",
        ),
        Fault("t = 1 + torch.searchsorted(", "t = torch.searchsorted(", "the term drawn is the one before"),
        Fault("(u + j) / draws, right=True)", "u, right=True)", "draws are not spread over the terms"),
        Fault("/ shares[t - 1]", "* self.steps", "terms divided by the wrong probability"),
        Fault(
            "self._width_term() + total / draws)",
            "self._width_term() + total)",
            "draws are added, not averaged",
        ),
        Fault(
            "-(self._prior_term(origin) + self._width_term() + total",
            "-(self._width_term() + total",
            "the bound without its prior term",
        ),
        Fault("for t in range(1, self.steps + 1)", "for t in range(1, self.steps)", "the bound without its last term"),
        Fault(
            "torch.stack(terms[1:]).sum(0), terms[0]",
            "torch.stack(terms[1:]).mean(0), terms[0]",
            "the mean over steps for their sum",
        ),
        Fault(
            "-(terms.prior + terms.steps + terms.decoder)",
            "-(terms.prior + terms.steps - terms.decoder)",
            "the decoder's term with the wrong sign",
        ),
        Fault("noise=noise.rows(start))", "noise=noise)", "every chunk repeats the noise of the first"),
        Fault("x = a * origin + b * x", "x = b * origin + a * x", "event and state swapped in a step back"),
        Fault(
            'x = x + sigma * noise.at("step", now)',
            'x = x + sigma**2 * noise.at("step", now)',
            "the variance for the deviation of a step back",
        ),
        Fault('noise.at("step", now).normal(', "noise.normal(", "every step back draws the same noise"),
        Fault(
            "float(self.alpha_bar[now]), float(self.alpha_bar[then])",
            "float(self.alpha_bar[then]), float(self.alpha_bar[now])",
            "the step back goes forward",
        ),
        Fault(
            "left * origin.double() ** 2 - left - math.log1p(-left)",
            "left * origin.double() ** 2 - left + math.log1p(-left)",
            "the prior's log-determinant with the wrong sign",
        ),
        Fault("self.space.dimensions).sum(1) / 2", "self.space.dimensions).sum(1)", "the prior's KL without its half"),
        Fault(
            "(before / (1 - before) - now / (1 - now)) / 2",
            "(before / (1 - before) - now / (1 - now))",
            "the KL of a step without its half",
        ),
        Fault(
            "self._weight(t.clamp(min=2))", "self._weight((t - 1).clamp(min=2))", "the KL between the wrong two steps"
        ),
        Fault(
            "torch.where(t == 1, -decoder_log_prob(self.space, x, guess, self.sigma)",
            "torch.where(t == 1, decoder_log_prob(self.space, x, guess, self.sigma)",
            "the decoder's likelihood with the wrong sign",
        ),
        Fault(
            "(state - (1 - left).sqrt() * epsilon) / left.sqrt()",
            "(state - left.sqrt() * epsilon) / (1 - left).sqrt()",
            "signal and noise swapped in the guess",
        ),
        Fault("guess.clamp(-1, 1)", "guess", "guesses are not clipped"),
        Fault(
            "left.sqrt() * origin + (1 - left).sqrt() * epsilon",
            "left.sqrt() * origin + (1 - left) * epsilon",
            "the variance for the deviation of the noise",
        ),
        Fault("(1 + (u * self.steps).long())", "(u * self.steps).long()", "times from 0 to T - 1"),
        Fault(
            "0.9 * share / share.sum() + 0.1 / self.steps",
            "0.9 * share / share.sum() + 0.1",
            "probabilities of terms that add to more than one",
        ),
    ),
}
