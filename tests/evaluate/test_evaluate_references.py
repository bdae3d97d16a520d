"""Where a run's references come from, and what is told of them."""

import dataclasses

import jax
import numpy as np
import pytest
from evaluation import plan
from PIL import Image
from tiny_network import PREPROCESS, tiny_model

from egcam_jax import data
from egcam_jax.data._demo import VIEWS
from egcam_jax.run import kept, programs
from egcam_jax.run.references import draw

pytest.importorskip("grain")


@pytest.mark.parametrize("count", [1, 4, 5, 32, 99])
def test_of_the_packages_photographs_those_are_named_that_are_references(count):
    source = data.open_source("demo")
    images, known = draw(source, source.ids, PREPROCESS, refs=None, count=count, seed=0)
    assert len(images) == known["count"] == min(count, 32)
    whole = [data.preprocess(source[source.ids.index(name)].image, PREPROCESS) for name in known["ids"]]
    np.testing.assert_array_equal(images[::VIEWS], whole)
    assert known["explained"] == len(whole)


def test_names_of_the_packages_photographs_in_other_data_are_of_other_pictures(tmp_path):
    for i, name in enumerate(("astronaut", "brick", "other")):
        Image.fromarray(np.full((20, 24, 3), 40 * i, np.uint8)).save(tmp_path / f"{name}.png")
    source = data.open_source(str(tmp_path))
    _, known = draw(source, source.ids, PREPROCESS, refs=None, count=8, seed=0)
    assert known["ids"] == ["astronaut.png", "brick.png"]
    assert known["explained"] == 0


def test_encoded_references_are_kept_for_the_same_run_and_for_no_other(tmp_path):
    asked, model, counts = plan(tmp_path, tmp_path), tiny_model(), []
    drawn = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)
    place = kept.Place(tmp_path / "references", 10**6)

    def encoded(asked=asked, model=model, drawn=drawn, place=place):
        def encode():
            counts.append(1)
            return programs.encoded(asked, model, drawn)

        return kept.references(place, asked, model, drawn, encode)

    def same(again):
        assert jax.tree.structure(again) == jax.tree.structure(first)
        for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(first), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype

    first = encoded()
    same(encoded())
    assert len(counts) == 1
    assert place.folder.stat().st_mode & 0o777 == 0o700
    others = (
        *({"drawn": drawn + 1}, {"model": dataclasses.replace(model, digest="1" * 64)}, {"place": None}),
        *({"asked": dataclasses.replace(asked, **change)} for change in ({"chunk": 2}, {"dtype": "bfloat16"})),
        {"model": dataclasses.replace(model, digest="")},
    )
    for number, other in enumerate(others, start=2):
        encoded(**other)
        assert len(counts) == number, other
    for file in place.folder.iterdir():
        file.write_bytes(file.read_bytes()[:300])
    same(encoded())
    assert len(counts) == len(others) + 2
    assert len(list(place.folder.iterdir())) == 5
    size = max(file.stat().st_size for file in place.folder.iterdir())
    encoded(drawn=drawn + 2, place=place._replace(limit=2 * size))
    assert 1 <= len(list(place.folder.iterdir())) <= 2
    before = len(counts)
    encoded(drawn=drawn + 2)  # the newest is still there
    assert len(counts) == before
    for file in place.folder.iterdir():
        file.write_bytes(b"")  # as a machine that lost power may leave a file
    encoded(drawn=drawn + 2)
    assert len(counts) == before + 1
