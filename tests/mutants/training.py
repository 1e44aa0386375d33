"""Faults in training."""

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
        Fault("min(warmup, WARMED * likely)", "warmup", "the clock ends a run before its rate has risen"),
        Fault(
            'self.valid = self.valid[: record["validation_events"]]',
            "pass",
            "scores before and after a resume do not compare",
        ),
        Fault('self.clock.seconds += record["seconds"]', "pass", "a resumed run forgets its seconds"),
        Fault("if not np.isfinite(value):", "if False:", "NaN trains on"),
        Fault(
            "data.valid.some(options.validation_events)",
            "data.test.some(options.validation_events)",
            "test events choose the weights",
        ),
        Fault('elif record["finished"]:', "elif False:", "a run that patience ended cannot be made longer"),
        Fault(
            "raise KeyboardInterrupt(*interrupted[:1])", "raise KeyboardInterrupt", "which signal it was is forgotten"
        ),
        Fault("if self.step == 0 and not self.model.step:", "if self.step == 0:", "a fitted model begins again"),
        Fault('"events": self.step * self.batch_size}', '"events": self.step}', "steps are called events"),
        Fault(
            "self.pace.saving_seconds = self.pace.now() - started", "pass", "the last checkpoint is outside the minutes"
        ),
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
        Fault(
            'pointer.replace(folder / "current")',
            '(folder / "current").write_text(pointer.read_text())',
            "a kill leaves half a pointer",
        ),
        Fault(
            "            name = _free_name(folder, checkpoint.step)",
            '            name = f"{checkpoint.step:012d}"',
            "a step that was saved and not made current",
        ),
        Fault("    _prune(folder, name)", "    pass", "every checkpoint stays"),
        Fault(
            "return (names[-1], None) if names else None",
            "return (names[0], None) if names else None",
            "without a pointer the oldest is opened",
        ),
        Fault("if not (whole and named and counted):", "if False:", "a record that was changed is read"),
    ),
    "training/options.py": (
        Fault("if len(lengths) > 1:", "if False:", "two lengths at once"),
        Fault("not 0 < value < math.inf:", "not 0 <= value < math.inf:", "no steps at all"),
        Fault(
            '(now := getattr(options, name)) not in (was, "auto")',
            "(now := getattr(options, name)) != now",
            "a run goes on by other options",
        ),
        Fault("if asked < done or", "if", "a run is made shorter than it is"),
        Fault(
            'return {"minutes": self.minutes, "budget": self.budget}',
            'return {"minutes": self.minutes, "budget": "wall"}',
            "minutes are the wall's always",
        ),
        Fault("DEFAULT_EPOCHS if self.epochs is None else self.epochs", "DEFAULT_EPOCHS", "epochs do nothing"),
        Fault("if f.name not in PASSING}", "if f.name in PASSING}", "what a run keeps and what may change exchanged"),
    ),
}
