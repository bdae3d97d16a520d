"""What a model's outputs say of its classes: a logit for each class, or one logit for two classes.

One logit z is that of class 1, and class 0 has -z. Everything that needs the number of classes, the top class, a
class's score or its probability asks here.
"""

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from egcam_jax.core import numerics
from egcam_jax.core.types import Logits

RULES = ("softmax", "sigmoid")
"""The names of the rules that make probabilities of logits."""

Probability: TypeAlias = str | Callable[..., Any] | None
"""One of ``RULES``, or a function of logits ``(b, classes)``; ``None`` where the logits themselves are wanted."""


def checked(value: Any, *, optional: bool = False) -> Any:
    """Check a rule that makes probabilities of logits.

    Args:
        value: ``"softmax"``, ``"sigmoid"``, or a function from logits ``(b, classes)`` to probabilities of that shape.
        optional: Whether ``None``, for the logit itself, is right too.

    Raises:
        ValueError: For anything else; TypeError for a function that cannot be hashed.

    Example:
        >>> from egcam_jax.core.answers import checked
        >>> checked("sigmoid")
        'sigmoid'
    """
    if (value is None and optional) or (isinstance(value, str) and value in RULES):
        return value
    if callable(value):
        try:
            hash(value)
        except TypeError as error:
            raise TypeError(
                f"probability must be hashable, since it is a static argument of the compiled program; got "
                f"{type(value).__name__}. Pass a plain function, and keep one function object."
            ) from error
        return value
    logit = ", or None for the logit" * optional
    raise ValueError(
        f"probability must be 'softmax', 'sigmoid' or a function from logits to probabilities{logit}; got {value!r}. "
        f"Pass 'sigmoid' where each class is a question of its own."
    )


def count(size: int) -> int:
    """The number of classes of a model with so many outputs: two where there is one output.

    Example:
        >>> from egcam_jax.core.answers import count
        >>> count(1), count(10)
        (2, 10)
    """
    return max(2, size)


def by_class(logits: Logits, probability: Probability = None) -> Float[Array, " n"]:
    """The score of each class: its logit, or its probability.

    Of one logit z these are ``(-z, z)`` and ``(1 - p, p)``, with ``p = 1 / (1 + exp(-z))`` for both named rules.

    Args:
        logits: ``(classes,)`` of one image.
        probability: A rule, as ``checked`` takes it; ``None`` for the logits.

    Returns:
        ``(classes,)``, or ``(2,)`` for one logit.

    Raises:
        ValueError: The function that was given as rule does not keep the shape of the logits.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax.core.answers import by_class
        >>> by_class(jnp.array([2.0])).tolist()
        [-2.0, 2.0]
        >>> by_class(jnp.array([0.0]), "softmax").tolist()
        [0.5, 0.5]
    """
    if callable(probability):
        made = _called(probability, logits)
        return jnp.stack([1 - made[0], made[0]]) if made.size == 1 else made
    both = jnp.concatenate([-logits, logits]) if logits.size == 1 else logits
    if probability is None:
        return both
    return jax.nn.sigmoid(both) if logits.size == 1 or probability == "sigmoid" else jax.nn.softmax(both)


def top(logits: Logits, probability: Probability = None) -> Int[Array, ""]:
    """The top class of one image's logits ``(classes,)``: of one logit, 1 where it is positive, else 0.

    A function that makes the probabilities decides; the named rules keep the order of the logits.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax.core.answers import top
        >>> int(top(jnp.array([0.3]))), int(top(jnp.array([0.1, 0.7, 0.2])))
        (1, 1)
    """
    return jnp.argmax(by_class(logits, probability if callable(probability) else None)).astype(jnp.int32)


def warn_of_probabilities(function: str, remedy: str, stacklevel: int) -> None:
    """Warn that a model's outputs are probabilities already, where logits are wanted."""
    warnings.warn(
        f"{function} must return logits; got outputs that lie in [0, 1] for any image, so they are probabilities "
        f"already. Return what goes into the last softmax or sigmoid; {remedy}",
        RuntimeWarning,
        stacklevel=stacklevel + 1,
    )


def warn_of_logarithms(function: str, stacklevel: int) -> None:
    """Warn that a model's outputs are logarithms of probabilities, where logits are wanted."""
    warnings.warn(
        f"{function} must return logits; got logarithms of probabilities, as log_softmax makes them. Return what goes "
        f"into the last log_softmax: a map of log p_c is against all other classes too, as log p_c = y_c - log sum "
        f"exp(y), and vanishes where the model is sure.",
        RuntimeWarning,
        stacklevel=stacklevel + 1,
    )


def _called(probability: Callable[..., Any], logits: Logits) -> Float[Array, " n"]:
    """The probabilities of one image by a function of a batch."""
    made = probability(logits[None])
    if getattr(made, "shape", None) != (1, logits.size):
        got = f"shape {made.shape}" if hasattr(made, "shape") else type(made).__name__
        raise ValueError(
            f"probability must return the shape of the logits, {(1, logits.size)} for one image; got {got}. "
            f"Return one probability for each logit."
        )
    return numerics.accumulate(made[0])
