"""The one compiled program behind every metric: a function of one image, mapped over the batch in bounded blocks."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Num, PyTree

from egcam_jax.core import answers, bounds, checks, compilation, inputs, kernel, numerics
from egcam_jax.core.functions import static as known
from egcam_jax.core.types import Explain, Image, Logits, Predict, Scalar, Whole
from egcam_jax.metrics import _functions
from egcam_jax.metrics._inputs import Checked, Subject
from egcam_jax.metrics._score import Score

Values: TypeAlias = tuple[Num[Array | np.ndarray, "*b"], Float[Array | np.ndarray, "*b T"] | None]
"""The value and the curve of one image, or of each image of a batch."""

_UNSEEN = bounds.Outputs(within_unit=False)
_DEPTH = 3
"""Callers between a warning and the user: this module, and the metric or a function that several metrics share."""

Option: TypeAlias = str | bool | int | tuple[Any, ...] | Callable[..., Any] | Num[ArrayLike, "..."] | None
"""An option of a metric: arrays and fractions are arguments of the program, all others select it."""

_Result = TypeVar("_Result")


def run(
    one: Callable[..., Score],
    functions: tuple[Explain | Predict | None, ...],
    checked: Checked,
    *,
    samples: int = 1,
    chunk_size: int | None = None,
    evaluations: int = 0,
    named: bool = False,
    **options: Option,
) -> Score:
    """Score every image.

    Args:
        one: ``(subject, *functions, block=, **options)`` to the ``Score`` of one image. It is defined at a module's top
            level, since the program is known by it. ``block`` is the number of samples in one pass.
        functions: The functions under judgement; those with bound arrays as ``jax.tree_util.Partial``. The last is the
            model's ``predict``, and one before it is an explainer.
        checked: The images.
        samples: The copies of each image that go through a function.
        chunk_size: Images times samples in one pass; ``kernel.DEFAULT_CHUNK_SIZE`` by default.
        evaluations: The passes for each image, as ``Score`` gives them.
        named: Whether the axis of images has a name, for ``over_samples`` with ``needed``.
        **options: Of the metric. A NumPy scalar counts as Python's number of the same kind.
    """
    if chunk_size is not None:
        checks.count("chunk_size", chunk_size)
    names = ("explain", "predict")[-len(functions) :] if functions else ()
    if functions and functions[0] is None:
        returned = "maps" if names[0] == "explain" else "logits"
        raise ValueError(f"{names[0]} must be a function from images to {returned}; got None. Pass the function.")
    options = {name: checks.plain(value) for name, value in options.items()}
    traced = {name: value for name, value in options.items() if isinstance(value, float) or hasattr(value, "dtype")}
    static = tuple(sorted((name, value) for name, value in options.items() if name not in traced))
    arguments = tuple(map(as_argument, functions, names))
    program = {"one": one, "static": static, "samples": samples, "chunk_size": chunk_size, "named": named}
    (value, curve), seen = _run(arguments, checked.batch, traced, **program)
    if seen.classes is not None:
        inputs.classes("target", checked.batch.target, seen.classes)
    if seen.within_unit:
        answers.warn_of_probabilities(
            "predict", "where that cannot be, pass probability=lambda p: p.", stacklevel=_DEPTH
        )
    return scored(checked, value, curve, evaluations)


def scored(
    checked: Checked,
    value: Num[Array | np.ndarray, " b"],
    curve: Float[Array | np.ndarray, "b T"] | None,
    evaluations: int,
) -> Score:
    """The score of a batch, without the axis of images where the caller passed one image."""
    if checked.single:
        value, curve = value[0], None if curve is None else curve[0]
    return Score(value, curve, evaluations)


@functools.partial(compilation.jit, static_argnames=("one", "static", "samples", "chunk_size", "named"))
def _run(
    functions: tuple[jax.tree_util.Partial | None, ...],
    batch: Subject,
    traced: dict[str, ArrayLike],
    *,
    one: Callable[..., Score],
    static: tuple[tuple[str, Option], ...],
    samples: int,
    chunk_size: int | None,
    named: bool,
) -> tuple[Values, bounds.Outputs]:
    count = jax.tree.leaves(batch)[0].shape[0]
    blocks = kernel.plan(count, samples, chunk_size)

    def score(subject: Subject) -> tuple[Values, bounds.Outputs]:
        asked = [_functions.explainer(function, subject) for function in functions[:-1] if function is not None]
        asked += [_functions.predictor(function, subject) for function in functions[-1:]]
        judged = one(subject, *asked, block=blocks.samples, **dict(static), **traced)
        modelled = bool(functions) and functions[-1] is not None
        return (judged.value, judged.curve), _seen(asked[-1], subject.x, dict(static)) if modelled else _UNSEEN

    return kernel.map_images(score, batch, blocks.images, named=named)


def _seen(predict: Predict, x: Image | None, options: dict[str, Option]) -> bounds.Outputs:
    """The model's classes, and its bounds where the metric makes probabilities or takes one logit for two classes."""
    traced = jax.make_jaxpr(functools.partial(logits, predict))(x)
    outputs, rule = traced.out_avals[0].size, options.get("probability")
    bounded = "probability" in options and not callable(rule) and (rule is not None or outputs == 1)
    return dataclasses.replace(bounds.of(traced) if bounded else _UNSEEN, classes=answers.count(outputs))


def as_argument(function: Explain | Predict | None, argument: str) -> jax.tree_util.Partial | None:
    """A function as an argument of ``jit``; the arrays that a ``jax.tree_util.Partial`` binds are traced."""
    if function is None:
        return None
    if isinstance(function, jax.tree_util.Partial):
        return jax.tree_util.Partial(known(argument, function.func), *function.args, **function.keywords)
    return jax.tree_util.Partial(known(argument, function))


def logits(predict: Predict, image: Image) -> Logits:
    """The model's output for one image, at least float32."""
    return numerics.accumulate(predict(image[None])[0])


def top(predict: Predict, image: Image, target: Whole | None, probability: answers.Probability = None) -> Whole:
    """The class that is judged: as given, or the image's top class."""
    return answers.top(logits(predict, image), probability) if target is None else target


def output(predict: Predict, target: Whole, probability: answers.Probability) -> Callable[[Image], Scalar]:
    """One image to the class's probability, or to its logit; NaN for a class that the model does not have."""
    return lambda image: of_class(logits(predict, image), target, probability)


def of_class(values: Logits, target: Whole, probability: answers.Probability) -> Scalar:
    """The class's probability, or its logit; NaN for a class that the model does not have."""
    return answers.by_class(values, probability).at[target].get(mode="fill", fill_value=jnp.nan)


def answer(values: Logits) -> Whole:
    """The top class; -1, which is no class, where a logit is not finite."""
    return jnp.where(jnp.isfinite(values).all(), answers.top(values), -1)


def over_samples(
    function: Callable[[Whole], _Result],
    samples: int,
    block: int,
    origins: PyTree[Array],
    needed: Bool[Array, " samples"] | None = None,
) -> _Result:
    """Apply a function of the sample's number to ``range(samples)``, ``block`` in one pass, and stack the results.

    A block without a sample that is ``needed`` is not run, and its results have no meaning.
    """
    return kernel.mean_over_samples(lambda number: (None, function(number)), samples, block, origins, needed)[1]
