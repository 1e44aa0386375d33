"""A player's network, run by its owner or by another player.

Another player runs it on copies of its buffers: gradients flow through the network, but what it counts while training,
such as batch statistics, stays where its owner left it.
"""

from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["run"]


def run(network: nn.Module, x: Tensor, seen: Tensor | None, *, borrowed: bool) -> Tensor:
    """Calls a network.

    Args:
        network: The network.
        x: Its input.
        seen: What was read of contexts, or None, which is left out.
        borrowed: Whether it is another player that calls.

    Returns:
        What the network returns.
    """
    inputs = (x,) if seen is None else (x, seen)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()} if borrowed else {}
    return functional_call(network, buffers, inputs) if buffers else network(*inputs)
