"""In which ways a run is not the paper's experiment, in words."""

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from egcam_jax.evaluate import Run
from egcam_jax.metrics import METRICS
from egcam_jax.paper import _presets
from egcam_jax.paper._compare import counterpart, plain
from egcam_jax.paper._tables import Table
from egcam_jax.report import counted, explained, failures

ALWAYS = (
    "Metrics are this library's, checked against Quantus 0.4.4, which the paper used; insertion and deletion are as "
    "RISE publishes them, where the paper used another library and names no parameters.",
    "The paper names neither the methods' numbers of samples and steps nor its reference images; where it names a "
    "target layer, only for Figure 10. Its code was not used.",
)
"""What holds for every run."""


def deviations(table: Table, run: Run) -> list[str]:
    """Name how a run differs from the experiment behind a table.

    Args:
        table: Of the paper.
        run: As ``evaluate`` reads it.

    Returns:
        Sentences.
    """
    return [text for part in (_network, _data, _size, _metrics, _methods, _machine) for text in part(table, run)]


def _network(table: Table, run: Run) -> Iterator[str]:
    model = run.asked["model"]
    name, layer = model["name"], " + ".join(model["layer"])
    network = counterpart(table, name)
    title = table.titles[network]
    if name != network:
        yield f"The table has no {name}: its {title} stands beside it, and only the order of the methods compares."
    if name == network and layer != table.layers[network]:
        yield f"Target layer {layer}, where the paper's {title} has {table.layers[network]}."
    weights = dict.fromkeys(str(session["weights"]) for session in run.sessions if session.get("weights"))
    if weights:
        yield f"Weights: {' and '.join(weights)}; the paper's are those that torchvision fetches by default."
    if model.get("dtype", "float32") != "float32":
        yield f"The network computes in {model['dtype']}."


def _data(table: Table, run: Run) -> Iterator[str]:
    data, done = run.asked["data"], len(run.images)
    wanted = f"{table.images:,} of {table.data}" if table.images else f"{table.data}, it does not say how many"
    yield f"{counted(done, 'image')} of {data['source']}; the paper: {wanted}."
    if done < data["count"]:
        lacking = f"{data['count'] - done:,} of the {data['count']:,} images that were asked for"
        yield f"{lacking} are not there: unreadable, or not yet computed."
    if "attribution_localisation" in table.metrics or "relevance_mass_accuracy" in table.metrics:
        labels = Counter(row.label for row in run.images)
        kinds = "one class" if len(labels) == 1 else f"{len(labels)} classes"
        yield f"Objects of {kinds}, where the paper has zebras and stop signs."
    target = explained(data.get("target", ""), run)
    judged = [row.correct for row in run.images if row.correct is not None]
    if judged:
        right = f"{100 * sum(judged) / len(judged):.1f} %"
        yield f"The network's top class is right for {right} of them; what is explained is {target}."
    else:
        yield f"What is explained is {target}."
    if known := run.asked.get("references"):
        both = f", {known['explained']} of them explained too" if known.get("explained") else ""
        yield f"{counted(known['count'], 'reference image')} from {known['source']}{both}."


def _size(table: Table, run: Run) -> Iterator[str]:
    size, wanted = run.asked["model"]["preprocessing"]["size"], table.size or _presets.SIZE
    if size != wanted:
        height, width = size if isinstance(size, list | tuple) else (size, size)
        yield f"Pictures of {height} × {width} pixels, where the paper's have {wanted} × {wanted}."


def _metrics(table: Table, run: Run) -> Iterator[str]:
    asked = {known["metric"]: known["options"] for known in run.asked["metrics"].values()}
    for name in (metric for metric in table.metrics if metric not in asked):
        yield f"{name} was not computed."
    factor = _presets.noise(SimpleNamespace(**run.asked["model"]["preprocessing"]))
    wanted = {name: _presets.options(name, table.size or _presets.SIZE, factor) for name in asked}
    if factor != 1 and any(METRICS[name].family == "robustness" for name in asked):
        yield f"Noise is {factor:g} times the paper's, the network's input having other units: in pixels, as much."
    for (option, now, usual), names in _differences(asked, wanted, table.size or _presets.SIZE).items():
        yield f"{option} is {now} for {', '.join(names)}, where the paper's is {usual}."
    for name in (name for name in asked if "batch" in METRICS[name].needs):
        others = f"the others of its batch of {run.asked['batch']}"
        yield f"{name} compares each image with {others}, in the paper perhaps with all."


def _differences(
    asked: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Mapping[str, Any]], side: int
) -> dict[tuple[str, Any, Any], list[str]]:
    """Options that are not the paper's, and whose they are; ``side`` is that of the paper's pictures."""
    differences: dict[tuple[str, Any, Any], list[str]] = {}
    for name, options in asked.items():
        metric = METRICS[name]
        usual = {
            option: parameter.default for option, parameter in inspect.signature(metric.function).parameters.items()
        }
        usual |= {option: size(side, side) for option, size in metric.scaled.items()}
        for option in {**wanted[name], **options}:
            now, then = (given.get(option, usual[option]) for given in (options, wanted[name]))
            if now != then:
                differences.setdefault((option, now, then), []).append(name)
    return differences


def _methods(table: Table, run: Run) -> Iterator[str]:
    asked = run.asked["methods"]
    names = [plain(label, known) for label, known in asked.items()]
    missing = [name for name in table.methods if name not in names]
    if missing:
        yield f"Not computed: {', '.join(missing)}."
    samples = {label: known["samples"] for label, known in asked.items() if known.get("samples")}
    if samples:
        yield f"Samples or steps: {', '.join(f'{label} {number}' for label, number in samples.items())}."
    failed = sorted({" · ".join(filter(None, (failure.method, failure.metric))) for failure in failures(run)})
    if failed:
        yield f"Failed: {', '.join(failed)}."


def _machine(table: Table, run: Run) -> Iterator[str]:
    if any(METRICS[name].family == "cost" for name in table.metrics):
        devices = dict.fromkeys(str(session.get("device", "")) for session in run.sessions)
        yield f"On {' and '.join(devices)}, compiled before; the paper's times are of an A100 (SXM4, 80 GB)."
        yield "The median of each image's runs, then the mean over images; the paper's is a mean."
