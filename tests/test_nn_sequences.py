"""Networks of sequences: the transformer against torch's own, how recurrent layers begin, and what dropout drops."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptheta.autoregressive import RNN, RNNNADE, PixelCNNPP, Transformer
from ptheta.nn.recurrent import RecurrentStack
from ptheta.nn.transformer import CausalTransformer
from ptheta.noise import Noise, seeded
from ptheta.spaces import Binary

WIDTH, HEADS = 6, 2


def attention(layers: int = 2) -> CausalTransformer:
    with seeded(0):
        net = CausalTransformer(WIDTH, layers=layers, heads=HEADS).double()
    with torch.no_grad():
        for name, p in net.named_parameters():
            p += 0.3 * Noise(0).normal(p.shape, name, like=p)
    return net


def by_torch(net: Any, x: Tensor, **other: Any) -> Tensor:
    """The same network by torch's own layers, masked, or a broken one by other settings."""
    settings = {"activation": "gelu", "norm_first": True, **other}
    for block in net.blocks:
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, batch_first=True, **settings).double()
        parts = {"self_attn.in_proj": block.qkv, "self_attn.out_proj": block.projection}
        parts |= {"linear1": block.up, "linear2": block.down, "norm1": block.attention_norm, "norm2": block.mlp_norm}
        join = {"self_attn.in_proj": "_"}
        state = {f"{k}{join.get(k, '.')}{n}": p for k, m in parts.items() for n, p in m.named_parameters()}
        layer.load_state_dict(state)
        x = layer(x, src_mask=torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1))
    return net.norm(x)


def test_causal_attention_is_torch_s_own_whole_and_step_by_step():
    net, x = attention(), Noise(1).normal((3, 5, WIDTH), "x").double()
    expected = by_torch(net, x)
    torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-9)
    with torch.no_grad():
        memory = net.start(3, 5)
        for keys, values in memory:  # room that was not written holds anything
            keys.fill_(1e3)
            values.fill_(1e3)
        steps = torch.stack([net.step(x[:, t], memory, t) for t in range(5)], 1)
    torch.testing.assert_close(steps, expected.detach(), rtol=1e-9, atol=1e-9)
    for twin in ({"activation": "relu"}, {"norm_first": False}):
        assert not torch.allclose(by_torch(net, x, **twin), expected, atol=1e-3)


def test_deep_stacks_of_attention_start_small():
    with seeded(0):
        net = CausalTransformer(64, layers=8, heads=HEADS)
    for name, p in net.named_parameters():
        if name.endswith(("projection.weight", "down.weight")):
            assert float(p.detach().std()) == pytest.approx(0.02 / math.sqrt(16), rel=0.1)


def test_an_lstm_begins_by_remembering():
    with seeded(0):
        biases = [p for name, p in RecurrentStack(3, 50, layers=2).rnn.named_parameters() if "bias_ih" in name]
    for bias in biases:
        gates = bias.detach().view(4, 50).mean(1)  # input, forget, new value, output: torch's order
        assert [round(float(g)) for g in gates] == [0, 1, 0, 0]


DROPPING: dict[str, Callable[[float], Any]] = {
    "RNN": lambda rate: RNN(Binary((6,)), hidden=8, dropout=rate),
    "RNN of two layers": lambda rate: RNN(Binary((6,)), hidden=8, layers=2, dropout=rate),
    "RNN-NADE": lambda rate: RNNNADE(Binary((3, 2)), hidden=4, recurrent_hidden=8, dropout=rate),
    "transformer": lambda rate: Transformer(Binary((6,)), width=8, layers=1, heads=2, dropout=rate),
    "PixelCNN++": lambda rate: PixelCNNPP(Binary((1, 2, 3)), width=4, layers=1, scales=1, dropout=rate),
}


@pytest.mark.parametrize("name", DROPPING)
def test_dropout_drops_while_training_and_never_else(name: str):
    with seeded(0):
        model = DROPPING[name](0.5).train()  # a fresh model rests
    with torch.no_grad():
        for key, p in model.named_parameters():
            p += 0.5 * Noise(1).normal(p.shape, key, like=p)
    x = (Noise(0).uniform((20, *model.space.shape), "x") < 0.5).to(torch.uint8)

    def losses() -> list[Tensor]:
        found = []
        for seed in (0, 1):
            with seeded(seed):
                found.append(model.loss(x, None, Noise(0)).detach())
        return found

    first, second = losses()
    assert not torch.equal(first, second), "nothing is dropped while training"
    model.eval()
    first, second = losses()
    assert torch.equal(first, second), "features are dropped while evaluating"


def test_recurrent_layers_drop_between_them_and_after_the_last():
    stack = RecurrentStack(3, 4, layers=2, dropout=0.3)
    assert (stack.rnn.dropout, stack.dropout.p) == (0.3, 0.3)


def test_attention_is_dropped_while_training_and_never_else(monkeypatch: pytest.MonkeyPatch):
    honest, rates = F.scaled_dot_product_attention, []

    def noted(*words: Tensor, dropout_p: float = 0.0, **settings: Any) -> Tensor:
        rates.append(dropout_p)
        return honest(*words, dropout_p=dropout_p, **settings)

    monkeypatch.setattr(F, "scaled_dot_product_attention", noted)
    net, x = CausalTransformer(WIDTH, layers=1, heads=HEADS, dropout=0.3), torch.zeros(1, 2, WIDTH)
    net.train()(x)
    net.eval()(x)
    assert rates == [0.3, 0.0]
