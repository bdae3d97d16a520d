"""Maps of an image as it is scaled up: a source of scaled examples for the runner, drawn scaling by scaling."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from egcam_jax import data, render
from egcam_jax import saturation as _core
from egcam_jax.core import answers
from egcam_jax.output import batches
from egcam_jax.run import runner
from egcam_jax.run.batch import cut
from egcam_jax.run.programs import by_class
from egcam_jax.run.session import Session
from egcam_jax.run.sources import Loaded
from egcam_jax.run.targets import Target

_HEIGHT = 224


class Scaled(NamedTuple):
    """Images at A scalings each, one after another, as examples of the class that is explained of the whole image.

    Attributes:
        images: ``Loaded`` each, with the class.
        alphas: ``(A,)``.
        black: What images are scaled from, ``(1, 1, C)``.
        preprocess: The network's.
    """

    images: Sequence[tuple[Any, int]]
    alphas: np.ndarray
    black: np.ndarray
    preprocess: Any
    has_masks: bool = False

    def stream(self, indices: Sequence[int]) -> Iterator[Loaded]:
        """The scaled examples, each with its image's index, and so its draws."""
        for i in indices:
            (image, target), alpha = self.images[i // len(self.alphas)], self.alphas[i % len(self.alphas)]
            x = self.black + alpha * (image.x - self.black)
            crop = shown(x, self.preprocess)
            yield Loaded(image.index, image.id, crop, x.astype(np.float32), (target,), None, None)


def grid(
    session: Session, images: Sequence[tuple[Any, int]], alphas: Sequence[float], black: np.ndarray, patches: int
) -> np.ndarray | None:
    """Draw the maps of some images: scalings as rows, methods as columns; below each what its patches show.

    Args:
        session: A run with the methods.
        images: With the class that is explained.
        alphas: The scalings.
        black: What images are scaled from.
        patches: How many of a map's strongest patches are shown; 0 for none.

    Returns:
        ``(H, W, 3)`` picture; ``None`` where there are no images.
    """
    if not images:
        return None
    source = Scaled(images, np.asarray(alphas, np.float32), black, session.model.preprocess)
    places = np.arange(len(images) * len(alphas))
    session = session._replace(source=source, target=Target(label=True))
    groups = cut(places, session.size)
    todo = runner.everything(session, groups)
    clock = runner.clock(session, todo, lambda progress: None)
    rows, labels = [], []
    place = 0
    for one in batches.gather(runner.results(session, groups, todo, clock=clock)):
        for picture, cells in zip(one.pictures, zip(*one.cells.values())):
            made = {name: cell.explanation for name, (cell,) in zip(one.cells, cells) if _there(cell)}
            whole, target = images[place // len(alphas)]
            row, label = _row(session, picture, made, target, alphas[place % len(alphas)])
            rows.append(row)
            labels.append(label)
            if patches:
                row, label = _patches(session, whole, made, target, black, patches)
                rows.append(row)
                labels.append(label)
            place += 1
    return render.grid(rows, labels=labels, height=_HEIGHT, bar=render.DEFAULT_COLOUR_MAP)


def shown(x: Any, preprocess: Any) -> np.ndarray:
    """A preprocessed image as a picture, red first."""
    pixels = (np.asarray(x) * np.asarray(preprocess.std) + np.asarray(preprocess.mean)) * (255 / preprocess.scale)
    pixels = pixels[..., ::-1] if preprocess.bgr else pixels
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))  # of a network of grey pictures, in grey
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def black(preprocess: Any, space: str) -> np.ndarray:
    """What images are scaled from, ``(1, 1, C)``."""
    if space == "input":
        return np.zeros((1, 1, len(preprocess.mean)), np.float32)
    return data.normalise(np.zeros((1, 1, 3), np.uint8), preprocess)


def _there(cell: batches.Cell) -> bool:
    if cell.failure:
        raise cell.failure
    return True


def _row(
    session: Session, picture: Any, made: Mapping[str, Any], target: int, alpha: float
) -> tuple[list[np.ndarray], list[str]]:
    """The scaled picture and its maps."""
    first = next(iter(made.values()))
    probability = float(answers.by_class(jnp.asarray(first.logits), session.plan.probability)[target])
    named = session.model.class_names[target]
    overlays = [
        render.overlay(picture.crop, np.asarray(explanation.saliency, np.float32)) for explanation in made.values()
    ]
    return [picture.crop, *overlays], [f"α = {alpha:g}\n{named}: {100 * probability:.1f} %", *made]


def _patches(
    session: Session, whole: Any, made: Mapping[str, Any], target: int, black: np.ndarray, count: int
) -> tuple[list[np.ndarray], list[str]]:
    """The whole picture, and the patches of it that each map finds strongest."""
    model, preprocess = session.model, session.model.preprocess
    insert = lambda cam: _core.insert_patches(jnp.asarray(whole.x), cam, count=count, baseline=black)
    pictures = jnp.stack([insert(jnp.asarray(explanation.cam)) for explanation in made.values()])
    scores = np.asarray(by_class(model.apply_fn(model.params, pictures), session.plan.probability)[:, target])
    said = [f"{100 * score:.1f} %" if score >= 0.0005 else "< 0.1 %" for score in scores]
    texts = [f"its {count} strongest patches: {text}" for text in said]
    return [whole.crop, *(shown(picture, preprocess) for picture in pictures)], ["whole", *texts]
