"""A model of one's own in twenty lines: it inherits fit, checkpoints, the progress bar and honest likelihoods.

    python examples/write_a_model.py

The model is a mixture of two independent tables trained by gradient descent: small, and exact.
"""

import torch
from torch import Tensor, nn

import ptheta
from ptheta.distributions.heads import default_head


class TwoTables(ptheta.LossModel):
    """p(x) = (p_0(x) + p_1(x)) / 2, each independent over the variables."""

    def __init__(self, space: ptheta.Binary) -> None:
        super().__init__()
        self.space, self.context_space = space, None
        self.head = default_head(space)
        self.optimizer = ptheta.Adam(0.02)
        self.logits = nn.Parameter(torch.randn(2, space.dimensions, self.head.width))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        self.check(x, context)
        cells = self.space.cells(x)[:, None].expand(-1, 2, -1)  # (B, 2, D)
        params = self.logits.expand(len(x), -1, -1, -1)
        return self.head.log_prob(params, cells).sum(2).logsumexp(1) - torch.tensor(2.0).log()

    def loss(self, x: Tensor, context: Tensor | None, noise: ptheta.Noise) -> Tensor:
        return -self.log_prob(x)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None, *, noise: ptheta.Noise | None = None) -> Tensor:
        noise = noise or ptheta.Noise()
        table = (noise.uniform((n,), "table") < 0.5).long()
        uniforms = noise.uniform((n, self.space.dimensions, self.head.uniforms), "cells")
        return self.space.events(self.head.sample(self.logits[table], uniforms))


def main() -> None:
    data = ptheta.load("digits-binary").without_context()
    torch.manual_seed(0)
    model = TwoTables(data.space).fit(data, epochs=20)
    print(ptheta.likelihood(model, data.test))
    print(model.sample(2, noise=ptheta.Noise(0))[:, 0])


if __name__ == "__main__":
    main()
