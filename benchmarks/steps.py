"""How long a training step of a game and of a diffusion model takes, beside plain loops over the same networks.

    OMP_NUM_THREADS=1 python benchmarks/steps.py

Grey images of 28 x 28, the recipes' networks and batches, one thread, seed 0; median CPU seconds of one step. Ours is a
step of the engine as ``fit`` takes it. The plain loop is what a good engineer would write for this one model: torch's
own random numbers, one batch of fakes for both players, the same fused Adam, precision, penalty and running average.
Before anything is timed, the mean losses of both agree within five per cent at the same weights.

Writes benchmarks/results/steps.json.
"""

import statistics
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta import Levels, Noise
from ptheta.adversarial import GAN
from ptheta.diffusion import DDPM
from ptheta.noise import seeded
from ptheta.recipes import find_recipe
from ptheta.training import Training, training
from timing import PLAIN, Row, batches, row, typical, write

SPACE, EVENTS, LOOKS = Levels((1, 28, 28), 256), 2000, 30


class Average:
    """A running average of a model's weights."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.weights, self.decay = list(model.parameters()), decay
        self.kept = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self) -> None:
        torch._foreach_lerp_(self.kept, self.weights, 1 - self.decay)


def lattice(x: Tensor) -> Tensor:
    """Levels with uniform noise within each, from -1 to 1."""
    return (x + torch.rand(x.shape)) * (2 / 256) - 1


def plain_game(model: GAN, x: Tensor, how: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """A step of the discriminator with R1, then one of the generator on the same fakes; yields their losses."""
    nets, rules = (model.discriminator, model.generator), model.optimizers
    critic, maker = (rule.build(net.parameters()) for rule, net in zip(rules, nets, strict=True))
    average = Average(model, how["ema"])
    for batch in batches(x, how["batch_size"]):
        with torch.autocast("cpu", torch.bfloat16, enabled=how.get("precision") == "bfloat16"):
            fake = model.generator(torch.randn(len(batch), model.latent)).reshape(batch.shape).float().tanh()
            fake = fake * (255 / 256) + (2 * torch.rand(fake.shape) - 1) / 256
            data = lattice(batch).requires_grad_()
            real = model.discriminator(data).float()
            (slope,) = torch.autograd.grad(real.sum(), data, create_graph=True)
            loss = F.softplus(-real).mean() + F.softplus(model.discriminator(fake.detach()).float()).mean()
            loss = loss + model.penalty.weight / 2 * slope.flatten(1).square().sum(1).mean()
        critic.zero_grad()
        loss.backward()
        critic.step()
        with torch.autocast("cpu", torch.bfloat16, enabled=how.get("precision") == "bfloat16"):
            cost = F.softplus(-model.discriminator(fake).float()).mean()
        maker.zero_grad()
        cost.backward(inputs=list(model.generator.parameters()))
        maker.step()
        average.update()
        yield loss.item(), cost.item()


def plain_diffusion(model: DDPM, x: Tensor, how: dict[str, Any]) -> Iterator[tuple[float]]:
    """The squared error of the predicted noise at a random time."""
    rule, average = model.optimizer.build(model.parameters()), Average(model, how["ema"])
    alpha_bar = model.alpha_bar.float()
    for batch in batches(x, how["batch_size"]):
        t = torch.randint(1, model.steps + 1, (len(batch),))
        a, epsilon = alpha_bar[t][:, None, None, None], torch.randn(batch.shape)
        state = a.sqrt() * (batch * (2 / 255) - 1) + (1 - a).sqrt() * epsilon
        with torch.autocast("cpu", torch.bfloat16, enabled=how.get("precision") == "bfloat16"):
            loss = (epsilon - model.network(state, t / model.steps, None)).square().mean()
        rule.zero_grad()
        loss.backward()
        assert model.optimizer.clip is not None
        nn.utils.clip_grad_norm_(model.parameters(), model.optimizer.clip)
        rule.step()
        average.update()
        yield (loss.item(),)


LOOPS: dict[str, Any] = {"gan": plain_game, "dcgan": plain_game, "ddpm": plain_diffusion}


def measure(name: str) -> Row:
    x = (Noise(0).uniform((EVENTS, *SPACE.shape), "x") * 256).to(torch.uint8)
    with seeded(0):
        recipe = find_recipe(name)(SPACE)
    how = {k: v for k, v in recipe.training.items() if k in ("batch_size", "ema", "precision")}
    common: Any = deepcopy(recipe.model)
    engine, loop = training(recipe.model, x, Training.of(steps=10**6, **how)), LOOPS[name](common.train(), x, how)
    ours = [list(next(engine).losses.values()) for _ in range(LOOKS)][-1]  # means so far
    theirs = [statistics.mean(losses) for losses in zip(*(next(loop) for _ in range(LOOKS)), strict=True)]
    assert all(abs(a - b) < 0.05 * abs(b) for a, b in zip(ours, theirs, strict=True)), (name, ours, theirs)
    took = typical({"ours": lambda: next(engine), "plain": lambda: next(loop)})
    return row(f"{name}-28", "train", how["batch_size"], took, PLAIN)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    write("steps", [measure(name) for name in LOOPS], {"shape": SPACE.shape, "levels": SPACE.n})


if __name__ == "__main__":
    main()
