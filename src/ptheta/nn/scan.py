"""The recurrence of convolutional LSTMs, where a whole row or diagonal of an image is one step.

At step t every place p of a line has a state, fed by the states of neighbouring places one step before:

    [o, f, i, g] = [s, s, s, tanh](gates_t,p + concat_k h_{t-1, p - shift_k} W)        # s: the logistic sigmoid
    c_t,p = f c_{t-1,p} + i g,    h_t,p = o tanh(c_t,p).

What the input contributes (``gates``) comes in one product for the whole image; forward and backward of the rest are
written by hand, without a graph, and the gradient of W is one product at the end.

Reference:
    Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner & Kavukcuoglu, 2016), eq. 3
    https://arxiv.org/abs/1601.06759
"""

from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["LSTMScan", "lstm_update", "shifted"]


def shifted(h: Tensor, shifts: tuple[int, ...], out: Tensor | None = None) -> Tensor:
    """States h (..., P, H) of the neighbours of every place: (..., P, len(shifts) H), zero beyond the ends."""
    places = h.shape[-2]
    out = h.new_zeros(*h.shape[:-1], len(shifts) * h.shape[-1]) if out is None else out
    for part, s in zip(out.chunk(len(shifts), -1), shifts, strict=True):
        if s >= 0:
            part[..., s:, :] = h[..., : places - s, :]
        else:
            part[..., :s, :] = h[..., -s:, :]
    return out


def lstm_update(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """One step: gates (..., 4 H) and cells (..., H) give the new states and cells, (..., H) each."""
    o, f, i, g = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@final
class LSTMScan(torch.autograd.Function):
    """All states of a line of LSTMs, from zero states.

    Takes gates (T, G, N, P, 4 H) of G independent directions, N images and P places; weights (G, K H, 4 H); and K
    shifts. Returns states (T, G, N, P, H).
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, shifts: tuple[int, ...]) -> Tensor:
        steps, groups, *_, width = gates.shape
        n_hidden = width // 4
        line = gates.shape[1:-1]  # (G, N, P)
        acts, h = torch.empty_like(gates), gates.new_empty(steps, *line, n_hidden)
        cells, tanhs = torch.empty_like(h), torch.empty_like(h)
        seen = gates.new_zeros(steps, *line, len(shifts) * n_hidden)
        for t in range(steps):
            a = acts[t].view(groups, -1, width)
            if t:
                u = shifted(h[t - 1], shifts, out=seen[t])
                torch.baddbmm(gates[t].view_as(a), u.view(groups, -1, u.shape[-1]), weight, out=a)
            else:
                a.copy_(gates[0].view_as(a))
            a[..., : 3 * n_hidden].sigmoid_()
            a[..., 3 * n_hidden :].tanh_()
            o, f, i, g = acts[t].chunk(4, -1)
            torch.mul(i, g, out=cells[t])
            if t:
                cells[t].addcmul_(f, cells[t - 1])
            torch.mul(o, torch.tanh(cells[t], out=tanhs[t]), out=h[t])
        ctx.save_for_backward(acts, cells, tanhs, seen, weight)
        ctx.shifts = shifts
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        acts, cells, tanhs, seen, weight = ctx.saved_tensors
        steps, groups, *_, width = acts.shape
        n_hidden, back = width // 4, tuple(-s for s in ctx.shifts)
        grad_gates, grad_c = torch.empty_like(acts), torch.zeros_like(cells[0])
        grad_h = torch.zeros_like(grad_c)
        # the derivatives of all nonlinearities at once: s (1 - s), 1 - tanh^2
        slope = acts * (1 - acts)
        slope[..., 3 * n_hidden :] = 1 - acts[..., 3 * n_hidden :] ** 2
        through = acts[..., :n_hidden] * (1 - tanhs**2)  # dh / dc
        for t in range(steps - 1, -1, -1):
            grad_h += grad[t]
            grad_c.addcmul_(grad_h, through[t])
            o, f, i, g = grad_gates[t].chunk(4, -1)
            torch.mul(grad_h, tanhs[t], out=o)
            torch.mul(grad_c, cells[t - 1], out=f) if t else f.zero_()
            torch.mul(grad_c, acts[t, ..., 3 * n_hidden :], out=i)
            torch.mul(grad_c, acts[t, ..., 2 * n_hidden : 3 * n_hidden], out=g)
            grad_gates[t] *= slope[t]
            if not t:
                break
            grad_c *= acts[t, ..., n_hidden : 2 * n_hidden]
            du = torch.bmm(grad_gates[t].view(groups, -1, width), weight.mT).view(*grad_h.shape[:-1], -1)
            grad_h = torch.stack(
                [shifted(part, (s,)) for part, s in zip(du.chunk(len(back), -1), back, strict=True)]
            ).sum(0)
        u = seen.transpose(0, 1).reshape(groups, -1, seen.shape[-1])
        d = grad_gates.transpose(0, 1).reshape(groups, -1, width)
        return grad_gates, torch.bmm(u.mT, d), None
