"""Maps of an image as it is scaled up: scalings as rows, methods as columns."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from egcam_jax import data, models, render
from egcam_jax import saturation as _core
from egcam_jax.evaluate._labels import AskedMethod
from egcam_jax.evaluate._labels import methods as read_methods

_HEIGHT = 224


class Subject(NamedTuple):
    """What is explained: a network at a layer, where the images are from, what they are scaled from, and all names."""

    model: models.Model
    layer: str
    source: data.Source
    black: np.ndarray
    ids: Sequence[str]


def grid(
    settings: Any, subject: Subject, images: Sequence[tuple[data.Loaded, int]], step: Callable[[], None]
) -> np.ndarray | None:
    """Draw the maps of some images.

    Args:
        settings: What was asked for: ``methods``, ``samples``, ``at``, ``refs``, ``num_refs``, ``seed``, ``chunk``.
        subject: The network, and where references may be from.
        images: With the class that is explained.
        step: Called after each image.

    Returns:
        ``(H, W, 3)`` picture; ``None`` where there are no images.
    """
    methods = read_methods(settings.methods, settings.samples)
    if not images:
        return None
    references = _references(settings, subject) if any(it.method.needs_refs for it in methods) else None
    alphas = np.asarray(settings.at, np.float32)
    rows, labels = [], []
    for image, target in images:
        columns = [_column(settings, subject, it, references, image, target, alphas) for it in methods]
        for i, alpha in enumerate(alphas):
            picture = _picture(image.crop, subject, float(alpha))
            rows.append([picture, *(render.overlay(picture, saliency[i]) for saliency, _ in columns)])
            probability = columns[0][1][i]
            named = subject.model.class_names[target]
            first = f"α = {alpha:g}\n{named}: {100 * probability:.1f} %"
            labels.append([first, *(it.label for it in methods)])
        step()
    return render.grid(rows, labels=labels, height=_HEIGHT, bar=render.DEFAULT_COLOUR_MAP)


def _column(
    settings: Any,
    subject: Subject,
    asked: AskedMethod,
    references: Any,
    image: data.Loaded,
    target: int,
    alphas: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """One method's maps of an image, ``(A, H, W)``, and the class's probability at each scaling."""
    found = _core.explanations(
        subject.model.params,
        subject.model.apply_fn,
        image.x[None],  # type: ignore[index]  # it could be read
        references[: asked.refs] if references is not None else None,
        jax.random.key(settings.seed),
        alphas=alphas,
        target=target,
        baseline=subject.black,
        index=image.index,
        method=asked.name,
        gradients=asked.gradients,
        layer=subject.layer,
        num_samples=asked.samples,
        chunk_size=settings.chunk,
        **asked.options,
    )
    return np.asarray(found.saliency[0]), np.asarray(jax.nn.softmax(found.logits[0])[:, target])


def _references(settings: Any, subject: Subject) -> np.ndarray:
    """References from where they were asked for, else of the data what has no curve, else photographs of a package."""
    options: dict[str, Any] = {"count": settings.num_refs, "seed": settings.seed, "avoid": subject.ids}
    if settings.refs is not None:
        return data.pick_references(data.open_source(settings.refs), subject.model.preprocess, **options)[0]
    if len(subject.source) - len(subject.ids) >= settings.num_refs:
        return data.pick_references(subject.source, subject.model.preprocess, **options)[0]
    return data.demo_references(subject.model.preprocess)[: settings.num_refs]


def _picture(crop: Any, subject: Subject, alpha: float) -> np.ndarray:
    """What the network is shown, as a picture: the crop, scaled as its input is."""
    settings = subject.model.preprocess
    black = (subject.black * np.asarray(settings.std) + np.asarray(settings.mean)) * (255 / settings.scale)
    black = black[..., ::-1] if settings.bgr else black
    return np.clip(np.rint(black + alpha * (crop - black)), 0, 255).astype(np.uint8)
