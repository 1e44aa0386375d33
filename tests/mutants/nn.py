"""Faults in networks."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "nn/contexts.py": (
        Fault("self.space.embed(context, self.like.dtype).reshape", "self.space.embed(context).reshape", "in float32"),
        Fault("torch.zeros(()), persistent=False)", "torch.zeros(()))", "what a reader does not learn is saved"),
        Fault("last.transpose(0, 1).flatten(1)", "last[:1].repeat(2, 1, 1).transpose(0, 1).flatten(1)", "one end only"),
        Fault("last.transpose(0, 1).flatten(1)", "last.reshape(len(context), -1)", "rows of a batch are mixed"),
        Fault("if given.space != space:", "if given.space is None:", "a reader of other contexts is taken"),
        Fault(
            "if size is not None and len(space.shape) == 3:", "if size is not None and space.is_image:", "not all maps"
        ),
        Fault("and space.n > MANY", "and space.n >= MANY", "256 classes are many"),
        Fault("reader is not None and len(reader.shape) != 1", "reader is None", "networks of vectors take maps"),
        Fault("if all(a % b == 0 for", "if any(a % b == 0 for", "one side grows by a whole factor"),
        Fault('mode="nearest"', 'mode="bilinear"', "repeated pixels are blurred"),
        Fault('mode="area"', 'mode="nearest"', "what shrinks is not averaged"),
        Fault(
            "features[:, min(index, features.shape[1] - 1)]", "features[:, 0]", "samples see the first pixel of maps"
        ),
        Fault("resized(read, size).permute(0, 2, 3, 1)", "resized(read, size).permute(0, 3, 2, 1)", "transposed"),
        Fault("self.weight[:, :, None, None])", "0 * self.weight[:, :, None, None])", "maps move nothing"),
        Fault("dilation=2**i) for i", "dilation=1) for i", "no pixel sees far"),
        Fault("- 1).bit_length() - 1)", "- 1).bit_length() - 2)", "maps do not see the whole picture"),
        Fault("self.blocks(self.first(resized(", "self.blocks(0 * self.first(resized(", "pictures are not seen"),
    ),
    "nn/borrowed.py": (
        Fault("name: buffer.clone() for", "name: buffer for", "borrowed networks count batches"),
        Fault("if borrowed else {}", "if not borrowed else {}", "owners run on copies, and others do not"),
    ),
    "nn/defaults.py": (
        Fault("and not isinstance(space, Symbols)", "and space.dimensions > 0", "symbols are convolved"),
        Fault(
            "UNet(space.shape[0], width=32 if width is None else width, context=shape_of(reader), **pyramid)",
            "UNet(space.shape[0], width=32 if width is None else width, context=shape_of(reader))",
            "the recipe's patches are forgotten",
        ),
    ),
    "nn/residual.py": (
        Fault(
            "return x + self.second(F.silu(self.first(F.silu(x))))",
            "return self.second(F.silu(self.first(F.silu(x))))",
            "a residual block without its skip",
        ),
    ),
    "nn/convolutional.py": (
        Fault(
            "(sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2",
            "sizes[-1][0] // 2, (sizes[-1][1] + 1) // 2",
            "odd heights are rounded down",
        ),
        Fault(
            "self.context, i + 1, context)))",
            "self.context, 0, context)))",
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
    ),
    "nn/dcgan.py": (
        Fault(
            "nn.init.normal_(layer.weight, 0.0, 0.02)",
            "nn.init.normal_(layer.weight, 0.0, 0.2)",
            "weights start ten times too large",
        ),
        Fault("v + (self.match(context) * h).sum(1)", "v", "the discriminator ignores its context"),
        Fault(
            "by_batch = normalised and i > 0",
            "by_batch = i > 0",
            "a critic that judges each event alone looks at its batch",
        ),
        Fault(
            "_padded(resized(maps, self.shape[1:]), self.size)", "resized(maps, self.size)", "maps not in their place"
        ),
        Fault("torch.cat([y, resized(context", "torch.cat([y, 0 * resized(context", "the discriminator sees no maps"),
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
        Fault("places * d // width", "places * (d - 1) // width", "no unit sees all but the last variable"),
        Fault("else self.context(context).T + bias", "else bias", "samples ignore the context"),
    ),
    "nn/unrolled.py": (
        Fault(
            "for w, order in zip(weights[1:], orders[:-1]",
            "for w, order in zip(weights[1:], orders[1:]",
            "other masks' units are sorted by the wrong layer",
        ),
        Fault("net.direct.shift(n, None)", "0 * net.direct.shift(n, None)", "samples forget a bias"),
        Fault("else out + self.direct.of(k)", "else out", "samples have no direct connections"),
        Fault("block.copy_(rows)", "pass", "what was told is not kept"),
    ),
    "nn/mlp.py": (
        Fault("*layers if last else layers[:-1]", "*layers", "the output passes an activation"),
        Fault("torch.cat([x, context], 1)", "torch.cat([x, 0 * context], 1)", "the context is ignored"),
    ),
    "nn/noisy.py": (
        Fault("self.centre.copy_(h.mean(0))", "pass", "inputs are not centred"),
        Fault("self.length.mul_(scale)", "pass", "lengths are not set by events"),
        Fault("(self.bias - y.mean(0)) * scale", "-y.mean(0)", "units are not centred"),
        Fault("if self.training and self.noise", "if self.noise", "there is noise after training"),
        Fault("/ self.direction.norm(dim=1))", ")", "units outgrow their lengths"),
    ),
    "nn/retouch.py": (
        Fault("torch.addcmul(shift, h, 1 + scale)", "h + shift", "a class scales no feature"),
        Fault("torch.addcmul(shift, h, 1 + scale)", "h", "a class changes nothing"),
    ),
    "nn/enlarging.py": (
        Fault("base.clamp(-LARGEST, LARGEST).atanh() if", "base.clamp(-LARGEST, LARGEST) if", "added in another unit"),
        Fault("torch.addcmul(shift, self.first(h), 1 + scale)", "self.first(h)", "latents are ignored"),
        Fault("round(ratio).bit_length() - 1)", "round(ratio).bit_length())", "one doubling too many"),
        Fault("torch.cat([z, context], 1)", "torch.cat([z, 0 * context], 1)", "a vector is ignored"),
    ),
    "nn/frames.py": (
        Fault("last = y.tanh() if self.bounded else y", "last = last", "drawn frames are not read"),
        Fault("y = 2 * kept.sigmoid() * self._raised(last) + new", "y = new", "motion is not added to the last frame"),
        Fault("y = 2 * kept.sigmoid() * self._raised(last)", "y = self._raised(last)", "the gate never closes"),
        Fault("frame.clamp(-LARGEST, LARGEST).atanh() if", "frame if", "frames are added in another unit"),
        Fault("return h + update * (", "return update * (", "the state forgets"),
    ),
    "nn/puzzle.py": (
        Fault(".sort(1).values.sum(1))", ".sum(1))", "the order of patches changes the last bits"),
        Fault(".sort(1).values.sum(1))", ".amax(1))", "how many of a patch there are does not matter"),
        Fault("return y[:, :-1], y[:, -1]", "return y[:, :-1], y[:, 0]", "the mask is the image"),
    ),
    "nn/patches.py": (
        Fault("seen += (kernel - 1) * apart", "seen += kernel * apart", "a patch counts every kernel whole"),
        Fault("        apart *= stride", "        apart = stride", "strides do not multiply"),
        Fault("[2] * min(halvings, room) + [1, 1]", "[1, 1] + [2] * min(halvings, room)", "strided layers come last"),
        Fault("y = layer(y) if context is None else", "y = layer(y) if True else", "a vector is ignored"),
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
        Fault("torch.cat([x, resized(context", "torch.cat([x, 0 * resized(context", "maps are not seen"),
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
        Fault("self.bias, (1, self.stride))", "self.bias, (1, 1))", "rows above are not halved in samples"),
        Fault("self.place.column + self.left + self.over", "self.place.column + self.left", "noted a column too early"),
        Fault("self.above[column // self.stride]", "self.above[column]", "samples look up a halved row by its pixels"),
        Fault("group = self.place.group * self.inputs", "group = 0", "channels overwrite the first one"),
        Fault("self.window[:, -1, self.inside] = x", "self.window[:, 0, self.inside] = x", "rows noted at the top"),
        Fault("slice(layer.left, layer.left + width)", "slice(0, width)", "rows noted at the left edge"),
        Fault(
            "column : column + self.left + 1].flatten",
            "column + 1 : column + self.left + 2].flatten",
            "samples look a column too far right",
        ),
        Fault("self.weight * self.mask if self.is_masked", "self.weight if self.is_masked", "no mask at all"),
        Fault('groups > 1 or mask == "A" or self.left', "groups > 1 or self.left", "mask A forgotten at the edge"),
    ),
    "nn/recurrent.py": (
        Fault("p[hidden : 2 * hidden] += 1", "p[:hidden] += 1", "the input gate starts open, not the forget gate"),
        Fault("return self.dropout(out)", "return out", "the last layer's output is never dropped"),
        Fault("between = dropout if layers > 1", "between = 0.0 if layers > 1", "nothing is dropped between layers"),
        Fault("after.append((h, c))", "after.append((h, before[1]))", "an LSTM that never changes its cell"),
        Fault("x = after[-1][0]", "x = after[0][0]", "upper layers are skipped"),
        Fault("zip(state, self.rnn.all_weights", "zip(state[::-1], self.rnn.all_weights", "layers swap their states"),
    ),
    "nn/scan.py": (
        Fault("LSTMScan.apply(gates.to(weight.dtype)", "LSTMScan.apply(gates", "two types in bfloat16"),
        Fault("enabled=False", "enabled=True", "products in another type than what they are added to"),
        Fault("max(0, t - width + 1), min(height - 1, t)", "max(0, t - height + 1), min(width - 1, t)", "transposed"),
        Fault("t - top, max(width - 1, 1)", "t - top, width + 1", "diagonals of the other direction"),
        Fault("far - s : far - s + places", "far + s : far + s + places", "neighbours on the wrong side in samples"),
        Fault("o, f, i, g = gates.chunk(4, -1)", "o, i, f, g = gates.chunk(4, -1)", "gates swapped in samples"),
        Fault("acts[..., : 3 * n_hidden].sigmoid_()", "acts[..., : 2 * n_hidden].sigmoid_()", "a gate not squashed"),
        Fault("far - s) for s in shifts]", "far + s) for s in shifts]", "neighbours on the wrong side"),
        Fault("(i * g).addcmul_(f, before)", "(i * g).addcmul_(i, before)", "the input gate forgets"),
        Fault("last_c[:, :, here] = c", "pass", "cells are not carried on"),
        Fault("torch.mul(dc, before, out=d_f)", "torch.mul(dc, tanh, out=d_f)", "the forget gate's gradient"),
        Fault("torch.mul(dc, i, out=d_g)", "torch.mul(dc, g, out=d_g)", "the new value's gradient"),
        Fault("torch.mul(dc, f, out=grad_c[:, :, here])", "grad_c[:, :, here] = dc", "the gradient does not forget"),
        Fault("grad_h.zero_()", "pass", "gradients of a line pile up"),
        Fault("far - s).add_(part)", "far + s).add_(part)", "gradients go to the wrong neighbours"),
        Fault("_tanh_backward(d_g, g, grad_input=d_g)", "pass", "the gradient without the slope of tanh"),
        Fault(
            "grad_weight.baddbmm_(seen.mT, flat)",
            "torch.bmm(seen.mT, flat, out=grad_weight)",
            "the first line's gradient",
        ),
    ),
    "nn/shifted.py": (
        Fault("next(heard), stack.pop())", "next(heard), stack.pop(0))", "twins from the wrong end"),
        Fault("return x + a * b.sigmoid()", "return a * b.sigmoid()", "a block without its residual"),
        Fault("self.second.weight.mul_(0.1)", "self.second.weight.mul_(1.0)", "deep stacks do not start near identity"),
        Fault("torch.cat([x, -x], -1)", "torch.cat([x, x], -1)", "elu twice of the same"),
        Fault("self.dropout(concat_elu(h))", "concat_elu(h)", "nothing is ever dropped"),
        Fault("h = h + self.context(c)", "h = h + 0 * self.context(c)", "contexts are ignored"),
    ),
    "nn/shifted_steps.py": (
        Fault("sizes.append((-(-sizes[-1][0] // 2)", "sizes.append((sizes[-1][0] // 2", "odd heights are rounded down"),
        Fault("(self.row >> (k - 1)) % 2, :", "(self.row >> k) % 2, :", "rows of the four pixels taken too slowly"),
        Fault("return self.row, self.column", "return (self.row,)", "small pixels are computed for every column"),
        Fault("layer(x).transpose(2, 3)", "layer(x).transpose(3, 4).transpose(2, 3)", "the four pixels transposed"),
        Fault("place.column = column >> k", "place.column = column // (k + 1)", "columns divided by 3, not 4"),
        Fault("told[self.places[k].column]", "told[self.column]", "told of a column of the large image"),
        Fault("if self.is_due(k + 1):", "if self.is_due(k):", "halved rows are computed for every row"),
        Fault("% 2, big % 2]", "% 2, small % 2]", "columns of the four pixels taken too slowly"),
        Fault("*(index >> k for index in", "*(index for index in", "maps taken at the wrong place when halved"),
        Fault(
            "features_last(read, size) for size in sizes", "features_last(read, sizes[0]) for _ in sizes", "not halved"
        ),
    ),
    "nn/transformer.py": (
        Fault("is_causal=True", "is_causal=False", "every place attends to the future"),
        Fault("is_causal=True, dropout_p=rate", "is_causal=True, dropout_p=rate, scale=1.0", "scores not scaled"),
        Fault(
            "keys[:, :, : t + 1], values[:, :, : t + 1])", "keys, values)", "samples attend to memory not written yet"
        ),
        Fault(
            "q, keys[:, :, t : t + 1], values[:, :, t : t + 1] =",
            "q, values[:, :, t : t + 1], keys[:, :, t : t + 1] =",
            "keys and values swapped in samples",
        ),
        Fault("x = x + self.dropout(self.projection", "x = self.dropout(self.projection", "attention without its skip"),
        Fault("return x + self.dropout(self.down", "return self.dropout(self.down", "the small MLP without its skip"),
        Fault("self.qkv(self.attention_norm(x))", "self.qkv(x)", "attention without its normalisation"),
        Fault("F.gelu(self.up", "F.relu(self.up", "another nonlinearity"),
        Fault("self.dropout.p if self.dropout.training else 0.0", "self.dropout.p", "attention drops while evaluating"),
        Fault("dropout_p=rate", "dropout_p=0.0", "attention never drops"),
        Fault("return self.norm(x)[:, 0]", "return x[:, 0]", "samples without the last normalisation"),
        Fault("std=0.02 / math.sqrt(2 * layers)", "std=0.02 * math.sqrt(2 * layers)", "deep stacks start large"),
        Fault(
            "(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)",
            "(2, (3, -1, self.heads)).permute(2, 0, 4, 1, 3)",
            "heads and features transposed",
            "the layers before and after learn either layout",
        ),
    ),
    "nn/progressive.py": (
        Fault(
            "h * (h.square().mean(1, keepdim=True)", "h * (h.square().mean((1, 2), keepdim=True)", "a norm over rows"
        ),
        Fault("h.var(0, correction=0)", "h.var(1, correction=0, keepdim=True)", "features vary, not the batch"),
        Fault(" - math.sqrt(TINY)  # nothing", "  # nothing", "equal images vary"),
        Fault("self.scale = gain / math.sqrt(inputs)", "self.scale = gain", "a wide layer starts loud"),
        Fault("gain / math.sqrt(inputs * kernel**2)", "gain / math.sqrt(inputs)", "a kernel counts as one input"),
        Fault("torch.lerp(before, h, share)", "torch.lerp(h, before, share)", "the critic fades the wrong way"),
        Fault("1.0 if g == level else g - (level - 1)", "1.0 if g == level else g - level", "a share below zero"),
        Fault("torch.lerp(_doubled(self.images[level - 1](before)), y, share)", "y", "no fade in the generator"),
    ),
}
