"""The time that an explanation takes."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from egcam_jax.core import checks
from egcam_jax.core.types import Context, Explain, ImagesLike, Integers
from egcam_jax.metrics import _functions, _inputs, _program
from egcam_jax.metrics._inputs import Subject
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
def running_time(
    explain: Explain,
    x: ImagesLike,
    *,
    target: Integers | None = None,
    repeats: int = 10,
    index: Integers = 0,
    context: Context = None,
) -> Score:
    """Measure the seconds that an explanation of one image takes, without compilation.

    Args:
        explain: ``(1, H, W, C)`` images and ``(1,)`` classes to maps. ``index`` and ``context`` are passed where the
            function has arguments of these names. Wrap it in ``jax.jit`` as you use it.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``; each is explained alone.
        target: ``(B,)`` classes or one; 0 by default, since the work does not depend on the class.
        repeats: The number of timed explanations of each image, after one explanation for compilation.
        index: The index of the first image in the whole data set, or one index for each image.
        context: The model's other inputs, with one row for each image.

    Returns:
        ``Score`` of value ``(B,)``, the median seconds, lower is better, and curve ``(B, repeats)``, each time. The
        time depends on the machine and on its other work: name the device, and compare within one run.

    Raises:
        ValueError: For shapes that do not fit, or under ``jit``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> explain = jax.jit(lambda x, target: x.sum(-1))
        >>> score = metrics.running_time(explain, jnp.ones((2, 2, 1)), repeats=3)
        >>> 0 < float(score.value) < 1
        True

    Quantus: has no such metric; the paper's authors timed their methods themselves.

    Source: R.T. in the Expected Grad-CAM paper, which is the mean of the curve.
    """
    checked = _inputs.indexed(_inputs.images(x, target, context), index)
    if not checks.concrete(checked.batch.x):
        raise ValueError(
            "x must hold numbers, since running_time measures time outside a compiled program; got a traced array. "
            "Call running_time outside jit and vmap."
        )
    repeats = checks.count("repeats", repeats)
    batch = checked.batch
    batch = batch if batch.target is not None else batch._replace(target=jnp.zeros(len(batch.x), jnp.int32))
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], batch) for i in range(len(batch.x))]
    curve = np.stack([_times(explain, subject, repeats) for subject in each])
    return _program.scored(checked, np.median(curve, axis=1), curve, repeats + 1)


def _times(explain: Explain, subject: Subject, repeats: int) -> Float[np.ndarray, " repeats"]:
    ask = functools.partial(explain, subject.x[None], subject.target[None], **_functions.named(explain, subject))
    jax.block_until_ready(ask())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(ask())
        times.append(time.perf_counter() - start)
    return np.array(times)
