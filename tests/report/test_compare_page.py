"""The comparison page: its pictures are inside, names are escaped, nothing is fetched."""

import base64
import html.parser
import io

import numpy as np
import pytest
from PIL import Image

from egcam_jax import report


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data.strip())


@pytest.fixture
def rows():
    image = np.full((6, 8, 3), 90, np.uint8)
    ramp = np.linspace(0, 1, 48).reshape(6, 8)
    maps = [report.Map(ramp, {"insertion": 0.71234}, ""), report.Map(ramp * 0, {}, "empty: nothing speaks for it")]
    return [report.Row("<b>cat & dog</b>.png", "tabby 91 %", image, maps)]


def test_pictures_names_and_scores_are_on_the_page(rows):
    page = Page(
        report.compare_page(["gradcam", "layercam"], rows, title="Maps <of> cats", provenance={"seed": "</pre>"})
    )
    assert {"Maps <of> cats", "<b>cat & dog</b>.png", "tabby 91 %", "gradcam", "layercam", "0.712"} <= set(page.text)
    assert "empty: nothing speaks for it" in page.text
    assert not any(tag == "b" and attrs for tag, attrs in page.tags)
    images = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 1 + 1 + 2 * 2
    assert all(source.startswith("data:image/") for source in images)
    assert not any(tag == "link" or "src" in attrs for tag, attrs in page.tags if tag != "img")


def test_a_map_is_clear_where_it_is_low_and_opaque_where_it_is_high(rows):
    page = Page(report.compare_page(["a", "b"], rows, title="t"))
    maps = [attrs["src"] for tag, attrs in page.tags if attrs.get("class") == "map"]
    alpha = [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))[..., 3] for url in maps]
    assert alpha[0][0, 0] == 0
    assert alpha[0][-1, -1] == 255
    assert (np.diff(alpha[0].ravel().astype(int)) >= 0).all()
    assert (alpha[1] == 0).all()


def test_a_row_without_a_map_for_each_method_is_refused(rows):
    with pytest.raises(ValueError, match="2 maps of"):
        report.compare_page(["gradcam"], rows, title="t")
