"""Faults in training, runs and rows of papers."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "training/weights.py": (
        Fault(
            "for p in self.parameters.values()], 1 - decay)",
            "for p in self.parameters.values()], decay)",
            "the average's decay swapped",
        ),
        Fault(
            "min(self.decay, (1 + step) / (10 + step))",
            "max(self.decay, (1 + step) / (10 + step))",
            "the average hardly moves early on",
        ),
        Fault("p.copy_(kept[name])", "pass", "the average stays in the model after a look"),
        Fault(
            "min(1.0, (step + 1) / warmup) if warmup",
            "min(1.0, step / warmup) if warmup",
            "the first step of a warm-up has rate zero",
        ),
        Fault('1 - done if schedule == "linear"', 'done if schedule == "linear"', "the linear rate rises"),
        Fault("0.5 * (1 + math.cos(math.pi * done))", "0.5 * (1 - math.cos(math.pi * done))", "the cosine rate rises"),
        Fault("return rise * (1 - done", "return (1 - done", "no warm-up with a schedule"),
    ),
    "training/validation.py": (
        Fault("noise.rows(start)) for", "noise) for", "every chunk repeats the noise of the first"),
        Fault("return total / len(events)", "return total", "the sum over events for their mean"),
        Fault("    model.eval()", "    model.train()", "validated in training mode"),
        Fault("model.train(was_training)", "model.train(False)", "training goes on in evaluation mode"),
        Fault('noise = Noise(seed).at("validation")', "noise = Noise(None)", "every validation draws other noise"),
    ),
    "training/loop.py": (
        Fault("validated = done or self.step %", "validated = self.step %", "the last step is not validated"),
        Fault("            pace.step(started)", "            pass", "no step is timed"),
        Fault("done, due = self.processes.agree([pace.must_end(due), due])", "done = pace.must_end(False)", "late"),
        Fault("order.permutation(len(self.train))", "np.arange(len(self.train))", "epochs are not shuffled"),
        Fault(
            '[_hash(self.options.seed, "epoch"), epoch]',
            '[_hash(self.options.seed, "epoch")]',
            "every epoch has the same order",
        ),
        Fault(
            "self.epoch_order[1][index * self.batch_size : (index + 1) * self.batch_size]",
            "self.epoch_order[1][: self.batch_size]",
            "an epoch is one batch again and again",
        ),
        Fault(
            'Noise(self.options.seed).at("training", self.step)',
            'Noise(self.options.seed).at("training")',
            "every step draws the same noise",
        ),
        Fault(
            "if self.step % objective.every:",
            "if self.step % objective.every == 0:",
            "objectives rest when they should run",
        ),
        Fault(
            "objective.optimizer.learning_rate * factor", "objective.optimizer.learning_rate", "the schedule is ignored"
        ),
        Fault("            optimizer.zero_grad()", "            pass", "gradients pile up"),
        Fault(
            "nn.utils.clip_grad_norm_(objective.parameters, objective.optimizer.clip)",
            "nn.utils.clip_grad_value_(objective.parameters, objective.optimizer.clip)",
            "values are clipped, not the norm",
        ),
        Fault("if best is None or score > best:", "if best is None or score < best:", "the worst weights are kept"),
        Fault('self.record["bad"] >= patience', 'self.record["bad"] > patience', "one validation too patient"),
        Fault("self.ema.copy_to(self.model)", "pass", "the average never enters the model"),
        Fault("self.model.load_state_dict(self.best)", "pass", "the best weights never enter the model"),
        Fault('self.ema.load(saved.tensors["ema"])', "pass", "a resumed run forgets its average"),
        Fault(
            "state.setdefault(int(index), {})[field_name] = value",
            "pass",
            "a resumed run forgets its optimiser's moments",
        ),
        Fault("noise.at(objective.name)).mean()", "noise).mean()", "both players draw the same noise"),
        Fault(
            "k: v.detach().clone() for k, v in self.model.state_dict()",
            "k: v.detach() for k, v in self.model.state_dict()",
            "the best weights go on training",
        ),
    ),
    "training/distributed.py": (
        Fault(
            "slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)",
            "slice(self.rank * (n // self.size), (self.rank + 1) * (n // self.size))",
            "the rows that do not divide are left out",
        ),
        Fault("loss = loss * share", "loss = loss / self.size", "processes count alike, whatever their rows"),
        Fault(
            "p.grad = part.view_as(p).to(p.dtype) if anywhere else None",
            "p.grad = part.view_as(p).to(p.dtype)",
            "a parameter that nothing reaches has a gradient of zero",
        ),
        Fault("[bool(count) for count in message]", "[count == self.size for count in message]", "all for any"),
        Fault("str(error).encode(), failed.index(True))", "str(error).encode())", "only process 0 says why"),
        Fault("if self.rank == source:", "if self.rank == 0:", "only process 0 is ever heard"),
        Fault("[work()] if self.leads else []", "[work()]", "everyone does the leader's work"),
        Fault("return self.agree(done)[0]", "return done[0] if done else None", "the others do not hear the result"),
        Fault('os.environ.get("LOCAL_RANK", self.rank)', "self.rank", "on a second machine, GPUs that are not there"),
        Fault("raise error or ValueError(said)", "raise ValueError(said)", "every failure becomes a ValueError"),
        Fault("if fact != theirs[name]:", "if name not in theirs:", "other options are not noticed"),
        Fault('import_module("torch.distributed.nn.functional")', "pass", "threads outlive the process group"),
    ),
    "training/separable.py": (
        Fault("noise.rows(rows.start)).mean()", "noise).mean()", "the second half repeats the noise of the first"),
        Fault('__name__}", cut / n', '__name__}", 0.5', "halves count alike, whatever their rows"),
        Fault(
            "torch.equal(left[1][name], left[2][name])",
            "torch.equal(left[1][name], left[1][name])",
            "buffers may follow the batch",
        ),
        Fault("SLACK = 1e-3", "SLACK = 1e3", "nothing is ever refused"),
        Fault("setattr(module, name, 0.0)", "pass", "dropout is taken for a dependence on the batch"),
        Fault("setattr(module, name, rate)", "pass", "dropout stays off after the look"),
    ),
    "training/clock.py": (
        Fault("(1 + due) * self.validation_seconds", "0", "the last validation is outside the minutes"),
        Fault("self.clock.read()[self.cpu]", "self.clock.read()[0]", "minutes are never the processor's"),
        Fault("or self.timed == 2 else", "else", "a slow first step is long remembered"),
        Fault(
            "self.seconds += now[0] - self._since[0]", "self.seconds = now[0] - self._since[0]", "one session counts"
        ),
    ),
    "training/checkpoint.py": (
        Fault("or _digest(path / file) != expected", "", "a changed file is read"),
        Fault("_step(other) <= _step(name)][-1:]", "_step(other) <= _step(name)][:1]", "the oldest is kept"),
        Fault("        _sync(pointer)", "        pass", "the pointer is not synced"),
    ),
    "runs/opening.py": (
        Fault(
            'kept["best"] if "best" in kept else',
            'kept["last"] if "best" in kept else',
            "a run opens with its last weights, not its best",
        ),
        Fault('{**kept["last"], **kept.get("ema", {})}', 'kept["last"]', "a run opens without its average"),
        Fault("with seeded(seed):", "with seeded(0):", "every seed builds the same weights"),
    ),
    "runs/fitting.py": (
        Fault("{**kept, **own}", "{**own, **kept}", "the recipe overrides the user"),
        Fault("if own.keys() & set(LENGTHS):", "if False:", "a length stays beside the one that takes its place"),
        Fault('own["minutes"] *= stage.share / whole', "pass", "every stage takes the whole budget"),
    ),
    "papers/running.py": (
        Fault("if not math.isfinite(number):", "if False:", "a run that ends in no number is kept"),
        Fault("seeds[str(result", "seeds = {}; seeds[str(result", "other seeds of a row are lost"),
    ),
    "papers/row.py": (
        Fault("return ours <= self.pass_line", "return ours >= self.pass_line", "at most means at least"),
        Fault("return ours >= self.pass_line", "return ours <= self.pass_line", "at least means at most"),
        Fault(
            "abs(ours - self.paper) <= self.pass_line", "ours - self.paper <= self.pass_line", "within means not above"
        ),
    ),
}
