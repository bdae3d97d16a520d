"""How long the model keeps its answer as relevant pixels are filled in from their neighbours."""

from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from egcam_jax.core import answers, checks, numerics
from egcam_jax.core.types import Context, Image, ImagesLike, Integers, KeyLike, MapsLike, Number, Predict, Scalar, Whole
from egcam_jax.metrics import _inputs, _program, _steps
from egcam_jax.metrics._inputs import Perturbations, Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

PERCENTAGES = tuple(range(1, 100, 2))
"""The percentages of Quantus."""

_SIDE, _CORNER = 1 / 6, 1 / 12
"""Weights of the eight neighbours."""
_Solution: TypeAlias = tuple[Float[Array, "H W C"], Float[Array, "H W C"], Float[Array, "H W C"], Float[Array, " C"]]
_State: TypeAlias = tuple[Whole, _Solution]
"""The number of the iteration; the values, the residual, the direction and the residual's square."""
_SOLVED = 1e-6
"""The solver stops at this share of the residual at the start."""


@metric(
    family="faithfulness",
    higher_is_better=False,
    needs=("saliency", "predict", "key"),
    undefined=_steps.UNORDERED,
    source="Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML 2022",
)
def road(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    key: KeyLike | None = None,
    *,
    percentages: tuple[int | float, ...] = PERCENTAGES,
    most_relevant_first: bool = True,
    noise_std: Number = 0.01,
    iterations: int | None = None,
    probability: answers.Probability = None,
    perturbations: Perturbations | None = None,
    index: Integers = 0,
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Remove and debias: the share of steps at which the model gives the class as pixels are filled in.

    Removed pixels are the solution of ``x_p = sum_q w_pq x_q / sum_q w_pq`` over the eight neighbours q inside the
    image. The weights are 1/6 for a common side and 1/12 for a common corner. Then noise of ``noise_std`` is added. The
    system is solved by conjugate gradients.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; only its order counts.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        key: PRNG key for the noise, which is the same at every step; each image's own key is folded from its index.
        percentages: The shares of the pixels that are filled in, each in (0, 100).
        most_relevant_first: ``False`` removes the least relevant pixels first; then higher is better.
        noise_std: The standard deviation of the noise, in the units of ``x``.
        iterations: The largest number of iterations of the solver. The default is twice the image's height and width,
            which holes as large as the image take. The solver stops where the residual is a millionth of its start.
        probability: Take the class's probability in place of 1 or 0 for the right or a wrong answer: ``"softmax"``,
            ``"sigmoid"`` or a function of logits ``(b, classes)``. One logit has a sigmoid.
        perturbations: ``(1, H, W, C)`` or ``(B, 1, H, W, C)``, the noise itself, in place of a key.
        index: The index of the first image in the whole data set, or one index for each image.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
        chunk_size: Images times steps in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], lower is better, and curve ``(B, T)``, one value for each percentage. The
        mean of the curve over the images is the published accuracy.

    Raises:
        ValueError: For shapes that do not fit, or percentages out of range.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([x[:, 0, 0, 0] - 1, jnp.ones(len(x)) - 1], axis=1)
        >>> x = jnp.zeros((4, 4, 1)).at[0, 0].set(9.0)
        >>> first, last = jnp.arange(16.0)[::-1].reshape(4, 4), jnp.arange(16.0).reshape(4, 4)
        >>> scores = [metrics.road(predict, x, a, 0, jax.random.key(0), percentages=(25, 50)) for a in (first, last)]
        >>> [float(score.value) for score in scores]
        [0.0, 1.0]

    Quantus: has the same system and noise. 0.6 fails on images with channels, gives the accuracy of the whole set at
    each percentage, and draws new noise for each percentage.

    Source: Rong et al., 2022.
    """
    shares = percentages if isinstance(percentages, tuple) else ()
    if not shares or not all(checks.concrete(share) and 0 < share < 100 for share in shares):
        raise ValueError(
            f"percentages must be a tuple of numbers between 0 and 100, known before compilation; got {percentages!r}. "
            f"Pass such as (10, 50)."
        )
    checked = _inputs.drawn(_inputs.images_and_maps(x, saliency, target, context), "road", key, index, perturbations, 1)
    height, width = checked.batch.saliency[0].shape
    pixels, iterations = height * width, 2 * (height + width) if iterations is None else iterations
    return _program.run(
        _one,
        (predict,),
        checked,
        samples=len(percentages),
        chunk_size=chunk_size,
        evaluations=len(percentages) + (target is None),
        removed=tuple(int(pixels * share / 100) for share in percentages),
        most_relevant_first=checks.flag("most_relevant_first", most_relevant_first),
        noise_std=_inputs.amount("noise_std", noise_std),
        iterations=checks.count("iterations", iterations),
        probability=answers.checked(probability, optional=True),
    )


def impute(x: Image, gone: Bool[Array, "H W"], iterations: int) -> Image:
    """Fill in pixels with the weighted mean of their eight neighbours, all at once.

    Among the missing pixels the equations are ``d_p x_p - sum_{q missing} w_pq x_q = sum_{q there} w_pq x_q``, which
    are symmetric and positive definite: conjugate gradients solve them.
    """
    missing = gone[..., None].astype(x.dtype)
    weight = _around(jnp.ones((*gone.shape, 1), x.dtype))
    operator = lambda values: missing * (weight * values - _around(values))
    known = _around(x * (1 - missing)) * missing
    mean = numerics.divide((x * (1 - missing)).sum(axis=(0, 1)), (1 - missing).sum(axis=(0, 1)))
    values = missing * mean
    residual = known - operator(values)

    def advance(state: _State) -> _State:
        number, (values, residual, direction, size) = state
        along = operator(direction)
        step = numerics.divide(size, (direction * along).sum(axis=(0, 1)))
        values, residual = values + step * direction, residual - step * along
        new = jnp.square(residual).sum(axis=(0, 1))
        return number + 1, (values, residual, residual + numerics.divide(new, size) * direction, new)

    start = jnp.square(residual).sum(axis=(0, 1))
    unsolved = lambda state: (state[0] < iterations) & (state[1][3] > _SOLVED**2 * start).any()
    _, (filled, *_) = jax.lax.while_loop(unsolved, advance, (jnp.int32(0), (values, residual, residual, start)))
    return jnp.where(gone[..., None], filled, x)


def _around(values: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
    """The weighted sum of each pixel's neighbours, with zeros beyond the borders: along columns, then along rows."""
    padded = jnp.pad(values, ((1, 1), (1, 1), (0, 0)))
    beside = padded[:, :-2] + padded[:, 2:]
    columns = _SIDE * padded[:, 1:-1] + _CORNER * beside
    return columns[:-2] + columns[2:] + _SIDE * beside[1:-1]


def _one(
    subject: Subject,
    predict: Predict,
    *,
    block: int,
    removed: tuple[int, ...],
    most_relevant_first: bool,
    noise_std: Scalar,
    iterations: int,
    probability: answers.Probability,
) -> Score:
    x, saliency = numerics.accumulate(subject.x), subject.saliency
    target = _program.top(predict, x, subject.target, probability)
    rank = _steps.ranks(saliency if most_relevant_first else -saliency)
    noise = _inputs.perturbation(subject, 0, lambda key, shape: noise_std * jax.random.normal(key, shape))

    def sample(number: Whole) -> Scalar:
        gone = rank < jnp.asarray(removed)[number]
        logits = _program.logits(predict, jnp.where(gone[..., None], impute(x, gone, iterations) + noise, x))
        if probability is not None:
            return _program.of_class(logits, target, probability)
        answer = _program.answer(logits)
        known = (answer >= 0) & (target < answers.count(logits.size))
        return jnp.where(known, (answer == target).astype(logits.dtype), jnp.nan)

    curve = _program.over_samples(sample, len(removed), block, (x, saliency))
    return Score(jnp.where(_steps.ordered(saliency), curve.mean(), jnp.nan), curve)
