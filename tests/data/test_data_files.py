"""Folders, patterns, references and the demonstration."""

import os

import numpy as np
import pytest
from PIL import Image

from egcam_jax import data, models

SETTINGS = models.Preprocess(size=8, resize=8, mean=(0, 0, 0), std=(1, 1, 1), scale=255.0)


@pytest.fixture
def folder(tmp_path):
    """Ten pictures of one grey value each, 0 to 9, and what is no picture."""
    for value in range(10):
        Image.new("RGB", (8, 8), (value,) * 3).save(tmp_path / f"{value}.png")
    (tmp_path / "labels.csv").write_text("a,b")
    (tmp_path / ".hidden.png").touch()
    (tmp_path / "deeper.png").mkdir()
    return tmp_path


def test_a_folder_gives_its_pictures_sorted_and_nothing_else(folder):
    (folder / "8.png").rename(folder / "8.PNG")
    names = [path.name for path in data.expand(folder)]
    assert names == ["0.png", "1.png", "2.png", "3.png", "4.png", "5.png", "6.png", "7.png", "8.PNG", "9.png"]


def test_a_pattern_gives_what_matches_sorted(folder):
    assert [path.name for path in data.expand(str(folder / "[1-3].png"))] == ["1.png", "2.png", "3.png"]


def test_two_stars_are_folders_at_any_depth(folder):
    (folder / "deeper.png" / "still").mkdir()
    (folder / "deeper.png" / "still" / "x.png").touch()
    found = data.expand(str(folder / "**" / "[0x].png"))
    assert found == [folder / "0.png", folder / "deeper.png" / "still" / "x.png"]


def test_a_folder_gives_files_alone(folder):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(folder / "pipe.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    assert len(data.expand(folder)) == 10


def test_a_home_folder_of_nobody():
    with pytest.raises(FileNotFoundError, match=r"~no-such-user/x\.png: no user of this name"):
        data.expand("~no-such-user/x.png")


def test_the_files_drawn_are_those_that_are_read(folder):
    files = data.draw(folder, count=4, seed=3)
    values = data.references(folder, SETTINGS, count=4, seed=3)[:, 0, 0, 0]
    assert [int(path.stem) for path in files] == values.tolist()


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder):
    (folder / "a[1].png").touch()
    assert data.expand(str(folder / "a[1].png")) == [folder / "a[1].png"]


def test_a_missing_file_stands_for_itself(tmp_path):
    assert data.expand(tmp_path / "missing.png") == [tmp_path / "missing.png"]


def test_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert data.expand("~/1.png") == [folder / "1.png"]


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "readme.txt").touch()
    with pytest.raises(FileNotFoundError, match="holds no image"):
        data.expand(tmp_path)


def test_a_pattern_without_matches(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file matches the pattern"):
        data.expand(str(tmp_path / "*.jpg"))


def test_references_are_distinct_files_chosen_by_the_seed(folder):
    first, again, other = (data.references(folder, SETTINGS, count=4, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (4, 8, 8, 3)
    assert first.dtype == np.float32
    values = first[:, 0, 0, 0].tolist()
    assert len(set(values)) == 4
    assert values == sorted(values)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_small_folder_gives_all_it_has(folder):
    assert data.references(folder, SETTINGS, count=99)[:, 0, 0, 0].tolist() == list(range(10))


def test_an_unreadable_reference_is_passed_over_and_told(folder):
    (folder / "5.png").write_text("broken")
    (folder / "6.heic").write_text("no reader")
    with pytest.warns(UserWarning, match=r"2 files were passed over: .*6\.heic \(\.heic files.*5\.png \(not an image"):
        x = data.references(folder, SETTINGS, count=10)
    assert x[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    drawn = data.read_references(folder, SETTINGS, count=4, seed=1)
    assert [int(name[-5]) for name in drawn.ids] == drawn.x[:, 0, 0, 0].tolist()
    assert len(drawn.ids) == 4  # another is drawn in the place of the unreadable one


def test_references_have_a_digest_of_what_the_network_sees(folder, tmp_path):
    drawn = data.read_references(folder, SETTINGS, count=4)
    copies = tmp_path / "copies"
    copies.mkdir()
    for path in folder.glob("?.png"):
        (copies / path.name).write_bytes(path.read_bytes())
    assert data.read_references(copies, SETTINGS, count=4).digest == drawn.digest
    Image.new("RGB", (8, 8), (99,) * 3).save(drawn.ids[0])
    assert data.read_references(folder, SETTINGS, count=4).digest != drawn.digest


def test_a_count_below_one(folder):
    with pytest.raises(ValueError, match="count must be at least 1; got 0"):
        data.references(folder, SETTINGS, count=0)


def test_the_demonstration_is_the_cat():
    picture = data.read(data.demo_path())
    assert picture.shape == (300, 451, 3)
    # tabby fur: more red than green than blue, over the whole picture
    assert np.all(np.diff(picture.mean((0, 1))) < -20)


def test_the_demonstration_references_are_distinct_and_always_the_same():
    settings = models.Preprocess(size=32, resize=32)
    refs = data.demo_references(settings)
    assert refs.shape == (32, 32, 32, 3)
    np.testing.assert_array_equal(refs, data.demo_references(settings))
    assert len(np.unique(refs.reshape(32, -1), axis=0)) == 32
    cat = data.preprocess(data.read(data.demo_path()), settings)
    assert not any(np.array_equal(cat, ref) for ref in refs)
    np.testing.assert_array_equal(refs[1], data.preprocess(_mirrored("astronaut.png"), settings))


def _mirrored(name):
    return np.ascontiguousarray(data.read(data.demo_path().with_name(name))[:, ::-1])


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'egcam-jax\[cli\]'"):
        data.demo_path()


def test_a_photograph_missing_from_scikit_image_is_named(monkeypatch):
    monkeypatch.setattr("egcam_jax.data._demo.DEMO", "no_such_cat.png")
    with pytest.raises(FileNotFoundError, match=r"no_such_cat\.png: this photograph is missing"):
        data.demo_path()
