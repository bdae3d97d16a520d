"""What is judged beside Quantus and RISE: a small network without a framework, images, maps, masks and noise."""

import numpy as np

SIZE, CLASSES, IMAGES, COPIES, STEP, PATCH, TOP = 12, 3, 4, 6, 4, 4, 30
RUNS = 60
"""How often a random metric is asked again, with other noise."""
NOISE_STD, THRESHOLD = 0.1, 0.98


def arrays(seed=11):
    """All of it by name; images, maps and noise with channels last."""
    draw = np.random.default_rng(seed)
    normal = lambda *shape: draw.standard_normal(shape).astype(np.float32)
    features = SIZE * SIZE * 3
    found = {
        "hidden": normal(features, 12) / np.float32(np.sqrt(features)),
        "out": normal(12, CLASSES) * np.float32(0.5),
        "images": normal(IMAGES, SIZE, SIZE, 3),
        "maps": np.abs(normal(IMAGES, SIZE, SIZE)) * 3 + np.float32(0.01),  # no ties, and maxima that are not 1
        "noise": normal(COPIES, SIZE, SIZE, 3) * np.float32(NOISE_STD),
    }
    found["masks"] = np.zeros((IMAGES, SIZE, SIZE), bool)
    for i, mask in enumerate(found["masks"]):
        mask[i : i + 6, 1 : 6 + i] = True
    found["noise"][:, 0, 0] = 0  # Quantus 0.4.4 never perturbs the first entry; ours and 0.6 do
    found["targets"] = np.arange(IMAGES) % CLASSES
    return found
