"""Dials that had another name once: one word for one idea, whatever the model.

``width`` counts feature maps, ``hidden`` units of dense and recurrent layers, ``layers`` what is stacked, and
``sampling_steps`` the network calls of a sample. Runs of before are read with the words of today.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["RENAMED", "renamed"]

RENAMED: dict[str, dict[str, str]] = {
    "pixelcnn": {"hidden": "width", "blocks": "layers"},
    "gated-pixelcnn": {"hidden": "width"},
    "pixelcnn-pp": {"blocks": "layers"},
    "srgan": {"blocks": "layers"},
    "realnvp": {"transforms": "layers"},
    "maf": {"transforms": "layers"},
    "iaf": {"transforms": "layers"},
    "spline-flow": {"transforms": "layers"},
    "rnn-nade": {"units": "recurrent_hidden"},
    "absorbing-diffusion": {"unmasking_steps": "sampling_steps"},
    "vq-vae": {"prior_hidden": "prior_width"},
}


def renamed(name: str | None, dials: Mapping[str, Any]) -> dict[str, Any]:
    """Dials under the names that they have now.

    Args:
        name: The recipe's name; None of a model built by hand.
        dials: Its dials, as they were once called.

    Returns:
        The same values.
    """
    now = RENAMED.get(name or "", {})
    return {now.get(dial, dial): value for dial, value in dials.items()}
