"""A browser, where one is installed, and summaries of made-up runs."""

import shutil

import pytest
from made_results import write

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def browser():
    """The browser's path."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")


@pytest.fixture
def summarise(tmp_path):
    """Write a run, as ``made_results.write`` does, and summarise it."""
    from egcam_jax import evaluate, report

    def run(values, **given):
        file = tmp_path / str(len(list(tmp_path.iterdir()))) / "results.sqlite"
        return report.summary(evaluate.read(write(file, values, **given)))

    return run
