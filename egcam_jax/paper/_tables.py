"""The paper's tables as data: what each was computed on, and its figures as printed."""

import csv
import dataclasses
import functools
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Doubt:
    """Why some of a table's figures cannot be taken at their word; ``None`` stands for all."""

    says: str
    network: str | None = None
    method: str | None = None
    metric: str | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        name: As on the command line, ``"table3"``.
        number: Its number.
        title: What it shows, in our words.
        data: What it was computed on.
        images: How many; ``None`` where it does not say.
        size: Side of the pictures in pixels, where not the networks' own.
        networks: The paper's networks, by our names.
        titles: What it calls them.
        layers: Their target layers.
        metrics: Its columns, by our names.
        methods: Its rows, by our names.
        units: What the values were divided by before they were printed, by metric and network.
        doubts: About its figures.
        printed: Its figures as printed, by network, method and metric; "" where it has a dash.
        source: The publication.
    """

    name: str
    number: int
    title: str
    data: str
    images: int | None
    size: int | None
    networks: Sequence[str]
    titles: Mapping[str, str]
    layers: Mapping[str, str]
    metrics: Sequence[str]
    methods: Sequence[str]
    units: Mapping[str, Mapping[str, float]]
    doubts: Sequence[Doubt]
    printed: Mapping[tuple[str, str, str], str]
    source: str

    def unit(self, network: str, metric: str) -> float:
        """What a network's values of a metric are divided by, to stand beside the paper's."""
        return self.units.get(metric, {}).get(network, 1.0)

    def doubts_of(self, network: str, method: str, metric: str) -> list[str]:
        """What is doubtful about a figure."""
        asked = {"network": network, "method": method, "metric": metric}
        return [
            doubt.says
            for doubt in self.doubts
            if all(getattr(doubt, key) in (None, value) for key, value in asked.items())
        ]


def names() -> list[str]:
    """The tables that can be redone."""
    return list(_document()["tables"])


def table(name: str) -> Table:
    """Look a table up.

    Args:
        name: Such as ``"table3"``.

    Raises:
        ValueError: The paper has no such table, or it has no figures to redo.
    """
    document = _document()
    if name not in document["tables"]:
        raise ValueError(f"table: {name!r} is none of the paper's that can be redone: {', '.join(names())}")
    entry = document["tables"][name]
    printed = _printed(entry["number"])
    given = {name: entry.get(name) for name in ("number", "title", "data", "images", "size", "units")}
    return Table(
        **given,
        name=name,
        networks=tuple(entry["networks"]),
        titles=document["networks"],
        layers=document["layers"],
        metrics=tuple(entry["metrics"]),
        methods=tuple(dict.fromkeys(method for _, method, _ in printed)),
        doubts=tuple(Doubt(**doubt) for doubt in entry["doubts"]),
        printed=printed,
        source=document["source"],
    )


@functools.cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_read("tables.json"))
    return document


def _printed(number: int) -> dict[tuple[str, str, str], str]:
    rows = [row for row in csv.DictReader(_read("figures.csv").splitlines()) if int(row["table"]) == number]
    return {(row["network"], row["method"], row["metric"]): row["value"] for row in rows}


def _read(name: str) -> str:
    return importlib.resources.files("egcam_jax.paper").joinpath(name).read_text(encoding="utf-8")
