"""How much faster our methods are than those of pytorch-grad-cam, torch-cam and captum, side by side in one run.

    pip install torch torchvision grad-cam torchcam captum
    python tests/benchmarks/compare.py

Same weights (random, torchvision's initialisation), images, classes, batch and number of threads, float32, on the CPU.
All are timed in turn (A B C A B C ...), the first round left out; a row gives the median of theirs/ours with its range,
so that above 1 ours is faster, and the median time of each for the batch. Compilation is apart: a first call of ours.

What would take hours is timed in part. Of Ablation-CAM pytorch-grad-cam runs the first channels only (``--ablated``),
and its time is extrapolated to all: clean passes + the rest * channels / ablated; ours runs whole. Of Score-CAM each
runs as many masked images (``--masked``): ours those of the channels with the largest range, theirs the first channels.
"""

import argparse
import contextlib
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TQDM_DISABLE", "1")

import cost
import jax
import jax.numpy as jnp
import libraries
import numpy as np
import torch

import egcam_jax
from egcam_jax import models
from egcam_jax.core import compilation

ONE_GRADIENT = ("gradcam", "gradcam++", "xgradcam", "hirescam", "layercam")
METHODS = ("forward", *ONE_GRADIENT, "smooth_gradcam++", "integrated_gradcam", "ablationcam", "scorecam")
CASES = ("resnet50:layer4", "resnet50:layer3/4", "vgg16:features")
SMOOTH_SAMPLES, SMOOTH_SIGMA = 4, 0.3  # torch-cam's defaults
ABLATION_LEAST = {"layer4": 1000.0, "layer3/4": 4.0}
INTEGRATED_LIMIT = 1.25

Clock = Callable[[Callable[[], Any]], float]


class Subject(NamedTuple):
    """The same network, images and classes on both sides."""

    model: models.Model
    layer: str
    x: jax.Array
    targets: np.ndarray
    theirs: libraries.Case

    def explain(self, method: str, **options: Any) -> egcam_jax.Explanation:
        return egcam_jax.explain(
            self.model.params,
            self.model.apply_fn,
            self.x,
            target=self.targets,
            method=method,
            layer=self.layer,
            **options,
        )

    @property
    def channels(self) -> int:
        x = jax.eval_shape(lambda: self.x)
        split = egcam_jax.split(self.model.apply_fn, self.model.params, x, self.layer)
        return jax.eval_shape(split.features, self.model.params, x).shape[-1]


class Contest(NamedTuple):
    """Ours against theirs, each of which is a function of the clock to seconds, and how much faster ours must be."""

    ours: Callable[[], Any]
    theirs: dict[str, Callable[[Clock], float]]
    least: dict[str, float]
    note: str = ""


def timed(runs: dict[str, Callable[[], Any]]) -> dict[str, Callable[[Clock], float]]:
    return {library: lambda clock, run=run: clock(run) for library, run in runs.items()}


def contest(subject: Subject, method: str, options: argparse.Namespace) -> Contest:
    """What is timed for a method, and how much faster ours must be at least."""
    case, batch = subject.theirs, len(subject.x)
    if method == "forward":
        forward = compilation.jit(subject.model.apply_fn, static_argnames=())
        theirs = {"PyTorch": lambda: libraries.forward(case)}
        return Contest(lambda: forward(subject.model.params, subject.x), timed(theirs), {})
    if method in ONE_GRADIENT:
        least = {"pytorch-grad-cam": 2.0, "torch-cam": 1.0, "captum": 1.0}
        return Contest(lambda: subject.explain(method), timed(libraries.one_gradient(method, case)), least)
    if method == "smooth_gradcam++":
        key, theirs = jax.random.key(0), libraries.smooth(case, SMOOTH_SAMPLES)
        ours = lambda: subject.explain(method, key=key, num_samples=SMOOTH_SAMPLES, sigma=SMOOTH_SIGMA)
        return Contest(ours, timed(theirs), {"torch-cam": 1.0}, f"n={SMOOTH_SAMPLES}")
    if method == "scorecam":
        count = max(1, options.masked // batch)
        ours, theirs = lambda: subject.explain(method, top_channels=count), libraries.score(case, count)
        return Contest(ours, timed(theirs), dict.fromkeys(theirs, 1.0), f"{count} channels of {subject.channels}")
    return ablation(subject, options.ablated)


def ablation(subject: Subject, count: int) -> Contest:
    """Ours whole against an extrapolation of theirs."""
    case, channels = subject.theirs, subject.channels

    def theirs(clock: Clock) -> float:
        clean = clock(lambda: libraries.ablate(case, 0))
        return clean + (clock(lambda: libraries.ablate(case, count)) - clean) * channels / count

    least = {"pytorch-grad-cam": ABLATION_LEAST[subject.layer]} if subject.layer in ABLATION_LEAST else {}
    note = f"theirs extrapolated from {count} channels of {channels}"
    return Contest(lambda: subject.explain("ablationcam"), {"pytorch-grad-cam": theirs}, least, note)


def rounds(run: Contest, clock: Clock, repeats: int, budget: float) -> list[list[float]]:
    """Seconds of all in turn, ours, then theirs. The first round warms up, and counts only where there is no other."""
    table, start = [], time.perf_counter()
    for _ in range(repeats + 1):
        table.append([clock(run.ours), *(theirs(clock) for theirs in run.theirs.values())])
        if time.perf_counter() - start > budget:
            break
    return table[1:] or table


def report(name: str, run: Contest, first: float, table: list[list[float]]) -> None:
    """A row for each library: theirs/ours, its range, and whether it is as much as it must be."""
    ours, *theirs = zip(*table)
    mine = statistics.median(ours)
    for library, times in zip(run.theirs, theirs):
        ratios = [b / a for a, b in zip(ours, times)]
        middle, least = statistics.median(ratios), run.least.get(library)
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        verdict = "" if least is None else f"at least {least:g}" + ("" if middle >= least else "  MISSED")
        seconds = f"{statistics.median(times):9.3f} s / {mine:7.3f} s, {len(times)} rounds"
        row = f"{name:48s} {library:17s} {middle:8.2f} {spread:22s} {verdict:18s} {seconds}"
        print(f"{row}, compiled in {max(0, first - mine):.0f} s  {run.note}".rstrip(), flush=True)


def integrated(subject: Subject, name: str, clock: Clock, options: argparse.Namespace) -> None:
    """Integrated Grad-CAM, which no library has, against as many forward passes of the features as it makes.

    Where the head is a good part of the network its gradients, which the method is made of, cost as much again: hence
    the second row.
    """
    samples = options.steps
    run = lambda: subject.explain("integrated_gradcam", num_samples=samples)
    passes = run().passes
    encode = cost.feature_passes(subject.model.apply_fn, subject.model.params, subject.x[:1], subject.layer)
    batch = jnp.resize(subject.x, (passes * len(subject.x), *subject.x.shape[1:]))
    ratios, _ = cost.pairs(run, lambda: encode(subject.model.params, batch), options.repeats, clock)
    cost.row(f"{name}, m={samples} / {passes} passes of features", ratios, INTEGRATED_LIMIT)
    gradients = subject._replace(x=batch, targets=np.resize(subject.targets, len(batch)))
    ratios, _ = cost.pairs(run, lambda: gradients.explain("gradcam"), options.repeats, clock)
    cost.row(f"{name}, m={samples} / {passes} Grad-CAMs", ratios, None)


def pin(threads: int) -> None:
    """Keep both sides to as many cores and threads; XLA takes as many as the process may use."""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise SystemExit(f"--threads is {threads}, but this process may use {len(cores)} cores")
    os.sched_setaffinity(0, cores[:threads])
    torch.set_num_threads(threads)


def subjects(name: str, layers: list[str], batch: int, folder: Path) -> list[Subject]:
    """A network with the same weights on both sides, at each of its layers."""
    path = folder / f"{name}.pth"
    network = libraries.network(name, path)
    model = models.load(name, weights=path)
    x = np.random.default_rng(batch).standard_normal((batch, 224, 224, 3), np.float32)
    theirs = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    targets = np.arange(batch) * 7 % 1000
    cases = [libraries.Case(network, layer.replace("/", "."), theirs, targets.tolist()) for layer in layers]
    agree(model, jnp.asarray(x), cases[0])
    return [Subject(model, layer, jnp.asarray(x), targets, case) for layer, case in zip(layers, cases)]


def agree(model: models.Model, x: jax.Array, case: libraries.Case) -> None:
    """Refuse to time two networks that are not the same."""
    ours, theirs = np.asarray(jax.jit(model.apply_fn)(model.params, x)), libraries.forward(case).numpy()
    error = np.abs(ours - theirs).max() / np.abs(theirs).max()
    if not error < 1e-3:
        raise SystemExit(f"{model.name}: logits differ by {error:.1e} of the largest: not the same network")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), help="NETWORK:LAYER")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=5, help="rounds, at most")
    parser.add_argument("--budget", type=float, default=120, help="seconds after which no row begins another round")
    parser.add_argument("--ablated", type=int, default=32, help="channels that pytorch-grad-cam ablates for each image")
    parser.add_argument("--masked", type=int, default=128, help="masked images of Score-CAM, over the batch")
    parser.add_argument("--steps", type=int, default=50, help="of Integrated Grad-CAM")
    parser.add_argument("--cpu-time", action="store_true", help="time the processor, not the clock: for a busy machine")
    parser.add_argument("--quick", action="store_true", help="batch 1, two rounds, a quarter of the channels and steps")
    options = parser.parse_args()
    if options.quick:
        options.batches, options.repeats = [1], 2
        options.ablated, options.masked, options.steps = 8, 32, 12
    return options


def main() -> None:
    options = parse()
    pin(options.threads)
    clock = lambda run: cost.seconds(run, time.process_time if options.cpu_time else time.perf_counter)
    print(
        f"egcam_jax {egcam_jax.__version__}, jax {jax.__version__}, Python {platform.python_version()}, "
        f"{libraries.versions()}\n{options.threads} threads, float32, theirs/ours"
    )
    layers: dict[str, list[str]] = {}
    for case in options.cases:
        network, _, layer = case.partition(":")
        layers.setdefault(network, []).append(layer)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for network in layers:
            for batch in options.batches:
                for subject in subjects(network, layers[network], batch, folder):
                    compare(subject, clock, options)


def compare(subject: Subject, clock: Clock, options: argparse.Namespace) -> None:
    for method in options.methods:
        name = f"{subject.model.name} {subject.layer}, batch {len(subject.x)}, {method}"
        if method == "integrated_gradcam":
            integrated(subject, name, clock, options)
        else:
            run = contest(subject, method, options)
            first = clock(run.ours)
            report(name, run, first, rounds(run, clock, options.repeats, options.budget))


if __name__ == "__main__":
    main()
