"""How long an explanation takes."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax import _checks
from egcam_jax.metrics import _inputs
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="cost",
    higher_is_better=False,
    needs=("explain",),
    paper={"repeats": 100},
    unit="seconds",
    source="Expected Grad-CAM, section 4: 100 explanations of single CIFAR-10 images",
)
def running_time(explain: Any, x: Any, *, target: Any = None, repeats: int = 10) -> Score:
    """Measure the seconds that an explanation of one image takes, compiled before.

    Args:
        explain: ``(1, H, W, C)`` images and ``(1,)`` classes to maps; ``jax.jit`` it, as it is to be used.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``; each is explained alone.
        target: ``(B,)`` classes or one; class 0 by default, since which it is does not change the work.
        repeats: How often each image is explained, after once for compilation.

    Returns:
        ``Score`` of value ``(B,)``, the median seconds, lower is better, and curve ``(B, repeats)``, each time. On
        other machines, or beside other work, it is another number: name the device, and compare within one run.

    Raises:
        ValueError: For shapes that do not fit, or under ``jit``, where there is no time.

    Quantus: has no such metric; the paper timed its methods by itself.

    Source: the Expected Grad-CAM paper's R.T., a mean; the curve's mean is that.
    """
    checked = _inputs.images(x, target)
    if not _checks.concrete(checked.batch.x):
        raise ValueError(
            "x is traced, and running_time measures what happens outside a compiled program: call it there."
        )
    _checks.count("repeats", repeats)
    classes = checked.batch.target
    classes = jnp.zeros(len(checked.batch.x), jnp.int32) if classes is None else classes
    curve = np.stack(
        [_times(explain, checked.batch.x[i : i + 1], classes[i : i + 1], repeats) for i in range(len(classes))]
    )
    value = np.median(curve, axis=1)
    return Score(value[0], curve[0], repeats + 1) if checked.single else Score(value, curve, repeats + 1)


def _times(explain: Any, x: Any, target: Any, repeats: int) -> np.ndarray:
    jax.block_until_ready(explain(x, target))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(explain(x, target))
        times.append(time.perf_counter() - start)
    return np.array(times)
