"""Draw the pictures of the guide: methods side by side on photographs that may be shown.

python notebooks/gallery.py     # writes gallery.jpg and gallery/METHOD.jpg beside this file
"""

from pathlib import Path

import jax
import numpy as np
import skimage
import sklearn
from PIL import Image

import egcam_jax
from egcam_jax import METHODS, data, metrics, models, render

FOLDER = Path(__file__).resolve().parent
PICTURES = (Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images")
PHOTOGRAPHS = ("chelsea.png", "coffee.png", "camera.png", "rocket.jpg", "china.jpg", "flower.jpg")
REFERENCES = (
    "astronaut.png",
    "brick.png",
    "clock_motion.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
)
DRAWN_WITH = {"scorecam": {"top_channels": 128}}
"""Options of the methods that are not drawn with their defaults."""
FEWER = 3
"""How many of the photographs stand on the page of a method."""
SHOWN = {
    "gradcam": "Grad-CAM",
    "layercam": "LayerCAM",
    "expected_gradcam": "Expected Grad-CAM",
    "expected_attribution": "complete map",
}
"""The columns of gallery.jpg."""
LAYER = "blocks/5/0/expand"
"""After a ReLU, with a grid of 14 x 14 and a head that is not linear; no skip connection goes around it."""
STEPS = 14
"""Of insertion and of deletion."""


def pictures(names: tuple[str, ...]) -> list[np.ndarray]:
    """The photographs of these names, from the wheels of scikit-image and scikit-learn."""
    return [data.read(next(folder / name for folder in PICTURES if (folder / name).exists())) for name in names]


def scored(model: models.Model, x: np.ndarray, refs: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """The maps of a method, and insertion − deletion of each."""
    options = DRAWN_WITH.get(method, {})
    explanation = egcam_jax.explain(
        model.params, model.apply_fn, x, refs, jax.random.key(0), method=method, layer=LAYER, **options
    )
    predict = jax.tree_util.Partial(model.apply_fn, model.params)
    step = x.shape[1] * x.shape[2] // STEPS
    score = metrics.insertion_deletion(predict, x, explanation.saliency, explanation.target, step=step)
    return np.asarray(explanation.saliency), np.asarray(score.value)


def save(path: Path, picture: np.ndarray, quality: int) -> None:
    """Write a JPEG, and say how large it is."""
    Image.fromarray(picture).save(path, quality=quality, optimize=True)
    print(f"{path.relative_to(FOLDER)}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    model = models.load("efficientnet_lite0")
    photographs = pictures(PHOTOGRAPHS)
    crops = [data.crop(photograph, model.preprocess) for photograph in photographs]
    x = np.stack([data.preprocess(photograph, model.preprocess) for photograph in photographs])
    refs = np.stack([data.preprocess(photograph, model.preprocess) for photograph in pictures(REFERENCES)])
    refs = np.concatenate([refs, refs[:, :, ::-1]])
    classes = [model.class_names[c] for c in np.argmax(model.apply_fn(model.params, x), axis=1)]
    maps, scores = {}, {}
    for method in (*SHOWN, *(method for method in METHODS if method not in SHOWN)):
        count = len(x) if method in SHOWN else FEWER
        maps[method], scores[method] = scored(model, x[:count], refs, method)
        overlays = [render.overlay(*pair) for pair in zip(crops[:FEWER], maps[method])]
        labels = [f"{name} {score:+.2f}" for name, score in zip(classes[:FEWER], scores[method])]
        strip = render.grid([overlays], labels=[labels], height=180)
        save(FOLDER / "gallery" / f"{method.replace('++', '_plus_plus')}.jpg", strip, 82)
        print(method, scores[method].round(3), scores[method].mean().round(3), flush=True)
        if len(maps) == len(SHOWN):
            columns = [crops, *([render.overlay(*pair) for pair in zip(crops, maps[shown])] for shown in SHOWN)]
            labels = [[name, *(f"{scores[shown][i]:+.2f}" for shown in SHOWN)] for i, name in enumerate(classes)]
            sheet = render.grid(list(zip(*columns)), titles=["photograph", *SHOWN.values()], labels=labels, height=200)
            save(FOLDER / "gallery.jpg", sheet, 76)


if __name__ == "__main__":
    main()
