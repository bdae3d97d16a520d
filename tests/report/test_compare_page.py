"""The comparison page: its pictures are inside, names are escaped, nothing is fetched."""

import base64
import html.parser
import io

import numpy as np
import pytest
from PIL import Image

from egcam_jax import render, report


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data.strip())


def pictures(page, kind):
    """The pictures of a class, as RGBA."""
    urls = [attrs["src"] for tag, attrs in page.tags if attrs.get("class") == kind]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA")) for url in urls]


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
    assert {"Maps <of> cats", "tabby 91 %", "gradcam", "layercam", "insertion", "0.712"} <= set(page.text)
    assert "<b>cat & dog</b>.png" in "".join(page.text)
    assert "empty: nothing speaks for it" in page.text
    assert [tag for tag, _ in page.tags].count("b") == 1  # ours
    images = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 2 + 1 + 2 * 3
    assert all(source.startswith("data:image/") for source in images)
    assert not any(tag == "link" or "src" in attrs for tag, attrs in page.tags if tag != "img")


def test_a_map_is_clear_where_it_is_low_and_opaque_where_it_is_high(rows):
    page = Page(report.compare_page(["a", "b"], rows, title="t"))
    alpha = [picture[..., 3] for picture in pictures(page, "over")[1:]]
    assert alpha[0][0, 0] == 0
    assert alpha[0][-1, -1] == 255
    assert (np.diff(alpha[0].ravel().astype(int)) >= 0).all()
    assert (alpha[1] == 0).all()


def test_the_bar_looks_as_a_map_does_over_grey_and_alone(rows):
    page = Page(report.compare_page(["a", "b"], rows, title="t"))
    over, alone = pictures(page, "over")[0], pictures(page, "alone")[0]
    levels = np.linspace(0, 1, 256)[None]
    np.testing.assert_array_equal(alone[..., :3], render.colour_map(levels))
    share = 0.7 * over[..., 3:] / 255  # under the slider at 70 %, as ``overlay`` draws it
    shown = (1 - share) * 128 + share * over[..., :3]
    expected = render.overlay(np.full((1, 256, 3), 128, np.uint8), levels)
    assert np.abs(shown - expected).max() < 2
    assert "background: #808080" in report.compare_page(["a", "b"], rows, title="t")


def test_a_map_alone_has_the_colours_of_the_bar(rows):
    _, ramp, empty = pictures(Page(report.compare_page(["a", "b"], rows, title="t")), "alone")
    saliency = rows[0].maps[0].saliency
    assert (ramp[..., 3] == 255).all()
    np.testing.assert_array_equal(ramp[..., :3], render.colour_map(np.rint(255 * saliency) / 255))
    np.testing.assert_array_equal(empty[..., :3], render.colour_map(np.zeros((6, 8))))


def test_every_map_says_what_it_is_to_those_who_do_not_see_it(rows):
    tags = Page(report.compare_page(["a", "b"], rows, title="t")).tags
    names = [attrs["aria-label"] for tag, attrs in tags if attrs.get("role") == "img"][1:]
    picture = "<b>cat & dog</b>.png, tabby 91 %"  # the class too: a picture may be there for several
    assert names == [f"a on {picture}", f"b on {picture}: empty: nothing speaks for it"]
    assert all("alt" in attrs for tag, attrs in tags if tag == "img")
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in tags if tag == "th")


def test_long_names_may_break_between_their_words(rows):
    page = report.compare_page(["expected_gradcam++", "b"], rows, title="t")
    assert "expected_<wbr>gradcam++</th>" in page


def test_a_row_without_a_map_for_each_method_is_refused(rows):
    with pytest.raises(ValueError, match="must have 1 maps each; got 2"):
        report.compare_page(["gradcam"], rows, title="t")
