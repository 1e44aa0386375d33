"""Runs: a folder per fitted model, which can be resumed, sampled and scored.

    run.json       what was fitted, on what, how: a strict record
    checkpoints/   the weights (see training.checkpoint)
    metrics.jsonl  one line per validation
    samples/       pictures drawn while training
    stages/NAME/   where a run has several stages: checkpoints/ and metrics.jsonl of each

``run.json`` names a recipe of the literal table and its dials; nothing in a file is ever imported or unpickled.
"""

from ptheta.runs.fitting import Watch, fit_run, save_run
from ptheta.runs.manifest import Manifest
from ptheta.runs.opening import Run, build, open_run

__all__ = ["Manifest", "Run", "Watch", "build", "fit_run", "open_run", "save_run"]
