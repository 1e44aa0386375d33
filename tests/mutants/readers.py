"""Faults in readers of the user's files: cells, columns, texts, pairs, films, holes, and what is said of them."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "data/cells.py": (
        Fault(
            "(score := (round(alike, 2), width)) > most",
            "(score := (width, round(alike, 2))) > most",
            "the wrong delimiter",
        ),
        Fault(
            'for mark, name in marks.items() if raw.startswith(mark)), "utf-8")',
            'for mark, name in marks.items() if raw.startswith(mark)), "latin-1")',
            "bytes that are no text are read",
        ),
        Fault(
            'r"^([+-]?\\d+),(\\d+([eE][+-]?\\d+)?)$"', 'r"^([+-]?\\d+),(\\d)$"', "most decimals with a comma stay texts"
        ),
        Fault(
            "names, columns, numbers = [c[0] for c in columns], [c[1:] for c in columns], numbers[1:]",
            "names, columns, numbers = [c[0] for c in columns], [c[1:] for c in columns], numbers",
            "faults are named by the line before",
        ),
        Fault("return any(first)", "return False", "no table has a header"),
        Fault(
            "list(range(1, len(counts) + 1))", "list(range(len(counts)))", "lines of large tables are counted from 0"
        ),
        Fault("lines.append(reader.line_num)", "lines.append(len(rows))", "blank lines are not counted"),
        Fault('t.removesuffix(" 00:00:00")', "t", "days of pandas have a time of day"),
        Fault("while fresh in found:", "while False:", "two columns of one name"),
        Fault("if len(found) > most or not unpacker.eof:", "if False:", "a packed file cut short is read"),
        Fault("len(row) != len(rows[0]):", "len(row) > len(rows[0]):", "short lines pass"),
    ),
    "data/columns.py": (
        Fault(
            "names = sorted(counts, key=lambda t: (t.lower() not in FALSE, t))",
            "names = sorted(counts, key=lambda t: (t.lower() in FALSE, t))",
            "yes is 0",
        ),
        Fault(
            'is_number = texts.str.contains(NUMBER) & ~texts.str.contains(r"^[+-]?0\\d")',
            "is_number = texts.str.contains(NUMBER)",
            "codes with leading zeros are numbers",
        ),
        Fault(
            "(1_000_000 if timed else 86_400_000_000)",
            "(1_000 if timed else 86_400_000_000)",
            "microseconds off by a thousand",
        ),
        Fault("np.rint(values * 10**digits)", "np.rint(values)", "steps of the last decimal are lost"),
        Fault(
            "again = 1 - _once(values) / n", "again = _once(values) / n", "values that come once are said to come again"
        ),
        Fault(
            "word in ROW_NAMES and bool((np.diff(values) > 0).all())",
            "word in ROW_NAMES and False",
            "row numbers with gaps are modelled",
        ),
        Fault("(lambda t: (float(t), t)) if numbers else None", "None", "10 stands before 9"),
        Fault("if top - low < RANGE:", "if top - low < 0:", "short ranges have no level of their own"),
        Fault('elif word is not None and word not in ("", "NA"):', "elif False:", "what is read as blank is not said"),
        Fault('set(like.names) | {like.blank or ""}', "set(like.names)", "the model's own word for a blank is a name"),
        Fault("least = 0 if float(cells.min()) >= 0 else None", "least = 0", "negative whole numbers are cut"),
        Fault(
            "len(distinct) > MOST_NAMES or len(distinct) > n / 2",
            "len(distinct) > MOST_NAMES",
            "identifiers are categories",
        ),
        Fault(
            "whole[torch.from_numpy((~blank).to_numpy().copy())] = found.cells",
            "whole[: len(found.cells)] = found.cells",
            "cells shift behind a blank",
        ),
    ),
    "data/loading.py": (
        Fault("return data if classes else data.without_context()", "return data", "classes=false does nothing"),
        Fault("and data.fingerprint != entry.fingerprint", "and False", "files that are not the original ones"),
        Fault("if option not in known:", "if False:", "a misspelt option is the maker's traceback"),
        Fault("(type(value) is int and float in kinds)", "False", "a whole number for a number is refused"),
        Fault('maker = FILMS if "film" in options else FOLDER', "maker = FOLDER", "films are pictures"),
        Fault(
            "found[name] = {**found[name], column: value}",
            "found[name] = {column: value}",
            "only the last column has a type",
        ),
    ),
    "data/text.py": (
        Fault(
            "sizes = (chunks - n_test - n_valid, n_valid, n_test)",
            "sizes = (chunks - n_test - n_valid, n_test, n_valid)",
            "the fractions of validation and test swapped",
        ),
        Fault(
            "len(p) // sequence_length * sequence_length", "len(p) // sequence_length", "most of each part is dropped"
        ),
        Fault("= tokens + 1", "= tokens", "padding and the first letter are one"),
        Fault("return words and len(", "return len(", "prose is read as a list"),
        Fault('raw.decode("utf-8-sig")', 'raw.decode("utf-8")', "a mark of the encoding is a letter"),
        Fault(
            "rows=torch.tensor([k for k, _ in numbered])",
            "rows=torch.arange(len(numbered))",
            "blank lines are not counted",
        ),
        Fault(
            "[rows] for rows in torch.arange(chunks).split(sizes))",
            "[rows] for rows in torch.arange(chunks).flip(0).split(sizes))",
            "the beginning tests",
        ),
    ),
    "data/pairs.py": (
        Fault("modelled = names[1 - names.index(given)]", "modelled = given", "a picture is given itself"),
        Fault(
            "c.events[torch.tensor([k for i in both for k in others[i]])].x",
            "c.events[torch.arange(len(rows))].x",
            "counterparts shift behind a skipped picture",
        ),
        Fault("[texts[i] for i in found.kept]", "texts[: len(found.kept)]", "captions shift behind a skipped picture"),
        Fault("part.strip(PUNCTUATION).casefold()", "part.strip(PUNCTUATION)", "Red and red are two words"),
        Fault(
            "return Events(x[rows_of_places], context, rows_of_places)",
            "return Events(x[rows_of_places], context)",
            "captioned pictures forget their files",
        ),
        Fault(
            "alone = sorted(found[given].keys() ^ found[modelled].keys())",
            "alone = sorted(found[modelled].keys() - found[given].keys())",
            "what is given without a counterpart passes",
        ),
    ),
    "data/films.py": (
        Fault(
            '(int(part), "") if part.isdecimal() else',
            "(-1, part) if part.isdecimal() else",
            "frame10 stands before frame9",
        ),
        Fault("lengths[k] - film + 1, step)", "lengths[k], step)", "clips run on into the next film"),
        Fault("low, high - film + 1, step)", "low, high, step)", "clips of two parts overlap"),
        Fault("[(file, k) for k in range(count)]", "[(file, 0) for k in range(count)]", "a film stands still"),
        Fault(
            "[begin + length - n_valid - n_test, begin + length - n_test",
            "[begin + length - n_valid - n_test, begin + length - n_valid",
            "valid and test take one another's frames",
        ),
        Fault("step or film, valid, test", "film, valid, test", "step does nothing"),
    ),
    "data/views.py": (
        Fault("LUMINANCE = (0.299, 0.587, 0.114)", "LUMINANCE = (0.114, 0.587, 0.299)", "blue is as bright as red"),
        Fault("mean = mean * min(255, self.factor**2)", "mean = mean", "bits of a block are not counted"),
        Fault(
            "return torch.cat([context, x] if self._early else [x, context], self._axis)",
            "return torch.cat([context, x], self._axis)",
            "halves joined in the wrong order",
        ),
        Fault(
            '{"top": 2, "bottom": 2, "left": 3, "right": 3}',
            '{"top": 3, "bottom": 3, "left": 2, "right": 2}',
            "left is taken for top",
        ),
    ),
    "data/holes.py": (
        Fault("given[:, :, rows, columns] = 0", "pass", "the box is given"),
        Fault(
            "whole[:, :, self._rows(context.shape[2]), self._columns(context.shape[3])] = x",
            "pass",
            "the box stays empty",
        ),
        Fault("torch.cat([x * known, (known * top)", "torch.cat([x, (known * top)", "unknown pixels are given"),
        Fault("< self.share * 2.0**64", "> self.share * 2.0**64", "the other share is given"),
        Fault(
            "slice((n - self.width) // 2, (n - self.width) // 2 + self.width)",
            "slice(0, self.width)",
            "the box lies at the edge",
        ),
    ),
    "data/cautions.py": (
        Fault(
            "shared = [], sum(row in seen for row in test)",
            "shared = [], sum(row in seen for row in train)",
            "training events that occur in train",
        ),
        Fault("if len(data.valid) < FEW_EVENTS:", "if False:", "few validation events are not told"),
        Fault("counts.max() >= SPIKE * counts.sum()", "False", "spikes among many values are not seen"),
    ),
    "data/unpack.py": (
        Fault("if not stat.S_ISREG(found.st_mode):", "if False:", "a pipe is waited for"),
        Fault("if found.st_size > most:", "if False:", "a file larger than memory is read"),
        Fault("np.load(file, allow_pickle=False)", "np.load(file, allow_pickle=True)", "objects in a file run code"),
        Fault("            if size > most:", "            if False:", "a bomb is unpacked"),
    ),
    "data/store.py": (
        Fault("if digest.hexdigest() != file.sha256:", "if False:", "a download that is another file is kept"),
        Fault(
            "([Path(folder).expanduser()] if folder else []) + [cache_folder()]",
            "[cache_folder()] + ([Path(folder).expanduser()] if folder else [])",
            "the cache before the user's folder",
        ),
        Fault("        part.unlink(missing_ok=True)", "        pass", "what was cut short stays in the cache"),
    ),
    "data/checks.py": (
        Fault("int(first[0]) + row", "int(first[0])", "the place of a fault is that in its piece"),
        Fault(
            "self.first_bad = row + self.rows, column",
            "self.first_bad = row, column",
            "the place of NaN is that in its piece",
        ),
        Fault(
            "found.extremes_only = found.extremes_only and bool(",
            "found.extremes_only = bool(",
            "only the last piece says whether all are bits",
        ),
    ),
    "data/tables.py": (
        Fault(
            "((values == 0) | (values == 1)).all()",
            "((values == 0) | (values == 1)).any()",
            "any zero makes a table of bits",
        ),
        Fault(
            "Real.standardising(splits[0].x, space.columns)",
            "Real.standardising(splits[2].x, space.columns)",
            "standardised on the test events",
        ),
        Fault("return int(which) - 1", "return int(which) - 2", "the label is the column before the one named"),
        Fault(
            "cells.names.index(f.name), f) for f in fields]",
            "k, f) for k, f in enumerate(fields)]",
            "columns of new rows by their place, not their name",
        ),
        Fault("space = space.standardising(splits[0].x)", "space = space", "columns of a table are not standardised"),
        Fault("if k == labelled:", "if False:", "the label is modelled too"),
        Fault(
            "read_column(cells, cells.names.index(f.name), f)",
            "read_column(cells, cells.names.index(f.name), fields[0])",
            "all columns are read as the first",
        ),
    ),
}
