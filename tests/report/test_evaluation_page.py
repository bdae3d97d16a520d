"""The page of an evaluation: what it shows, that names are escaped, and that nothing is fetched."""

import base64
import html.parser
import io
import json
import re

import jax.numpy as jnp
import numpy as np
import pytest
from made_results import EVIL, SIZE, plausible, write
from PIL import Image

from egcam_jax import evaluate, render, report
from egcam_jax.core import maps
from egcam_jax.report import _curves, _gallery, _ranks
from egcam_jax.run import store as _store


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.source = [], [], text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data.strip())

    def all(self, tag, **wanted):
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]

    @property
    def sources(self):
        return json.loads(re.search(r'id="sources">(.*?)</script>', self.source)[1])


@pytest.fixture
def made(tmp_path):
    def run(values=None, **given):
        return write(tmp_path / str(len(list(tmp_path.iterdir()))) / "results.sqlite", values or plausible(), **given)

    return run


@pytest.fixture
def page(made):
    def run(values=None, **given):
        return Page(report.evaluation_page(made(values, **given)))

    return run


def picture(url):
    return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))


def test_tables_with_means_intervals_marks_and_counts(page):
    found = page()
    values = plausible()["expected_gradcam:noise=none", "insertion_auc"]
    assert f"{np.mean(values):.3f}" in found.text
    assert len(found.all("strong", **{"class": "best"})) == 6
    assert len(found.all("span", **{"class": "second"})) == 6 + 1  # the legend's
    assert "1 NaN, 1 missing" in found.text
    assert "24 missing" in found.text
    cells = found.all("td", title="24 images")  # the one that leads is not compared with itself
    assert len(cells) == 6
    assert any(float(it["data-value"]) == pytest.approx(np.mean(values), rel=1e-12) for it in cells)
    assert any(
        re.match(r"24 images; p = [\d.e-]+ against the method that leads", it.get("title", ""))
        for it in found.all("td")
    )


def test_headings_sort_best_first(page):
    heads = page().all("th", **{"aria-sort": "none"})
    assert [it["data-first"] for it in heads].count("descending") == 3  # insertion, the difference, sparseness
    assert all(it["scope"] == "col" for it in heads)


def test_names_are_text_whatever_is_in_them(page):
    scores = {(EVIL, metric): [0.1, 0.2, 0.3] for metric in ("insertion_auc", "sparseness")}
    found = page(scores, data=EVIL, image=EVIL, failures=[(EVIL, "road", EVIL)], unreadable=[(EVIL, "</pre><b>")])
    assert len(found.all("script")) == 2  # ours
    assert "alert" not in "".join(re.findall(r"<script.*?</script>", found.source, re.DOTALL))
    assert EVIL in found.text
    assert f"squeezenet on {EVIL}" in found.text
    assert EVIL in "".join(found.text)


def test_nothing_is_fetched_and_no_script_is_another_files(page):
    found = page()
    assert not found.all("link")
    assert not re.search(r"https?://", found.source)
    for _, attrs in found.tags:
        assert attrs.get("src", "data:").startswith("data:")
        assert attrs.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attrs)


def test_what_went_wrong_is_there(page):
    found = page(failures=[("layercam", "road", "out of memory")] * 3, unreadable=[("bad.jpg", "truncated")])
    assert {"layercam", "road", "3", "out of memory", "bad.jpg", "truncated"} <= set(found.text)
    assert "1 image could not be read; 3 batches with a failure" in found.text
    assert found.all("section", id="trouble")
    assert '"digest": "1"' in "".join(found.text)  # the provenance


def test_a_run_without_trouble_says_nothing_of_it(made, page):
    assert not page().all("section", id="trouble")


def test_one_image_one_method_and_no_pictures(page):
    found = page({("gradcam", "sparseness"): [0.25]}, pictures=0)
    assert "0.250" in found.text
    for part in ("ranks", "curves", "gallery"):
        assert not found.all("section", id=part)
    assert not [it for it in found.all("a") if it["href"] in ("#ranks", "#curves", "#gallery")]


@pytest.mark.parametrize("images", [0, 2])
def test_a_run_that_has_just_begun(page, images):
    assert f"demo, {images} images" in page({("gradcam", "sparseness"): [None] * images}).text


def test_probabilities_as_people_read_them():
    row = _store.ImageRow(0, "a", 1, "cat", 0.914, None, None, None)
    assert _gallery._class(row) == "cat 91\u00a0%"
    assert _gallery._class(row._replace(probability=0.002, correct=False)) == "cat below 1\u00a0%, misclassified"
    assert _gallery._class(row._replace(probability=None)) == "cat"  # NaN, as it comes from the file


def test_the_gallery_has_the_best_the_median_and_the_worst(made):
    path = made()
    run = evaluate.read(path)
    with _store.opened(path) as store:
        found = _gallery.gallery(store, run)
    assert found.walls[0].label == "insertion_deletion"
    assert "running_time" not in [wall.label for wall in found.walls]
    scores = np.asarray(plausible()["layercam", "deletion_auc"])
    (wall,) = [it for it in found.walls if it.label == "deletion_auc"]
    shown = wall.methods[list(run.asked["methods"]).index("layercam")]
    names = [run.images[i].id for i in (np.argmin(scores), np.argsort(scores)[11], np.argmax(scores))]
    assert [it.name for it in shown] == names
    assert [it.which for it in shown] == ["best", "median", "worst"]


def test_picks():
    assert _gallery.picks(np.array([3, np.nan, 1, 2.0]), higher_is_better=True) == [
        ("best", 0),
        ("median", 3),
        ("worst", 2),
    ]
    assert _gallery.picks(np.array([3, np.nan, 1, 2.0]), higher_is_better=False) == [
        ("best", 2),
        ("median", 3),
        ("worst", 0),
    ]
    assert _gallery.picks(np.array([1.0, 2]), higher_is_better=True) == [("best", 1), ("worst", 0)]
    assert _gallery.picks(np.array([1.0, np.nan]), higher_is_better=True) == [("best", 0)]
    assert _gallery.picks(np.array([np.nan]), higher_is_better=True) == []


def test_maps_are_upsampled_as_explanations_are(made, page):
    found = page()
    run = evaluate.read(made())
    methods = list(run.asked["methods"])
    cam = np.add.outer(np.arange(4.0), np.arange(4.0))  # the first method's
    first = next(method for method, _ in plausible())
    urls = [url for name, url in found.sources.items() if name.startswith(f"m{methods.index(first)}-")]
    drawn = np.asarray(picture(urls[0]).convert("RGBA"))
    saliency = np.asarray(maps.saliency(jnp.asarray(cam), (SIZE, SIZE)))
    np.testing.assert_array_equal(drawn[..., :3], render.colour_map(np.rint(255 * saliency) / 255))
    assert drawn[0, 0, 3] == 0
    assert drawn[-1, -1, 3] == 255


def test_each_picture_is_on_the_page_once(page):
    found = page()
    used = [it["data-source"] for it in found.all("img") if "data-source" in it]
    assert set(used) == set(found.sources)
    assert len(used) > len(found.sources)
    assert picture(found.sources[next(it for it in used if it.startswith("p"))]).size == (SIZE, SIZE)


def test_a_line_goes_round_the_object_where_there_are_masks(page):
    found = page(masks=True)
    assert len(found.all("img", **{"class": "outline"})) == len(found.all("img", **{"class": "photo"}))
    line = np.asarray(picture(next(url for name, url in found.sources.items() if name.startswith("o"))).convert("RGBA"))
    assert (line[10:20, 12:24, 3] == 0).all()  # the object itself is left as it is
    assert (line[8:10, 12:24] == 255).all()
    assert (line[7, 12:24] == [0, 0, 0, 176]).all()
    assert (line[:7, :, 3] == 0).all()
    assert any("A line goes round the object." in it for it in found.text)
    assert not page().all("img", **{"class": "outline"})


def test_maps_that_are_not_finite_are_said_to_be(page):
    found = page(nan_cams=["layercam"])
    assert "no map that can be drawn" in found.text
    assert len(found.all("img", **{"class": "over"})) < len(found.all("img", **{"class": "photo"}))


def test_only_images_whose_pictures_were_kept_are_shown(page):
    found = page(pictures=4)
    assert {it for it in found.sources if it.startswith("p")} <= {"p0", "p1", "p2", "p3"}
    assert any("image of the 4 whose pictures were kept" in it for it in found.text)


def test_curves_are_means_over_the_images_where_the_metric_is_defined(made):
    values = {("a", "insertion_auc"): [0.2, 0.4, np.nan], ("b", "insertion_auc"): [0.1, 0.1, 0.1]}
    path = made(values)
    run = evaluate.read(path)
    with _store.opened(path) as store:
        (chart,) = _curves.charts(store, run)
    assert (chart.label, chart.images) == ("insertion_auc", 3)
    ends = {line.method: line.line.split(" ")[-1].split(",") for line in chart.lines}
    highest = {method: chart.top * (1 - float(y) / _curves.HEIGHT) for method, (_, y) in ends.items()}
    assert highest[0] == pytest.approx(0.6, abs=0.005)  # twice 0.3, as they are made
    assert highest[1] == pytest.approx(0.2, abs=0.005)
    assert chart.top >= 0.6
    assert all(float(x) == _curves.WIDTH for x, _ in ends.values())


def test_the_band_is_the_interval_of_the_mean():
    curves = np.stack([np.full(5, 0.4), np.full(5, 0.6)])
    mean, low, high = _curves._band(curves)
    half = 1.96 * np.std([0.4, 0.6], ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(mean, 0.5)
    np.testing.assert_allclose(high - mean, half)
    np.testing.assert_allclose(mean - low, half)
    np.testing.assert_array_equal(_curves._band(curves[:1]), [curves[0]] * 3)


def test_ranks_by_all_metrics_and_by_each(made):
    found = _ranks.rankings(report.summary(evaluate.read(made())))
    assert [it.label for it in found][:2] == ["all metrics", "insertion_auc ↑"]
    overall, first = found[:2]
    assert "Methods that lack a metric are left out." in overall.note
    assert "averaged over 3 metrics" in overall.note  # neither insertion and deletion for themselves nor time
    assert [mark.title.split(":")[0] for mark in overall.rows[0].marks][::2] == ["insertion_deletion", "sparseness"]
    assert len(overall.rows) == 4
    assert len(first.rows) == 5
    assert [row.rank for row in first.rows] == sorted(row.rank for row in first.rows)
    best = first.rows[0]
    assert best.rank == pytest.approx(1, abs=0.2)
    assert best.whisker[0] < best.place < best.whisker[1]
    assert [tick.title for tick in first.ticks] == ["1", "2", "3", "4", "5"]


def test_ranks_say_whom_they_leave_out(tmp_path):
    whole, part = list(np.linspace(0, 1, 9)), [0.5] * 4 + [None] * 5
    values = {("a", "road"): whole, ("b", "road"): whole[::-1], ("c", "road"): part, ("d", "road"): [None] * 9}
    (some,) = _ranks.rankings(report.summary(evaluate.read(write(tmp_path / "a", values))))
    assert "over the 9 images" in some.note
    assert "fewer than half" in some.note
    assert len(some.rows) == 2
    del values["c", "road"]
    (none,) = _ranks.rankings(report.summary(evaluate.read(write(tmp_path / "b", values))))
    assert "fewer than half" not in none.note


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(evaluate.ResultsError, match=r"no results\.sqlite there"):
        report.evaluation_page(tmp_path)
