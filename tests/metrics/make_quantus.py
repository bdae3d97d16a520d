"""Make ``published.npz``: what Quantus and RISE answer on a small network, its images, maps, masks and noise.

Run by hand, once with each generation of Quantus, in an environment of its own; RISE is a file of its repository
(github.com/eclique/RISE), given to either run:

    pip install quantus==0.4.4 torch==2.13.0 numpy==1.26.4
    python tests/metrics/make_quantus.py --rise RISE/evaluation.py
    pip install quantus==0.6.0 torch==2.13.0
    python tests/metrics/make_quantus.py
"""

import argparse
import json
from pathlib import Path

import judged
import numpy as np
import published_scores

FILE = Path(__file__).parent / "published.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rise", type=Path, help="RISE's evaluation.py")
    rise = parser.parse_args().rise
    stored = dict(np.load(FILE)) if FILE.exists() else {}
    found = judged.arrays()
    generation = published_scores.generation()
    answers = {f"{generation}/{name}": value for name, value in published_scores.scores(found).items()}
    answers[f"{generation}/versions"] = np.array(json.dumps(published_scores.versions()))
    if rise:
        answers |= {f"rise/{name}": value for name, value in published_scores.rise(found, rise).items()}
    np.savez_compressed(FILE, **{**stored, **found, **answers})
    print(f"{FILE.name}: {FILE.stat().st_size / 1000:.0f} kB, {published_scores.versions()}")
    for name, value in answers.items():
        print(name, value if value.ndim < 2 else value.shape)


if __name__ == "__main__":
    main()
