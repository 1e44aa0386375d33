"""Commands to type next, as a shell takes them: quoted, and with the data and the options of the data as given."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptheta.applications.comparison import Comparison

__all__ = ["command", "data_words", "next_commands", "source_word"]


def command(*words: object) -> str:
    """Writes one command.

    Args:
        *words: The verb and what follows it.

    Returns:
        The command, quoted where a shell needs it.
    """
    return shlex.join(["ptheta", *map(str, words)])


def source_word(source: str) -> str:
    """The name or the path of data, which is no option even where it begins with a dash."""
    return f"./{source}" if source.startswith("-") else source


def data_words(options: Mapping[str, Any]) -> list[str]:
    """The words that repeat the options of ``load``.

    Args:
        options: What ``load`` was called with besides the name or path.

    Returns:
        --size, --given and --data-options, where there are any; the latter take all words that follow them.
    """
    own = [word for name in ("size", "given") if name in options for word in (f"--{name}", str(options[name]))]
    pairs = [f"{name}={_written(value)}" for name, value in options.items() if name not in ("size", "given")]
    return [*own, *(["--data-options", *pairs] if pairs else [])]


def next_commands(result: Comparison) -> list[str]:
    """What to type after a comparison: look at the best model's samples and scores, give a trained one more time.

    Args:
        result: A comparison.

    Returns:
        Commands, each of which runs.
    """
    ranked = result.by_likelihood() or result.by_samples() or result.done
    if not ranked:
        return []
    longer = f"{4 * (result.minutes or result.total or 1):g}"
    seed = ["--seed", result.seed] if result.seed else []
    data, models = data_words(result.data_options), ["--models", *result.asked] if result.asked else []
    trained = next((c for c in ranked if c.steps is not None), None)
    fit = trained or ranked[0]
    minutes = ["--minutes", longer] if trained else []
    return [
        command("sample", ranked[0].run, "-n", 64),
        command("evaluate", ranked[0].run),
        command("fit", fit.name, "--data", source_word(result.source), *minutes, *seed, *data),
        command("compare", source_word(result.source), *_more(result, longer), *seed, *models, *data),
    ]


def _more(result: Comparison, longer: str) -> list[str]:
    """More minutes for each model, or more for all, which go on with the same runs."""
    if result.total is None or not result.contenders:
        return ["--minutes", longer]
    return ["--total", longer, "--resume", "--out", str(Path(result.contenders[0].run).parents[1])]


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
