"""How far the complete map is from its expectation, at equal passes through the head, by how its samples are drawn.

    python tests/benchmarks/variance.py --networks squeezenet1_0_caffe:features/10 --samples 32 64 --keys 50

Real networks on real photographs, from the folder ``../shared/data`` beside the checkout. For each image and n: the
variance of the map over keys, as a fraction of the map's own sum of squares; that of drawing references and positions
paired at random over the whole path, for comparison; and the root mean square of the reported standard error over the
true one.
"""

import argparse
import csv
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from safetensors.numpy import load_file

import egcam_jax
from egcam_jax import data, models
from egcam_jax.core import perturb
from egcam_jax.models import vgg

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = {
    "resnet50_v1": "resnet50_v1_imagenet",
    "squeezenet1_0_caffe": "squeezenet1_0_imagenet",
    "cifar_resnet20": "cifar_resnet20",
    "vgg16_coarse": "vgg16_coarse",
}


def coarse_vgg(path: Path) -> tuple[Callable[..., Any], Any, models.Preprocess]:
    """VGG-16 with the small classifier, which is no network of ``models``."""
    params: dict[str, Any] = {"features": {}, "classifier": {}}
    for name, value in load_file(path).items():
        part, number, kind = name.split(".")
        value = value.astype("float32")
        if kind == "weight" and part == "features":
            value = value.transpose(2, 3, 1, 0)
        elif kind == "weight" and number == "0":
            value = value.reshape(-1, 512, 7, 7).transpose(2, 3, 1, 0).reshape(-1, len(value))
        elif kind == "weight":
            value = value.T
        params[part].setdefault(number, {})["kernel" if kind == "weight" else "bias"] = jnp.asarray(value)
    module = vgg.VGG((2, 2, 3, 3, 3), 256, 16)
    preprocess = models.Preprocess(mean=(123.68, 116.779, 103.939), std=(1.0,) * 3, scale=255.0)
    return functools.partial(_apply, module), {"params": params}, preprocess


def _apply(module: Any, params: Any, x: Any) -> Any:
    return module.apply(params, x)


def network(name: str) -> tuple[Callable[..., Any], Any, models.Preprocess]:
    path = DATA / f"{FILES[name]}.safetensors"
    if name == "vgg16_coarse":
        return coarse_vgg(path)
    model = models.load(name, path)
    return model.apply_fn, model.params, model.preprocess


def pictures(name: str, preprocess: models.Preprocess, images: int, references: int) -> tuple[np.ndarray, np.ndarray]:
    """Images to explain, and others as references."""
    if name.startswith("cifar"):
        with np.load(DATA / "cifar10.npz") as stored:
            chosen = stored["test_images"][:images], stored["train_images"][:references]
        return tuple(np.stack([data.preprocess(picture, preprocess) for picture in each]) for each in chosen)

    def some(folder: str, count: int) -> np.ndarray:
        with (DATA / folder / "labels.csv").open() as file:
            rows = list(csv.DictReader(file))
        step = len(rows) // count
        files = [DATA / folder / row["file"] for row in rows[: step * count : step]]
        return np.stack([data.preprocess(Image.open(file), preprocess) for file in files])

    return some("imagenet_val", images), some("imagenet_samples", references)


def measure(case: str, images: int, references: int, samples: list[int], keys: int) -> None:
    name, _, layer = case.partition(":")
    apply_fn, params, preprocess = network(name)
    x, refs = pictures(name, preprocess, images, references)
    encoded = egcam_jax.encode(params, apply_fn, refs, layer=layer)

    @functools.partial(jax.jit, static_argnames="count")
    def run(params: Any, encoded: Any, image: Any, key: Any, count: int) -> Any:
        got = egcam_jax.explain(
            params, apply_fn, image, encoded, key, method="expected_attribution", layer=layer, num_samples=count
        )
        return got.signed, got.stderr

    whole = lambda num_samples, num_references: np.zeros(num_samples, int)
    stretches = perturb.stretches
    for number, image in enumerate(jnp.asarray(x)):
        for count in samples:
            found = {}
            for way, function in {"stretches": stretches, "one stretch": whole}.items():
                perturb.stretches = function
                run.clear_cache(), jax.clear_caches()
                got = [run(params, encoded, image, jax.random.key(k), count) for k in range(keys)]
                maps, errors = (np.asarray(each) for each in zip(*got))
                variance = maps.var(axis=0, ddof=1).sum()
                found[way] = variance, np.sqrt(np.mean(errors**2, axis=0).sum() / variance), maps.mean(axis=0)
            perturb.stretches = stretches
            (new, calibration, mean), (old, _, _) = found["stretches"], found["one stretch"]
            print(
                f"{case:32s} image {number}  R={references} n={count:4d}  relative variance {new / (mean**2).sum():.1e}"
                f"  of one stretch's {new / old:.2f}  reported/true error {calibration:.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--networks",
        nargs="+",
        default=[
            "cifar_resnet20:layer2",
            "squeezenet1_0_caffe:features/10",
            "vgg16_coarse:features",
            "resnet50_v1:layer3/4",
        ],
    )
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--references", type=int, default=8)
    parser.add_argument("--samples", nargs="+", type=int, default=[32, 64])
    parser.add_argument("--keys", type=int, default=50)
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: the optional folder {DATA} is missing")
        return
    for case in arguments.networks:
        measure(case, arguments.images, arguments.references, arguments.samples, arguments.keys)


if __name__ == "__main__":
    main()
