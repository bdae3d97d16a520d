"""README and guide: their code runs, their sentences are short, and no public name is left out."""

import functools
import importlib.util
import json
import re
import sys
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest
import words

from egcam_jax import METHODS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = {path.name: path for path in (README, *sorted((ROOT / "notebooks").glob("*.md")))}
OTHERS = {path.name: path for path in (ROOT / ".github/CONTRIBUTING.md", ROOT / "egcam_jax/CHANGELOG.md")}
NOTEBOOKS = {path.name: path for path in (ROOT / "notebooks").glob("*.ipynb") if path.name != "04_defaults.ipynb"}
LONGEST = 30
"""Words in a sentence, at most."""


def _prose(text):
    """The sentences of a page: no code, tables, headings, pictures or addresses."""
    text = re.sub(r"```.*?```", "\n\n", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "\n\n", text, flags=re.DOTALL)
    text = re.sub(r"(?m)^(    .*|\|.*|#.*|:::.*|!\[.*)$", "\n", text)
    text = re.sub(r"`[^`]*`", "code", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+", "address", text)
    paragraphs = re.split(r"(?m)\n\s*\n|(?:^|\n)\s*(?:[-*]|\d+\.) ", text)
    for paragraph in paragraphs:
        plain = re.sub(r"[*_>]", "", " ".join(paragraph.split()))
        plain = re.sub(r"\b(et al|e\.g|i\.e|vs)\.", r"\1", plain)
        yield from (sentence for sentence in re.split(r"(?<=[.!?:;])\s+", plain) if sentence)


def _blocks(text):
    """The Python of a page, without the blocks that a comment marks as not run."""
    kept = re.sub(r"<!-- not run:.*?-->\s*```python\n.*?```", "", text, flags=re.DOTALL)
    return re.findall(r"```python\n(.*?)```", kept, re.DOTALL)


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(6, (3, 3), name="first")(x))
        x = nn.relu(nn.Conv(8, (3, 3), strides=2, name="last")(x))
        return nn.Dense(4)(nn.tanh(x.mean(axis=(1, 2))))


def _given_by_the_reader():
    """What the README's reader has: a model, its parameters, images."""
    draw = np.random.default_rng(0).standard_normal
    x, train_images = (draw((count, 16, 16, 3)).astype(np.float32) for count in (2, 6))
    model = Network()
    photograph = np.zeros((16, 16, 3), np.uint8)
    given = {"model": model, "x": x, "train_images": train_images, "photograph": photograph}
    return {**given, "params": model.init(jax.random.key(1), x)}


@functools.cache
def _generated():
    """The module that makes pages of the registries."""
    spec = importlib.util.spec_from_file_location("guide_pages", ROOT / ".github" / "guide_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _made():
    """The text of the pages that are made of the registries."""
    return _generated().pages()


def test_the_splitter_sees_sentences_and_no_code():
    text = "# Head\n\nOne is `a. b`. Two [link](x.md) et al. say.\n\n    code. here\n\n- three\n- four\n\n| a. b |\n"
    assert list(_prose(text)) == ["One is code.", "Two link et al say.", "three", "four"]


@pytest.mark.parametrize("name", [name for name, path in PAGES.items() if _blocks(path.read_text())])
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "data_set.md":
        pytest.importorskip("grain")
    space = {"__name__": "page", **(_given_by_the_reader() if name == "README.md" else {})}
    monkeypatch.setitem(sys.modules, "page", type(sys)("page"))
    for block in _blocks(PAGES[name].read_text()):
        exec(compile(block.replace("num_samples=50", "num_samples=3"), name, "exec"), space)
    if name == "README.md":
        assert space["explanation"].saliency.shape == (2, 16, 16)
        assert float(space["explanation"].saliency.max()) == 1
        assert np.isfinite(space["score"].value).all()
    if name == "data_set.md":
        assert np.isfinite(space["results"].values["gradcam", "sparseness"]).all()


@pytest.mark.parametrize("name", ["layercam", "expected_attribution", "scorecam"])
def test_the_example_on_the_page_of_a_method_runs(name):
    space = {}
    (block,) = _blocks(_made()[f"methods/{name}.md"])
    exec(block, space)
    assert space["explanation"].method == name
    assert float(space["explanation"].saliency.max()) == 1


def _text(path):
    """A page, or what a notebook says between its code."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("name", METHODS)
def test_the_page_of_a_method_says_what_a_reader_looks_for(name):
    page, method = _made()[f"methods/{_generated().slug(name)}.md"], METHODS[name]
    assert all(f"\n| `{option}` | `{value.default}` |" in page for option, value in method.schema.items())
    assert all(text in page for text in ("\n1. ", "**Cost.** ", f"**Source.** {method.source}", "../gallery/"))


def test_the_picture_of_score_cam_names_its_option():
    drawn = re.search(r'"top_channels": (\d+)', (ROOT / "notebooks" / "gallery.py").read_text())[1]
    assert f"`top_channels={drawn}`" in _made()["methods/scorecam.md"]


def test_a_bar_ends_no_cell_of_a_table():
    assert _generated().cell("a | b, ``||c||``") == "a \\| b, ``||c||``"


@pytest.mark.parametrize("path", [*PAGES.values(), *OTHERS.values(), *NOTEBOOKS.values()], ids=lambda path: path.name)
def test_sentences_are_short_and_plain(path):
    sentences = list(_prose(_text(path)))
    assert not [sentence for sentence in sentences if len(sentence.split()) > LONGEST]
    patterns = words.EVERYWHERE + words.IN_THE_GUIDE
    assert not [(habits, sentence) for sentence in sentences if (habits := words.habits_in(sentence, patterns))]


def test_the_readme_is_at_most_10_kb():
    assert len(README.read_bytes()) < 10_240


def test_pictures_are_small():
    sizes = {path: path.stat().st_size for path in (ROOT / "notebooks").rglob("*.jpg")}
    assert {path for path, size in sizes.items() if size > (250_000 if path.stem == "gallery" else 60_000)} == set()


def test_the_list_of_habits_catches_the_former_sentences():
    former = "Where a publication and its code disagree, the value is told from what follows from it, whatever that is."
    assert words.habits_in(former, words.EVERYWHERE + words.IN_THE_GUIDE) == [
        "is told from",
        "what follows from",
        "whatever",
    ]


def test_each_public_name_has_a_place_in_the_guide():
    generated = _generated()
    texts = [*_made().values(), *(path.read_text() for path in PAGES.values())]
    named = set(re.findall(r"(?m)^::: (\S+)", "\n".join(texts)))
    members = re.findall(r"(?m)^::: (\S+)\n    options: \{.*?members: \[(.*?)\]", "\n".join(texts))
    only = {module: {f"{module}.{name.strip()}" for name in names.split(",")} for module, names in members}
    named |= set().union(*only.values())
    homes = {name.rpartition(".")[2]: name for name in named}

    def documented(name):
        module = name.rpartition(".")[0]
        return name in named or (module in named and module not in only) or name.rpartition(".")[2] in homes

    assert {name for name in generated.public_names() if not documented(name)} == set()
