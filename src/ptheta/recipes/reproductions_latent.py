"""Rows of latent-variable papers' tables."""

from ptheta.recipes.row import Row

__all__ = ["ROWS"]

ROWS = (
    Row(
        name="vae-binarized-mnist",
        paper=89.9,
        pass_line=95.0,
        rule="at most",
        unit="nats, -ELBO on test (the paper's number is its bound with importance samples)",
        data="binarized-mnist",
        model="vae",
        settings={},
        seconds=400.0,
        source="Auto-Encoding Variational Bayes (Kingma & Welling, 2013), as tabled by later papers for the classes "
        "784-200-200-50; ours is wider and its prior a learned mixture; the weights are those that validate best.",
    ),
)
