"""The one compiled program behind every metric: a function of one image, mapped over the batch in bounded blocks."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import answers, bounds, checks, compilation, kernel, numerics
from egcam_jax.core.functions import static as known
from egcam_jax.core.types import Image, Logits, Scalar
from egcam_jax.metrics import _functions
from egcam_jax.metrics._inputs import Checked
from egcam_jax.metrics._score import Score

_UNSEEN = bounds.Outputs(within_unit=False)
_DEPTH = 3
"""Callers between a warning and the user: the program, and the metric or what its file shares."""


def run(
    one: Callable[..., Score],
    functions: tuple[Any, ...],
    checked: Checked,
    *,
    samples: int = 1,
    chunk_size: int | None = None,
    evaluations: int = 0,
    named: bool = False,
    **options: Any,
) -> Score:
    """Score every image.

    Args:
        one: ``(subject, *functions, block=, **options)`` to the ``Score`` of one image, defined at a module's top
            level: it is part of the program's name. ``block`` is how many samples may go through together.
        functions: The functions under judgement; those with bound arrays as ``jax.tree_util.Partial``. The last is the
            model's ``predict``, the one before it an explainer.
        checked: The images.
        samples: How many things of each image go through a function.
        chunk_size: Images times samples in one pass; ``kernel.DEFAULT_CHUNK_SIZE`` by default.
        evaluations: How many passes that makes, for the record.
        named: Whether the axis of images has a name, for ``over_samples`` with ``needed``.
        **options: Of the metric: arrays and fractions are arguments of the program, all else selects it. A NumPy
            scalar counts as Python's number of the same kind.
    """
    if chunk_size is not None:
        checks.count("chunk_size", chunk_size)
    if functions and functions[0] is None:
        raise ValueError("predict is None, but this metric asks the model: pass a function from images to logits.")
    options = {name: checks.plain(value) for name, value in options.items()}
    traced = {name: value for name, value in options.items() if isinstance(value, float) or hasattr(value, "dtype")}
    static = tuple(sorted((name, value) for name, value in options.items() if name not in traced))
    arguments = tuple(map(as_argument, functions))
    program = {"one": one, "static": static, "samples": samples, "chunk_size": chunk_size, "named": named}
    score, seen = _run(arguments, checked.batch, traced, **program)
    if seen.within_unit:
        answers.warn_of_probabilities(
            "predict", "where that cannot be, pass probability=lambda p: p.", stacklevel=_DEPTH
        )
    if checked.single:
        score = jax.tree.map(lambda leaf: leaf[0], score)
    return score._replace(evaluations=evaluations)


@functools.partial(compilation.jit, static_argnames=("one", "static", "samples", "chunk_size", "named"))
def _run(
    functions: Any, batch: Any, traced: Any, *, one: Any, static: Any, samples: int, chunk_size: int | None, named: bool
) -> tuple[Score, bounds.Outputs]:
    count = jax.tree.leaves(batch)[0].shape[0]
    blocks = kernel.plan(count, samples, chunk_size)

    def score(subject: Any) -> tuple[Score, bounds.Outputs]:
        asked = [_functions.explainer(function, subject) for function in functions[:-1]]
        asked += [_functions.predictor(function, subject) for function in functions[-1:]]
        found = one(subject, *asked, block=blocks.samples, **dict(static), **traced)
        return Score(found.value, found.curve, None), _seen(asked, subject.x, dict(static))

    return kernel.map_images(score, batch, blocks.images, named=named)


def _seen(functions: list[Any], x: Image | None, options: dict[str, Any]) -> bounds.Outputs:
    """What tracing says of the model's outputs, where the metric makes a probability of them, or a class of one."""
    rule = options.get("probability")
    if "probability" not in options or callable(rule):
        return _UNSEEN
    traced = jax.make_jaxpr(functools.partial(logits, functions[-1]))(x)
    return bounds.of(traced) if rule is not None or traced.out_avals[0].size == 1 else _UNSEEN


def as_argument(function: Any, argument: str = "predict") -> Any:
    """A function as an argument of ``jit``: its bound arrays traced where it is a ``jax.tree_util.Partial``."""
    if function is None:
        return None
    if isinstance(function, jax.tree_util.Partial):
        return jax.tree_util.Partial(known(argument, function.func), *function.args, **function.keywords)
    return jax.tree_util.Partial(known(argument, function))


def logits(predict: Any, image: Image) -> Logits:
    """The model's output for one image, at least float32."""
    return numerics.accumulate(predict(image[None])[0])


def top(predict: Any, image: Image, target: Any, probability: answers.Probability = None) -> Any:
    """The class that is judged: as given, or the image's top class."""
    return answers.top(logits(predict, image), probability) if target is None else target


def output(predict: Any, target: Any, probability: answers.Probability) -> Callable[[Image], Scalar]:
    """One image to the class's probability, or to its logit; NaN for a class that the model does not have."""
    return lambda image: of_class(logits(predict, image), target, probability)


def of_class(values: Logits, target: Any, probability: answers.Probability) -> Scalar:
    """The class's probability, or its logit; NaN for a class that the model does not have."""
    return answers.by_class(values, probability).at[target].get(mode="fill", fill_value=jnp.nan)


def answer(values: Logits) -> Any:
    """The top class; -1, which is no class, where a logit is not finite."""
    return jnp.where(jnp.isfinite(values).all(), answers.top(values), -1)


def over_samples(function: Callable[[Any], Any], samples: int, block: int, origins: Any, needed: Any = None) -> Any:
    """Apply a function of the sample's number to ``range(samples)``, ``block`` in one pass, and stack the results.

    Blocks of which no sample is ``needed`` are not run; what stands in their place has no meaning.
    """
    return kernel.mean_over_samples(lambda number: (None, function(number)), samples, block, origins, needed)[1]
