"""Faults in data sets, splits and readers."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "data/labels.py": (
        Fault("order[context[order] == k][:share]", "order[context == k][:share]", "labels of other events"),
        Fault("replace(data.without_context(), notes", "replace(data, notes", "all labels reach the model"),
        Fault("share = labels // classes", "share = labels", "as many of each class as were asked for of all"),
        Fault("generator=seeded_generator(seed)", "generator=seeded_generator(0)", "the seed names nothing"),
    ),
    "data/dataset.py": (
        Fault(
            "        for events in (self.train, self.valid, self.test):",
            "        for events in (self.train, self.valid):",
            "the fingerprint forgets the test split",
        ),
        Fault(
            "Events.join([self.train, self.valid, self.test]).in_order()",
            "Events.join([self.train, self.valid, self.test])",
            "a file read whole is shuffled",
        ),
        Fault("{self.context_space}{self.digest}", "{self.context_space}", "the fingerprint forgets the file"),
        Fault('"test": len(self.test)}', '"test": len(self.valid)}', "as many test events as validation events"),
        Fault("return events.x if self.view is None or", "return events.x if True or", "parts are shown for wholes"),
        Fault(
            "float(sum(sums)) / sum(counts)", "float(sum(sums)) / len(sums)", "the sum over events is called the mean"
        ),
        Fault("space.adopt(x, self.space), None", "x, None", "columns of other data by their place, not their name"),
    ),
    "data/events.py": (
        Fault(
            "Events(x[rows], None if context is None else context[rows], kept)",
            "Events(x[rows], context, kept)",
            "rows are cut without their contexts",
        ),
        Fault('Noise(seed).uniform((n,), "split"', 'Noise(0).uniform((n,), "split"', "every seed names the same split"),
        Fault("self[shuffled(len(self))[:n]]", "self[:n]", "some events are the first ones, often of one class"),
        Fault(
            "if (size := len(self) * self._event_bytes)",
            "if (size := len(self))",
            "a file is read whole, however large",
        ),
    ),
    "data/splits.py": (
        Fault("rows = [train, *(part[~more[part]] for part in held)]", "rows = [train, *held]", "extras are held out"),
        Fault("(low <= files) & (files < high)", "(low <= files) & (files <= high)", "a picture counts in two splits"),
        Fault(
            "return events[order[n_valid + n_test :]]",
            "return events[order[n_valid:]]",
            "test events leak into training",
        ),
        Fault(
            "events[order[:n_valid]], events[order[n_valid : n_valid + n_test]]",
            "events[order[:n_valid]], events[order[:n_test]]",
            "validation and test overlap",
        ),
        Fault(
            "events, order = events.numbered(), shuffled(n, seed)",
            "events, order = events.numbered(), torch.arange(n)",
            "the split is not shuffled",
        ),
        Fault(
            "held_out(n, valid), held_out(n, test)",
            "held_out(n, test), held_out(n, valid)",
            "the fractions of validation and test swapped",
        ),
        Fault("train = train[rest]", "train = train[:]", "events that were taken to choose on train all the same"),
        Fault("range(space.n)) - set(", "range(space.n)) & set(", "classes that do train are called unknown"),
    ),
    "data/stored.py": (
        Fault("block[rows - low]", "block[: len(rows)]", "rows that lie close together come in another order"),
        Fault(
            "self.offset + row * self.row_bytes + done", "row * self.row_bytes + done", "the header is read as numbers"
        ),
        Fault("in pieces_of(self):", "in [self.take(np.arange(1))]:", "the digest sees the first row only"),
    ),
    "data/decode.py": (
        Fault(
            'if "A" in mode or "a" in mode or "transparency" in image.info:',
            'if "A" in mode or "a" in mode:',
            "one transparent colour shows what it hides",
        ),
        Fault(">> (self.depth - 8)", ">> 8", "twelve bits keep their upper four"),
        Fault('or raw.startswith("LA")', "", "grey of 16 bits with alpha becomes colour"),
        Fault("pixels[deep == hidden] = 255", "pixels[deep == hidden] = 0", "what is transparent is put on black"),
    ),
    "data/folders.py": (
        Fault("key=lambda i: (parts[tops[i]], i)", "key=lambda i: i", "pictures of train and test change places"),
        Fault(
            "torch.tensor([labels[i] for i in found.kept])",
            "torch.tensor(labels[: len(found.kept)])",
            "labels shift behind a skipped picture",
        ),
    ),
    "data/decoded.py": (
        Fault(
            "_put(np.broadcast_to(piece, (len(piece), *shape)))",
            "_put(np.broadcast_to(piece[::-1], (len(piece), *shape)))",
            "grey pictures change places when one is in colour",
        ),
        Fault("extra += [is_extra] * len(pieces)", "extra += [False] * len(pieces)", "mirror images are held out too"),
        Fault(
            "before, self.n = self.array(), n",
            "before, self.n = self.array()[:0], n",
            "tiles are lost",
        ),
    ),
    "data/tiles.py": (
        Fault(
            "n = math.ceil((length - overlap) / (tile - overlap))",
            "n = (length - overlap) // (tile - overlap)",
            "the end of a picture is not covered",
        ),
        Fault(
            "total[:, top : top + h, left : left + w] += tile * weight",
            "total[:, top : top + h, left : left + w] += tile",
            "tiles are not weighted as their weights say",
        ),
        Fault("torch.minimum(torch.arange(n) + 1, n - torch.arange(n))", "torch.ones(n)", "seams show"),
        Fault("picture.round().to(tiles.dtype)", "picture.to(tiles.dtype)", "levels are rounded down"),
        Fault('.at("crops", number)', '.at("crops")', "all pictures are cut at the same places"),
        Fault("(*tiles, *extras)", "tiles", "crops have no mirror images"),
    ),
    "data/arrays.py": (
        Fault(
            "return order[torch.from_numpy(places.reshape(-1))]",
            "return torch.from_numpy(places.reshape(-1))",
            "labels are numbered by text, named by number",
        ),
        Fault("own = asked[mine] - start", "own = asked[mine]", "rows of a later array are those of the first"),
        Fault("x.transpose(0, 3, 1, 2)", "x.transpose(0, 3, 2, 1)", "colour pictures are transposed"),
        Fault("n = levels or (2 if facts.top <= 1 else 256)", "n = levels or 256", "bits are 256 levels"),
        Fault(
            "len(roles[s]) if s in roles else 0 for s in SPLITS]",
            "len(roles[s]) if s in roles else 0 for s in SPLITS[::-1]]",
            "train and test change places",
        ),
        Fault("if levels in (None, 2) and dtype", "if False and dtype", "white and black are 256 levels"),
        Fault("lambda x: turn(x) // 255", "lambda x: turn(x) // 256", "white is read as black"),
    ),
    "data/synthetic.py": (
        Fault(
            "- d * self.stds.log() - 0.5 * d *",
            "- self.stds.log() - 0.5 * d *",
            "the log-determinant of one dimension only",
        ),
        Fault(
            "constant - 0.5 * square / self.stds**2",
            "constant - 0.5 * square / self.stds",
            "divided by the deviation, not the variance",
        ),
        Fault("return -float(sum(terms))", "return float(sum(terms))", "the entropy's sign flipped"),
        Fault(
            "w * (mass @ self._log_prob(m + s * z))",
            "w * (mass @ self._log_prob(m + z))",
            "the quadrature ignores the deviation",
        ),
        Fault(
            "self.means[k] + self.stds[k, None] * z",
            "self.means[k] + self.stds[k, None] ** 2 * z",
            "samples with the variance for the deviation",
        ),
        Fault(
            "- (self.size + 1) * math.log(2)",
            "- self.size * math.log(2)",
            "the choice of bars or stripes is not counted",
        ),
        Fault("- 4 * p * math.log(2 * p)", "- 2 * p * math.log(2 * p)", "blank and full pictures counted half"),
        Fault(
            "torch.where(u[:, :1, None] < 0.5, lines, lines.mT)",
            "torch.where(u[:, :1, None] < 0.25, lines, lines.mT)",
            "bars come less often than stripes",
        ),
        Fault("(2 * math.pi / modes)", "(math.pi / modes)", "the ring is half a circle"),
        Fault("(side - 1) / 2) * spacing", "side / 2) * spacing", "the grid is not centred"),
        Fault("0.5 - angle.sin()", "angle.sin() - 0.5", "the lower moon is upside down"),
        Fault("w, m[:, None], v.sqrt()", "w, m[:, None], v", "variances taken for deviations"),
        Fault("noise=noise.at(split)", "noise=noise", "all splits hold the same events"),
        Fault("Real.standardising(train.x) if", "Real.standardising(test.x) if", "standardised on the test events"),
    ),
    "data/worlds/base.py": (
        Fault("(asked == OPEN)) & self.sure[:, None]", "(asked == OPEN))", "garbage counts as what was asked for"),
        Fault("- log(self.count)", "+ log(self.count)", "the probability of an event is above one"),
        Fault("event = self.possible(factors) & (", "event = (", "events that cannot occur have a probability"),
        Fault(
            "v.double() - v.double().mean(2, keepdim=True)",
            "v.double() - v.double().mean((1, 2), keepdim=True)",
            "a blank page is like any page of its colour",
        ),
        Fault("if not bool(self.possible(every).all()):", "if False:", "alternatives that cannot occur are averaged"),
    ),
    "data/worlds/drawing.py": (
        Fault("alpha=-2)", "alpha=-1)", "half the product of the squared error"),
        Fault("square[:, None] * change.square().sum(1)", "square[:, None]", "bright and dim inks cost the same"),
        Fault("(2 * np.abs(right) - down - radius)", "(np.abs(right) - down - radius)", "triangles are too wide"),
        Fault(
            "_coverage(distance + scale) if style",
            "_coverage(distance + 1) if style",
            "outlines of large pictures thin",
        ),
        Fault("down, right = -right, down", "down, right = right, -down", "a quarter turn against the clock"),
    ),
    "data/worlds/shapes.py": (
        Fault("(shape + colour + place) % 4 == 0", "(shape + colour) % 4 == 0", "pairs of shape and colour never seen"),
        Fault(
            "asked[:, [COLOUR, STYLE, SHADE]] = OPEN", "asked[:, [STYLE, SHADE]] = OPEN", "a sketch asks for a colour"
        ),
        Fault("factors = self.known(x)", "factors = self.read(x).factors", "the counterpart of garbage is made up"),
        Fault("cover.square().sum(2)", "cover.sum(2)", "the ink of edges is weighted as if they were whole"),
    ),
    "data/worlds/captions.py": (
        Fault(
            "ROWS, COLUMNS = ((0, 1), (2, 3)), ((0, 2), (1, 3))",
            "COLUMNS, ROWS = ((0, 1), (2, 3)), ((0, 2), (1, 3))",
            "left is taken for top",
        ),
        Fault(
            '_each("colour", "빨간 파란 초록 노란")',
            '_each("colour", "빨간 초록 파란 노란")',
            "blue is green in Korean",
        ),
        Fault("allowed.sum(2) == 1", "allowed.sum(2) >= 1", "a word for two values asks for the first"),
    ),
    "data/worlds/coins.py": (
        Fault("max(0, t - LINE + 1)", "max(0, t - LINE)", "the ends part a frame too late"),
        Fault("if frames <= LINE:", "if frames < LINE:", "the last frame of the line tells the coin"),
        Fault("distance / apart", "distance", "distances in levels"),
        Fault("pick(u[:, i], len(factor.values))", "pick(u[:, 0], len(factor.values))", "the start decides the coin"),
    ),
    "data/worlds/balls.py": (
        Fault("(distance < 2 * RADIUS) & (change < 0)", "(distance < 2 * RADIUS)", "balls that part are turned back"),
        Fault("v[:, j] += change", "v[:, j] -= change", "a collision makes energy"),
        Fault("_advance(x, v, 1 / STEPS)", "_advance(x, v, 1)", "balls roll twice as far in a frame"),
        Fault("0.5 * z / np.sqrt(square)[:, None, None]", "0.5 * z", "balls of any speed"),
        Fault(".sum((2, 3)).mean())", ".mean())", "an error per pixel called one per frame"),
    ),
    "data/worlds/stacked.py": (
        Fault(
            "torch.tensor([NUMERALS**2, NUMERALS, 1]", "torch.tensor([1, NUMERALS, NUMERALS**2]", "classes backwards"
        ),
        Fault(
            '("valid", whole.valid, n // 5), ("test", whole.test, n // 5)',
            '("valid", whole.valid, n // 5), ("test", whole.train, n // 5)',
            "test pictures made of training digits",
        ),
    ),
    "data/tabular.py": (
        Fault("Events(rest[order[n_valid:]])", "Events(rest[order])", "validation events leak into training"),
        Fault("parts.pop(fold - 1)", "parts[fold - 1]", "the test fold leaks into training"),
    ),
    "data/pictures.py": (
        Fault("(x >= 8).to(torch.uint8)", "(x > 8).to(torch.uint8)", "the threshold of ink is off by one"),
        Fault("Events(x[:-10_000], labels[:-10_000])", "Events(x, labels)", "validation images leak into training"),
    ),
}
