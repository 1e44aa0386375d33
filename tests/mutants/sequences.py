"""Faults in models of sequences, and in orderless NADE."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "autoregressive/rnn.py": (
        Fault(
            "before = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1)",
            "before = seen",
            "every step reads the variable it is to guess",
        ),
        Fault(
            "torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1)",
            "torch.cat([torch.zeros_like(seen[:, :2]), seen[:, :-2]], 1)",
            "every step reads the variable before the last",
        ),
        Fault("self.places[i].expand(n, -1)", "self.places[0].expand(n, -1)", "samples stay in the first place"),
        Fault("params + self.output_bias[i]", "params", "samples forget the bias of their place"),
        Fault(
            "features[:, None].expand(-1, cells.shape[1], -1)",
            "0 * features[:, None].expand(-1, cells.shape[1], -1)",
            "scores ignore the context",
        ),
        Fault(
            "self.look(cells[-1], weight.dtype)", "self.look(cells[0], weight.dtype)", "samples read the first again"
        ),
    ),
    "autoregressive/rnn_nade.py": (
        Fault("self.biases(u).to(self.biases.weight.dtype)", "self.biases(u)", "two types in bfloat16"),
        Fault(
            "torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1).flatten(2)",
            "seen.flatten(2)",
            "the state of a frame has read the frame",
        ),
        Fault("frame = torch.cat(seen, 1)", "frame = torch.cat(seen[::-1], 1)", "samples read frames upside down"),
        Fault("seen[-1], self.weight[k])", "seen[-1], self.weight[k - 1])", "a key enters by the row of its neighbour"),
        Fault("u, state = self.stack.step(", "u, _ = self.stack.step(", "samples forget all but the last frame"),
        Fault("(out.permute(2, 0, 1) + bias).reshape", "out.permute(2, 0, 1).reshape", "no output bias of the frame"),
        Fault("params = bias[:, k]", "params = bias[:, 0]", "samples take the first key's bias"),
        Fault(
            "features[:, None].expand(-1, self.frames, -1)",
            "0 * features[:, None].expand(-1, self.frames, -1)",
            "scores ignore the context",
        ),
    ),
    "autoregressive/transformer.py": (
        Fault(
            "before = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1)",
            "before = seen",
            "every place reads the variable it is to guess",
        ),
        Fault("before + place, memory, i)", "before + place, memory, max(i - 1, 0))", "the cache is off by one"),
        Fault("layer.layers[place] if", "layer.layers[0] if", "all columns come and go as the first does"),
        Fault(
            "before = _at(self.embedding, i)(self.look(cells[-1], before.dtype, i))",
            "before = before + _at(self.embedding, i)(self.look(cells[-1], before.dtype, i))",
            "embeddings pile up while sampling",
        ),
        Fault(
            "return self.places + self.context_layer(features)[:, None]",
            "return 0 * self.places + self.context_layer(features)[:, None]",
            "a context replaces the places",
        ),
        Fault(
            "self.blocks(before + self._places(context))", "self.blocks(before + self.places)", "no context in scores"
        ),
    ),
    "autoregressive/eonade.py": (
        Fault(
            "log_p.logsumexp(0) - math.log(len(self.orders))",
            "log_p.mean(0)",
            "log-probabilities averaged, not probabilities",
        ),
        Fault("log_p.logsumexp(0) - math.log(len(self.orders))", "log_p.logsumexp(0)", "the sum over orders"),
        Fault("* (self.space.dimensions / n_open)", "", "the loss is not weighted by how much is open"),
        Fault("count = (u[:, :1] * d).long()", "count = (u[:, :1] * (d + 1)).long()", "sometimes nothing is open"),
        Fault("cells, start.dtype) * seen[..., None]", "cells, start.dtype)", "the network sees what is open"),
        Fault("+ seen @ self.known_weight + start", "+ start", "known zeros look like open variables"),
        Fault(
            "torch.baddbmm(a + self.known_weight[i, None], seen[i]",
            "torch.baddbmm(a, seen[i]",
            "scores do not say which variables are known",
        ),
        Fault("for i in self.orders.T:", "for i in self.orders.T.flip(0):", "scores go through the orders backwards"),
        Fault(
            "(~known.gather(1, orders)).byte()", "known.gather(1, orders).byte()", "what is open is moved to the front"
        ),
        Fault(
            "self.orders[(u * len(self.orders)).long()]",
            "self.orders[torch.zeros_like(u).long()]",
            "samples come from the first order only",
        ),
        Fault("cells.gather(1, order.argsort(1))", "cells.gather(1, order)", "samples are left in the wrong order"),
        Fault(
            "noise.rows(start).uniform((*order", "noise.uniform((*order", "every chunk repeats the noise of the first"
        ),
        Fault(
            "start.new_full((1, 1), -self.space.log_volume)", "start.new_zeros(1, 1)", "scores per standardised unit"
        ),
        Fault("return self.space.log_volume - (log_p", "return -(log_p", "the loss per standardised unit"),
        Fault("self.output_bias + bias.unflatten", "bias.unflatten", "a context replaces the output bias"),
    ),
}
