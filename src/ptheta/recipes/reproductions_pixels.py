"""Rows of autoregressive models of images."""

from ptheta.recipes.row import Row

__all__ = ["ROWS"]

ROWS = (
    Row(
        name="pixelcnn-binarized-mnist",
        paper=81.30,
        pass_line=86.0,
        rule="at most",
        unit="nats, negative log-likelihood on test",
        data="binarized-mnist",
        model="pixelcnn",
        settings={"hidden": 32, "blocks": 7, "middle": 5, "position": True},
        training={
            "epochs": 1,
            "batch_size": 16,
            "learning_rate": 2.5e-3,
            "schedule": "cosine",
            "warmup": 500,
            "clip": 1.0,
            "precision": "bfloat16",
        },
        seconds=370.0,
        source="Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner & Kavukcuoglu, 2016). Theirs has 15 blocks "
        "of half the width, 3 x 3 kernels in them and no biases per pixel, and trained far longer: ours sees every "
        "event once. Its blocks' kernels and biases were chosen on validation events, out of three settings.",
    ),
)
