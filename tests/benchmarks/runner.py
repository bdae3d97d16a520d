"""What the runner costs beside the compiled programs that it feeds: reading, hashing, writing, and its memory.

    python tests/benchmarks/runner.py
    python tests/benchmarks/runner.py --network tiny --method gradcam --metric sparseness

Random pictures in a file of arrays go through `evaluate.run` with one method and one metric: by default what
`egcam evaluate` does with a ResNet-20 for CIFAR. The first batch compiles and is left out. The bare side calls the same
compiled programs, the method's and the metric's, in a loop on one batch that lies on the device; once before the run
and once after it. Wanted: at least 0.9 of its images per second, and memory that stays the same. On a machine with
other work, the share in processor time says more than that by the clock. A network that costs next to nothing
(`--network tiny`) shows what the runner itself takes for each image.
"""

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import egcam_jax
from egcam_jax import evaluate, models
from egcam_jax.run import programs, session

WANTED = 0.9
SIDE, CHANNELS = 32, (24, 48)


def apply_fn(params: Any, x: jax.Array) -> jax.Array:
    """Two convolutions, the mean over positions, and a matrix."""
    for number, kernel in enumerate(params["kernels"]):
        with jax.named_scope(f"block{number}"):
            x = jax.nn.relu(
                jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            )
    return jax.numpy.tanh(x.mean((1, 2))) @ params["out"]


def network(name: str, weights: Path | None) -> models.Model:
    """The tiny network, or one of the package's: with weights from a file, or random ones."""
    if name != "tiny":
        return models.load(name, weights=weights) if weights else models.init(name, jax.random.key(0))
    rng, sizes = np.random.default_rng(0), (3, *CHANNELS)
    draw = lambda *shape: jax.numpy.asarray(rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1])), "float32")
    kernels = [draw(3, 3, before, after) for before, after in zip(sizes, CHANNELS)]
    return models.Model(
        name=name,
        apply_fn=apply_fn,
        params={"kernels": kernels, "out": draw(CHANNELS[-1], 10)},
        preprocess=models.Preprocess(size=SIDE, resize=SIDE),
        class_names=tuple(map(str, range(10))),
        layer="block1",
        digest="",
        weights="random",
        input_shape=(SIDE, SIDE, 3),
    )


def resident() -> float:
    """MiB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def clocks() -> np.ndarray:
    """Seconds by the clock, and seconds of all processors that this process has had."""
    return np.array([time.perf_counter(), time.process_time()])


def bare(plan: evaluate.Plan, seconds: float) -> np.ndarray:
    """Images per second, by the clock and of processor time, of the compiled programs of the plan."""
    run = session.prepare(plan)
    x = np.random.default_rng(1).normal(size=(run.size, SIDE, SIDE, 3)).astype(np.float32)
    batch = {"x": x, "index": np.arange(run.size, dtype=np.int32), "target": np.zeros(run.size, np.int32)}
    batch = programs.spread(batch, run.devices)
    (method,), (metric,) = run.methods, run.metrics
    explain = session.program(run, method.label, lambda: programs.explained(plan, run.model, method, False))
    explainer = programs.explainer(plan, run.model, method)
    judge = session.program(run, metric.label, lambda: programs.judged(plan, run.model, metric, explainer, None))
    both = lambda: jax.block_until_ready(judge(run.shared, {**batch, "saliency": explain(run.shared, batch).saliency}))
    both()
    start, times = clocks(), 0
    while clocks()[0] - start[0] < seconds:
        both()
        times += 1
    return times * run.size / (clocks() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--network", default="cifar_resnet20", help="tiny, or one of the package")
    parser.add_argument("--weights", type=Path, help="a file of the network's weights; random ones by default")
    parser.add_argument("--method", default="expected_gradcam")
    parser.add_argument("--metric", default="insertion_deletion")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the bare program, each time")
    given = parser.parse_args()
    print(f"egcam_jax {egcam_jax.__version__}, jax {jax.__version__}, Python {platform.python_version()}", end=", ")
    print(f"{jax.devices()[0].device_kind}, {given.images} pictures of {SIDE} x {SIDE}, {given.network}, ", end="")
    print(f"{given.method}, {given.metric}, in batches of {given.batch}")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "pictures.npz")
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (given.images, SIDE, SIDE, 3), np.uint8)
        np.savez(data, test_images=images, test_labels=rng.integers(0, 10, given.images))
        plan = evaluate.Plan(
            data=f"npz:{data}",
            out=Path(folder, "run"),
            model=network(given.network, given.weights),
            methods=given.method,
            metrics=given.metric,
            batch=given.batch,
            num_refs=32,
            pictures=0,
        )
        moments: list[tuple[int, np.ndarray]] = []
        held: dict[int, float] = {}

        def report(progress: evaluate.Progress) -> None:
            if progress.batch > len(moments):
                moments.append((progress.batch, clocks()))
                if (quarter := 4 * progress.batch // progress.batches) not in held:
                    held[quarter] = resident()

        before = bare(plan, given.seconds)
        start = time.perf_counter()
        file = evaluate.run(plan, report=report)
        whole = time.perf_counter() - start
        after = bare(plan, given.seconds)
        (first, began), (last, stopped) = moments[0], moments[-1]
        rate, program = (last - first) * given.batch / (stopped - began), (before + after) / 2
        share, of_processor = rate / program
        print(f"bare programs {before[0]:8.1f} and {after[0]:.1f} images/s, before and after the run")
        print(f"runner        {rate[0]:8.1f} images/s; {whole:.1f} s in all, with loading and compilation")
        print(f"share         {share:8.2f}  wanted {WANTED}{'' if share >= WANTED else '  UNDER'}")
        print(f"              {of_processor:8.2f}  in processor time")
        own = 1000 * (1 / rate - 1 / program)
        print(f"runner's own  {own[0]:8.2f} ms for each image; {own[1]:.2f} ms of processor time")
        quarters = ", ".join(f"{held[quarter]:.0f}" for quarter in sorted(held))
        print(f"memory        {quarters} MiB, at the quarters of the run")
        print(f"file          {file.stat().st_size / given.images:8.0f} bytes for each image")


if __name__ == "__main__":
    main()
