"""``npz:FILE`` and ``demo``."""

import re

import numpy as np
import pytest
from pictures import NAMES, noise

from egcam_jax import data
from egcam_jax.models._classes import class_names

PICTURES = np.stack([noise(i, 8, 8) for i in range(5)])


@pytest.mark.parametrize(("images", "labels"), [("{}_images", "{}_labels"), ("x_{}", "y_{}"), ("X_{}", "y_{}")])
def test_arrays_under_the_names_that_people_use(tmp_path, images, labels):
    np.savez(
        tmp_path / "a.npz",
        **{images.format("train"): PICTURES, labels.format("train"): np.array([[3], [1], [4], [1], [5]], np.uint8)},
        **{images.format("test"): PICTURES[::-1], labels.format("test"): np.arange(5)},
    )
    test = data.open_source(f"npz:{tmp_path / 'a.npz'}", class_names=NAMES)
    assert test.ids == tuple(f"test/{i:05d}" for i in range(5))
    np.testing.assert_array_equal(test[1].image, PICTURES[3])
    assert test[1].labels == (1,)
    train = data.open_source(f"npz:{tmp_path / 'a.npz'}:train", class_names=NAMES, classes="street sign")
    assert train.ids == ("train/00001", "train/00003")
    np.testing.assert_array_equal(train[1].image, PICTURES[3])


def test_grey_pictures_without_labels(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=PICTURES[..., 0])
    source = data.open_source(f"npz:{tmp_path / 'a.npz'}")
    assert source.ids[0] == "all/00000"
    assert source[0].labels == ()
    np.testing.assert_array_equal(source[2].image, PICTURES[2][..., :1].repeat(3, -1))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"faces": PICTURES}, "no pictures among its arrays (faces)"),
        ({"images": PICTURES / 255}, "pictures float64 (5, 8, 8, 3) came"),
        ({"images": PICTURES, "labels": np.arange(4)}, "labels int64 (4,) came, 5 whole numbers wanted"),
        ({"images": PICTURES, "labels": np.arange(5) + 3}, "class 7 came, where the model has 0 to 6"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=re.escape(message)):
        data.open_source(f"npz:{tmp_path / 'a.npz'}", class_names=NAMES)


def test_files_that_are_no_arrays_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        data.open_source(f"npz:{tmp_path / 'none.npz'}")
    np.savez(tmp_path / "a.npz", images=PICTURES)
    whole = (tmp_path / "a.npz").read_bytes()
    for content in (b"", b"no arrays", whole[:300]):
        (tmp_path / "b.npz").write_bytes(content)
        with pytest.raises(OSError, match=r"b\.npz: not an \.npz file"):
            data.open_source(f"npz:{tmp_path / 'b.npz'}")
    np.save(tmp_path / "c.npz.npy", PICTURES)
    with pytest.raises(OSError, match=r"c\.npz\.npy: not an \.npz file"):
        data.open_source(f"npz:{tmp_path / 'c.npz.npy'}")


def test_the_demonstration_has_its_photographs_and_the_labels_that_are_certain():
    pytest.importorskip("skimage")
    source = data.open_source("demo", class_names=class_names("imagenet"))
    assert source.ids[0] == "chelsea.png"
    assert len(source) == 9
    known = {source.ids[i]: source[i].labels for i in range(9) if source[i].labels}
    assert known == {"chelsea.png": (285, 281, 282), "camera.png": (872,), "coffee.png": (967, 968)}
    np.testing.assert_array_equal(source[0].image, data.read(data.demo_path()))
    assert data.open_source("demo", class_names=class_names("cifar10"))[0].labels == (3,)
    assert data.open_source("demo")[0].labels == ()
    with pytest.raises(ValueError, match="demo takes nothing after it"):
        data.open_source("demo:cat")


@pytest.mark.parametrize(("images", "labels"), [("images", "y"), ("x_test", "test_labels"), ("images", "targets")])
def test_labels_under_another_custom_than_the_pictures_are_read(tmp_path, images, labels):
    np.savez(tmp_path / "a.npz", **{images: PICTURES, labels: np.array([3, 1, 4, 1, 5])})
    source = data.open_source(f"npz:{tmp_path / 'a.npz'}")
    assert [source[i].labels for i in range(5)] == [(3,), (1,), (4,), (1,), (5,)]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (PICTURES[0], None, "(8, 8, 3), as of one picture"),
        ((PICTURES > 99).astype(np.uint8), None, "got 0 and 1"),
        (PICTURES[:4], np.zeros((2, 2), int), "labels int64 (2, 2) came"),
        (PICTURES, np.arange(5) - 5, "got -5"),
    ],
)
def test_arrays_that_would_be_read_as_something_else_are_refused(tmp_path, images, labels, message):
    np.savez(tmp_path / "a.npz", images=images, **({} if labels is None else {"labels": labels}))
    with pytest.raises(ValueError, match=re.escape(message)):
        data.open_source(f"npz:{tmp_path / 'a.npz'}")
