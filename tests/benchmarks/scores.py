"""How much faster our metrics are than Quantus's, side by side in one run; and insertion against its forward passes.

    pip install torch torchvision quantus==0.6.0
    python tests/benchmarks/scores.py

LeNet on 28 x 28 grey images, the network and size of Quantus's own tutorial, or one of torchvision's: same weights
(random, PyTorch's initialisation), images, maps, classes, settings and number of threads, float32, on
the CPU. Quantus gets all images in one call at its own ``batch_size=64``; its explainer is Grad-CAM written in
PyTorch, ours ``egcam_jax.explain``. Both are timed in turn, after one warm-up of each; a row gives the median of
theirs/ours with its range, so that above 1 ours is faster, the model runs (of metrics that explain again, the
explanations) of each image, and the relative difference of the values where both compute the same thing. Compilation
is apart: a first call of ours.

IROF and ROAD are not here: Quantus 0.6 fails on images with channels.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cost
import jax
import jax.numpy as jnp
import numpy as np
import quantus
import torch
import torchvision
from jax.ad_checkpoint import checkpoint_name

import egcam_jax
from egcam_jax import metrics, models
from egcam_jax.metrics import Score

if not hasattr(np, "trapz"):
    np.trapz = np.trapezoid  # noqa: NPY201 - Quantus calls it, and NumPy 2.4 has it no more

QUIET = {"disable_warnings": True, "display_progressbar": False}
LEAST_PASSES, LEAST_EXPLAINED, INSERTION_LIMIT = 5.0, 50.0, 1.1


class Subject(NamedTuple):
    """The same network, images, maps and classes on both sides."""

    predict: Any
    explain: Any
    x: jax.Array
    maps: np.ndarray
    targets: np.ndarray
    network: torch.nn.Module
    layer: str

    def theirs(self, metric: Any, *, explained: bool = False, softmax: bool = False, **options: Any) -> np.ndarray:
        """One call of a class of Quantus on all images."""
        call: dict[str, Any] = {"explain_func": self.gradcam} if explained else {}
        values = metric(**options, **QUIET)(
            model=self.network,
            x_batch=np.moveaxis(np.asarray(self.x), -1, 1).copy(),
            y_batch=self.targets,
            a_batch=None if explained else self.maps[:, None],
            device="cpu",
            channel_first=True,
            softmax=softmax,
            batch_size=64,
            **call,
        )
        return np.asarray(values, np.float64).reshape(len(self.x), -1)

    def gradcam(self, model: torch.nn.Module, inputs: Any, targets: Any, **_: Any) -> np.ndarray:
        """Sizes of Grad-CAM before its ReLU, at the size of the image: what ``explain`` does, in PyTorch."""
        kept: list[torch.Tensor] = []
        handle = model.get_submodule(self.layer.replace("/", ".")).register_forward_hook(
            lambda module, given, out: kept.append(out)
        )
        x = torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
        logits = model(x)
        handle.remove()
        score = logits.gather(1, torch.as_tensor(np.array(targets))[:, None]).sum()
        (gradient,) = torch.autograd.grad(score, kept[0])
        cam = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True).abs().detach()
        return torch.nn.functional.interpolate(cam, x.shape[2:], mode="bilinear").numpy()


class Contest(NamedTuple):
    """Ours against theirs, and how much faster ours must be; whether both compute the same numbers."""

    ours: Callable[[], Score]
    theirs: Callable[[], np.ndarray]
    least: float
    same: bool


def contests(it: Subject, samples: int) -> dict[str, Contest]:
    """Every metric of both that runs the model, at settings that ask as much of either."""
    _, width, channels = it.x.shape[1:]
    judged, key = (it.predict, it.x, it.maps, it.targets), jax.random.key(0)
    again = {"target": it.targets, "num_samples": samples}
    step, patch = channels * width, 4
    copies = {"explained": True, "nr_samples": samples}

    def passes(ours: Callable[[], Score], metric: Any, **options: Any) -> Contest:
        return Contest(ours, lambda: it.theirs(metric, **options), LEAST_PASSES, same=True)

    def explained(ours: Any, metric: Any, **options: Any) -> Contest:
        run = lambda: ours(it.explain, it.x, key, **again, **options)
        return Contest(run, lambda: it.theirs(metric, **copies), LEAST_EXPLAINED, same=False)

    return {
        "faithfulness_estimate": passes(
            lambda: metrics.faithfulness_estimate(*judged, step=step, mode="quantus"),
            quantus.FaithfulnessEstimate,
            features_in_step=step,
        ),
        "pixel_flipping": passes(
            lambda: metrics.pixel_flipping(*judged, step=step, mode="quantus"),
            quantus.PixelFlipping,
            features_in_step=step,
            return_auc_per_sample=True,
            softmax=True,
        ),
        "infidelity": passes(
            lambda: metrics.infidelity(*judged, patch_size=patch, mode="quantus"),
            quantus.Infidelity,
            perturb_patch_sizes=[patch],
            n_perturb_samples=1,
        ),
        "sufficiency": passes(
            lambda: metrics.sufficiency(it.predict, it.x, it.maps, strict=True, normalize=False), quantus.Sufficiency
        ),
        "local_lipschitz": explained(metrics.local_lipschitz, quantus.LocalLipschitzEstimate),
        "max_sensitivity": explained(metrics.max_sensitivity, quantus.MaxSensitivity),
        "avg_sensitivity": explained(metrics.avg_sensitivity, quantus.AvgSensitivity),
        "relative_input_stability": explained(
            metrics.relative_input_stability, quantus.RelativeInputStability, predict=it.predict
        ),
        "relative_output_stability": explained(
            metrics.relative_output_stability, quantus.RelativeOutputStability, predict=it.predict
        ),
    }


class LeNet(torch.nn.Module):
    """Two convolutions with pooling and three matrices, as in Quantus's tutorial on MNIST."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(1, 6, 5), torch.nn.Conv2d(6, 16, 5)
        self.first, self.last, self.pool = torch.nn.ReLU(), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
        self.fc1, self.fc2, self.fc3 = torch.nn.Linear(256, 120), torch.nn.Linear(120, 84), torch.nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.last(self.conv2(self.pool(self.first(self.conv1(x))))))
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x.flatten(1))))))


def lenet(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """The twin of ``LeNet``, with its weights by PyTorch's names."""

    def convolve(name: str, x: jax.Array) -> jax.Array:
        kernel = params[f"{name}.weight"].transpose(2, 3, 1, 0)
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jax.nn.relu(x + params[f"{name}.bias"])

    def pool(x: jax.Array) -> jax.Array:
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    x = pool(checkpoint_name(convolve("conv2", pool(convolve("conv1", x))), "last"))
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    for name in ("fc1", "fc2"):
        x = jax.nn.relu(x @ params[f"{name}.weight"].T + params[f"{name}.bias"])
    return x @ params["fc3.weight"].T + params["fc3.bias"]


def twins(name: str, folder: Path) -> tuple[torch.nn.Module, Any, Any, int]:
    """The network in PyTorch, its function in JAX with the same weights, and how many channels its images have."""
    torch.manual_seed(0)
    if name == "lenet":
        network = LeNet().eval()
        params = {key: jnp.asarray(value.numpy()) for key, value in network.state_dict().items()}
        return network, lenet, params, 1
    network = getattr(torchvision.models, name)(weights=None).eval()
    path = folder / f"{name}.pth"
    torch.save(network.state_dict(), path)
    model = models.load(name, weights=path)
    return network, model.apply_fn, model.params, 3


def subject(name: str, layer: str, size: int, images: int, folder: Path) -> Subject:
    """The same network on both sides, and what it is asked about."""
    network, apply_fn, params, channels = twins(name, folder)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((images, size, size, channels), np.float32))

    def sizes(params: Any, x: Any, target: Any) -> jax.Array:
        signed = egcam_jax.explain(params, apply_fn, x, target=target, method="gradcam", layer=layer).signed
        return jax.image.resize(jnp.abs(signed), (len(x), *x.shape[1:3]), "linear")

    predict = jax.tree_util.Partial(apply_fn, params)
    made = Subject(
        predict,
        jax.tree_util.Partial(sizes, params),
        x,
        np.abs(np.random.default_rng(1).standard_normal((images, size, size))).astype(np.float32),
        np.asarray(jnp.argmax(predict(x), axis=1)),
        network,
        layer,
    )
    agree(made)
    return made


def agree(it: Subject) -> None:
    """Refuse to time two networks, or two explainers, that are not the same."""
    theirs = torch.from_numpy(np.moveaxis(np.asarray(it.x), -1, 1).copy())
    with torch.no_grad():
        logits = it.network(theirs).numpy()
    for ours, other in ((it.predict(it.x), logits), (explained(it), it.gradcam(it.network, theirs, it.targets)[:, 0])):
        error = np.abs(np.asarray(ours) - other).max() / np.abs(other).max()
        if not error < 1e-3:
            raise SystemExit(f"not the same network or explainer: they differ by {error:.1e} of the largest value")


def explained(it: Subject) -> jax.Array:
    """The maps, one image at a time, as metrics ask for them."""
    return jax.vmap(lambda x, target: it.explain(x[None], target[None])[0])(it.x, jnp.asarray(it.targets))


def compare(name: str, run: Contest, repeats: int) -> None:
    """A row: theirs/ours, and what each image took."""
    start = time.perf_counter()
    score = jax.block_until_ready(run.ours())
    first = time.perf_counter() - start
    ratios, median = cost.pairs(run.theirs, lambda: run.ours().value, repeats)
    middle, spread = statistics.median(ratios), f"({min(ratios):.1f} to {max(ratios):.1f})"
    verdict = f"at least {run.least:g}" + ("" if middle >= run.least else "  MISSED")
    values = np.asarray(score.value)
    difference = ""
    if run.same:
        theirs = run.theirs()[:, 0]
        difference = f"values within {np.max(np.abs(values - theirs) / (np.abs(theirs) + 1e-12)):.0e}"
    row = f"{name:28s} {middle:8.1f} {spread:18s} {verdict:22s} {median:8.2f} s / {median / middle:7.3f} s"
    print(f"{row}  {score.evaluations:4d} runs an image, compiled in {first:.0f} s  {difference}".rstrip(), flush=True)


def insertion(repeats: int, images: int, folder: Path) -> None:
    """Insertion and deletion at 224 steps on ResNet-50, against as many forward passes in equal chunks."""
    made = subject("resnet50", "layer4", 224, images, folder)
    for name in ("insertion_auc", "deletion_auc"):
        run = lambda name=name: getattr(metrics, name)(made.predict, made.x, made.maps, made.targets)
        evaluations = int(run().evaluations)
        forward = cost.feature_passes(made.predict.func, made.predict.args[0], made.x[:1], "layer4")
        batch = jnp.resize(made.x, (evaluations * images, *made.x.shape[1:]))
        ratios, _ = cost.pairs(
            lambda run=run: run().value,
            lambda forward=forward, batch=batch: forward(made.predict.args[0], batch),
            repeats,
        )
        cost.row(f"resnet50 224 x 224, {name} / {evaluations} forward passes", ratios, INSERTION_LIMIT)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="lenet", help="or one of torchvision's")
    parser.add_argument("--layer", default="last")
    parser.add_argument("--size", type=int, default=28, help="of the images; 48 for those of torchvision")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--samples", type=int, default=20, help="copies of metrics that explain again")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--metrics", nargs="+", help="some of them; all by default, and insertion and deletion")
    return parser.parse_args()


def main() -> None:
    options = parse()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    torch.set_num_threads(options.threads)
    print(
        f"egcam_jax {egcam_jax.__version__}, jax {jax.__version__}, torch {torch.__version__}, "
        f"quantus {quantus.__version__}, {options.threads} threads, float32\n"
        f"{options.network} {options.size} x {options.size}, {options.images} images, theirs/ours"
    )
    with tempfile.TemporaryDirectory() as folder:
        made = subject(options.network, options.layer, options.size, options.images, Path(folder))
        for name, run in contests(made, options.samples).items():
            alone = name == "sufficiency" and options.images == 1  # it compares images
            if not alone and (not options.metrics or name in options.metrics):
                compare(name, run, options.repeats)
        if not options.metrics or "insertion" in options.metrics:
            insertion(options.repeats, 1, Path(folder))


if __name__ == "__main__":
    main()
