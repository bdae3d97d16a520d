"""What is said, in words that need no manual."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from egcam_jax.report.text import printable

_INDENT = 18
_WIDE = 0.1
"""Share of the score difference from which a completeness gap deserves a remedy."""
_RARE = 0.05
"""Probability below which a class that is explained is hardly there."""
_ROUNDING = 1e-4
"""Gaps below this share of the score difference are float32 rounding."""


def run(out: Console, provenance: Mapping[str, Any]) -> None:
    """Say once what holds for all pictures."""
    model, references = provenance["model"], provenance["references"]
    _line(out, "model", f"{model['name']}, weights from {model['weights']}, on {provenance['device']}")
    if references:
        _line(out, "references", f"{references['count']} from {references['source']}")
        if references["note"]:
            _line(out, "note", references["note"])


def picture(out: Console, record: Mapping[str, Any]) -> None:
    """Report a picture: its top classes, then each map."""
    out.print()
    out.print(Text(printable(record["image"]), "bold"), soft_wrap=True)
    for i, top in enumerate(record["top_classes"]):
        _line(out, "" if i else "top classes", f"{100 * top['probability']:5.1f} %  {class_text(top)}")
    if record["among_references"]:
        _line(out, "note", among_references(record))
    for known in record["maps"]:
        _map(out, known)


def failures(out: Console, failed: Sequence[tuple[str, str]], done: str) -> None:
    """Say at the end what could not be explained, beside what was ``done``, and why."""
    if not failed:
        return
    out.print()
    out.print(Text(f"{len(failed)} not explained, {done}:", "bold red"))
    for path, reason in failed:
        out.print(Text(f"  {printable(f'{path}: {reason}')}"), soft_wrap=True)


def among_references(record: Mapping[str, Any]) -> str:
    """Say that a picture is explained against itself too."""
    return f"{record['image']} is among its own references; name others with --refs"


def rare(target: Mapping[str, Any], negative: bool) -> str | None:
    """What must be said of a map for a class that the network hardly sees."""
    if negative or not target["probability"] < _RARE:
        return None
    said = "the map shows what speaks for it, not that it is there"
    return f"{class_text(target)} has a probability of {percent(target['probability'])}: {said}"


def percent(share: float) -> str:
    """A share as people read it."""
    if share < 1e-3:
        return "below 0.1 %"
    return f"{100 * share:.{0 if share >= 0.01 else 1}f} %" if math.isfinite(share) else "unknown probability"


def class_text(known: Mapping[str, Any]) -> str:
    """A class as people read it: its name, where it has one, and its index."""
    return f"{known['name']} ({known['index']})" if known["name"] else f"class {known['index']}"


def explained_text(record: Mapping[str, Any]) -> str:
    """What a map shows: what speaks for a class, or against it, or for it rather than for others."""
    text = class_text(record["target"])
    if others := record.get("rivals"):
        text = f"{text} rather than {', '.join(map(class_text, others))}"
    return f"against {text}" if record["negative"] else text


def completeness(record: Mapping[str, Any]) -> str:
    """How far what is attributed in all is from the score difference that it should add up to."""
    gap, relative = record["completeness_gap"], record["completeness_gap_relative"]
    if gap is None:
        return "not defined for this method with these options"
    if not math.isfinite(gap):
        return "not finite: the network's values overflow; try --dtype float32"
    if relative is None:
        return f"gap of {gap:+.3g} logits"
    against = f"the {record['score_difference']:+.3g} logits between picture and {record['against']}"
    if abs(relative) < _ROUNDING:
        return f"no gap to rounding, beside {against}"
    text = f"gap of {gap:+.3g} logits, {100 * abs(relative):.3g} % of {against}"
    return f"{text} ({_narrowed(record['completeness_remedy'])})" if wide(relative) else text


def wide(relative: float | None) -> bool:
    """Whether a completeness gap, relative to the score difference, deserves a word."""
    return relative is not None and _WIDE < abs(relative) < math.inf


def _narrowed(remedy: Mapping[str, str] | None) -> str:
    """What can be done about a wide gap; at a layer that a connection goes round, nothing need help."""
    if remedy is None:
        return "this method need not be complete"
    if not remedy:
        return "more --samples narrow it, unless a skip connection goes round the layer"
    options = "".join(f":{name}={value}" for name, value in remedy.items())
    return f"with these options it need not vanish; with {options[1:]} it does as --samples grow"


def uncertainty(record: Mapping[str, Any]) -> str:
    """How much the map would change with other random draws."""
    mean, relative = record["stderr_mean"], record["stderr_relative"]
    if mean is None:
        return "not known of a map fused from several" if record["draws"] else "none: this method draws no samples"
    if not math.isfinite(mean):
        return "unknown: one sample says nothing about spread; raise --samples"
    if relative is None:
        return f"{mean:.3g} on average, in the map's units"
    return f"{100 * relative:.2g} % of the map's maximum, on average over the map"


def score(known: Mapping[str, Any]) -> str:
    """A metric's value, which way is better and how much work it was, or why it has none."""
    better = "higher" if known["higher_is_better"] else "lower"
    unit = f" {known['unit']}" if known["unit"] else ""
    work = f", {_counted(known['evaluations'], known['of'])}" if known["evaluations"] else ""
    return known["note"] or f"{known['value']:.4g}{unit} ({better} is better{work})"


def _map(out: Console, record: Mapping[str, Any]) -> None:
    cost = f"{_counted(record['passes'], 'pass')} through the features"
    if record["samples"]:
        cost = f"{_counted(record['samples'], 'sample' if record['draws'] else 'step')}, {cost}"
    _line(out, "explained", f"{explained_text(record)}, by {record['method']} ({cost})")
    height, width = record["map_shape"]
    _line(out, "layer", f"{record['layer']} ({height} × {width} map)")
    _line(out, "completeness", completeness(record))
    _line(out, "standard error", uncertainty(record))
    for i, (name, known) in enumerate(record["scores"].items()):
        _line(out, "" if i else "scores", f"{name} {score(known)}")
    if said := rare(record["target"], record["negative"]):
        _line(out, "note", said)
    if record["note"]:
        _line(out, "note", "; ".join(filter(None, [record["note"], record["advice"]])))
    for i, path in enumerate(record["files"].values()):
        _line(out, "" if i else "written", path)


def _counted(count: int, what: str) -> str:
    """A number and what it counts."""
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"


def _line(out: Console, label: str, text: str) -> None:
    out.print(Text.assemble((f"  {label:<{_INDENT - 2}}", "cyan"), printable(text)), soft_wrap=True)
