"""How long diffusion models take to train and to draw, beside other libraries and plain loops over the same networks.

    OMP_NUM_THREADS=1 python benchmarks/diffusion.py

One thread, seed 0, float32; median CPU seconds of turns:

    ddpm-16            grey images of 16 x 16, a U-Net of width 32, batches of 16; 16 samples by DDIM in 10 steps
    flow-matching-16   the same network and batches, noise paired as it comes; 16 samples by Heun's rule in 5 steps
    flow-matching-2    points of the plane, a residual perceptron of width 64, batches of 256, noise paired as it comes
                       and optimally; 256 samples by Runge and Kutta's rule in 25 steps

Ours trains as ``fit`` does, with all that an engine does around a step. All contestants run one network of ours, with
the same fused Adam: what differs is the work around it. The plain loop uses torch's own random numbers.
denoising-diffusion-pytorch gives its loss and its DDIM; diffusers its noising and its DDIM, in the loop of its guide;
torchcfm its paths and pairings, drawn from the best plan with replacement, in the loop of its examples, where
torchdiffeq solves. Beside them, and no competitor, stands a step of denoising-diffusion-pytorch over its own U-Net.

    pip install -c constraints.txt -e '.[peers]' && pip install --no-deps torchcfm==1.0.7

denoising-diffusion-pytorch asks for torchvision, for its trainer of folders: it is measured where both are there.
Before anything is timed, all have the same schedule, mean losses within a tenth, and samples of as many network calls.

Writes benchmarks/results/diffusion.json.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta import Levels, Noise, Real
from ptheta.diffusion import DDIM, DDPM, FlowMatching, Heun, ProbabilityFlow
from ptheta.nn.denoiser import ResidualMLP
from ptheta.nn.unet import UNet
from ptheta.noise import seeded
from ptheta.optimizers import Adam
from ptheta.training import Training, training
from timing import PLAIN, Call, Row, batches, installed, no_grad, row, typical, write

SIDE, IMAGES, POINTS = 16, 16, 256
LOOKS = {IMAGES: 50, POINTS: 300}  # steps before the first that is timed, by the batch
STEPS, LEAPS, HEUN, KUTTA = 1000, 10, 5, 25
RULE = Adam(1e-3)

PEERS = installed("denoising_diffusion_pytorch", "diffusers", "torchcfm", "torchdiffeq")

Loop = Iterator[float]
Loss = Callable[[Tensor], Tensor]


def loop(network: nn.Module, x: Tensor, size: int, loss: Loss) -> Loop:
    """Adam on the loss of one batch after the other."""
    rule = RULE.build(network.parameters())
    for batch in batches(x, size):
        value = loss(batch)
        rule.zero_grad()
        value.backward()
        rule.step()
        yield value.item()


def measure(
    name: str, task: str, model: Any, x: Tensor, size: int, losses: Mapping[str, tuple[nn.Module, Loss]]
) -> Row:
    """A row of a training step, after many of each have lost about the same."""
    engine, looks = training(model, x, Training.of(steps=10**6, batch_size=size)), LOOKS[size]
    ours = [next(iter(next(engine).losses.values())) for _ in range(looks)][-1]  # the mean so far
    loops = {peer: loop(network, x, size, loss) for peer, (network, loss) in losses.items()}
    for peer, steps in loops.items():
        lost = statistics.mean(next(steps) for _ in range(looks))
        assert abs(lost - ours) < 0.1 * ours, (name, task, peer, ours, lost)
    calls: dict[str, Call] = {"ours": lambda: next(engine)} | {k: partial(next, steps) for k, steps in loops.items()}
    took = typical(calls)
    return row(name, task, size, took, PLAIN)


class Counted(nn.Module):
    """A network as its callers want it, which counts its calls.

    Args:
        network: Takes states and times from 0 to 1.
        clock: Makes such times of the callers'.
    """

    channels, out_dim, self_condition = 1, 1, False  # what denoising-diffusion-pytorch asks of a network

    def __init__(self, network: nn.Module, clock: Callable[[Tensor], Tensor] = lambda t: t) -> None:
        super().__init__()
        self.network, self.clock, self.calls = network, clock, 0

    def forward(self, x: Tensor, t: Tensor, *_: Any) -> Tensor:
        self.calls += 1
        return self.network(x, self.clock(t))


# DDPM


def u_net() -> UNet:
    return UNet(1, width=32)


def ddpms() -> Iterator[Row]:
    x = (Noise(0).uniform((500, 1, SIDE, SIDE), "x") * 256).to(torch.uint8)
    with seeded(0):
        ours = DDPM(Levels((1, SIDE, SIDE), 256), steps=STEPS, network=u_net(), sampler=DDIM(LEAPS), optimizer=RULE)
    alpha_bar = ours.alpha_bar.float()

    def counted() -> Counted:
        return Counted(deepcopy(ours.network).train(), lambda t: (t + 1) / STEPS)

    def plain_loss(batch: Tensor) -> Tensor:
        t = torch.randint(1, STEPS + 1, (len(batch),))
        a, epsilon = alpha_bar[t][:, None, None, None], torch.randn(batch.shape)
        state = a.sqrt() * (batch * (2 / 255) - 1) + (1 - a).sqrt() * epsilon
        return F.mse_loss(plain(state, t - 1), epsilon)

    def plain_sample() -> Tensor:
        state = torch.randn(IMAGES, 1, SIDE, SIDE)
        times = [STEPS * k // LEAPS for k in range(LEAPS, -1, -1)]
        for now, then in pairwise(times):
            a, b = alpha_bar[now], alpha_bar[then]
            epsilon = plain(state, torch.full((IMAGES,), now - 1))
            guess = ((state - (1 - a).sqrt() * epsilon) / a.sqrt()).clamp(-1, 1)
            state = b.sqrt() * guess + (1 - b).sqrt() * (state - a.sqrt() * guess) / (1 - a).sqrt()
        return ((state + 1) * 127.5).round().to(torch.uint8)

    plain = counted()
    losses: dict[str, tuple[nn.Module, Loss]] = {"plain": (plain, plain_loss)}
    samples: dict[str, tuple[Counted, Call]] = {"plain": (plain, no_grad(plain_sample))}
    if "denoising_diffusion_pytorch" in PEERS:
        network = counted()
        kind: Any = PEERS["denoising_diffusion_pytorch"].GaussianDiffusion
        sizes = {"image_size": SIDE, "timesteps": STEPS, "sampling_timesteps": LEAPS}
        peer = kind(network, objective="pred_noise", beta_schedule="linear", **sizes)
        torch.testing.assert_close(peer.alphas_cumprod, alpha_bar[1:])
        losses["denoising-diffusion-pytorch"] = network, lambda batch: peer(batch / 255)
        samples["denoising-diffusion-pytorch"] = network, lambda: peer.sample(IMAGES)
    if "diffusers" in PEERS:
        from diffusers import DDIMScheduler

        known = counted()
        scheduler: Any = DDIMScheduler(STEPS, beta_schedule="linear", clip_sample=True)
        torch.testing.assert_close(scheduler.alphas_cumprod, alpha_bar[1:])

        def their_loss(batch: Tensor) -> Tensor:
            origin = batch / 255 * 2 - 1
            epsilon = torch.randn_like(origin)
            t = torch.randint(0, STEPS, (len(origin),))
            return F.mse_loss(known(scheduler.add_noise(origin, epsilon, t), t), epsilon)

        def their_sample() -> Tensor:
            state = torch.randn(IMAGES, 1, SIDE, SIDE)
            scheduler.set_timesteps(LEAPS)
            for t in scheduler.timesteps:
                state = scheduler.step(known(state, t.expand(IMAGES)), t, state, use_clipped_model_output=True)
                state = state.prev_sample
            return (state / 2 + 0.5).clamp(0, 1)

        losses["diffusers"] = known, their_loss
        samples["diffusers"] = known, no_grad(their_sample)
    made = measure("ddpm-16", "train", ours, x, IMAGES, losses)
    yield made
    if own := their_own(x):
        weights = sum(p.numel() for p in ours.parameters())
        name = f"denoising-diffusion-pytorch with a U-Net of its own, {own[0]} weights for our {weights}"
        made["beside"] = {name: own[1]}
        print(f"{'':18}{name}: {1e3 * own[1]:.3g} ms")
    yield drawn("ddpm-16", "sample, 10 DDIM steps", IMAGES, ours, samples, LEAPS)


def their_own(x: Tensor) -> tuple[int, float] | None:
    """The weights of their U-Net, about as many as ours, and what a step of it takes."""
    if "denoising_diffusion_pytorch" not in PEERS:
        return None
    peer: Any = PEERS["denoising_diffusion_pytorch"]
    network = peer.Unet(24, dim_mults=(1, 2), channels=1)
    model = peer.GaussianDiffusion(network, image_size=SIDE, timesteps=STEPS, objective="pred_noise")
    steps = loop(network, x, IMAGES, lambda batch: model(batch / 255))
    return sum(p.numel() for p in network.parameters()), typical({"own": partial(next, steps)})["own"]


def drawn(
    name: str, task: str, n: int, model: Any, samples: Mapping[str, tuple[Counted, Call]], network_calls: int
) -> Row:
    """A row of sampling, after each has called its network as often."""
    for peer, (network, call) in samples.items():
        network.calls = 0
        call()
        assert network.calls == network_calls, (name, peer, network.calls)
    calls: dict[str, Call] = {"ours": lambda: model.sample(n)} | {peer: call for peer, (_, call) in samples.items()}
    return row(name, task, n, typical(calls), PLAIN)


# Flow matching


def aligned(t: Tensor, x: Tensor) -> Tensor:
    return t.view(-1, *[1] * (x.ndim - 1))


def paths(network: nn.Module, embed: Loss, pairing: str) -> dict[str, tuple[nn.Module, Loss]]:
    """Losses of a plain loop and of torchcfm, each over a copy of the network."""
    plain, theirs = deepcopy(network).train(), deepcopy(network).train()

    def plain_loss(batch: Tensor) -> Tensor:
        event, start, t = embed(batch), torch.randn(batch.shape), torch.rand(len(batch))
        if pairing == "optimal":
            start = start[assigned(event, start)]
        a = aligned(t, event)
        return F.mse_loss(plain(a * event + (1 - a) * start, t), event - start)

    found: dict[str, tuple[nn.Module, Loss]] = {"plain": (plain, plain_loss)}
    if "torchcfm" in PEERS:
        from torchcfm import ConditionalFlowMatcher, ExactOptimalTransportConditionalFlowMatcher

        kinds = {"independent": ConditionalFlowMatcher, "optimal": ExactOptimalTransportConditionalFlowMatcher}
        matcher = kinds[pairing]()

        def their_loss(batch: Tensor) -> Tensor:
            event = embed(batch)
            t, state, velocity = matcher.sample_location_and_conditional_flow(torch.randn_like(event), event)
            return F.mse_loss(theirs(state, t), velocity)

        found["torchcfm"] = theirs, their_loss
    return found


def assigned(event: Tensor, start: Tensor) -> Tensor:
    from scipy.optimize import linear_sum_assignment

    return torch.from_numpy(linear_sum_assignment(torch.cdist(event, start).square().numpy())[1])


def solver(network: nn.Module, start: Callable[[], Tensor], rule: str, steps: int) -> Call:
    """A plain walk from noise to events."""
    h = 1 / steps

    def slope(x: Tensor, t: float) -> Tensor:
        return network(x, torch.full((len(x),), t))

    def sample() -> Tensor:
        x = start()
        for k in range(steps):
            t = k * h
            a = slope(x, t)
            if rule == "heun":
                x = x + h * a if k == steps - 1 else x + h / 2 * (a + slope(x + h * a, t + h))
                continue
            b = slope(x + h / 2 * a, t + h / 2)
            c = slope(x + h / 2 * b, t + h / 2)
            x = x + h / 6 * (a + 2 * b + 2 * c + slope(x + h * c, t + h))
        return x

    return no_grad(sample)


def flows_of_images() -> Iterator[Row]:
    x = (Noise(0).uniform((500, 1, SIDE, SIDE), "x") * 256).to(torch.uint8)
    with seeded(0):
        ours = FlowMatching(Levels((1, SIDE, SIDE), 256), network=u_net(), sampler=Heun(HEUN))
    embed: Loss = lambda batch: batch * (2 / 255) - 1  # noqa: E731
    yield measure("flow-matching-16", "train", ours, x, IMAGES, paths(ours.network, embed, "independent"))
    network = Counted(ours.network)
    walk = solver(network, lambda: torch.randn(IMAGES, 1, SIDE, SIDE), "heun", HEUN)
    yield drawn("flow-matching-16", "sample, 5 Heun steps", IMAGES, ours, {"plain": (network, walk)}, 2 * HEUN - 1)


def flows_of_points() -> Iterator[Row]:
    x = Noise(0).normal((5000, 2), "x").sign() + 0.1 * Noise(1).normal((5000, 2), "x")
    for pairing in ("independent", "optimal"):
        with seeded(0):
            ours = FlowMatching(Real((2,)), network=ResidualMLP((2,), width=64), pairing=pairing)
        ours.space = Real((2,))
        task = "train" if pairing == "independent" else "train, optimal pairs"
        yield measure("flow-matching-2", task, ours, x, POINTS, paths(ours.network, lambda batch: batch, pairing))
    network = Counted(ours.network)
    walks = {"plain": (network, solver(network, lambda: torch.randn(POINTS, 2), "kutta", KUTTA))}
    if "torchdiffeq" in PEERS:
        from torchdiffeq import odeint

        other, times = Counted(ours.network), torch.linspace(0, 1, KUTTA + 1)
        field = lambda t, y: other(y, t.expand(len(y)))  # noqa: E731
        walks["torchdiffeq"] = other, no_grad(lambda: odeint(field, torch.randn(POINTS, 2), times, method="rk4")[-1])
    flow = ProbabilityFlow(ours, steps=KUTTA)
    yield drawn("flow-matching-2", "sample, 25 steps", POINTS, flow, walks, 4 * KUTTA)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [*ddpms(), *flows_of_images(), *flows_of_points()]
    settings = {"side": SIDE, "DDIM steps": LEAPS, "Heun steps": HEUN, "Runge-Kutta steps": KUTTA}
    names = {"denoising_diffusion_pytorch": "denoising-diffusion-pytorch"}
    write("diffusion", rows, settings, [names.get(name, name) for name in PEERS])


if __name__ == "__main__":
    main()
