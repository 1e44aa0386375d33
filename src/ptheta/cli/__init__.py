"""The command line: every verb, from the same functions the library has.

Exit codes: 0; 1 a run that failed (NaN, a missed reproduction); 2 a user's mistake, in one sentence; 130 Ctrl-C.
Nothing here imports torch before a verb needs it, so help is instant.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from ptheta.hints import did_you_mean

__all__ = ["VERBS", "main"]

# Each verb: the module and function that do it, and one line of help.
VERBS: dict[str, tuple[str, str]] = {
    "models": ("show:models", "the family tree of models, what each offers and where to read of it"),
    "data": ("show:data", "what a data set is: space, splits, a picture"),
    "figure": ("show:figure", "a figure of the theory, computed afresh"),
    "fit": ("train:fit", "train a model on data; Ctrl-C is safe, --resume goes on"),
    "sample": ("use:sample", "draw events from a run"),
    "score": ("use:score", "one likelihood per event, its kind and unit"),
    "evaluate": ("use:evaluate", "all scores that apply, with intervals"),
    "compare": ("compete:compare", "which model for my data? equal budgets, one report"),
    "reproduce": ("compete:reproduce", "a row of a paper's table: their number, ours"),
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
    module, function = VERBS[verb][0].split(":")
    return guarded(lambda: getattr(import_module(f"ptheta.cli.{module}"), function)(rest))


def guarded(work: Callable[[], int | None]) -> int:
    """Does the work, and turns what can go wrong into a sentence and an exit code.

    Args:
        work: Returns an exit code, or None for 0.

    Returns:
        The exit code.
    """
    try:
        return work() or 0
    except KeyboardInterrupt:
        return _say("stopped. What was saved is safe; the same command with --resume goes on.", 130)
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
    plain = sentence.encode(errors="backslashreplace").decode()  # names of files may be no text
    print(f"ptheta: {plain}", file=sys.stderr)  # noqa: T201
    return code


def _help() -> str:
    lines = [
        "usage: ptheta VERB ...",
        "",
        "p_theta(x): which generative model for my data, how good, and what with it?",
        "",
    ]
    lines += [f"  {verb:<10} {text}" for verb, (_, text) in VERBS.items()]
    lines += ["", "Start with:  ptheta compare digits --minutes 0.5", "Each verb has its own help: ptheta fit --help"]
    return "\n".join(lines)
