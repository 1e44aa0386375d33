"""The recurrence of convolutional LSTMs, where a whole row or diagonal of an image is one step.

At step t every pixel of a line has a state, fed by the states of neighbouring places of the line before:

    [o, f, i, g] = [s, s, s, tanh](gates_t,p + concat_k h_{t-1, p - shift_k} W)        # s: the logistic sigmoid
    c_t,p = f c_{t-1,p} + i g,    h_t,p = o tanh(c_t,p).

Lines cut the image in raster order: a row is a slice of it, and a diagonal is one with a longer stride, so that nothing
is copied to skew the image (section 3.2) and no place outside it is computed. What the input contributes (``gates``)
comes in one product for the whole image; forward and backward of the rest are written by hand, without a graph, a line
at a time while it is in the cache.

Reference:
    Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner & Kavukcuoglu, 2016), eq. 3
    https://arxiv.org/abs/1601.06759
"""

from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["LSTMScan", "Line", "diagonals", "lstm_update", "rows", "scan", "shifted"]

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class Line(NamedTuple):
    """The pixels of one step: where they lie in raster order, and the place of the first of them on the line."""

    pixels: slice
    first: int
    length: int


def rows(height: int, width: int) -> tuple[Line, ...]:
    """The rows of an image; a place is a column."""
    return tuple(Line(slice(r * width, (r + 1) * width), 0, width) for r in range(height))


def diagonals(height: int, width: int) -> tuple[Line, ...]:
    """The diagonals of an image, from the top left corner; a place is a row, so column t - r has place r at step t."""
    lines = []
    for t in range(height + width - 1):
        top, bottom = max(0, t - width + 1), min(height - 1, t)
        start, step = top * width + t - top, max(width - 1, 1)
        lines.append(Line(slice(start, start + (bottom - top) * step + 1, step), top, bottom - top + 1))
    return tuple(lines)


def shifted(h: Tensor, shifts: tuple[int, ...]) -> Tensor:
    """States h (..., P, H) of the neighbours of every place: (..., P, len(shifts) H), zero beyond the ends."""
    places, far = h.shape[-2], max(map(abs, shifts))
    wide = F.pad(h, (0, 0, far, far))
    return torch.cat([wide[..., far - s : far - s + places, :] for s in shifts], -1)


def lstm_update(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """One step: gates (..., 4 H) and cells (..., H) give the new states and cells, (..., H) each."""
    o, f, i, g = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()  # eq. 3
    return o.sigmoid() * c.tanh(), c


def scan(gates: Tensor, weight: Tensor, lines: tuple[Line, ...], shifts: tuple[int, ...]) -> Tensor:
    """``LSTMScan`` in the type of the weights, also where autocast would mix it with a smaller one."""
    with torch.autocast(gates.device.type, enabled=False):
        return LSTMScan.apply(gates.to(weight.dtype), weight, lines, shifts)


@final
class LSTMScan(torch.autograd.Function):
    """All states of an image of LSTMs, line after line, from zero states.

    Takes gates (G, N, S, 4 H) of G independent directions, N images and S pixels in raster order; weights
    (G, K H, 4 H); the lines; and K shifts. Returns states (G, N, S, H).
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, lines: tuple[Line, ...], shifts: tuple[int, ...]) -> Tensor:
        groups, n, pixels, width = gates.shape
        n_hidden, far = width // 4, max(map(abs, shifts))
        places = max(line.first + line.length for line in lines)
        states = gates.new_empty(groups, n, pixels, n_hidden)
        last_h = gates.new_zeros(groups, n, places + 2 * far, n_hidden)  # by place, with zeros beyond the ends
        last_c = gates.new_zeros(groups, n, places, n_hidden)
        kept = []
        for line in lines:
            here = slice(line.first, line.first + line.length)
            seen = torch.cat([_moved(last_h, here, far - s) for s in shifts], -1).flatten(1, 2)  # (G, N L, K H)
            acts = torch.baddbmm(gates[:, :, line.pixels].reshape(groups, -1, width), seen, weight)
            acts = acts.view(groups, n, line.length, width)
            acts[..., : 3 * n_hidden].sigmoid_()
            o, f, i, g = acts.chunk(4, -1)
            g.tanh_()
            before = last_c[:, :, here].clone()
            c = (i * g).addcmul_(f, before)
            tanh = c.tanh()
            h = o * tanh
            last_c[:, :, here] = c
            _moved(last_h, here, far).copy_(h)
            states[:, :, line.pixels] = h
            kept += [seen, acts, before, tanh]
        ctx.save_for_backward(weight, *kept)
        ctx.lines, ctx.shifts, ctx.shape = lines, shifts, (groups, n, pixels, places)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, *kept = ctx.saved_tensors
        groups, n, pixels, places = ctx.shape
        width, far = weight.shape[2], max(map(abs, ctx.shifts))
        n_hidden = width // 4
        grad_gates, grad_weight = grad.new_empty(groups, n, pixels, width), torch.zeros_like(weight)
        grad_h = grad.new_zeros(groups, n, places + 2 * far, n_hidden)  # through the line after, by place
        grad_c = grad.new_zeros(groups, n, places, n_hidden)
        back = weight.mT.contiguous()
        for line in reversed(ctx.lines):
            here = slice(line.first, line.first + line.length)
            seen, acts, before, tanh = kept[-4:]
            del kept[-4:]
            o, f, i, g = acts.chunk(4, -1)
            dh = grad[:, :, line.pixels] + _moved(grad_h, here, far)
            dc = torch.ops.aten.tanh_backward(dh * o, tanh).add_(grad_c[:, :, here])
            d = torch.empty_like(acts)
            d_o, d_f, d_i, d_g = d.chunk(4, -1)
            torch.mul(dh, tanh, out=d_o)
            torch.mul(dc, before, out=d_f)
            torch.mul(dc, g, out=d_i)
            torch.mul(dc, i, out=d_g)
            smooth = d[..., : 3 * n_hidden]
            _sigmoid_backward(smooth, acts[..., : 3 * n_hidden], grad_input=smooth)
            _tanh_backward(d_g, g, grad_input=d_g)
            grad_gates[:, :, line.pixels] = d
            torch.mul(dc, f, out=grad_c[:, :, here])
            flat = d.view(groups, -1, width)
            grad_weight.baddbmm_(seen.mT, flat)
            parts = torch.bmm(flat, back).view(groups, n, line.length, -1).chunk(len(ctx.shifts), -1)
            grad_h.zero_()
            for part, s in zip(parts, ctx.shifts, strict=True):
                _moved(grad_h, here, far - s).add_(part)
        return grad_gates, grad_weight, None, None


def _moved(padded: Tensor, here: slice, by: int) -> Tensor:
    """The places ``here`` of a line that was padded, moved."""
    return padded[:, :, here.start + by : here.stop + by]
