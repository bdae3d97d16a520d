"""What the registry holds of the two axes: an aggregator, and a gradient estimator."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from egcam_jax.methods._options import Option


@dataclasses.dataclass(frozen=True)
class Aggregator:
    """How a gradient field and the activations become weights.

    Attributes:
        weigh: ``(gradients, activations, moments, **options) -> weights``.
        source: The publication.
        schema: The options it has.
        linear: Whether the weights are linear in the gradients.
        moments: Whether it asks for the second and third moments of sampled gradients.
        additive: Whether the gradient field holds contributions already, in logits: the map is their sum over
            channels, no activation multiplies them, and maps of several layers add.

    Example:
        >>> from egcam_jax.methods import AGGREGATORS
        >>> AGGREGATORS["hirescam"].linear, AGGREGATORS["layercam"].linear
        (True, False)
    """

    weigh: Callable[..., Any]
    source: str
    schema: Mapping[str, Option]
    linear: bool
    moments: bool
    additive: bool


@dataclasses.dataclass(frozen=True)
class Estimator:
    """How the gradient field G is obtained; or, for a method without gradients, its weights.

    Attributes:
        estimate: ``(Problem, options) -> Estimate | Sampling``, for one image.
        schema: The options it has.
        passes: ``(n, K, options)`` to forward passes through ``features`` for each image. The options that an estimator
            runs with also hold ``"context"``, whether the model takes a context.
        num_samples: n where the caller does not say; ``None`` where the number of samples is no option.
        random: Whether it draws samples, so that it needs a key.
        reads: Options to what it reads of the references: some of ``"images"``, ``"codes"`` and ``"logits"``, or
            nothing where it needs no references.

    Example:
        >>> from egcam_jax.methods import ESTIMATORS
        >>> ESTIMATORS["smooth"].num_samples, ESTIMATORS["smooth"].passes(25, 512, {})
        (25, 26)
    """

    estimate: Callable[..., Any]
    schema: Mapping[str, Option]
    passes: Callable[[int, int, Mapping[str, Any]], int]
    num_samples: int | None
    random: bool
    reads: Callable[[Mapping[str, Any]], frozenset[str]]
