"""Maps of an image as it is scaled up: scalings as rows, methods as columns; below each what its patches show."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax import data, models, render
from egcam_jax import saturation as _core
from egcam_jax.evaluate._labels import AskedMethod
from egcam_jax.evaluate._labels import methods as read_methods
from egcam_jax.evaluate._references import draw

_HEIGHT = 224


class Subject(NamedTuple):
    """What is explained: a network at a layer, where the images are from, what they are scaled from, and all names."""

    model: models.Model
    layer: str
    source: data.Source
    black: np.ndarray
    ids: Sequence[str]


class Column(NamedTuple):
    """One method's maps of an image at A scalings.

    Attributes:
        saliency: ``(A, H, W)``.
        probability: ``(A,)`` softmax score of the class for the scaled image.
        inserted: ``(A, H, W, C)`` the whole image's patches that the map finds strongest, on black; or ``None``.
        inserted_probability: ``(A,)`` softmax score of the class for them; or ``None``.
    """

    saliency: np.ndarray
    probability: np.ndarray
    inserted: np.ndarray | None
    inserted_probability: np.ndarray | None


def grid(
    settings: Any, subject: Subject, images: Sequence[tuple[data.Loaded, int]], step: Callable[[], None]
) -> tuple[np.ndarray | None, dict[str, Any] | None]:
    """Draw the maps of some images.

    Args:
        settings: What was asked for: ``methods``, ``samples``, ``at``, ``patches``, ``refs``, ``num_refs``,
            ``seed``, ``chunk``.
        subject: The network, and where references may be from.
        images: With the class that is explained.
        step: Called after each image.

    Returns:
        ``(H, W, 3)`` picture, ``None`` where there are no images; and what is known of the references, ``None`` where
        there are none.
    """
    methods = read_methods(settings.methods, settings.samples)
    if not images:
        return None, None
    references, known = None, None
    if any(it.method.needs_refs for it in methods):
        options = {"refs": settings.refs, "count": settings.num_refs, "seed": settings.seed}
        references, known = draw(subject.source, subject.ids, subject.model.preprocess, **options)
    alphas = np.asarray(settings.at, np.float32)
    rows, labels = [], []
    for image, target in images:
        columns = [_column(settings, subject, it, references, image, target, alphas) for it in methods]
        named, whole = subject.model.class_names[target], _picture(image.crop, subject, 1.0)
        for i, alpha in enumerate(alphas):
            picture = _picture(image.crop, subject, float(alpha))
            rows.append([picture, *(render.overlay(picture, it.saliency[i]) for it in columns)])
            first = f"α = {alpha:g}\n{named}: {100 * columns[0].probability[i]:.1f} %"
            labels.append([first, *(it.label for it in methods)])
            if settings.patches:
                rows.append([whole, *(_shown(it.inserted[i], subject) for it in columns)])  # type: ignore[index]
                labels.append(["whole", *(_patches(settings.patches, it, i) for it in columns)])
        step()
    return render.grid(rows, labels=labels, height=_HEIGHT, bar=render.DEFAULT_COLOUR_MAP), known


def _column(
    settings: Any,
    subject: Subject,
    asked: AskedMethod,
    references: Any,
    image: data.Loaded,
    target: int,
    alphas: np.ndarray,
) -> Column:
    """One method's maps of an image."""
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
    probability = np.asarray(jax.nn.softmax(found.logits[0])[:, target])
    inserted = scores = None
    if settings.patches:
        x, count = jnp.asarray(image.x), settings.patches
        insert = lambda cam: _core.insert_patches(x, cam, count=count, baseline=subject.black)
        pictures = jax.vmap(insert)(found.cam[0])
        scores = np.asarray(jax.nn.softmax(subject.model.apply_fn(subject.model.params, pictures))[:, target])
        inserted = np.asarray(pictures)
    return Column(np.asarray(found.saliency[0]), probability, inserted, scores)


def _patches(count: int, column: Column, i: int) -> str:
    probability = column.inserted_probability[i]  # type: ignore[index]  # where there are patches
    said = f"{100 * probability:.1f} %" if probability >= 0.0005 else "< 0.1 %"
    return f"its {count} strongest patches: {said}"


def _picture(crop: Any, subject: Subject, alpha: float) -> np.ndarray:
    """What the network is shown, as a picture: the crop, scaled as its input is."""
    black = _pixels(subject.black, subject)
    return np.clip(np.rint(black + alpha * (crop - black)), 0, 255).astype(np.uint8)


def _shown(x: Any, subject: Subject) -> np.ndarray:
    """A preprocessed image as a picture."""
    return np.clip(np.rint(_pixels(np.asarray(x), subject)), 0, 255).astype(np.uint8)


def _pixels(x: np.ndarray, subject: Subject) -> np.ndarray:
    """From a network's units to pixels from 0 to 255, red first."""
    settings = subject.model.preprocess
    pixels = (x * np.asarray(settings.std) + np.asarray(settings.mean)) * (255 / settings.scale)
    return pixels[..., ::-1] if settings.bgr else pixels
