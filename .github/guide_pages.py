"""Pages of the guide that come from the code: one for each method and each metric, and the project's own files.

mkdocs loads this file as a hook (see mkdocs.yml) and calls ``on_config`` and ``on_files``.
"""

import inspect
import pathlib
import re

from mkdocs.structure.files import File, Files

from egcam_jax import METHODS, METRICS
from egcam_jax.methods import ESTIMATORS, aggregators

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPIED = {"contributing.md": ".github/CONTRIBUTING.md", "changelog.md": "egcam_jax/CHANGELOG.md"}
FAMILIES = dict.fromkeys(metric.family for metric in METRICS.values())


def on_config(config):
    """Complete the navigation: a page for each method and each metric stands under its section."""
    names = {"Methods": [slug(name) for name in METHODS], "Metrics": list(METRICS)}
    for section in config.nav:
        for title in names.keys() & section.keys():
            folder = section[title].rstrip("/")
            section[title] = [f"{folder}/index.md", *({name: f"{folder}/{name}.md"} for name in names[title])]
    return config


def on_files(files: Files, config) -> Files:
    """Add the pages that no file of ``notebooks/`` holds."""
    pages = {name: (ROOT / source).read_text(encoding="utf-8") for name, source in COPIED.items()}
    pages |= {f"methods/{slug(name)}.md": method_page(method) for name, method in METHODS.items()}
    pages |= {f"metrics/{name}.md": metric_page(metric) for name, metric in METRICS.items()}
    pages |= {"methods/index.md": methods_index(), "metrics/index.md": metrics_index()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def slug(name: str) -> str:
    """A method's name as the name of a page."""
    return name.replace("++", "_plus_plus")


def picture(folder: str, name: str) -> str:
    """The picture of a method on the guide's photograph, where there is one."""
    path = f"{folder}/{slug(name)}.jpg"
    return f"![The map of {name} on two photographs](../{path})\n" if (ROOT / "notebooks" / path).exists() else ""


def method_page(method) -> str:
    """One method: what it computes, what it takes, what it costs, and where it comes from."""
    parts = [f"# {method.name}\n", picture("gallery", method.name), f"**Source.** {method.source}\n"]
    count = method.num_samples or 1
    passes = method.estimator.passes(count, 1, method.options)
    samples = f" with its default `num_samples={count}`" if method.num_samples else ""
    cost = f"{passes} forward passes of `features` for each image{samples}."
    if method.gradients is None:
        cost = "Forward passes only; their number depends on the channels of the layer."
    parts.append(f"**Cost.** {cost}\n")
    parts.append(f"```python\negcam_jax.explain(params, apply_fn, x, refs, key, method={method.name!r})\n```\n")
    if method.options:
        parts += ["## Options\n", options_table(method.schema)]
    if method.aggregator:
        parts += ["## From gradients to weights\n", directive(getattr(aggregators, slug(method.aggregator)))]
    parts += ["## The gradients\n" if method.gradients else "## The weights\n", directive(method.estimator.estimate)]
    return "\n".join(parts)


def options_table(schema) -> str:
    """Each option with its default and what it accepts."""
    rows = ["| option | default | accepts |", "|---|---|---|"]
    rows += [f"| `{name}` | `{option.default}` | {cell(option.wanted)} |" for name, option in schema.items()]
    return "\n".join(rows) + "\n"


def cell(text: str) -> str:
    """Text for a cell of a table, in which a bar would end the cell."""
    return text.replace("|", "\\|")


def directive(function) -> str:
    """The place where mkdocstrings writes a function's documentation."""
    wrapped = inspect.unwrap(function)
    return f"::: {wrapped.__module__}.{wrapped.__qualname__}\n"


def metric_page(metric) -> str:
    """One metric: its direction, what it takes, when it is undefined, the paper's settings, and its documentation."""
    facts = [
        f"# {metric.name}\n",
        f"**Family.** {metric.family} · **Better.** {'higher ↑' if metric.higher_is_better else 'lower ↓'} · "
        f"**Takes.** {', '.join(sorted(metric.needs))}\n",
        f"**Undefined (NaN).** {metric.undefined}\n" if metric.undefined else "",
        f"**The paper's settings.** `{dict(metric.paper)}`\n" if metric.paper else "",
        directive(metric.function),
    ]
    return "\n".join(facts)


def methods_index() -> str:
    """All methods in one table."""
    rows = ["| method | gradients | aggregator | source |", "|---|---|---|---|"]
    rows += [
        f"| [{name}]({slug(name)}.md) | {method.gradients or 'none'} | {method.aggregator or 'its own'} "
        f"| {method.source} |"
        for name, method in METHODS.items()
    ]
    pictures = "".join(f"\n### [{name}]({slug(name)}.md)\n\n{picture('gallery', name)}" for name in METHODS)
    names = ", ".join(f"`{name}`" for name in ESTIMATORS)
    return (
        "# Methods\n\nA method is a gradient estimator under an aggregator. "
        f"`gradients=` puts another estimator ({names}) under the aggregator that `method=` names.\n\n"
        + "\n".join(rows)
        + ("\n\n## Gallery\n" + pictures if "!" in pictures else "\n")
    )


def metrics_index() -> str:
    """All metrics by family."""
    parts = ["# Metrics\n"]
    for family in FAMILIES:
        parts += [f"\n## {family.capitalize()}\n", "| metric | better | asks |", "|---|---|---|"]
        for name, metric in METRICS.items():
            if metric.family == family:
                asks = re.split(r"[:.]\s", inspect.getdoc(metric.function).splitlines()[0])[0].rstrip(".:")
                parts.append(f"| [{name}]({name}.md) | {'↑' if metric.higher_is_better else '↓'} | {cell(asks)} |")
    return "\n".join(parts) + "\n"
