"""Recipes: one function per known-good model and its training, with the few dials worth turning.

``RECIPES`` is the whole list, by hand: the name on the command line, and where its function lives. Recipe modules
import no torch at the top, so that ``ptheta --help`` is instant.
"""

from collections.abc import Callable
from importlib import import_module

from ptheta.hints import did_you_mean
from ptheta.recipes.recipe import Recipe

__all__ = ["RECIPES", "Recipe", "find_recipe"]

RECIPES: dict[str, str] = {
    "uniform": "counting:uniform",
    "independent": "counting:independent",
    "markov": "counting:markov",
    "ar-table": "counting:ar_table",
    "chow-liu": "counting:chow_liu",
    "full-table": "counting:full_table",
    "bernoulli-mixture": "counting:bernoulli_mixture",
    "gaussian": "counting:gaussian",
    "gaussian-mixture": "counting:gaussian_mixture",
    "kde": "counting:kde",
    "fvbn": "autoregressive:fvbn",
    "nade": "autoregressive:nade",
    "made": "autoregressive:made",
    "eonade": "autoregressive:eonade",
    "rnn": "sequences:rnn",
    "rnn-nade": "sequences:rnn_nade",
    "row-lstm": "pixelrnn:row_lstm",
    "diagonal-bilstm": "pixelrnn:diagonal_bilstm",
    "transformer": "sequences:transformer",
    "realnvp": "flows:realnvp",
    "maf": "flows:maf",
    "iaf": "flows:iaf",
    "spline-flow": "flows:spline_flow",
    "pixelcnn": "pixels:pixelcnn",
    "gated-pixelcnn": "pixels:gated_pixelcnn",
    "pixelcnn-pp": "pixels:pixelcnn_pp",
    "vae": "latent:vae",
    "ddpm": "diffusion:ddpm",
    "rbm": "energy:rbm",
    "gan": "adversarial:gan",
    "dcgan": "adversarial:dcgan",
    "f-gan": "adversarial:f_gan",
}


def find_recipe(name: str) -> Callable[..., Recipe]:
    """Finds a recipe's function by its name on the command line.

    Args:
        name: One of ``RECIPES``.

    Returns:
        A function of (space, context_space, *, dials) that returns a ``Recipe``.
    """
    if name not in RECIPES:
        hint = did_you_mean(name, RECIPES)
        raise ValueError(f"there is no model named {name!r}.{hint} The models are {', '.join(RECIPES)}.")
    module, function = RECIPES[name].split(":")
    return getattr(import_module(f"ptheta.recipes.{module}"), function)
