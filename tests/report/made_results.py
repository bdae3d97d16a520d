"""Files of results, written as an evaluation writes them, with numbers made up for the purpose."""

import io

import numpy as np
from PIL import Image

from egcam_jax.metrics import METRICS
from egcam_jax.run import store as _store

EVIL = "<script>alert('1')</script>|*_&\"$%#{}\\.jpg"
"""A name that no format may take for its own."""
SIZE = 32
STEPS = 9


def write(
    path,
    values,
    *,
    data="demo",
    image="a.jpg",
    masks=False,
    failures=(),
    unreadable=(),
    pictures=99,
    nan_cams=(),
    asked=None,
    session=None,
):
    """Write a run.

    Args:
        path: The file.
        values: By method and metric, a value for each image; NaN undefined, None not computed.
        data: What the data is called.
        image: The first image's name.
        masks: Whether the images have masks, of an object in the middle.
        failures: ``(method, metric, reason)`` each.
        unreadable: ``(id, reason)`` each.
        pictures: How many pictures are kept.
        nan_cams: Methods whose maps are not finite.
        asked: More of the document.
        session: More of what is known of the session.
    """
    methods = list(dict.fromkeys(method for method, _ in values))
    metrics = list(dict.fromkeys(metric for _, metric in values))
    count = len(next(iter(values.values())))
    with_names = {
        "data": {"source": data, "digest": "0", "count": count + len(unreadable), "target": "label"},
        "model": {"name": "squeezenet", "digest": "1", "layer": ["features"], "dtype": "float32", "preprocessing": {}},
        "references": {"source": "demo", "count": 4, "ids": ["r"]},
        "methods": {it: {"method": it.split(":")[0], "options": {}, "samples": None} for it in methods},
        "metrics": {it: {"metric": it.split(":")[0], "options": {}} for it in metrics},
        "seed": 7,
        "batch": 4,
    }
    store = _store.create(path, with_names | (asked or {}))
    known = {"started": "2025-01-02T03:04:05", "versions": {"jax": "1"}, "device": "cpu", "devices": 2}
    number = _store.begin(store, known | (session or {}))
    names = [image, *(f"{i}.jpg" for i in range(1, count))][:count]
    shape = mask() if masks else None
    rows = [
        _store.ImageRow(i, name, i, f"class {i}", 0.5, i % 2 == 0, jpeg(i) if i < pictures else None, shape)
        for i, name in enumerate(names)
    ]
    _store.put_images(store, rows, [(count + i, *it) for i, it in enumerate(unreadable)])
    for place, method in enumerate(methods):
        _put(store, place, method, {metric: values[it, metric] for it, metric in values if it == method}, nan_cams)
    failed = [_store.Failure(number, i, *it) for i, it in enumerate(failures)]
    _store.put(store, _store.Outcome(methods[0], [], None, {}, {}), failed)
    store.close()
    return path


def _put(store, number, method, values, nan_cams):
    cam = np.add.outer(np.arange(4.0), np.arange(4.0) * (number + 1))
    cam = cam * np.nan if method in nan_cams else cam
    for metric, found in values.items():
        there = [i for i, it in enumerate(found) if it is not None]
        scores = np.asarray([found[i] for i in there], float)
        curves = {}
        if METRICS[metric.split(":")[0]].name in ("insertion_auc", "deletion_auc"):
            slope = np.linspace(0, 1, STEPS) if metric.startswith("insertion") else np.linspace(1, 0, STEPS)
            curves = {metric: np.clip(np.nan_to_num(scores)[:, None] * 2 * slope, 0, 1)}
        cams = np.stack([cam] * len(there)) if there else np.zeros((0, 4, 4))
        _store.put(store, _store.Outcome(method, there, cams, {metric: scores}, curves))


def mask():
    pixels = np.zeros((SIZE, SIZE), np.uint8)
    pixels[10:20, 12:24] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def jpeg(seed):
    pixels = np.full((SIZE, SIZE, 3), 40 + 5 * (seed % 30), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg")
    return file.getvalue()


def plausible(methods=5, images=24, seed=0):
    """A run's values: the first method ahead of all, the second ahead of the others, two equal, one with gaps."""
    generator = np.random.default_rng(seed)
    metrics = [
        "insertion_auc",
        "deletion_auc",
        "insertion_deletion",
        "max_sensitivity:num_samples=20",
        "sparseness",
        "running_time",
    ]
    names = [
        "expected_gradcam:noise=none",
        "layercam",
        "gradcam",
        "hirescam",
        "vanilla_gradient",
        *map("m{}".format, range(20)),
    ]
    values = {}
    for metric in metrics:
        base = generator.uniform(0.3, 0.6, images)
        sign = 1 if METRICS[metric.split(":")[0]].higher_is_better else -1
        for i, method in enumerate(names[:methods]):
            shift = sign * (0.2, 0.1, 0, 0)[min(i, 3)]
            noise = generator.normal(0, 0.03, images) if i != 3 else 0
            values[method, metric] = values["gradcam", metric] if i == 3 else base + shift + noise
    if methods > 4:
        values["vanilla_gradient", "max_sensitivity:num_samples=20"] = [
            np.nan,
            None,
            *values["gradcam", "sparseness"][2:],
        ]
        del values["vanilla_gradient", "sparseness"]
    return values
