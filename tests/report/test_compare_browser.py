"""The comparison page in a browser, where one is installed: the slider, the maps alone, what stays in view."""

import json
import re
import subprocess

import numpy as np
import pytest

from egcam_jax import report

LISTEN = "<script>window.errors = []; addEventListener('error', event => errors.push(event.message));</script>"
DRIVE = """<script>
  const style = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
  const alone = () => [style(".stack .alone", "visibility"), style(".scale .alone", "visibility")];
  const place = selector => document.querySelector(selector).getBoundingClientRect();
  const seen = {errors, opacity: [style(".over", "opacity")], alone: [alone()]};
  for (const value of [25, 0, 100]) {
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
    seen.opacity.push(style(".over", "opacity"));
  }
  seen.said = document.querySelector("output").textContent;
  for (const state of ["pointed", "focused"]) {
    document.querySelector(".stack").className = "stack " + state;
    seen.alone.push(alone());
  }
  const main = document.querySelector("main");
  seen.before = [place("thead th").left, place("thead th").top, place("tbody th").left, place("td").left];
  main.scrollTo(300, 200);
  seen.scrolled = [main.scrollLeft, main.scrollTop];
  seen.after = [place("thead th").left, place("thead th").top, place("tbody th").left, place("td").left];
  seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.fits = [...document.querySelectorAll("th")].every(it => it.scrollWidth <= it.clientWidth);
  document.body.innerHTML = "<pre id=seen></pre>";
  document.getElementById("seen").textContent = "<<" + JSON.stringify(seen) + ">>";
</script>"""


@pytest.fixture
def page():
    """Six methods on three pictures, with long names."""
    ramp = np.tile(np.linspace(0, 1, 32), (32, 1))
    maps = [report.Map(ramp, {"insertion": 0.5}, "")] * 6
    image = np.full((32, 32, 3), 90, np.uint8)
    names = ["photograph.png", "a_long_name_of_many_words.png", "W" * 90]
    methods = [f"expected_gradcam_of_a_long_name_{i}" for i in range(6)]
    return report.compare_page(methods, [report.Row(name, "cat", image, maps) for name in names], title="t")


def drive(browser, page, folder, size):
    """What the page's elements look like as it is used, in a window of this size."""
    # A page that no one looks at has neither pointer nor focus, or not always: classes stand for them.
    for state, stand_in in (
        (".stack:hover .alone", ".stack.pointed .alone"),
        (".stack:focus .alone", ".stack.focused .alone"),
        (".stack:is(:hover, :focus)", ".stack:is(.pointed, .focused)"),
    ):
        assert page.count(state) == 1
        page = page.replace(state, stand_in)
    file = folder / "page.html"
    file.write_text(page.replace("<head>", "<head>" + LISTEN).replace("</body>", DRIVE + "</body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command = [browser, *options, f"--window-size={size}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(re.search("&lt;&lt;(.*)&gt;&gt;", done.stdout)[1].replace("&amp;", "&"))


@pytest.mark.parametrize("size", ["1000,600", "500,600"])
def test_the_page_works(browser, page, tmp_path, size):
    seen = drive(browser, page, tmp_path, size)
    assert seen["errors"] == []
    assert [float(opacity) for opacity in seen["opacity"]] == [0.8, 0.25, 0, 1]
    assert seen["said"] == "100 %"
    assert seen["alone"] == [[it] * 2 for it in ("hidden", "visible", "visible")]  # the map and the bar
    assert seen["scrolled"] == [300, 200]
    assert seen["after"][:3] == seen["before"][:3]  # the methods and the pictures stay in view
    assert seen["after"][3] == seen["before"][3] - 300  # the maps move
    assert seen["wide"] == 0
    assert seen["fits"]


def test_a_script_that_fails_would_be_seen(browser, page, tmp_path):
    seen = drive(browser, page.replace("</body>", "<script>nothing.at.all</script></body>"), tmp_path, "1000,600")
    assert any("nothing is not defined" in error for error in seen["errors"])
