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
        Fault(
            "a = math.sqrt(then.signal) * beta / now.noise",
            "a = math.sqrt(now.signal) * beta / now.noise",
            "the posterior mean with the wrong alpha-bar",
        ),
        Fault(
            "then.variance) * then.noise / now.noise",
            "then.variance) * now.noise / (then.noise or 1)",
            "the posterior mean's weights swapped",
        ),
        Fault(
            "self.wide and then.noise > 0 else then.noise / now.noise * beta",
            "self.wide and then.noise > 0 else beta",
            "beta for the posterior variance",
        ),
        Fault(
            "self.eta * math.sqrt(then.noise / now.noise * _beta(now, then))",
            "self.eta * math.sqrt(_beta(now, then))",
            "DDIM with beta for the posterior variance",
        ),
        Fault("max(then.noise - sigma**2, 0.0)", "max(then.noise, 0.0)", "fresh noise on top of all the old"),
        Fault(
            "a = math.sqrt(then.signal) - b * math.sqrt(now.signal)",
            "a = math.sqrt(then.signal)",
            "the old event stays in the state",
        ),
        Fault(
            "now.variance - now.signal / then.signal * then.variance",
            "now.noise - then.noise",
            "the noise that came between, as if the event did not shrink",
        ),
        Fault(
            "mean + sigma * noise.normal(",
            "mean + sigma**2 * noise.normal(",
            "the variance for the deviation of a step back",
        ),
        Fault(
            "x + (slope + rise * origin + fall * _noise_of(ahead, origin, then)) / 2",
            "x + (slope + rise * origin + fall * _noise_of(ahead, origin, now)) / 2",
            "the corrector at the old moment",
        ),
        Fault("origin = guess(ahead, then)", "origin = guess(x, now)", "the corrector that corrects nothing"),
        Fault("math.sqrt(more**2 - now.noise)", "(more - deviation)", "deviations added, not variances"),
        Fault("now._replace(time=more, noise=more**2)", "now", "stirred, and not told"),
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
    "diffusion/absorbing.py": (
        Fault("(d / (d - count).to(log_p.dtype))", "1", "masked variables that are not weighed"),
        Fault("log_p.masked_fill(known, 0.0).sum(1) * (d", "log_p.sum(1) * (d", "the known are scored as well"),
        Fault("torch.cat([y * seen, seen], 2)", "torch.cat([y, seen], 2)", "masked values are seen"),
        Fault("rank < count[:, None]", "rank <= count[:, None]", "one more is known than is counted"),
        Fault("before[step], features, source)", "place, features, source)", "the bound of as many steps as variables"),
        Fault("return -total / draws", "return -total", "draws are added, not averaged"),
        Fault("- math.log(d - size + 1)", "- math.log(size)", "orders counted from the wrong end"),
        Fault("before = sets - bits[i]", "before = sets", "a set that comes before itself"),
        Fault("known | (rank < before), part)", "rank < before, part)", "what is given is not seen"),
        Fault("(rank < after) & ~known", "(rank < after)", "what is given is drawn again"),
        Fault(".masked_fill(known, -1.0)  # the known first", "", "what is given waits for its turn"),
    ),
    "diffusion/edm.py": (
        Fault("skip * state + out * answer", "skip * state - out * answer", "c_out with the wrong sign"),
        Fault("(origin - skip * state) / out", "origin - skip * state", "a loss that weighs large noise most"),
        Fault("else 0.002) if sigma_min", "else 0.02) if sigma_min", "a walk that ends ten times too early"),
        Fault("(sigma.square() + data.square()).sqrt()", "(sigma.square() + 1).sqrt()", "1 in place of the deviation"),
        Fault("self.network(state / total, clock", "self.network(state, clock", "inputs that grow with the noise"),
        Fault(".std(correction=0)", ".var(correction=0)", "the variance for the deviation of events"),
        Fault("** self.rho for k in range(steps)", "** 1 for k in range(steps)", "roots of the noise for the noise"),
        Fault("for k in range(steps)]  # eq. 5", "for k in range(steps, 0, -1)]  # eq. 5", "a walk up the noise"),
    ),
    "diffusion/matching.py": (
        Fault(
            "aligned(t, event) * event + (1 - aligned(t, event)) * start",
            "(1 - aligned(t, event)) * event + aligned(t, event) * start",
            "time the wrong way round",
        ),
        Fault("- (event - start)", "- (start - event)", "velocities that point to the noise"),
        Fault("left = 1 - aligned(time, state)", "left = aligned(time, state)", "a guess at the wrong end of the line"),
        Fault("t**2, (1 - t) ** 2)", "t, 1 - t)", "deviations for variances"),
        Fault(
            "base + gained - self.space.log_volume",
            "base - gained - self.space.log_volume",
            "divergence of the wrong sign",
        ),
        Fault("gained - self.space.log_volume", "gained", "densities per standardised unit, not per unit of x"),
        Fault("gained = gained + more", "gained = more", "the divergence of the last step alone"),
        Fault(
            "h / 6 * (a + 2 * b + 2 * c + d)", "h / 6 * (a + 2 * b + 2 * c)", "a rule whose weights do not add to one"
        ),
        Fault(".to(u.dtype) * 2 - 1", ".to(u.dtype) * 2", "directions that are no signs"),
        Fault("slope.reshape(len(v), -1)[:, i]", "slope.reshape(len(v), -1)[:, 0]", "the first column for the trace"),
        Fault(
            "start = start[_assigned(event, start)]",
            "start = start[_assigned(start, event)]",
            "pairs the wrong way round",
        ),
        Fault("return self.space.project(x)", "return x", "samples that are not put back into their unit"),
    ),
    "diffusion/multinomial.py": (
        Fault("share = event / (now * here + (1 - now) / n)", "share = event", "the guess put in place of the event"),
        Fault(
            "return self.steps * term + self._prior_term()",
            "return term + self._prior_term()",
            "one term for their sum",
        ),
        Fault("stays = event.shape[-1], now / before", "stays = event.shape[-1], now", "1 - alpha-bar for beta"),
        Fault("+ slice_of) / slices", ") / slices", "draws that stay in the first part of the chain"),
    ),
    "diffusion/gaussian.py": (
        Fault(
            "(ratio.log() + 1 / ratio - 1)",
            "(ratio.log() - 1 / ratio + 1)",
            "the cost of wide steps with the wrong sign",
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
        Fault(
            "left * origin.double() ** 2 - left - math.log1p(-left)",
            "left * origin.double() ** 2 - left + math.log1p(-left)",
            "the prior's log-determinant with the wrong sign",
        ),
        Fault("self.space.dimensions).sum(1) / 2", "self.space.dimensions).sum(1)", "the prior's KL without its half"),
        Fault(
            "self._weight(t.clamp(min=2))", "self._weight((t - 1).clamp(min=2))", "the KL between the wrong two steps"
        ),
        Fault(
            "torch.where(t == 1, -decoder_log_prob(self.space, x, guess, self.sigma)",
            "torch.where(t == 1, decoder_log_prob(self.space, x, guess, self.sigma)",
            "the decoder's likelihood with the wrong sign",
        ),
        Fault("guess.clamp(-1, 1)", "guess", "guesses are not clipped"),
        Fault(
            "0.9 * share / share.sum() + 0.1 / self.steps",
            "0.9 * share / share.sum() + 0.1",
            "probabilities of terms that add to more than one",
        ),
        Fault(
            "weight * noise[t - 1] / noise[t] if self.wide",
            "weight * noise[t] / noise[t - 1] if self.wide",
            "wide steps weighed by the inverse ratio of variances",
        ),
        Fault(
            "return math.sqrt(float(self._chain[2][1]))",
            "return float(self._chain[2][1])",
            "the variance for the deviation of the last step",
        ),
        Fault(
            'noise.at("step", now.index))',
            'noise.at("step"))',
            "every step back draws the same noise",
        ),
        Fault(
            "(signal[t - 1] / noise[t - 1] - signal[t] / noise[t]) / 2",
            "(signal[t - 1] / noise[t - 1] - signal[t] / noise[t])",
            "the KL of a step without its half",
        ),
        Fault("math.sqrt(moments[0].variance) * x", "1.0 * x", "a walk that starts with too little noise"),
        Fault("left = signal / (signal + noise)", "left = signal", "the prior as if its variance were one"),
        Fault("untold + self.guidance * (told - untold)", "told + self.guidance * (told - untold)", "guided once more"),
        Fault(">= self.context_drop", "< self.context_drop", "contexts kept where they should be left out"),
    ),
    "diffusion/ddpm.py": (
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
        Fault(
            "(state - (1 - left).sqrt() * epsilon) / left.sqrt()",
            "(state - left.sqrt() * epsilon) / (1 - left).sqrt()",
            "signal and noise swapped in the guess",
        ),
        Fault(
            "left.sqrt() * origin + (1 - left).sqrt() * epsilon",
            "left.sqrt() * origin + (1 - left) * epsilon",
            "the variance for the deviation of the noise",
        ),
        Fault("(1 + (u * self.steps).long())", "(u * self.steps).long()", "times from 0 to T - 1"),
        Fault("round(self.steps * k / leaps)", "round(self.steps * k // leaps)", "leaps of uneven size"),
        Fault("for k in range(leaps, -1, -1)", "for k in range(leaps, 0, -1)", "the last step is not taken"),
        Fault("1 - left) for t in times", "1.0) for t in times", "noise that never leaves"),
    ),
}
