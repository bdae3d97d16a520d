"""What an explanation costs, in passes of the network that it explains.

    python tests/benchmarks/cost.py

Every figure is a ratio of two programs timed in turn in one run (A B A B ...), the median of the pairs with their
range; on an accelerator images per second are printed too. Weights are random: times do not depend on them.
"""

import argparse
import dataclasses
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import egcam_jax
from egcam_jax import models
from egcam_jax.core import compilation, kernel

LIMITS = {"input": 1.25, "latent": 1.5, "gradcam": 1.15, "complete": 1.3}
FIRST_LIMITS = {"default": 4, "gradcam": 2, "latent": 3}
MEMORY_OF = ("efficientnet_lite0", "blocks/5/0/expand")  # its head is not linear: every sample is a pass
LATENT_LIMIT_FOR = "resnet50"  # elsewhere the price depends on the head, which in VGG is most of the parameters


def seconds(run: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    jax.block_until_ready(run())
    return clock() - start


def pairs(
    a: Callable[[], Any], b: Callable[[], Any], repeats: int, measure: Callable[..., float] = seconds
) -> tuple[list[float], float]:
    """Ratios a/b of runs in turn, after one warm-up of each, and the median time of a."""
    measure(a), measure(b)
    times = [(measure(a), measure(b)) for _ in range(repeats)]
    return [x / y for x, y in times], statistics.median(x for x, _ in times)


def row(what: str, ratios: list[float], limit: float | None, note: str = "") -> None:
    middle = statistics.median(ratios)
    bound = "" if limit is None else f"limit {limit:.2f}" + ("  OVER" if middle > limit else "")
    print(f"{what:60s} {middle:5.2f}  ({min(ratios):.2f} to {max(ratios):.2f})  {bound}  {note}".rstrip(), flush=True)


def throughput(images: int, median: float) -> str:
    return f"{images / median:.1f} images/s" if jax.default_backend() != "cpu" else ""


def pictures(model: models.Model, count: int) -> jax.Array:
    size = model.preprocess.size
    return jax.random.normal(jax.random.key(1), (count, size, size, 3))


def cast(params: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), params)


def feature_passes(
    apply_fn: Any, params: Any, x: jax.Array, layer: str | None, chunk: int = kernel.DEFAULT_CHUNK_SIZE
) -> Callable[[Any, jax.Array], jax.Array]:
    """The features up to a layer of any number of images, ``chunk`` at a time, as one compiled function."""
    features = egcam_jax.split(apply_fn, params, x, layer).features
    one = lambda params, image: features(params, image[None])[0].astype(jnp.float32).sum()
    every = lambda params, batch: kernel.map_images(lambda image: one(params, image), batch, chunk)
    return compilation.jit(every, static_argnames=())


def input_path(model: models.Model, samples: int, chunk: int, dtype: Any, repeats: int) -> None:
    """Explain with all defaults against as many forward passes of ``features`` as it reports."""
    x, key = pictures(model, 1), jax.random.key(0)
    params = cast(model.params, dtype)
    run = lambda: egcam_jax.explain(
        model.params, model.apply_fn, x, -x, key, num_samples=samples, chunk_size=chunk, layer=model.layer,
        compute_dtype=dtype,
    )  # fmt: skip
    passes = run().passes
    encode = feature_passes(model.apply_fn, params, x.astype(dtype), model.layer, min(chunk, samples))
    batch = pictures(model, passes).astype(dtype)
    ratios, median = pairs(run, lambda: encode(params, batch), repeats)
    name = f"{model.name} {model.layer}, input path, n={samples}, {passes} passes of features"
    row(name, ratios, LIMITS["input"], throughput(1, median))


def latent_path(model: models.Model, dtype: Any, repeats: int) -> None:
    x, key = pictures(model, 8), jax.random.key(0)
    common = {"layer": model.layer, "compute_dtype": dtype}
    gradcam = lambda: egcam_jax.explain(model.params, model.apply_fn, x, method="gradcam", **common)
    latent = lambda: egcam_jax.explain(
        model.params, model.apply_fn, x, -x[:1], key, path="latent", noise="none", num_samples=32, **common
    )
    limit = LIMITS["latent"] if model.name == LATENT_LIMIT_FOR else None
    ratios, median = pairs(latent, gradcam, repeats)
    row(f"{model.name} {model.layer}, latent path, n=32, batch 8 / Grad-CAM", ratios, limit, throughput(8, median))
    params, images = cast(model.params, dtype), x.astype(dtype)
    forward = compilation.jit(model.apply_fn, static_argnames=())
    ratios, median = pairs(gradcam, lambda: forward(params, images), repeats)
    row(
        f"{model.name} {model.layer}, Grad-CAM, batch 8 / forward pass",
        ratios,
        LIMITS["gradcam"],
        throughput(8, median),
    )


def complete(model: models.Model, dtype: Any, repeats: int, images: int = 4, samples: int = 32) -> None:
    """The complete map with references encoded before, against Grad-CAM, and against it and n passes of the head."""
    x, key = pictures(model, images), jax.random.key(0)
    common = {"layer": model.layer, "compute_dtype": dtype}
    references = egcam_jax.encode(model.params, model.apply_fn, -x, **common)
    gradcam = lambda: egcam_jax.explain(model.params, model.apply_fn, x, method="gradcam", **common)
    run = lambda: egcam_jax.explain(
        model.params, model.apply_fn, x, references, key, method="expected_attribution", num_samples=samples, **common
    )
    params = cast(model.params, dtype)
    head = egcam_jax.split(model.apply_fn, params, x, model.layer).head
    score = lambda params, a: head(params, a[None])[0, 0].astype(jnp.float32)
    one = lambda params, a: jnp.sum(jax.grad(score, 1)(params, a).astype(jnp.float32))
    backward = compilation.jit(
        lambda params, codes: kernel.map_images(lambda a: one(params, a), codes, kernel.DEFAULT_CHUNK_SIZE),
        static_argnames=(),
    )
    codes = jnp.resize(references.codes[0].activation, (images * samples, *references.codes[0].activation.shape[1:]))
    codes = codes.astype(dtype)
    name = f"{model.name} {model.layer}, complete map, n={samples}, encoded references, batch {images}"
    ratios, median = pairs(run, gradcam, repeats)
    shares, _ = pairs(lambda: backward(params, codes), gradcam, repeats)
    limit = max(LIMITS["complete"], 1 + statistics.median(shares))
    row(f"{name} / Grad-CAM", ratios, limit, throughput(images, median))
    row(f"{model.name} {model.layer}, {samples} gradients of the head for each of {images} / Grad-CAM", shares, None)


def first_call(model: models.Model, repeats: int) -> None:
    """Times to lower and to compile over those of the forward pass: first traces, each with empty caches."""
    x, key = pictures(model, 1), jax.random.key(0)
    explained = lambda **options: (
        lambda params, x: egcam_jax.explain(
            params, model.apply_fn, x, -x, key, layer=model.layer, num_samples=32, **options
        )
    )
    programs = {
        "forward": model.apply_fn,
        "default": explained(),
        "gradcam": explained(method="gradcam"),
        "latent": explained(path="latent", noise="none"),
    }
    lowering: dict[str, list[float]] = {name: [] for name in programs}
    compiling: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, program in programs.items():
            jax.clear_caches()
            start = time.perf_counter()
            lowered = jax.jit(program, compiler_options=compilation.options(jax.default_backend())).lower(
                model.params, x
            )
            middle = time.perf_counter()
            lowered.compile()
            lowering[name].append(middle - start)
            compiling[name].append(time.perf_counter() - middle)
    case = f"{model.name} {model.layer}"
    for what, times, name in (
        ("lower", lowering, "default"),
        ("lower", lowering, "gradcam"),
        ("compile", compiling, "latent"),
    ):
        ratios = [a / b for a, b in zip(times[name], times["forward"])]
        row(f"{case}, to {what} {name} / forward pass", ratios, FIRST_LIMITS[name])


def memory(model: models.Model, layer: str) -> None:
    """What the compiled program allocates beside its arguments and results, in MiB."""
    x = pictures(model, 1)
    key = jax.random.key(0)
    print(f"\nTemporary memory of the compiled program, {model.name} {layer}, one image, MiB; and seconds to compile")
    for chunk in (4, 8, 16, 32):
        cells = []
        for samples in (16, 256):
            run = jax.jit(
                lambda params, x, samples=samples, chunk=chunk: egcam_jax.explain(
                    params, model.apply_fn, x, -x, key, layer=layer, num_samples=samples, chunk_size=chunk
                )
            )
            lowered = run.lower(model.params, x)
            start = time.perf_counter()
            compiled = lowered.compile()
            took = time.perf_counter() - start
            cells.append(
                f"n={samples}: {compiled.memory_analysis().temp_size_in_bytes / 2**20:7.1f} MiB, {took:4.1f} s"
            )
        print(f"  chunk_size={chunk:<3d} " + "   ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--networks",
        nargs="+",
        default=["efficientnet_lite0", "resnet50", "resnet50:layer3/4", "vgg16"],
        help="names, each with :LAYER where not its default",
    )
    parser.add_argument("--samples", nargs="+", type=int, default=[8, 32])
    parser.add_argument("--chunk", type=int, default=kernel.DEFAULT_CHUNK_SIZE)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only-complete", action="store_true", help="the complete map alone")
    parser.add_argument("--only-first", action="store_true", help="the times to lower and to compile alone")
    arguments = parser.parse_args()
    dtype = jnp.dtype(arguments.dtype)
    print(
        f"egcam_jax {egcam_jax.__version__}, jax {jax.__version__}, Python {platform.python_version()}, "
        f"{jax.devices()[0].device_kind}, {dtype}, chunk_size {arguments.chunk}, {arguments.repeats} pairs"
    )
    for case in arguments.networks:
        name, _, layer = case.partition(":")
        model = models.init(name, jax.random.key(0))
        model = dataclasses.replace(model, layer=layer or model.layer)
        if arguments.only_first:
            first_call(model, arguments.repeats)
            continue
        complete(model, dtype, arguments.repeats)
        if arguments.only_complete:
            continue
        first_call(model, arguments.repeats)
        for samples in arguments.samples:
            input_path(model, samples, arguments.chunk, dtype, arguments.repeats)
        if not layer:
            latent_path(model, dtype, arguments.repeats)
    if arguments.only_complete or arguments.only_first:
        return
    memory(models.init(MEMORY_OF[0], jax.random.key(0)), MEMORY_OF[1])


if __name__ == "__main__":
    main()
