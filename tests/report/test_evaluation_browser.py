"""The page of an evaluation in a browser, where one is installed: it sorts, the slider moves, nothing overflows."""

import html
import json
import re
import subprocess

import pytest
from made_results import EVIL, plausible, write

from egcam_jax import report

LISTEN = "<script>window.errors = []; addEventListener('error', event => errors.push(event.message));</script>"
DRIVE = """<script>
  const style = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
  const table = document.querySelector("table.sortable");
  const rows = column => [...table.tBodies[0].rows].map(row => row.cells[column].dataset.value);
  const press = head => head.firstElementChild.click();
  const heads = [...table.tHead.rows[0].cells];
  const lower = heads.findIndex(it => it.textContent.includes("↓"));
  const higher = heads.findIndex(it => it.textContent.includes("↑"));
  const seen = {errors, width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches};
  seen.paper = style("body", "backgroundColor");
  seen.sorted = [0, lower, lower, higher].map(column => {
    press(heads[column]);
    return [heads[column].ariaSort, rows(column), heads.filter(it => it.ariaSort !== "none").length];
  });
  const gaps = [...document.querySelectorAll("table.sortable")].find(it => it.querySelector("td[data-value='']"));
  const last = () => [...gaps.tBodies[0].rows].at(-1).cells[1].dataset.value;
  seen.last = [0, 1].map(() => { press(gaps.tHead.rows[0].cells[1]); return last(); });
  seen.opacity = [style(".wall .over", "opacity")];
  for (const value of [25, 0, 100]) {
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
    seen.opacity.push(style(".wall .over", "opacity"));
  }
  seen.said = document.querySelector("output").textContent;
  const walls = () => [...document.querySelectorAll(".wall")].map(it => getComputedStyle(it).display !== "none");
  const images = () => [...document.querySelectorAll(".wall:not([hidden]) img")];
  const loaded = () => images().every(it => it.src.startsWith("data:"));
  seen.walls = [walls().indexOf(true), walls().filter(it => it).length, loaded()];
  const choose = (shows, value) => {
    const select = document.querySelector(`select[data-shows=${shows}]`);
    select.value = value;
    select.dispatchEvent(new Event("change"));
  };
  choose("wall", "1");
  seen.chosen = [walls().indexOf(true), walls().filter(it => it).length, loaded()];
  choose("ranking", "2");
  seen.ranking = [...document.querySelectorAll(".ranking")].findIndex(it => getComputedStyle(it).display !== "none");
  const button = document.querySelector(".legend button"), curve = `g.curve[data-method="${button.dataset.method}"]`;
  button.click();
  seen.hidden = [button.ariaPressed, style(curve, "display")];
  button.click();
  seen.shown = [button.ariaPressed, style(curve, "display")];
  seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const box = it => it.getBoundingClientRect();
  const region = document.querySelector(".scroll"), first = () => box(region.querySelector("tbody th")).left;
  region.scrollLeft = 0;
  const before = first();
  region.scrollLeft = 200;
  seen.moved = [region.scrollLeft, first() - before];
  const outside = it => box(it).width && (box(it).right > innerWidth + 1 || box(it).left < -1);
  seen.outside = [...document.querySelectorAll("h1, h2, h3, .hint, dd, figcaption, .ranks > *, .legend button")]
    .filter(outside).map(it => it.textContent.slice(0, 40));
  document.body.innerHTML = "<pre id=seen></pre>";
  document.getElementById("seen").textContent = "<<" + JSON.stringify(seen) + ">>";
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    file = tmp_path_factory.mktemp("run") / "results.sqlite"
    made = write(file, plausible(14), image=EVIL, failures=[("layercam", "road", EVIL)], unreadable=[(EVIL, "W" * 200)])
    return report.evaluation_page(made)


def drive(browser, page, folder, width, dark):
    """What the page does as it is used, in a frame of this width: a window cannot be as narrow as a phone."""
    script = page.replace("<head>", "<head>" + LISTEN).replace("</body>", DRIVE + "</body>")
    (folder / "page.html").write_text(script, encoding="utf-8")
    frame = f"<body style='margin:0;color-scheme:{'dark' if dark else 'light'}'>"
    frame += f"<iframe srcdoc='{html.escape(script)}' style='border:0;width:{width}px;height:800px'></iframe>"
    reader = """<script>addEventListener("load", () => {
      document.body.innerHTML += "<pre>" + document.querySelector("iframe").contentDocument.body.innerHTML + "</pre>";
    });</script>"""
    file = folder / "frame.html"
    file.write_text("<!doctype html>" + frame + reader, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    options += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--window-size=1300,900"]
    command = [browser, *options, "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(html.unescape(re.findall("&lt;&lt;(.*)&gt;&gt;", done.stdout)[-1]))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_works(browser, page, tmp_path, width, dark):
    seen = drive(browser, page, tmp_path, width, dark)
    assert seen["errors"] == []
    assert (seen["width"], seen["dark"]) == (width, dark)
    assert seen["paper"] == ("rgb(22, 22, 24)" if dark else "rgb(255, 255, 255)")
    names, best_lower, worst_lower, best_higher = seen["sorted"]
    assert names[0] == "ascending"
    assert names[1] == sorted(names[1])
    for (order, values, marked), expected in zip(
        (best_lower, worst_lower, best_higher), ("ascending", "descending", "descending")
    ):
        assert order == expected
        assert marked == 1
        assert [float(it) for it in values] == sorted(map(float, values), reverse=order == "descending")
    assert seen["last"] == ["", ""]  # what has no value is last either way
    assert [float(it) for it in seen["opacity"]] == [0.8, 0.25, 0, 1]
    assert seen["said"] == "100 %"
    assert seen["walls"] == [0, 1, True]
    assert seen["chosen"] == [1, 1, True]
    assert seen["ranking"] == 2
    assert seen["hidden"] == ["false", "none"]
    assert seen["shown"] == ["true", "inline"]
    assert seen["wide"] == 0
    assert seen["outside"] == []
    if width == 390:  # the tables scroll, and the methods' names stay
        assert seen["moved"] == [200, 0]


def test_a_script_that_fails_would_be_seen(browser, page, tmp_path):
    broken = page.replace("</body>", "<script>nothing.at.all</script></body>")
    assert any("nothing is not defined" in error for error in drive(browser, broken, tmp_path, 1280, False)["errors"])
