"""Pictures through the network batch by batch, as every command that explains pictures does it.

What is written or said about an explanation is decided elsewhere.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.cli import _errors, _inputs, _methods, _targets
from egcam_jax.cli._session import Session
from egcam_jax.methods import explain

_LONG = 300
"""Letters of a message from the device: the rest is for those who ask for --debug."""


class Batch(NamedTuple):
    """Pictures that could be read, and what the library takes for them, filled up to the session's size.

    ``targets`` has one entry for each map of a picture, as ``explain`` takes them.
    """

    pictures: list[_inputs.Picture]
    x: Any
    index: Any
    targets: list[Any]


def read(session: Session, inputs: Sequence[_inputs.Input]) -> tuple[Batch | None, list[_inputs.Failure]]:
    """Read a batch; ``None`` where no picture of it can be read. Filled up, so as not to compile again."""
    pictures, failures = _inputs.load(inputs, session.model.preprocess)
    if not pictures:
        return None, failures
    filled = [pictures[min(i, len(pictures) - 1)] for i in range(session.size)]
    x = jnp.asarray(np.stack([picture.x for picture in filled]))
    index = jnp.asarray([picture.source.place for picture in filled])
    return Batch(pictures, x, index, _batch_targets(session, x)), failures


def explanations(session: Session, batch: Batch, choice: _methods.Choice) -> list[list[Any]]:
    """Explain a batch by one method: for each picture, one explanation of NumPy's arrays for each target."""
    found = [jax.device_get(explanation) for explanation in _explain(session, batch, choice)]
    return [[jax.tree.map(lambda leaf: leaf[i], it) for it in found] for i in range(len(batch.pictures))]  # noqa: B023


def check_finite(explanation: Any) -> None:
    """Refuse what cannot be drawn.

    Raises:
        FloatingPointError: The logits or the map of one picture are NaN or infinite.
    """
    if not np.isfinite(explanation.logits).all():
        raise FloatingPointError(
            "the network's output is NaN or infinite, so there is nothing to draw; check --weights, or try "
            "--dtype float32"
        )
    if not np.isfinite(np.asarray(explanation.saliency, np.float32)).all():
        raise FloatingPointError(
            "the map is NaN or infinite though the network's output is not: gradients overflow; try --dtype float32, "
            "or another --layer"
        )


def reason(error: Exception) -> str:
    """Say what went wrong, with the remedy where it may be that the device's memory ran out."""
    text = _errors.text(error)
    memory = isinstance(error, RuntimeError | MemoryError)
    return f"{text[:_LONG]} (if memory ran out: a smaller --chunk or --batch)" if memory else text


def _explain(session: Session, batch: Batch, choice: _methods.Choice) -> Iterator[Any]:
    with warnings.catch_warnings():
        # Images whose logits are not finite are reported by name, without their number in the batch.
        warnings.filterwarnings("ignore", message="the logits of image", category=RuntimeWarning)
        for target in batch.targets:
            yield _at(session, choice, batch.index)(*_traced(session), batch.x, target)


def explainer(session: Session, choice: _methods.Choice) -> Any:
    """The method as metrics take it, images and classes to maps; make it once, since programs go by its identity."""

    def saliency(params: Any, refs: Any, key: Any, x: Any, target: Any) -> Any:
        return _at(session, choice, 0)(params, refs, key, x, target).saliency

    return jax.tree_util.Partial(saliency, *_traced(session))


def _traced(session: Session) -> tuple[Any, Any, Any]:
    """What a run's explanations share and programs take as arguments: parameters, references and key."""
    references = session.references and session.references.images
    return session.model.params, references, jax.random.key(session.settings.seed)


def _at(session: Session, choice: _methods.Choice, index: Any) -> Callable[..., Any]:
    """``explain`` with all that was asked for, for images at these places in the whole."""
    settings = session.settings
    return lambda params, refs, key, x, target: explain(
        params,
        session.model.apply_fn,
        x,
        refs,
        key,
        target=target,
        method=choice.name,
        gradients=choice.gradients,
        layer=_layer(session),
        negative=settings.negative,
        num_samples=settings.samples,
        chunk_size=settings.chunk,
        index=index,
        compute_dtype=jnp.bfloat16 if settings.dtype == "bfloat16" else None,
        **choice.arguments,
    )


def _layer(session: Session) -> Any:
    """The layer that was named, several as several, or the model's own."""
    names = list(session.settings.layer)
    return names if len(names) > 1 else names[0] if names else session.model.layer


def _batch_targets(session: Session, x: Any) -> list[Any]:
    """Targets as ``explain`` takes them: a class, each image's top class, or each one's k top classes."""
    if not isinstance(session.target, _targets.Top):
        return [session.target]
    if session.target.k == 1:
        return [None]
    logits = jax.jit(session.model.apply_fn)(session.model.params, x)
    _, order = jax.lax.top_k(logits, session.target.k)
    return list(order.T)
