"""Make ``arrays.npz``: what the published PyTorch libraries answer on a small network, with its weights and images.

Run by hand, with PyTorch and the libraries installed:

    pip install torch==2.13.0 grad-cam==1.5.7 torchcam==0.5.0 captum==0.9.0
    python tests/parity/make_arrays.py
"""

import json
from pathlib import Path

import numpy as np
import published
import small_network

FILE = Path(__file__).parent / "arrays.npz"


def main() -> None:
    weights, images = small_network.weights(), small_network.images()
    found = published.maps(weights, images)
    versions = json.dumps(published.versions())
    stored = {f"weights/{name}": value for name, value in weights.items()} | found
    np.savez_compressed(FILE, images=images, versions=versions, **stored)
    print(f"{FILE.name}: {FILE.stat().st_size / 1000:.0f} kB, {versions}")
    print("scores of the targets:", found["logits"].max(1), found["logits"].min(1))


if __name__ == "__main__":
    main()
