"""Faults in adversarial models."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "adversarial/aae.py": (
        Fault("F.softplus(-run(critic, drawn", "F.softplus(run(critic, drawn", "draws of the prior are called fakes"),
        Fault("F.softplus(run(critic, code", "F.softplus(-run(critic, code", "codes of events are called draws"),
        Fault(
            "self.adversary * F.softplus(-torch.stack(told))",
            "self.adversary * F.softplus(torch.stack(told))",
            "the encoder helps",
        ),
        Fault("self.adversary * F.softplus", "F.softplus", "the adversary has no weight"),
        Fault("(y - back).square().flatten(1).sum(1)", "(y - back).square().flatten(1).mean(1)", "a mean error"),
        Fault("(u * self.categories).long()", "(u * u * self.categories).long()", "some categories are likelier"),
        Fault("if not self.training or not self.corruption:", "if not self.corruption:", "corrupted codes"),
        Fault("self.labelled.copy_(kept.x)", "pass", "labels of no events"),
        Fault("(self.category_critic, self.critic)", "(None, self.critic)", "no adversary of categories"),
        Fault("y + self.corruption * noise", "y + noise", "corruption has no size"),
    ),
    "adversarial/games.py": (
        Fault(
            "return -divergence.penalty(v)",
            "return -divergence.activation(v)",
            "the minimax cost is the non-saturating one",
        ),
        Fault(
            "return -divergence.activation(v)",
            "return divergence.activation(v)",
            "the generator helps the discriminator",
        ),
        Fault(
            "return -divergence.ratio(v)",
            "return divergence.ratio(v)",
            "the maximum-likelihood cost with the wrong sign",
        ),
        Fault(
            "self.divergence.penalty(fake) - self.divergence.activation(data)",
            "self.divergence.activation(data) - self.divergence.penalty(fake)",
            "the discriminator descends its bound",
        ),
        Fault(
            "self.divergence.penalty(fake) - self.divergence.activation(data)",
            "self.divergence.penalty(data) - self.divergence.activation(fake)",
            "data and fakes swapped",
        ),
        Fault("return fake - data", "return data - fake", "the Wasserstein critic descends the distance"),
        Fault(
            "F.relu(1 - data) + F.relu(1 + fake)", "F.relu(1 - data) + F.relu(1 - fake)", "the hinge's sign on fakes"
        ),
        Fault("F.relu(1 - data) + F.relu(1 + fake)", "F.relu(data) + F.relu(1 + fake)", "the hinge without its margin"),
        Fault("F.softplus(fake - data)", "F.softplus(data - fake)", "the relativistic critic helps the generator"),
        Fault("F.softplus(data - fake)", "F.softplus(fake - data)", "the relativistic generator helps the critic"),
        Fault("F.softplus(data - fake)", "F.softplus(data.mean() - fake)", "fakes meet the mean of data, not a pair"),
    ),
    "adversarial/penalties.py": (
        Fault("self.weight / 2 * (paid", "self.weight * (paid", "the penalty without its half"),
        Fault(
            "_slopes(side).square().sum(1)", "_slopes(side).square().mean(1)", "the penalty is a mean over variables"
        ),
        Fault("((data, self.data), (fake, self.fakes))", "((data, self.data), (data, self.fakes))", "R2 at the data"),
        Fault("side.seen, create_graph=True)", "side.seen, retain_graph=True)", "the penalty has no gradient"),
        Fault("(norm - 1).square()", "norm.square()", "slopes are pulled to zero"),
        Fault(
            "_slopes(Side(between, score(between))), dim=1)",
            "_slopes(Side(between, score(between))))",
            "one norm for the batch",
        ),
        Fault(
            'share = noise.uniform((len(data.seen),), "between", like=data.seen)',
            'share = noise.uniform((len(data.seen),), "between", like=data.seen) * 0',
            "slopes are taken at data only",
        ),
    ),
    "adversarial/push_forward.py": (
        Fault("return y.tanh() if self.space.is_discrete else y", "return y", "generated levels are unbounded"),
        Fault(
            "repeat(None) if context is None else context.split(CHUNK)",
            "repeat(None) if context is None else repeat(context[:CHUNK])",
            "every chunk repeats the contexts of the first",
        ),
        Fault("self.generator.eval()", "self.generator.train()", "samples depend on the rest of their batch"),
        Fault("self.generator.train(mode)", "self.generator.train()", "sampling leaves the generator in training mode"),
    ),
    "adversarial/infogan.py": (
        Fault(
            "2 * noise.uniform((n, self.numbers)", "2 * noise.normal((n, self.numbers)", "normal codes for uniform ones"
        ),
        Fault(
            "learning(self.trunk, self.critic_head, self.code_head)",
            "learning(self.trunk, self.critic_head)",
            "the code's head never learns",
        ),
        Fault(
            "loss = loss - self.information_weight * self._log_code(on_fake, latents)",
            "loss = loss + self.information_weight * self._log_code(on_fake, latents)",
            "the critic hides the code",
        ),
        Fault(
            "return loss - self.information_weight * self._log_code(features, latents)",
            "return loss",
            "the generator ignores its code",
        ),
        Fault("+ math.log(self.categories)", "+ math.log(self.categories + self.numbers)", "another entropy"),
        Fault(
            "self._log_code(on_fake, latents)",
            "self._log_code(on_fake.detach(), latents)",
            "the information never reaches the shared features",
        ),
        Fault(
            "torch.eye(steps).to(latents).repeat(n, 1)",
            "torch.eye(steps).to(latents).repeat_interleave(n, 0)",
            "categories in another order than events",
        ),
        Fault("/ math.sqrt(n)", "/ n", "the error of the bound shrinks too fast"),
    ),
    "adversarial/semi_supervised.py": (
        Fault("F.softplus(-on_data.logsumexp(1))", "F.softplus(on_data.logsumexp(1))", "events are called fakes"),
        Fault("F.softplus(on_fake.logsumexp(1))", "F.softplus(-on_fake.logsumexp(1))", "fakes are called events"),
        Fault("F.softplus(-on_data.logsumexp(1))", "F.softplus(-on_data.amax(1))", "realness is the largest logit"),
        Fault("return UNLABELLED * loss", "return loss", "what has no label counts twice"),
        Fault(
            "self.trunk.begin(y + self.corruption * torch.randn_like(y))",
            "pass",
            "lengths are not those of the first events",
        ),
        Fault("(fake.mean(0) - real.mean(0)).square()", "(fake - real).square()", "features are matched in pairs"),
        Fault(
            "F.cross_entropy(each, self.known)",
            "F.cross_entropy(each, self.known, reduction='sum')",
            "labels weigh a hundredfold",
        ),
        Fault("if self.training and self.corruption:", "if self.corruption:", "scores are corrupted after training"),
    ),
    "adversarial/fidelity.py": (
        Fault("(x - fake).abs()", "(x - fake).abs().sqrt()", "the absolute difference under a root"),
        Fault("return (x - fake).square().flatten(1)", "return (x - fake).abs().flatten(1)", "squares are not squared"),
        Fault(
            "(self.network(x) - self.network(fake))",
            "(self.network(x) - self.network(fake).detach())",
            "features of fakes have no gradient",
        ),
    ),
    "adversarial/conditional.py": (
        Fault("away.amin(0)", "away[0]", "fidelity is asked of one draw"),
        Fault("away.amin(0)", "away.mean(0)", "fidelity is asked of every draw"),
        Fault('(noise.at("draw", k)', "(noise", "all draws for a context are the same one"),
        Fault(
            "self.adversarial_weight * self.game.maker(on_data, on_fake)",
            "self.adversarial_weight * self.game.critic(on_fake, on_fake)",
            "the generator plays the critic's part",
        ),
        Fault(
            "None if discriminator is None else deepcopy(reader)",
            "None if discriminator is None else reader",
            "both players move one reader",
        ),
        Fault(
            "learning(self.generator, self.reader), optimizer=maker",
            "learning(self.generator), optimizer=maker",
            "the generator's reader never learns",
        ),
        Fault(
            "self.game.critic(on_data, on_fake).mean(1)", "self.game.critic(on_fake, on_data).mean(1)", "sides swapped"
        ),
        Fault(
            'data = self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")',
            "data = self.space.embed(x, self.like.dtype)",
            "only fakes are jittered",
        ),
    ),
    "adversarial/progressive.py": (
        Fault("fading = within / self.growth if phase % 2 else 0.0", "fading = 0.0", "a doubling appears at once"),
        Fault("phase // 2 + fading", "(phase + 1) // 2 + fading", "a fade is over before it begins"),
        Fault("if share == 1 else torch.lerp(_coarse(fine, 2 * side), fine, share)", "", "data are sharper than fakes"),
        Fault(
            "lerp(_coarse(fine, 2 * side), fine, share)", "lerp(fine, _coarse(fine, 2 * side), share)", "data fade out"
        ),
        Fault("return min(float(self.doublings), ", "return max(0.0, ", "it grows beyond its size"),
        Fault("z.new_full((n, 1), self.grown)", "z.new_full((n, 1), self.doublings)", "the generator is always grown"),
        Fault("y.new_full((1,), self.grown)", "y.new_full((1,), self.doublings)", "the critic is always grown"),
    ),
    "adversarial/text_to_image.py": (
        Fault("masked_fill(alike & ~own, -torch.inf)", "masked_fill(own & ~own, 0.0)", "a text is wrong beside itself"),
        Fault("table.log_softmax(1) + table.log_softmax(0)", "table.log_softmax(1) * 2", "one text, whose event it is"),
        Fault(
            "loss = loss + self._mismatch(on_data, text)",
            "loss = loss - self._mismatch(on_data, text)",
            "the critic forgets texts",
        ),
        Fault(
            "loss = loss + self.matching * self._mismatch(features, text)",
            "loss = loss + 0 * self._mismatch(features, text)",
            "the generator ignores its text",
        ),
        Fault(
            "loss + self.diversity / (apart + LEAST)",
            "loss + self.diversity * apart",
            "fakes of a text are pulled together",
        ),
        Fault(
            "difference(made, self.push(other, said)) / difference(z, other)",
            "difference(made, self.push(other, said))",
            "fakes apart, however far their latents are",
        ),
        Fault('noise.at("another draw")', "noise", "both draws are one"),
        Fault("self._mismatch(on_data, text)", "self._mismatch(on_data.detach(), text)", "features learn no text"),
        Fault("= deepcopy(reader)", "= reader", "both players move one reader of texts"),
        Fault("F.normalize(told, dim=1).T", "told.T", "long texts are likelier"),
        Fault("), self.sharpness)", "))", "the sharpness never learns"),
    ),
    "adversarial/translation.py": (
        Fault("(x - y).abs().flatten(1).mean(1)", "(x - y).abs().flatten(1).sum(1)", "a sum over variables"),
        Fault("        self.eval()", "        self.train()", "translating is done in training mode"),
        Fault(
            "            self.train(mode)", "            self.train()", "translating leaves the map in training mode"
        ),
        Fault("if target is None:", "if False:", "a map without a target goes anywhere"),
    ),
    "adversarial/cyclegan.py": (
        Fault(
            "difference(self._map(a, drowned[rows]), y[rows])",
            "difference(self._map(a, fakes[rows]), y[rows])",
            "no noise",
        ),
        Fault(
            "difference(self._map(a, drowned[rows]), y[rows])",
            "difference(self._map(1 - a, drowned[rows]), y[rows])",
            "the way back goes on",
        ),
        Fault(
            "difference(self._map(a, y[rows]), y[rows])",
            "difference(self._map(1 - a, y[rows]), y[rows])",
            "identity is asked of the other map",
        ),
        Fault(
            "self._places(1 - a, seen[rows], borrowed=True)",
            "self._places(a, seen[rows], borrowed=True)",
            "another critic",
        ),
        Fault(
            'uniform((len(places),), "swapped", like=fakes) < 0.5',
            'uniform((len(places),), "swapped", like=fakes) < 2',
            "all old",
        ),
        Fault("if not self.training or not self.kept:", "if not self.kept:", "scores change the history"),
        Fault(
            "self.history[k, places] = fakes[rows]", "self.history[1 - k, places] = fakes[rows]", "histories are mixed"
        ),
        Fault("self.held[k] += room", "self.held[k] += n", "the history is thought full"),
    ),
    "adversarial/stargan.py": (
        Fault("self._places(fake, context, target))", "self._places(fake, target, context))", "fakes keep their class"),
        Fault("self._places(fake, context, target))", "self._places(fake, target, target))", "fakes lose their source"),
        Fault("on_data = self._places(data, target, context)", "on_data = self._places(data, context, target)", "lost"),
        Fault(
            '"jitter of fakes"), context, target, borrowed=True)',
            '"jitter of fakes"), context, context, borrowed=True)',
            "own class",
        ),
        Fault("source * self.classes + target", "target * self.classes + source", "pairs are turned round"),
        Fault(
            "difference(self._map(made, context), y)", "difference(self._map(made, target), y)", "the way back goes on"
        ),
        Fault("difference(self._map(y, context), y)", "difference(self._map(y, target), y)", "no event may change"),
    ),
    "adversarial/puzzle.py": (
        Fault("(cells == wanted).all(3).any(2)", "(cells == wanted).any(3).any(2)", "one equal pixel covers a cell"),
        Fault("(cells == wanted).all(3).any(2)", "(cells == wanted).all(3).all(2)", "a cell must equal all patches"),
        Fault("mask.flatten(1).sum(1).clamp(min=1)", "mask[0].numel()", "looks are a mean over all pixels"),
        Fault(".abs().mean(1) * mask)", ".abs().mean(1))", "looks are asked for everywhere"),
        Fault("self.spatial * misplaced", "self.appearance * misplaced", "one weight for both"),
        Fault("image = image.tanh() if self.space.is_discrete", "image = image if self.space.is_discrete", "unbounded"),
    ),
    "adversarial/gan.py": (
        Fault(
            "makers, self.discriminator_steps, maker",
            "makers, 1, maker",
            "the generator learns at every step",
        ),
        Fault(
            "makers = learning(self.generator, self.reader)",
            "makers = learning(self)",
            "the generator moves the discriminator too",
        ),
        Fault(
            "self.discriminator_loss, critics, optimizer=critic",
            "self.discriminator_loss, critics, optimizer=maker",
            "the discriminator takes the generator's optimiser",
        ),
        Fault("= deepcopy(reader)", "= reader", "both players move one reader"),
        Fault(
            "learning(self.discriminator, self.discriminator_reader)",
            "learning(self.discriminator)",
            "its reader never learns",
        ),
        Fault('noise, "jitter of data")', 'noise, "jitter of fakes")', "data and fakes share their jitter"),
        Fault(
            'self.seen(self.space.embed(x, self.like.dtype), noise, "jitter of data")',
            "self.space.embed(x, self.like.dtype)",
            "only fakes are jittered",
        ),
        Fault(
            "if self.packing == 1 else loss.repeat_interleave(self.packing)[:n]",
            "if self.packing == 1 else loss.repeat(self.packing)[:n]",
            "the losses of packs are dealt to other events",
        ),
        Fault("% max(1, len(y))", "// packing", "a pack is one event, again and again"),
        Fault("wrong = context.roll(1, 0)", "wrong = context", "the critic is never shown a wrong context"),
        Fault(
            "(loss + self._mismatched(data, on_data, on_fake, context)) / 2",
            "loss + self._mismatched(data, on_data, on_fake, context)",
            "wrong pairs weigh as much as fakes and data together",
        ),
        Fault("any(1), on_fake, on_wrong)", "any(1), on_wrong, on_fake)", "right contexts are called wrong"),
    ),
}
