"""Where a run's references come from, and what is told of them."""

import numpy as np
import pytest
from PIL import Image
from tiny_network import PREPROCESS

from egcam_jax import data
from egcam_jax.data._demo import VIEWS
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
