"""The flows of other libraries, at the sizes of the workloads, behind the calls that the benchmark needs.

zuko is among the development dependencies. The others are measured where they are installed:

    pip install -c constraints.txt -e '.[peers]' && pip install --no-deps pythae==0.1.2

pythae's own trainers and data sets ask for more than its models do, hence ``--no-deps``. Widths and depths are those of
ours, with one exception: normflows builds the network of its splines from residual blocks only, so that it has one
hidden layer more. normflows scores by its slow side and samples by its fast one where ours sees events: what it calls a
masked autoregressive flow is measured against our inverse autoregressive flow, ``sees="noise"``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from timing import installed

BINS, BOUND = 8, 4.0


class Contestant(ABC):
    """A flow of some library. Noise is standard normal in all of them."""

    def __init__(self, flow: Any) -> None:
        self.flow = flow

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def sample(self, n: int) -> Tensor: ...

    @abstractmethod
    def to_noise(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def from_noise(self, z: Tensor) -> Tensor: ...


class Ours(Contestant):
    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow.log_prob(x)

    def sample(self, n: int) -> Tensor:
        return self.flow.sample(n)

    def to_noise(self, x: Tensor) -> Tensor:
        return self.flow.encode(x)

    def from_noise(self, z: Tensor) -> Tensor:
        return self.flow.decode(z)


class Zuko(Contestant):
    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow().log_prob(x)

    def sample(self, n: int) -> Tensor:
        return self.flow().sample((n,))

    def to_noise(self, x: Tensor) -> Tensor:
        return self.flow().transform(x)

    def from_noise(self, z: Tensor) -> Tensor:
        return self.flow().transform.inv(z)


class Nflows(Contestant):
    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow.log_prob(x)

    def sample(self, n: int) -> Tensor:
        return self.flow.sample(n)

    def to_noise(self, x: Tensor) -> Tensor:
        return self.flow.transform_to_noise(x)

    def from_noise(self, z: Tensor) -> Tensor:
        return self.flow._transform.inverse(z)[0]


class Normflows(Contestant):
    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow.log_prob(x)

    def sample(self, n: int) -> Tensor:
        return self.flow.sample(n)[0]

    def to_noise(self, x: Tensor) -> Tensor:
        return self.flow.inverse(x)

    def from_noise(self, z: Tensor) -> Tensor:
        return self.flow.forward(z)


class Pythae(Contestant):
    """Its flows come without a prior: the normal density and its draws are added here."""

    def log_prob(self, x: Tensor) -> Tensor:
        out = self.flow(x)
        normal = -0.5 * out.out.square().sum(1) - 0.5 * math.log(2 * math.pi) * x.shape[1]
        return normal + out.log_abs_det_jac

    def sample(self, n: int) -> Tensor:
        return self.flow.inverse(torch.randn(n, self.flow.input_dim)).out

    def to_noise(self, x: Tensor) -> Tensor:
        return self.flow(x).out

    def from_noise(self, z: Tensor) -> Tensor:
        return self.flow.inverse(z).out


class Coupled(nn.Module):
    """A perceptron that takes, and does not use, a context."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        layers = [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.layers(x)


def zuko(kind: str, d: int, width: int, transforms: int) -> Contestant | None:
    from zuko import flows

    sizes = {"transforms": transforms, "hidden_features": [width, width]}
    if kind == "nsf":
        return Zuko(flows.NSF(d, bins=BINS, **sizes))
    return None if kind == "iaf" else Zuko({"maf": flows.MAF, "realnvp": flows.RealNVP}[kind](d, **sizes))


def nflows(kind: str, d: int, width: int, transforms: int) -> Contestant | None:
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import (
        AffineCouplingTransform,
        CompositeTransform,
        MaskedAffineAutoregressiveTransform,
        MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
        ReversePermutation,
    )

    def step(k: int) -> list[Any]:
        if kind == "realnvp":
            mask = torch.ones(d)
            mask[k % 2 :: 2] = -1
            return [AffineCouplingTransform(mask, lambda i, o: Coupled(i, o, width))]
        shared = {"features": d, "hidden_features": width, "num_blocks": 1, "use_residual_blocks": False}
        if kind == "maf":
            return [ReversePermutation(d), MaskedAffineAutoregressiveTransform(**shared)]
        spline = {"num_bins": BINS, "tails": "linear", "tail_bound": BOUND}
        return [ReversePermutation(d), MaskedPiecewiseRationalQuadraticAutoregressiveTransform(**shared, **spline)]

    if kind == "iaf":
        return None
    steps = [part for k in range(transforms) for part in step(k)]
    return Nflows(Flow(CompositeTransform(steps), StandardNormal([d])))


def normflows(kind: str, d: int, width: int, transforms: int) -> Contestant | None:
    from normflows import NormalizingFlow
    from normflows.distributions import DiagGaussian
    from normflows.flows import (
        AffineCouplingBlock,
        AutoregressiveRationalQuadraticSpline,
        MaskedAffineAutoregressive,
        Permute,
    )

    def step() -> Any:
        if kind == "iaf":
            return MaskedAffineAutoregressive(d, width, num_blocks=1, use_residual_blocks=False)
        if kind == "nsf":
            return AutoregressiveRationalQuadraticSpline(d, 1, width, num_bins=BINS, tail_bound=BOUND)
        return AffineCouplingBlock(Coupled(-(-d // 2), 2 * (d // 2), width))

    if kind == "maf":
        return None
    steps = [part for _ in range(transforms) for part in (step(), Permute(d, "shuffle"))]
    return Normflows(NormalizingFlow(DiagGaussian(d, trainable=False), steps))


def pythae(kind: str, d: int, width: int, transforms: int) -> Contestant | None:
    from pythae.models.normalizing_flows import MAF, MAFConfig

    if kind != "maf":
        return None
    sizes = {"n_made_blocks": transforms, "n_hidden_in_made": 2, "hidden_size": width}
    return Pythae(MAF(MAFConfig(input_dim=(d,), include_batch_norm=False, **sizes)))


MAKERS: dict[str, Callable[[str, int, int, int], Contestant | None]] = {
    "zuko": zuko,
    "nflows": nflows,
    "normflows": normflows,
    "pythae": pythae,
}
PEERS = tuple(installed(*MAKERS))  # those that are there
