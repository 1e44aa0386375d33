"""Faults in networks."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "nn/convolutional.py": (
        Fault(
            "(sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2",
            "sizes[-1][0] // 2, (sizes[-1][1] + 1) // 2",
            "odd heights are rounded down",
        ),
        Fault(
            "self.context, i + 1, context))  # (B",
            "self.context, 0, context))  # (B",
            "the context enters every stage as the first",
        ),
        Fault(
            "[..., :height, :breadth]",
            "[..., -height:, -breadth:]",
            "cropped from the wrong side",
            "the convolution before the shuffle learns either layout",
        ),
        Fault(
            ".unflatten(1, (self.channels, self.outputs)).movedim(2, -1)",
            ".unflatten(1, (self.outputs, self.channels)).movedim(1, -1)",
            "the numbers of a variable are those of another",
            "the last convolution learns either layout",
        ),
        Fault("width * min(2**i, 4)", "width * 2**i", "widths grow without bound"),
        Fault(
            "return x + self.second(F.silu(self.first(F.silu(x))))",
            "return self.second(F.silu(self.first(F.silu(x))))",
            "a residual block without its skip",
        ),
    ),
    "nn/dcgan.py": (
        Fault(
            "nn.init.normal_(layer.weight, 0.0, 0.02)",
            "nn.init.normal_(layer.weight, 0.0, 0.2)",
            "weights start ten times too large",
        ),
        Fault("v + (self.match(context) * h).sum(1)", "v", "the discriminator ignores its context"),
    ),
    "nn/denoiser.py": (
        Fault(
            "* (1 + scale) + shift",
            "* scale + shift",
            "modulated by scale, not by 1 + scale",
            "the bias of the layer before holds the one",
        ),
        Fault(
            "nn.init.zeros_(self.leave.weight)",
            "nn.init.ones_(self.leave.weight)",
            "a fresh network does not return zeros",
        ),
        Fault("return x + self.second(", "return self.second(", "a residual block without its skip"),
    ),
    "nn/embeddings.py": (
        Fault("-math.log(period) / max(half - 1, 1)", "-math.log(period) / half", "the slowest frequency is missed"),
        Fault(
            "torch.cat([angle.cos(), angle.sin()], 1)",
            "torch.cat([angle.cos(), angle.cos()], 1)",
            "cosines twice and no sines",
        ),
        Fault("sinusoids(self.scale * t, self.features)", "sinusoids(t, self.features)", "times are not scaled up"),
        Fault("h + self.context(context)", "h", "the context is ignored"),
    ),
    "nn/masked.py": (
        Fault(
            "self.after[mask, :, None] >= self.before[mask]",
            "self.after[mask, :, None] > self.before[mask]",
            "units do not see those of their own degree",
        ),
        Fault(
            "F.linear(x, self.weight * kept, self.bias)",
            "F.linear(x, self.weight, self.bias)",
            "the mask holds at the start only",
        ),
        Fault("(w[:, stairs] * kept[:, stairs]).T", "w[:, stairs].T", "the parts of a product are not masked"),
        Fault("grad_w[:, stairs].mul_(kept[:, stairs])", "pass", "the gradient of what is masked out is kept"),
        Fault("grad_x[:, :all_see].addmm_(g.T", "grad_x[:, :all_see].addmm_(0 * g.T", "inputs all see get no gradient"),
        Fault(
            "(torch.arange(d) + 1).repeat_interleave(features)",
            "torch.arange(d).repeat_interleave(features)",
            "each variable sees itself",
        ),
        Fault("out if self.direct is None else out + self.direct(x)", "out", "inputs do not reach outputs directly"),
    ),
    "nn/mlp.py": (
        Fault("nn.Sequential(*layers[:-1])", "nn.Sequential(*layers)", "the output passes an activation"),
        Fault("torch.cat([x, context], 1)", "torch.cat([x, 0 * context], 1)", "the context is ignored"),
    ),
    "nn/unet.py": (
        Fault(
            "-width % self.multiple, 0, -height % self.multiple",
            "-height % self.multiple, 0, -width % self.multiple",
            "height and width padded by each other's need",
        ),
        Fault(
            "torch.cat([h, skips.pop()], 1)",
            "torch.cat([h, 0 * skips.pop()], 1)",
            "the way up does not see the way down",
        ),
        Fault(
            "self.norm(self.first(x)), 1 + scale)",
            "self.norm(self.first(x)), scale)",
            "modulated by scale, not by 1 + scale",
            "the bias of the layer before holds the one",
        ),
        Fault("return self.skip(x) + self.second(", "return self.second(", "a residual block without its skip"),
        Fault("(3 * self.heads, -1)).mT", "(3 * self.heads, -1))", "features attend to each other, not positions"),
        Fault("return x + self.leave(", "return self.leave(", "attention without its skip"),
        Fault("self.attention(self.middle[0](h, embedding))", "self.middle[0](h, embedding)", "attention is skipped"),
    ),
    "nn/causal.py": (
        Fault(
            "allowed[:, :, -1, self.left + 1 :] = False",
            "allowed[:, :, -1, self.left + 2 :] = False",
            "the pixel to the right is seen",
        ),
        Fault(
            'return seen < seeing if mask == "A" else seen <= seeing',
            'return seen <= seeing if mask == "A" else seen < seeing',
            "masks A and B swapped",
        ),
        Fault(
            "torch.arange(inputs) * groups // inputs",
            "torch.arange(inputs) % groups",
            "channels taken for the last axis of the features",
        ),
        Fault(
            "right - over, rows - 1 + down, -down)", "right - over, rows - 2 + down, 1 - down)", "the row below is seen"
        ),
    ),
}
