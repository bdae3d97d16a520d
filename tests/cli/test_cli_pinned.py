"""What six commands write, number for number and pixel for pixel, as it was written before the runners became one.

A change of the numbers that is meant is written down anew with ``PIN=1 pytest tests/cli/test_cli_pinned.py``.
"""

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("grain")

PINNED = Path(__file__).with_name("pinned")
PINNED_WITH = "0.10."
"""The release of JAX whose numbers are pinned: ranks and p-values turn on a last bit, which others round otherwise."""
CELLS = 12
"""Blocks along each side of a picture, whose mean colours are pinned."""
VOLATILE = {
    "versions",
    "device",
    "sha256",
    "started",
    "ended",
    "id",
    "rates",
    "digest",
    "completeness_remedy",
    "run_digest",
    "parameters",
    "content",
}
"""Names of values that differ from one machine or one moment to the next, or that name flags."""
VOLATILE_COLUMNS = {"provenance", "picture", "mask"}
PLACE = re.compile(r"[^\s\"']*pytest-of-[^\s\"']*?/(?=photographs|data)")
NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")
TIMES = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d\S*)?")
DRAWN = re.compile(r"data:image/\w+;base64,[\w+/=]+|<pre>.*?</pre>", re.DOTALL)
"""Of a page, its pictures and the provenance, which the other files hold too."""

RUN = ("--methods", "gradcam,expected_layercam:samples=2:noise=none", "--num-refs", 2, "--batch", 2, "--seed", 3)
METRICS = ("--metrics", "insertion:step=64,sparseness,max_sensitivity:num_samples=2,sufficiency:threshold=1.0,irof")


def test_explain(egcam, tiny, photographs, pin):
    arguments = ("--target", "top:2", "--samples", 3, "--seed", 5, "--batch", 2, "--metrics", "insertion:step=40,road")
    reading = ("--method", "expected_gradcam:difference=latent:normalizer=global")
    result = egcam("explain", *sorted(photographs.iterdir())[:3], *arguments, *reading, "--json")
    assert result.exit_code == 0, result.output
    pin("explain", {"printed": json.loads(result.stdout)} | files("egcam-out"))


def test_compare(egcam, tiny, photographs, pin):
    methods = (
        "--methods",
        "gradcam,expected_gradcam,ablationcam",
        "--samples",
        2,
        "--metrics",
        "insertion,deletion",
        "--target",
        "tabby",
    )
    result = egcam("compare", photographs / "0.png", photographs / "3.png", *methods)
    assert result.exit_code == 0, result.output
    pin("compare", {"printed": result.stdout} | files("egcam-out"))


def test_evaluate_and_report(egcam, tiny, two_classes, pin):
    result = egcam("evaluate", two_classes, *RUN, *METRICS, "--limit", 4, "--out", "run")
    assert result.exit_code == 0, result.output
    pin("evaluate", {"printed": result.stdout, "rows": rows("run/results.sqlite")})
    result = egcam("report", "run", "--out", "out")
    assert result.exit_code == 0, result.output
    pin("report", {"printed": result.stdout} | files("out"))


def test_reproduce(egcam, tiny, two_classes, pin):
    methods = ("--methods", "gradcam,layercam,hirescam", "--num-refs", 1, "--batch", 2, "--limit", 3)
    result = egcam("reproduce", "table3", two_classes, *methods, "--model", "resnet18", "--out", "out")
    assert result.exit_code == 0, result.output
    pin("reproduce", {"printed": result.stdout} | files("out"))


def test_saturation(egcam, tiny, photographs, pin):
    maps = ("--methods", "gradcam,expected_gradcam:samples=2", "--at", "0.5,1", "--num-refs", 2, "--steps", 4)
    result = egcam("saturation", photographs, *maps, "--batch", 2, "--limit", 3, "--out", "out")
    assert result.exit_code == 0, result.output
    pin("saturation", {"printed": result.stdout} | files("out"))


@pytest.fixture
def two_classes(tmp_path):
    """Six smooth pictures in the folders of two of the tiny classifier's classes."""
    folder = tmp_path / "data"
    for i in range(6):
        place = folder / ("catamaran" if i % 2 else "Persian cat")
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (4, 4, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
        Image.fromarray(pixels).save(place / f"{i}.png")
    return folder


@pytest.fixture
def pin():
    """Compare a document with the one that is written down."""

    def compare(name, document):
        document, file = json.loads(json.dumps(cleaned(document))), PINNED / f"{name}.json"
        if os.environ.get("PIN"):
            file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        same(document, json.loads(file.read_text(encoding="utf-8")), name)

    return compare


def files(folder):
    """What a folder's files hold: documents, mean colours, arrays, and text without its pictures."""
    readers = {
        ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
        ".png": blocks,
        ".npz": lambda path: {name: np.asarray(it).tolist() for name, it in np.load(path).items() if it.ndim < 3},
    }
    text = lambda path: DRAWN.sub("…", path.read_text(encoding="utf-8")).splitlines()
    found = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.suffix != ".sqlite")
    return {path.as_posix(): readers.get(path.suffix, text)(path) for path in found}


def blocks(path):
    """The size of a picture, and the mean colours of its blocks."""
    pixels = np.asarray(Image.open(path).convert("RGB"), float)
    cut = [np.array_split(row, CELLS, axis=1) for row in np.array_split(pixels, CELLS, axis=0)]
    return {"shape": pixels.shape, "colours": [[np.round(cell.mean((0, 1))).tolist() for cell in row] for row in cut]}


def rows(path):
    """All rows of a file of results, by table."""
    with closing(sqlite3.connect(path)) as store:
        named = store.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        read = lambda table: [plain(row, store, table) for row in store.execute(f"SELECT * FROM {table}")]
        return {table: read(table) for (table,) in named}


def plain(row, store, table):
    names = [column[1] for column in store.execute(f"PRAGMA table_info({table})")]
    values = {name: value for name, value in zip(names, row) if name not in VOLATILE_COLUMNS | VOLATILE}
    values |= {name: np.frombuffer(it, "<f4").tolist() for name, it in values.items() if isinstance(it, bytes)}
    return values | ({"value": json.loads(values["value"])} if values.get("name") == "asked" else {})


def cleaned(value):
    """A document without what differs from one machine to the next."""
    if isinstance(value, dict):
        return {cleaned(str(name)): cleaned(it) for name, it in value.items() if name not in VOLATILE}
    if isinstance(value, list | tuple):
        return [cleaned(it) for it in value]
    return TIMES.sub("TIME", PLACE.sub("", value)) if isinstance(value, str) else value


def same(found, wanted, where):
    """Numbers to rounding where JAX is the pinned release, colours to a few steps of 255, all else to the letter."""
    pinned = jax.__version__.startswith(PINNED_WITH)
    assert type(found) is type(wanted) or {type(found), type(wanted)} <= {int, float}, where
    if isinstance(wanted, str) and (numbers := NUMBER.findall(wanted)):  # a last digit may be rounded otherwise
        assert NUMBER.sub("#", found) == NUMBER.sub("#", wanted), where
        values = [list(map(float, some)) for some in (NUMBER.findall(found), numbers)]
        if pinned:
            np.testing.assert_allclose(*values, rtol=0.02, atol=2e-3, err_msg=where)
        return
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), where
        for name, it in wanted.items():
            same(found[name], it, f"{where} / {name}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for i, it in enumerate(wanted):
            same(found[i], it, f"{where} / {i}")
    elif isinstance(wanted, float):
        colour = "colours" in where
        if not (pinned or colour):
            assert np.isfinite(found) == np.isfinite(wanted), where
            return
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=3 if colour else 1e-5, err_msg=where)
    else:
        assert found == wanted, where
