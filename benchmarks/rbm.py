"""How fast an RBM trains, runs its chains and anneals, beside scikit-learn's BernoulliRBM and a plain loop.

    OMP_NUM_THREADS=1 python benchmarks/rbm.py

784 bits, 500 hidden units, one thread, seed 0; median CPU seconds of a PCD-1 step of 100 events with 100 chains, of ten
Gibbs steps of 100 chains, of annealing 100 chains over 100 temperatures, and of the exact pseudo-likelihood of 100
events, which the peer only estimates. Ours trains as ``fit`` does, with all that an engine does around a step. The
plain loop is the same centred machine with its gradient written by hand, torch's own random numbers, and chains that
meet each product once. Before anything is timed, the peer gives the same free energies, the plain loop the same
gradient, and its annealing an estimate of log Z within three standard errors of ours.

Writes benchmarks/results/rbm.json.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from sklearn.neural_network import BernoulliRBM
from torch import Tensor

from ptheta.energy import RBM, annealed_importance_sampling, annealing_schedule
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary
from ptheta.training import Training, training
from timing import PLAIN, Call, no_grad, row, typical, write

DIMENSIONS, HIDDEN, BATCH, GIBBS, TEMPERATURES, RATE = 784, 500, 100, 10, 100, 0.05


class PlainRBM:
    """A centred machine, trained by persistent contrastive divergence with a gradient written by hand.

    Args:
        model: Whose weights it begins with.
    """

    def __init__(self, model: RBM) -> None:
        self.mean = model.frequencies.clone()
        self.w, self.b = model.weight.detach().clone(), model.visible_bias.detach() + torch.logit(self.mean)
        self.c, self.h = model.hidden_bias.detach().clone(), model.chain_state.to(self.w.dtype)

    def up(self, v: Tensor) -> Tensor:
        return torch.addmm(self.c, v - self.mean, self.w).sigmoid_()

    def down(self, h: Tensor) -> Tensor:
        return torch.addmm(self.b, h - 0.5, self.w.T).sigmoid_()

    def gradient(self, x: Tensor, chain: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the mean log-likelihood by W, b and c; and the odds of the chain's hidden bits."""
        both = torch.cat([x, chain])
        odds = self.up(both)
        pull = (odds - 0.5).div_(len(x))
        pull[len(x) :] *= -1
        return (both - self.mean).T @ pull, x.mean(0) - chain.mean(0), pull.sum(0), odds[len(x) :]

    def step(self, x: Tensor) -> None:
        down = self.down(self.h)
        w, b, c, odds = self.gradient(x, (torch.rand_like(down) < down).float())
        for parameter, slope in ((self.w, w), (self.b, b), (self.c, c)):
            parameter.add_(slope, alpha=RATE)
        self.h = (torch.rand_like(odds) < odds).float()

    def gibbs(self, v: Tensor, steps: int) -> Tensor:
        for _ in range(steps):
            h = self.up(v)
            v = self.down((torch.rand_like(h) < h).float())
            v = (torch.rand_like(v) < v).float()
        return v

    def annealed(self, betas: list[float], chains: int) -> Tensor:
        """The log-weights of annealed chains, by the energies of Salakhutdinov & Murray."""
        b, c = self.b - self.w.sum(1) / 2, self.c - self.mean @ self.w
        base = torch.logit(self.mean.clamp(1e-3, 1 - 1e-3))
        v = (torch.rand(chains, len(base)) < base.sigmoid()).float()
        log_w = torch.zeros(chains, dtype=torch.float64)
        for low, high in pairwise(betas):
            up = torch.addmm(c, v, self.w)
            terms = F.softplus(high * up).sum(1) - F.softplus(low * up).sum(1) + (high - low) * (v @ (b - base))
            log_w += terms.double()
            h = (torch.rand_like(up) < (high * up).sigmoid_()).float()
            v = torch.addmm(high * b + (1 - high) * base, h, self.w.T, alpha=high).sigmoid_()
            v = (torch.rand_like(v) < v).float()
        return log_w


def check(ours: RBM, plain: PlainRBM, peer: BernoulliRBM, x: Tensor) -> None:
    """Gives the peer the weights of ours, all in float32, as ``fit`` has them and ``partial_fit`` has not."""
    weight, visible, hidden = (p.detach().numpy().copy() for p in ours.uncentred())
    peer.components_, peer.intercept_visible_, peer.intercept_hidden_ = weight.T, visible, hidden
    peer.h_samples_ = peer.h_samples_.astype("float32")
    theirs = torch.from_numpy(peer._free_energy(x.float().numpy()))
    torch.testing.assert_close(ours.energy(x).detach(), theirs, rtol=1e-4, atol=1e-3)
    chain = ours.sample(len(x), noise=Noise(1), steps=1)
    value = ours.energy(chain).mean() - ours.energy(x).mean()
    slopes = torch.autograd.grad(value, (ours.weight, ours.visible_bias, ours.hidden_bias))
    for slope, by_hand in zip(slopes, plain.gradient(x.float(), chain.float()), strict=False):
        torch.testing.assert_close(slope, by_hand, rtol=1e-3, atol=1e-5)
    betas = annealing_schedule(TEMPERATURES)
    bridge = ours.bridge()
    found = annealed_importance_sampling(bridge, betas, BATCH, Noise(0))
    w = plain.annealed(betas.tolist(), BATCH).exp()
    log_z, error = float(w.mean().log()) + bridge.log_partition_start, float(w.std() / w.mean()) / BATCH**0.5
    assert abs(log_z - found.value) < 3 * (error + found.error), (log_z, error, found)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = (Noise(0).uniform((1000, DIMENSIONS), "x") < 0.13).to(torch.uint8)
    with seeded(0):
        ours = RBM(Binary((DIMENSIONS,)), hidden=HIDDEN)
    ours.fit(x, epochs=2, batch_size=BATCH)
    plain, bits = PlainRBM(ours), x.float()
    flat = bits[:BATCH].numpy()
    peer = BernoulliRBM(n_components=HIDDEN, batch_size=BATCH, learning_rate=RATE, random_state=0)
    peer.partial_fit(flat)
    check(ours, plain, peer, x[:BATCH])
    peer.partial_fit(flat)
    betas, bridge = annealing_schedule(TEMPERATURES), ours.bridge()
    with seeded(0):
        learner = RBM(Binary((DIMENSIONS,)), hidden=HIDDEN)
    steps = training(learner, x, Training.of(steps=10**6, batch_size=BATCH))

    def gibbs() -> None:
        v = flat
        for _ in range(GIBBS):
            v = peer.gibbs(v)

    calls: dict[tuple[str, str], Call] = {
        ("train", "ours"): lambda: next(steps),
        ("train", "plain"): no_grad(lambda: plain.step(x[torch.randint(len(x), (BATCH,))].float())),
        ("train", "scikit-learn"): lambda: peer.partial_fit(flat),
        ("gibbs", "ours"): lambda: ours.sample(BATCH, noise=Noise(0), steps=GIBBS),
        ("gibbs", "plain"): no_grad(lambda: plain.gibbs(bits[:BATCH], GIBBS)),
        ("gibbs", "scikit-learn"): gibbs,
        ("anneal", "ours"): lambda: annealed_importance_sampling(bridge, betas, BATCH, Noise(0)),
        ("anneal", "plain"): no_grad(lambda: plain.annealed(betas.tolist(), BATCH)),
        ("pseudo-likelihood", "ours"): lambda: ours.pseudo_log_likelihood(x[:BATCH]),
    }
    took, rows = typical(calls), []
    for task in dict.fromkeys(task for task, _ in calls):
        costs = {name: took[key, name] for key, name in took if key == task}
        rows.append(row("rbm-784", task, BATCH, costs, PLAIN if len(costs) > 1 else None))
    settings = {"dimensions": DIMENSIONS, "hidden": HIDDEN, "Gibbs steps": GIBBS, "temperatures": TEMPERATURES}
    write("rbm", rows, settings, ("scikit-learn",))


if __name__ == "__main__":
    main()
