"""The command line: every verb, from the same functions the library has.

Exit codes: 0; 1 a run that failed (NaN, a missed reproduction); 2 a user's mistake, in one sentence; 130 Ctrl-C, 143
SIGTERM, 129 SIGHUP.
Nothing here imports torch before a verb needs it, so help is instant.
"""

import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import signature

from ptheta.hints import did_you_mean

__all__ = ["VERBS", "main"]

# Each verb: the module and function that do it, and one line of help. Its signature gives its options; a function of
# ``words`` alone is given the words themselves, because its options depend on them.
VERBS: dict[str, tuple[str, str]] = {
    "models": ("show:models", "the family tree of models, what each offers and where to read of it"),
    "data": ("show:data", "what a data set is: space, splits, a picture"),
    "figure": ("show:figure", "a figure of the theory, computed afresh"),
    "fit": ("train:fit", "train a model on data; Ctrl-C is safe, --resume goes on"),
    "sample": ("use:sample", "draw events from a run"),
    "score": ("use:score", "one likelihood per event, its kind and unit"),
    "evaluate": ("use:evaluate", "all scores that apply, with intervals"),
    "translate": ("translate:translate", "counterparts of events in another class, by a map"),
    "impute": ("impute:impute", "fill the blank cells of a table"),
    "classify": ("classify:classify", "the class of each event, by Bayes' rule"),
    "anomalies": ("anomalies:anomalies", "odd events, and which of their cells are odd"),
    "synthesize": ("synthesize:synthesize", "synthetic rows of a table, and what they are worth"),
    "compare": ("compare:compare", "which model for my data? one budget, one report"),
    "reproduce": ("reproduce:reproduce", "a row of a paper's table: their number, ours"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb.

    Args:
        argv: The words after ``ptheta``; those of the process if None.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())  # noqa: T201
        return 0
    if words[0] in ("--version", "-V"):
        from ptheta import __version__

        print(f"ptheta {__version__}")  # noqa: T201
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        return _say(f"there is no verb {verb!r}.{did_you_mean(verb, VERBS)} The verbs are {', '.join(VERBS)}.", 2)
    return guarded(lambda: _run(verb, rest))


TOGETHER = ("fit",)  # the verbs that several processes can do as one


def _run(verb: str, words: list[str]) -> int | None:
    from ptheta.cli.options import call
    from ptheta.signals import stopping

    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and verb not in TOGETHER:
        if os.environ.get("RANK", "0") != "0":
            raise SystemExit(2)  # the first process speaks for all
        raise ValueError(f"ptheta {verb} runs in one process: start it without torchrun.")
    module, name = VERBS[verb][0].split(":")
    function = getattr(import_module(f"ptheta.cli.{module}"), name)
    with warnings.catch_warnings(), stopping():
        warnings.showwarning = _note
        if list(signature(function).parameters) == ["words"]:
            return function(words)
        return call(function, words, f"ptheta {verb}")


def _note(message: Warning | str, *where: object) -> None:
    """A warning as a sentence, without the place in the code that it comes from."""
    _say(str(message), 0)


def guarded(work: Callable[[], int | None]) -> int:
    """Does the work, and turns what can go wrong into a sentence and an exit code.

    Args:
        work: Returns an exit code, or None for 0.

    Returns:
        The exit code.
    """
    try:
        return work() or 0
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        return _say(f"stopped{by}. What was saved is safe; the same command with --resume goes on.", 128 + number)
    except FloatingPointError as error:
        return _say(str(error), 1)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        if os.environ.get("PTHETA_DEBUG"):
            raise
        return _say(_sentence(error), 2)
    except Exception as error:
        if os.environ.get("PTHETA_DEBUG"):
            raise
        if isinstance(error, MemoryError) or re.search("(out of|not enough|allocate) memory", str(error)):
            return _say("there is not enough memory for this. Give smaller data, a smaller batch or model.", 1)
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return _say(f"this is a fault of ptheta, not yours ({what}). PTHETA_DEBUG=1 shows where; please report it.", 1)


def _sentence(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror.lower()}. Mend it, or choose another place."
    return str(error)


def _say(sentence: str, code: int) -> int:
    print(f"ptheta: {_plain(sentence)}", file=sys.stderr)  # noqa: T201
    return code


def _plain(sentence: str) -> str:
    """One line that a terminal shows and does not obey: names of files, and what is in them, may be anything."""
    line = " ".join(sentence.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _help() -> str:
    lines = [
        "usage: ptheta VERB ...",
        "",
        "p_theta(x): which generative model for my data, how good, and what with it?",
        "",
    ]
    lines += [f"  {verb:<10} {text}" for verb, (_, text) in VERBS.items()]
    lines += ["", "Start with:  ptheta compare digits --total 3", "Each verb has its own help: ptheta fit --help"]
    return "\n".join(lines)
