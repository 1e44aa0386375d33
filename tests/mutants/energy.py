"""Faults in energy-based models."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "energy/mcmc.py": (
        Fault("torch.lt(u, logits", "torch.gt(u, logits", "bits drawn with the odds reversed"),
        Fault(
            "log_w += (before - after).double().cpu()  # eq. 1",
            "log_w += (after - before).double().cpu()",
            "the weights' sign flipped",
        ),
        Fault(
            'bridge.move(x, high, noise.at("temperature"',
            'bridge.move(x, low, noise.at("temperature"',
            "the chain stays a temperature behind",
        ),
        Fault('noise.at("temperature", k))', "noise)", "every temperature draws the same noise"),
        Fault("float(top + w.mean().log())", "float(top + w.log().mean())", "the mean of logs for the log of the mean"),
        Fault("value += bridge.log_partition_start", "pass", "the ratio of partition functions for the second"),
        Fault(
            "w.std() / w.mean() / len(w) ** 0.5",
            "w.std() / w.mean()",
            "the deviation of one chain for the standard error",
        ),
        Fault("if high < 1:", "if high > 1:", "the chains never move"),
        Fault(
            "((0.0, 0.5, first), (0.5, 0.9, second)",
            "((0.0, 0.5, second), (0.5, 0.9, first)",
            "the schedule's parts swapped",
        ),
    ),
    "energy/partition.py": (
        Fault("+ len(hidden_bias) * math.log(2)", "", "the hidden bits of the easy law are not counted"),
        Fault(
            "(1 - beta) * base + beta * visible",
            "beta * base + (1 - beta) * visible",
            "the bridge runs the wrong way",
        ),
        Fault(
            "F.softplus(b * up).sum(1)",
            "b * F.softplus(up).sum(1)",
            "the temperature outside the softplus",
        ),
        Fault(
            "up = beta * self._up(x)",
            "up = self._up(x)",
            "hidden bits are drawn at the wrong temperature",
        ),
        Fault(
            "beta * self.visible_bias + (1 - beta) * self.base, hidden",
            "beta * self.visible_bias, hidden",
            "the moves forget the easy law's biases",
        ),
        Fault(
            "weight, visible, hidden = weight.T, hidden, visible",
            "weight, visible, hidden = weight.T, visible, hidden",
            "the layers' biases swapped",
        ),
        Fault("(h @ hidden + torch.logaddexp", "(torch.logaddexp", "the summed layer's bias is forgotten"),
        Fault(
            "pairs = (x @ self.weight * x).sum(1) / 2", "pairs = (x @ self.weight * x).sum(1)", "pairs counted twice"
        ),
        Fault("float(F.softplus(base).sum())", "float(base.sum())", "the easy law's log Z is that of its energy alone"),
        Fault(
            "return sweep(x, beta * self.weight, beta",
            "return sweep(x, self.weight, beta",
            "the sweeps' couplings ignore the temperature",
        ),
        Fault(
            "(u @ weight[:cut, :cut] * u).sum(1) / 2",
            "(u @ weight[:cut, :cut] * u).sum(1)",
            "pairs within the first half counted twice",
        ),
        Fault("+ u @ weight[:cut, cut:] @ v.T", "", "pairs across the halves are forgotten"),
        Fault("torch.arange(n - 1, -1, -1", "torch.arange(0, n, 1", "the first bit is the lowest"),
        Fault("state, u = state.clone(), noise", "state, u = state, noise", "a sweep changes the states it was given"),
        Fault("torch.where(known[:, i], state[:, i], bit)", "bit", "known bits are drawn too"),
    ),
    "energy/gibbs.py": (
        Fault("annealing_schedule(budget)", "annealing_schedule(100)", "the budget is ignored"),
        Fault("self.chain_state.copy_(state)", "pass", "the chains of training never move on"),
        Fault("if self.training and len(", "if len(", "scoring moves the chains of training"),
        Fault(
            "        if self.step > self.pretraining:",
            "        if self.step > 10**9:",
            "the chains of training restart at every step",
        ),
        Fault(
            "len(self.chain_state) and self.step > self.pretraining",
            "len(self.chain_state)",
            "annealed chains fall from chains that never set out",
        ),
        Fault(
            'noise.at("gibbs", i), temperature=temperature, known=known)',
            'noise.at("gibbs", i), known=known)',
            "completions ignore the temperature",
        ),
        Fault(
            'noise.at("gibbs", i), temperature=temperature, known=known)',
            'noise.at("gibbs", i), temperature=temperature)',
            "completions change what is known",
        ),
        Fault(
            "state = torch.where(known, F.pad(self.space.cells(x).to(state.dtype), beside), state)",
            "pass",
            "completions begin without what is known",
        ),
    ),
    "energy/dbm.py": (
        Fault(
            "return self._energy(torch.cat([bits, second], 1), first) - _entropy(first) - _entropy(second)",
            "return self._energy(torch.cat([bits, second], 1), first) - _entropy(first)",
            "the bound forgets the entropy of h2",
        ),
        Fault(
            "- self.lower.sum(1) / 2  # eq. 4",
            "- self.lower.sum(1)  # eq. 4",
            "uncentred by the whole row, not its half",
        ),
        Fault(
            "- self.frequencies @ self.lower - self.upper.sum(1) / 2",
            "- self.frequencies @ self.lower",
            "h1 is uncentred from below only",
        ),
        Fault("second = self.second_bias - self.upper.sum(0) / 2", "second = self.second_bias", "h2 is not uncentred"),
        Fault(
            "outer = torch.addmm(bias, first, weight.T) / temperature",
            "outer = torch.addmm(bias, first, F.pad(self.lower.T, (0, len(self.upper.T)))) / temperature",
            "h2 forgets h1",
        ),
        Fault("inner = self._inner(state) / temperature", "inner = self._inner(state)", "h1 ignores the temperature"),
        Fault("torch.where(known, state, drawn)", "drawn", "known bits are drawn too"),
        Fault("torch.sigmoid(below + second @ upper)", "torch.sigmoid(below)", "mean field of h1 forgets h2"),
        Fault("self.standing(noise), self.k, noise)", "self.standing(noise), 1, noise)", "one Gibbs step whatever k"),
        Fault(
            "return positive - self._energy(chains, first).mean()",
            "return positive + self._energy(chains, first).mean()",
            "the negative phase is positive",
        ),
        Fault(
            "(self.visible_bias, self.first_bias), (2, 1), noise)",
            "(self.visible_bias, self.first_bias), (1, 1), noise)",
            "the first layer's input is not doubled",
        ),
        Fault(
            "if self.step < self.pretraining // 2:", "if self.step < self.pretraining:", "the second layer is left out"
        ),
        Fault(
            "odds = above + up * (bits - centre) @ weight",
            "odds = above + (bits - centre) @ weight",
            "seen once, never twice",
        ),
        Fault("if len(upper) < upper.shape[1]:", "if len(upper) > upper.shape[1]:", "the larger layer is summed over"),
        Fault("terms = below @ states.T + F", "terms = F", "the sum over h1 forgets what is below"),
        Fault(
            "return min(self.upper.shape) > SUMMED",
            "return max(self.upper.shape) > SUMMED",
            "a bound where a sum would do",
        ),
    ),
    "energy/gsn.py": (
        Fault("like=like) < self.corruption", "like=like) > self.corruption", "what should stay is drawn anew"),
        Fault("cells + self.corruption * noise", "cells * self.corruption + noise", "reals are shrunk, not spoilt"),
        Fault(
            "self.denoiser.loss(x, spoilt,",
            "self.denoiser.loss(state, spoilt,",
            "the walk asks for where it is, not for x",
        ),
        Fault("if t + 1 < self.walkback:", "if t + 2 < self.walkback:", "the walk is a step short"),
        Fault("return total / self.walkback", "return total", "a sum over the walk for the mean"),
        Fault(
            "** kept.double() * fresh",
            "** kept.double() * self.corruption",
            "a variable drawn anew never keeps its value",
        ),
        Fault("return spoil @ torch.stack(back)", "return torch.stack(back) @ spoil", "mended first, spoilt then"),
        Fault("equations = matrix.T - torch", "equations = matrix - torch", "the right eigenvector for the left"),
        Fault("(u * values).floor()", "(u * (values - 1)).round()", "values at the ends are drawn half as often"),
    ),
    "energy/gaussian_rbm.py": (
        Fault("pairs.diagonal() / 2", "pairs.diagonal()", "the diagonal of M counted twice"),
        Fault("+ self.visible_bias @ scaled +", "+", "the weights of the mixture forget b"),
        Fault(
            "return self._free_energy(self._reals(x)) + self.space.log_volume",
            "return self._free_energy(self._reals(x))",
            "a density of standardised reals for one of x",
        ),
        Fault("math.sqrt(temperature) * self.log_width.exp()", "self.log_width.exp()", "reals ignore the temperature"),
        Fault("torch.where(known, state, y)", "y", "known reals are drawn too"),
        Fault(
            "bowl - F.softplus(self._up(y))",
            "bowl + F.softplus(self._up(y))",
            "the hidden bits' share with the wrong sign",
        ),
        Fault("y * (-2 * self.log_width).exp(), self.weight", "y, self.weight", "the hidden bits see reals unscaled"),
        Fault("len(self.log_width) * math.log(2 * math.pi) / 2", "0.0", "the Gaussian's constant is forgotten"),
        Fault("return energy - self._free_energy(chains).mean()", "return energy", "there is no negative phase"),
        Fault("+= float(self._log_volume())", "+= 0.0", "what is annealed forgets the reals"),
    ),
    "energy/ebm.py": (
        Fault("there = y - e2 / 2 * down", "there = y + e2 / 2 * down", "chains climb"),
        Fault("log_ratio = height - height_there +", "log_ratio = height_there - height +", "worse steps are accepted"),
        Fault("+ (z.square().sum(1) - back", "- (z.square().sum(1) - back", "the way back and there exchanged"),
        Fault(
            "back = y - there + e2 / 2 * down_there", "back = y - there - e2 / 2 * down_there", "the way back climbs"
        ),
        Fault("self.height(y, beta) / temperature", "self.height(y, beta)", "chains ignore the temperature"),
        Fault("(~known).to(y.dtype)", "known.to(y.dtype)", "known reals are drawn, the others stay"),
        Fault("None, 256) + self.space.log_volume", "None, 256)", "a density of standardised reals for one of x"),
        Fault("+ d * math.log(float(line[1] - line[0]))", "", "the volume of the grid's cells is forgotten"),
        Fault(
            "return self.model.width * self.model.start(n, noise)",
            "return self.model.start(n, noise)",
            "annealing starts from another Gaussian than its Z is of",
        ),
        Fault(
            "return self.height(self._reals(x)) - self.height(chains).mean()",
            "return self.height(self._reals(x))",
            "there is no negative phase",
        ),
        Fault("torch.where(again[:, None], chains, self.chain_state)", "chains", "persistent chains begin afresh"),
    ),
    "energy/boltzmann.py": (
        Fault("weight = upper + upper.T", "weight = upper", "couplings are not symmetric"),
        Fault("- weight @ self.centre", "+ weight @ self.centre", "the biases uncentred the wrong way"),
        Fault("return energy + joint_log_weights", "return energy - joint_log_weights", "log Z with the wrong sign"),
        Fault(
            "return energy - self._free_energy(chains[:, : self.space.dimensions]).mean()",
            "return energy",
            "there is no negative phase",
        ),
        Fault("self.standing(noise), self.k, noise)", "self.standing(noise), 1, noise)", "one sweep whatever k"),
        Fault(
            "- (alone + bits @ weight[:d, d:] @ h.T).logsumexp(1)",
            "- (alone + bits @ weight[:d, d:] @ h.T).amax(1)",
            "the best hidden state for their sum",
        ),
        Fault("alone = h @ bias[d:] +", "alone =", "the hidden biases are forgotten"),
        Fault(
            "(bits @ weight[:d, :d] * bits).sum(1) / 2",
            "(bits @ weight[:d, :d] * bits).sum(1)",
            "visible pairs counted twice",
        ),
        Fault(
            "F.logsigmoid((2 * bits - 1) *", "F.logsigmoid((1 - 2 * bits) *", "the pseudo-likelihood of flipped bits"
        ),
        Fault(
            "F.logsigmoid(self._free_energy(flipped) - energy)",
            "F.logsigmoid(energy - self._free_energy(flipped))",
            "with hidden bits, the pseudo-likelihood of flipped bits",
        ),
        Fault("(p / temperature for p in", "(p * temperature for p in", "hot is cold"),
        Fault("= (data.sum(0) + 1) / (len(data) + 2)", "= data.mean(0)", "frequencies of exactly 0 and 1"),
    ),
    "energy/rbm.py": (
        Fault(
            "return -(bits @ visible) - F.softplus(torch.addmm(hidden, bits, weight)).sum(1)",
            "return -(bits @ visible) + F.softplus(torch.addmm(hidden, bits, weight)).sum(1)",
            "the hidden units' share with the wrong sign",
        ),
        Fault(
            "return -(bits @ visible) - F.softplus",
            "return bits @ visible - F.softplus",
            "the visible bias with the wrong sign",
        ),
        Fault("(data.sum(0) + 1) / (len(data) + 2)", "data.sum(0) / len(data)", "frequencies of exactly 0 and 1"),
        Fault("for i in range(1, self.k):", "for i in range(0, self.k):", "one Gibbs step too many"),
        Fault(
            "self.chain_state.copy_(noise",
            "self.chain_state.clone().copy_(noise",
            "the persistent chains never move on",
        ),
        Fault(
            "odds = odds[len(data) :]",
            "odds = odds[: len(self.chain_state)]",
            "the persistent chains restart at the data",
        ),
        Fault(
            "return energy - (chain.mean() if self.persistent else chain)",
            "return energy + (chain.mean() if self.persistent else chain)",
            "the negative phase is positive",
        ),
        Fault(
            "return energy - (chain.mean() if self.persistent else chain)",
            "return energy",
            "there is no negative phase",
        ),
        Fault(
            "self.weight.sum(1) / 2  # eq. 4",
            "self.weight.sum(1)  # eq. 4",
            "uncentred by the whole column, not its half",
        ),
        Fault(
            "self.hidden_bias - self.frequencies @ self.weight",
            "self.hidden_bias + self.frequencies @ self.weight",
            "the hidden bias uncentred the wrong way",
        ),
        Fault(
            "torch.addmm(self.hidden_bias, bits - self.frequencies, self.weight)",
            "torch.addmm(self.hidden_bias, bits, self.weight)",
            "the hidden units see bits that are not centred",
        ),
        Fault("h - 0.5, self.weight.T)", "h, self.weight.T)", "the visible units see hidden bits that are not centred"),
        Fault(
            "if self.persistent and self.step > 0:",
            "if self.persistent and self.step > 1:",
            "the second step forgets the chains of the first",
        ),
        Fault(
            "return up.sum(1) / 2 - F.softplus(up)",
            "return up.sum(1) - F.softplus(up)",
            "the training energy uncentred by the whole column",
        ),
        Fault("flip = 1 - 2 * bits", "flip = 2 * bits - 1", "bits flipped the wrong way"),
        Fault(
            "return F.logsigmoid(-gain).sum(1)",
            "return F.logsigmoid(gain).sum(1)",
            "the pseudo-likelihood of flipped bits",
        ),
        Fault(
            "up = self._up(state) / temperature",
            "up = self._up(state) * temperature",
            "hot is cold in the hidden layer",
        ),
        Fault(
            "down = self._down(h) / temperature", "down = self._down(h)", "the visible layer ignores the temperature"
        ),
        Fault("torch.where(known, state, bits)", "bits", "known bits are drawn too"),
        Fault(
            "(u < self.frequencies).to",
            "(u < 1 - self.frequencies).to",
            "chains begin at the negative of the data's frequencies",
        ),
    ),
}
