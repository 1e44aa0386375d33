"""Faults in energy-based models."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "energy/mcmc.py": (
        Fault("(u < torch.sigmoid(logits))", "(u > torch.sigmoid(logits))", "bits drawn with the odds reversed"),
        Fault("log_w += (before - after)", "log_w += (after - before)", "the weights' sign flipped"),
        Fault(
            "x = bridge.move(x, high, noise", "x = bridge.move(x, low, noise", "the chain stays a temperature behind"
        ),
        Fault('noise.at("temperature", k))', "noise)", "every temperature draws the same noise"),
        Fault("float(top + w.mean().log())", "float(top + w.log().mean())", "the mean of logs for the log of the mean"),
        Fault("bridge.log_partition_start + float", "float", "the ratio of partition functions for the second"),
        Fault(
            "w.std() / w.mean() / chains**0.5",
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
            "(1 - beta) * (x @ self.base) + beta * (x @ self.visible_bias)",
            "beta * (x @ self.base) + (1 - beta) * (x @ self.visible_bias)",
            "the bridge runs the wrong way",
        ),
        Fault(
            "return -linear - F.softplus(beta[:, :, None] * up).sum(2)",
            "return -linear - beta * F.softplus(up).sum(2)",
            "the temperature outside the softplus",
        ),
        Fault(
            "up = beta * torch.addmm(self.hidden_bias",
            "up = torch.addmm(self.hidden_bias",
            "hidden bits are drawn at the wrong temperature",
        ),
        Fault(
            "hidden, self.weight.T) + (1 - beta) * self.base",
            "hidden, self.weight.T)",
            "the moves forget the easy law's biases",
        ),
        Fault(
            "weight, visible, hidden = weight.T, hidden, visible",
            "weight, visible, hidden = weight.T, visible, hidden",
            "the layers' biases swapped",
        ),
        Fault("(h @ hidden + torch.logaddexp", "(torch.logaddexp", "the summed layer's bias is forgotten"),
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
            "self.chain_state.copy_(draw_bits(",
            "self.chain_state.clone().copy_(draw_bits(",
            "the persistent chains never move on",
        ),
        Fault(
            "odds = up.detach()[len(data) :]",
            "odds = up.detach()[: len(self.chain_state)]",
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
            "up = self._up(bits) / temperature", "up = self._up(bits) * temperature", "hot is cold in the hidden layer"
        ),
        Fault(
            "down = self._down(h) / temperature", "down = self._down(h)", "the visible layer ignores the temperature"
        ),
        Fault(
            "torch.where(known, clamped, self._gibbs(bits",
            "torch.where(known, bits, self._gibbs(bits",
            "known bits are clamped to what the chain holds",
            "from the first step on the chain holds the known bits themselves",
        ),
        Fault(
            "(u < self.frequencies).to",
            "(u < 1 - self.frequencies).to",
            "chains begin at the negative of the data's frequencies",
        ),
        Fault(
            "annealing_schedule(budget), 100, noise)",
            "annealing_schedule(100), 100, noise)",
            "the budget of temperatures is ignored",
        ),
    ),
}
