"""Plays every game of the study of divergences and keeps what each seed found.

    OMP_NUM_THREADS=1 python benchmarks/divergences.py

Writes benchmarks/results/divergences.json and docs/pictures/figure-divergence-modes.png; takes minutes.
"""

import json
import time
from pathlib import Path

from ptheta.report.figures_adversarial import SAMPLES, SEEDS, STEPS, divergence_modes, divergence_study, true_modes

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    started = time.process_time()
    played = divergence_study()
    found = {
        "seeds": SEEDS,
        "steps": STEPS,
        "samples": SAMPLES,
        "cpu_seconds": time.process_time() - started,
        "true": true_modes()._asdict(),
        "games": [
            {"group": game.group, "name": game.name, "found": [modes and modes._asdict() for modes in game.found]}
            for game in played
        ],
    }
    (ROOT / "benchmarks" / "results" / "divergences.json").write_text(json.dumps(found, indent=1) + "\n")
    divergence_modes(played).savefig(ROOT / "docs" / "pictures" / "figure-divergence-modes.png", dpi=110)


if __name__ == "__main__":
    main()
