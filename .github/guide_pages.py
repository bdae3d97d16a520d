"""Pages of the guide that come from the code: one for each method and each metric, and the project's own files.

mkdocs loads this file as a hook (see mkdocs.yml) and calls the functions ``on_...``.
"""

import importlib
import inspect
import pathlib
import re
import zlib

import jax
import jax.numpy as jnp

import egcam_jax
from egcam_jax import METHODS, METRICS, metrics
from egcam_jax.methods import ESTIMATORS, aggregators

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPIED = {"contributing.md": ".github/CONTRIBUTING.md", "changelog.md": "egcam_jax/CHANGELOG.md"}
FAMILIES = metrics.FAMILIES
MODULES = ("ablationcam", "aggregators", "expected", "integrated", "pairs", "scorecam", "smooth")
"""Modules of ``methods`` whose functions stand on the pages of the methods."""
PACKAGES = ("methods", "metrics", "models", "data", "evaluate", "render", "report", "paper")
"""Packages whose every public name the guide must document."""
NOTE = (
    "EfficientNet-Lite0 at `blocks/5/0/expand`. The numbers are insertion − deletion in 14 steps, higher is better. "
    "`python notebooks/gallery.py` draws the pictures."
)
DRAWN_WITH = {"scorecam": "Here with `top_channels=128`, the 128 channels with the largest range of values."}
"""What the picture of a method takes other than the defaults."""
LAST = {
    None: "`S = ReLU(sum_k w_k A_k)` is the map.",
    "hirescam": "`S = ReLU(sum_k w_k A_k)` is the map, position by position.",
    "layercam": "`S = ReLU(sum_k w_k A_k)` is the map, position by position.",
    "attribution": "`ReLU(S)` is the map.",
}
"""The last step from the weights of an aggregator to the map."""
INSIDE, ALONE = "show_root_heading: false", "members: false"
REFERENCE = {
    "Explaining": dict.fromkeys(("methods.explain", "methods.encode", "methods.EncodedReferences"), "")
    | {"explanation.Explanation": "", "splitting": INSIDE},
    "Models of other frameworks": {
        "adapters": f"{INSIDE}, members: [from_linen, from_nnx, from_equinox, from_haiku, from_keras]"
    },
    "Methods and metrics": {
        "methods": f"{INSIDE}, members: [METHODS, AGGREGATORS, ESTIMATORS, GAMMA, Method, find]",
        "metrics": f"{INSIDE}, members: [METRICS, FAMILIES, Metric, Score, Mosaic, in_dtype]",
        "metrics.mosaic.mosaic": "",
    },
    "Networks with published weights": {"models": INSIDE},
    "Data": {"data": INSIDE},
    "Evaluating": {"evaluate": INSIDE},
    "Reports and drawing": {
        "report": f"{INSIDE}, members: [{', '.join(egcam_jax.report.__all__)}]",
        "render": INSIDE,
    },
    "Paper and saturation": {"paper": INSIDE, "saturation": INSIDE},
    "The parts inside": {"core": ALONE, "explanation": ALONE}
    | {f"core.{name}": "" for name in egcam_jax._CORE}
    | dict.fromkeys((f"methods.{name}" for name in MODULES), ALONE),
}
"""The pages of the reference: the names that each documents, with mkdocstrings' options."""
EXAMPLE = """
```python
import jax
import egcam_jax


def apply_fn(params, x):  # your network
    features = jax.nn.relu(jax.numpy.einsum("bhwc,ck->bhwk", x, params["kernel"]))
    return jax.numpy.tanh(features.mean(axis=(1, 2))) @ params["out"]


keys = jax.random.split(jax.random.key(0), 4)
params = {"kernel": jax.random.normal(keys[0], (3, 8)), "out": jax.random.normal(keys[1], (8, 5))}
x, refs = jax.random.normal(keys[2], (2, 16, 16, 3)), jax.random.normal(keys[3], (4, 16, 16, 3))
explanation = egcam_jax.explain(params, apply_fn, x, refs, jax.random.key(1), method=NAME)
explanation.saliency  # (2, 16, 16)
```
"""


def on_config(config):
    """Complete the navigation: a page for each method and each metric stands under its section."""
    names = {"Methods": list(METHODS), "Metrics": list(METRICS)}
    for section in config.nav:
        for title in names.keys() & section.keys():
            folder = section[title].rstrip("/")
            section[title] = [f"{folder}/index.md", *({name: f"{folder}/{slug(name)}.md"} for name in names[title])]
        if "Reference" in section:
            section["Reference"] = ["reference/index.md", *({title: reference_path(title)} for title in REFERENCE)]
    return config


def on_files(files, config):
    """Add the pages that no file of ``notebooks/`` holds."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_post_build(config):
    """Refuse a guide that leaves out a public name."""
    from mkdocs.exceptions import PluginError

    inventory = pathlib.Path(config.site_dir, "objects.inv").read_bytes().split(b"\n", 4)[4]
    documented = {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}
    # A module hides the function of its own name: the function is then documented inside the module.
    inside = {name for name in public_names() if f"{name}.{name.rsplit('.', 1)[1]}" in documented}
    if missing := sorted(public_names() - documented - inside):
        raise PluginError(f"the guide must document every public name; it leaves out {', '.join(missing)}.")


def public_names() -> set[str]:
    """Every public name, with its module's."""
    names = {f"egcam_jax.{package}.{name}" for package in PACKAGES for name in module(package).__all__}
    names |= {f"egcam_jax.core.{name}" for name in egcam_jax._CORE}
    for name in set(egcam_jax.__all__) - set(egcam_jax._CORE):
        home = egcam_jax._HOMES.get(name)
        names.add(f"egcam_jax.{home}.{name}" if home else f"egcam_jax.{name}")
    return names


def module(package: str):
    """A module of the library by its short name."""
    return importlib.import_module(f"egcam_jax.{package}")


def pages() -> dict[str, str]:
    """The text of each page by its path."""
    texts = {name: (ROOT / source).read_text(encoding="utf-8") for name, source in COPIED.items()}
    texts |= {f"methods/{slug(name)}.md": method_page(method) for name, method in METHODS.items()}
    texts |= {f"metrics/{name}.md": metric_page(metric) for name, metric in METRICS.items()}
    texts |= {reference_path(title): reference_page(title, names) for title, names in REFERENCE.items()}
    texts["reference/index.md"] = reference_index()
    return texts | {"methods/index.md": methods_index(), "metrics/index.md": metrics_index()}


def reference_path(title: str) -> str:
    """The path of a page of the reference."""
    return f"reference/{title.lower().replace(' ', '_')}.md"


def reference_page(title: str, names: dict[str, str]) -> str:
    """One page of the reference."""
    level = "heading_level: 2"
    return f"# {title}\n\n" + "\n".join(
        f"::: egcam_jax.{name}\n    options: {{{', '.join(filter(None, (level, options)))}}}\n"
        for name, options in names.items()
    )


def reference_index() -> str:
    """The pages of the reference."""
    links = "\n".join(f"- [{title}]({reference_path(title).split('/')[1]})" for title in REFERENCE)
    return (
        "# Reference\n\nEvery public name has its place here. Each [method](../methods/index.md) "
        f"and each [metric](../metrics/index.md) has a page of its own.\n\n{links}\n"
    )


def slug(name: str) -> str:
    """A method's name as the name of a page."""
    return name.replace("++", "_plus_plus")


def picture(name: str) -> str:
    """The picture of a method on the guide's photographs, where there is one."""
    path = f"gallery/{slug(name)}.jpg"
    if not (ROOT / "notebooks" / path).exists():
        return ""
    note = f" {DRAWN_WITH[name]}" if name in DRAWN_WITH else ""
    return f"[![The map of {name} on three photographs](../{path})](../{path}){note}\n"


def method_page(method) -> str:
    """One method: what it computes, what it takes, what it costs, and where it comes from."""
    drawn = picture(method.name)
    parts = [f"# {method.name}\n", steps(method), drawn, f"<small>{NOTE}</small>\n" if drawn else ""]
    parts += [f"**Cost.** {cost(method)}\n", f"**Source.** {method.source}\n"]
    if method.schema:
        parts += ["## Options\n", options_table(method.schema)]
    parts += ["## An example\n", EXAMPLE.strip().replace("NAME", f'"{method.name}"') + "\n"]
    if method.aggregator:
        parts += ["## From gradients to weights\n", directive(aggregator(method))]
    parts += ["## The gradients\n" if method.gradients else "## The weights\n", directive(method.estimator.estimate)]
    return "\n".join(parts)


def steps(method) -> str:
    """The formula of a method, step by step."""
    functions = [method.estimator.estimate, *([aggregator(method)] if method.aggregator else [])]
    lines = [first_paragraph(function) for function in functions]
    if method.gradients != "integrated":  # whose own formula ends with the map
        lines.append(LAST.get(method.aggregator, LAST[None]))
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1)) + "\n"


def aggregator(method):
    """The function that makes the weights of a method out of gradients."""
    return getattr(aggregators, slug(method.aggregator))


def first_paragraph(function) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.getdoc(function).split("\n\n")[0].split())


def cost(method) -> str:
    """The forward passes of an explanation with the method's defaults."""
    if method.name == "scorecam":
        return "One forward pass of the network for each channel of the layer, or for `top_channels` of them."
    if method.name == "ablationcam":
        return "One forward pass of `features`, one of the head per channel; one gradient for a linear head."
    count = method.num_samples or 1
    passes = method.estimator.passes(count, 1, method.options)
    samples = f" with the default `num_samples={count}`" if method.num_samples else ""
    counted = f"{passes} forward pass{'es' * (passes > 1)} of `features` for each image{samples}."
    return f"{counted} Passes of the head are not counted."


def options_table(schema) -> str:
    """Each option with its default and the values that it accepts."""
    rows = ["| option | default | accepts |", "|---|---|---|"]
    rows += [f"| `{name}` | `{option.default}` | {cell(option.wanted)} |" for name, option in schema.items()]
    return "\n".join(rows) + "\n"


def cell(text: str) -> str:
    """Text for a cell of a table, which a bar outside of code would end."""
    return re.sub(r"(`+[^`]*`+)|\|", lambda match: match[1] or "\\|", text)


def directive(function) -> str:
    """The place where mkdocstrings writes a function's documentation."""
    wrapped = inspect.unwrap(function)
    return f"::: {wrapped.__module__}.{wrapped.__qualname__}\n"


def metric_page(metric) -> str:
    """One metric: its direction, what it takes, its cost, when it is undefined, and its documentation."""
    facts = [
        f"# {metric.name}\n",
        f"**Family.** {metric.family} · **Better.** {'higher ↑' if metric.higher_is_better else 'lower ↓'} · "
        f"**Takes.** {', '.join(sorted(metric.needs))}\n",
        f"**Source.** {metric.source}\n",
        f"**Cost.** {runs(metric)}\n",
        f"**Undefined (NaN).** {metric.undefined}\n" if metric.undefined else "",
        f"**The paper's settings.** `{dict(metric.paper)}`\n" if metric.paper else "",
        directive(metric.function),
    ]
    return "\n".join(facts)


def runs(metric) -> str:
    """How often a metric runs the model, or the explainer, for an image of 224 x 224 pixels with all defaults."""
    takes = inspect.signature(metric.function).parameters
    given = {
        "predict": jax.tree_util.Partial(lambda out, x: x.mean(axis=(1, 2)) @ out, jnp.ones((3, 4))),
        "x": jnp.ones((2, 224, 224, 3)),
        "saliency": jnp.ones((2, 224, 224)),
        "mask": jnp.ones((2, 224, 224), bool),
        "target": jnp.zeros(2, int),
        "key": jax.random.key(0),
    }
    counts = []

    def counted(arguments):
        explain = {"explain": lambda x, target: x.mean(axis=-1)} if "explain" in takes else {}
        score = metric.function(**arguments, **explain)
        counts.append(score.evaluations)
        return score.value

    try:
        jax.eval_shape(counted, {name: value for name, value in given.items() if name in takes})
    except (TypeError, ValueError):  # what the metric takes depends on the network or on the picture
        return "`score.evaluations` counts the runs; their number depends on the network or on the picture."
    if not counts[0]:
        return "One forward pass for each image." if "predict" in metric.needs else "No run of the model."
    what = "explanations" if "explain" in takes else "forward passes"
    return f"{counts[0]} {what} for each image of 224 × 224 pixels with all defaults."


def methods_index() -> str:
    """All methods in one table, and a picture of each."""
    rows = ["| method | gradients | aggregator |", "|---|---|---|"]
    for name, method in METHODS.items():
        rows.append(f"| [{name}]({slug(name)}.md) | {method.gradients or 'none'} | {method.aggregator or 'its own'} |")
    pictures = "".join(f"\n### [{name}]({slug(name)}.md)\n\n{picture(name)}" for name in METHODS if picture(name))
    names = ", ".join(f"`{name}`" for name in ESTIMATORS)
    return (
        "# Methods\n\nA method is a gradient estimator under an aggregator. "
        f"`gradients=` puts another estimator ({names}) under the aggregator that `method=` names.\n\n"
        + "\n".join(rows)
        + (f"\n\n## Gallery\n\n{NOTE}\n" + pictures if pictures else "\n")
    )


def metrics_index() -> str:
    """All metrics by family."""
    parts = ["# Metrics\n"]
    for family in FAMILIES:
        parts += [f"\n## {family.capitalize()}\n", "| metric | better | what it does |", "|---|---|---|"]
        for name, metric in METRICS.items():
            if metric.family == family:
                asks = re.split(r"[:.]\s", inspect.getdoc(metric.function).splitlines()[0])[0].rstrip(".:")
                parts.append(f"| [{name}]({name}.md) | {'↑' if metric.higher_is_better else '↓'} | {cell(asks)} |")
    return "\n".join(parts) + "\n"
