"""The distance between a map, taken as a linear model, and the class's score under perturbations."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from egcam_jax.core import answers, checks, numerics
from egcam_jax.core.types import (
    Context,
    Image,
    ImagesLike,
    Integers,
    KeyLike,
    Map,
    MapsLike,
    Number,
    Predict,
    Scalar,
    Whole,
)
from egcam_jax.metrics import _baselines, _inputs, _patches, _program, _scale, _steps
from egcam_jax.metrics._baselines import Baseline
from egcam_jax.metrics._inputs import Draw, Perturbations, Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

PERTURBATIONS = ("gaussian", "squares", "blocks")
"""Noise on every entry; a random square; every block of a grid, one at a time."""

SCALES = ("none", "optimal")
"""The map itself, or the map times the factor that fits best."""
_QUANTUS_PATCH = 4
"""The default side of the blocks of Quantus."""


@metric(
    family="faithfulness",
    higher_is_better=False,
    needs=("saliency", "predict", "key"),
    undefined="the map is not finite, or zero everywhere where its scale is fitted",
    paper={"mode": "quantus_0_4_4", "patch_size": 56},
    scaled={"patch_size": _scale.patch},
    source="Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019",
)
def infidelity(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    key: KeyLike | None = None,
    *,
    perturbation: str = "gaussian",
    num_samples: int = 200,
    noise_std: Number = 0.2,
    patch_size: int | None = None,
    baseline: Baseline = "black",
    perturbations: Perturbations | None = None,
    scale: str = "none",
    probability: answers.Probability = None,
    mode: str = "definition",
    index: Integers = 0,
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Mean squared difference between the change that a map predicts and the change of the class's score.

    ``mean_s (b sum_i I_si a_i - (f(x) - f(x - I_s)))^2``, summed over pixels and channels. All channels of a pixel have
    the same map value.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``. The scale of the map counts, unless ``scale`` fits a factor.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        key: PRNG key for random perturbations; each image's own key is folded from its index.
        perturbation: I. ``"gaussian"``: ``I ~ N(0, noise_std^2)`` on every entry. ``"squares"``: the difference from
            the baseline inside one random square of side 1 to ``patch_size``. ``"blocks"``: the difference from the
            baseline inside each block of a grid of ``patch_size``, one block after another, without a key.
        num_samples: S, the number of random perturbations.
        noise_std: The standard deviation of the noise, in the units of ``x``.
        patch_size: The side of squares or blocks, in pixels. The default is a quarter of the image's shorter side, as
            the paper's 56 are of 224; in the modes of Quantus it is 4, as there.
        baseline: The new value of replaced pixels, in the units of ``x``: ``"black"``, ``"white"`` or ``"mean"``, the
            image's own least, greatest or mean entry; a number; or an array that broadcasts to one image.
        perturbations: ``(S, H, W, C)`` or ``(B, S, H, W, C)``, the perturbations I, in place of a key.
        scale: ``"none"``, b = 1; or ``"optimal"``, the b with the least value; the scale of the map then does not
            count.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``; ``None`` takes the logit itself. One logit has a sigmoid.
        mode: ``"definition"``, ``"quantus"`` or ``"quantus_0_4_4"``; the latter two take blocks, and no key.
        index: The index of the first image in the whole data set, or one index for each image.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
        chunk_size: Images times perturbations in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)`` in squared units of the score, lower is better, and curve ``(B, S)``, the squares.

    Raises:
        ValueError: For shapes that do not fit, an unknown word, or blocks that a mode of Quantus cannot make.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([x.sum((1, 2, 3)), jnp.zeros(len(x))], axis=1)  # its gradient is 1 everywhere
        >>> x, key = jnp.ones((2, 2, 1)), jax.random.key(0)
        >>> right, wrong = (metrics.infidelity(predict, x, a * jnp.ones((2, 2)), 0, key, num_samples=8) for a in (1, 2))
        >>> float(right.value) < 1e-6 < float(wrong.value)
        True

    Quantus: its blocks add up: each I has one block more than the last. ``mode="quantus"`` equals 0.6 with one size of
    patches. ``mode="quantus_0_4_4"`` equals 0.4.4, which the paper used. It also leaves out the last ``patch_size - 1``
    rows and columns, and pairs the map's columns with the perturbation's rows.

    Source: Yeh et al., 2019.
    """
    checked = _inputs.images_and_maps(x, saliency, target, context)
    checks.one_of("perturbation", perturbation, PERTURBATIONS)
    checks.one_of("mode", mode, _steps.MODES)
    height, width = checked.batch.saliency.shape[1:]
    own = _scale.patch if mode == "definition" else lambda height, width: _QUANTUS_PATCH
    patch_size = _scale.resolve("patch_size", patch_size, own, (height, width))
    if mode != "definition":
        _check_blocks(height, width, patch_size, baseline, perturbations, mode)
    if mode != "definition" or (perturbation == "blocks" and perturbations is None):
        samples = _steps.count(height, patch_size) * _steps.count(width, patch_size)
        perturbation = "blocks"
    else:
        perturbation = perturbation if perturbations is None else "gaussian"  # given ones take the place of the noise
        checked = _inputs.drawn(checked, "infidelity", key, index, perturbations, num_samples)
        samples = _inputs.samples(checked, num_samples)
    return _program.run(
        _one,
        (predict,),
        checked,
        samples=samples,
        chunk_size=chunk_size,
        evaluations=samples + 1 + (target is None),
        count=samples,
        perturbation=perturbation,
        noise_std=_inputs.amount("noise_std", noise_std),
        patch_size=patch_size,
        baseline=_baselines.checked(baseline, checked.batch.x),
        scale=checks.one_of("scale", scale, SCALES),
        probability=answers.checked(probability, optional=True),
        mode=mode,
    )


def _check_blocks(
    height: int, width: int, patch_size: int, baseline: Baseline, perturbations: Perturbations | None, mode: str
) -> None:
    """Refuse options that the reference cannot compute."""
    if perturbations is not None:
        raise ValueError(
            f"perturbations must be None in mode {mode!r}, which makes its own; got an array. Leave perturbations out."
        )
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"patch_size must divide the image's {height} x {width} pixels in mode {mode!r}; got {patch_size}. Pass "
            f"{math.gcd(height, width)} or a divisor of it."
        )
    if mode == "quantus_0_4_4" and height != width:
        raise ValueError(f"x must be square in mode {mode!r}; got {height} x {width} pixels. Pass mode='quantus'.")
    if mode == "quantus_0_4_4" and isinstance(baseline, str) and baseline == "mean":
        raise ValueError(f"baseline must not be 'mean' in mode {mode!r}; got 'mean'. Pass another, or mode='quantus'.")


def _one(
    subject: Subject,
    predict: Predict,
    *,
    block: int,
    count: int,
    perturbation: str,
    noise_std: Scalar,
    patch_size: int,
    baseline: Baseline,
    scale: str,
    probability: answers.Probability,
    mode: str,
) -> Score:
    x, saliency = numerics.accumulate(subject.x), subject.saliency
    if scale == "optimal":
        saliency = numerics.normalized(saliency)  # its scale does not count, and its squares are finite
    target = _program.top(predict, x, subject.target, probability)
    score = _program.output(predict, target, probability)
    predicted = _columns_with_rows if mode == "quantus_0_4_4" else _inner_product
    removed: Callable[[Whole], Image]
    if perturbation == "blocks":
        removed = _patches.blocks(x, patch_size, baseline, mode)
    else:
        loss = x - _baselines.of(x, baseline)
        draw: Draw = {
            "gaussian": lambda key, shape: noise_std * jax.random.normal(key, shape),
            "squares": lambda key, shape: jnp.where(_patches.square(key, shape[:2], patch_size)[..., None], loss, 0),
        }[perturbation]
        removed = lambda number: _inputs.perturbation(subject, number, draw)
    whole = score(x)

    def sample(number: Whole) -> tuple[Scalar, Scalar]:
        change = removed(number)
        return predicted(saliency, change), whole - score(x - change)

    predictions, losses = _program.over_samples(sample, count, block, (x, saliency))
    if scale == "optimal":
        fit = numerics.divide((predictions * losses).mean(), jnp.square(predictions).mean(), jnp.nan)
        predictions = predictions * fit
    curve = jnp.square(predictions - losses)
    return Score(curve.mean(), curve)


def _inner_product(saliency: Map, change: Image) -> Scalar:
    """The change that a map predicts for a perturbation, the same for all channels: ``sum_{p, c} a_p I_pc``."""
    return (saliency * change.sum(axis=-1)).sum()


def _columns_with_rows(saliency: Map, change: Image) -> Scalar:
    """The change as Quantus 0.4.4 computes it: a tensor product that pairs columns of one with rows of the other."""
    return (change.shape[-1] * saliency.sum(axis=0) * change.sum(axis=(1, 2))).sum()
