"""``mosaic:SOURCE``: where the pictures are, which they are, and what a network sees of them."""

import numpy as np
import pytest
from pictures import NAMES, Settings, save

from egcam_jax import data

CLASSES = 6


@pytest.fixture
def folder(tmp_path):
    """Plain pictures, whose red is the number of the class and whose green that of the picture."""
    for kind in range(CLASSES):
        for i in range(3):
            pixels = np.full((24 + 8 * i, 32, 3), (40 * kind, 40 * i, 7), np.uint8)
            save(tmp_path / str(kind) / f"{i}.png", pixels)
    return tmp_path


def _cells(image):
    side = image.shape[0] // 2
    return image.reshape(2, side, 2, side, 3).swapaxes(1, 2).reshape(4, side, side, 3)


def test_each_picture_is_explained_among_three_of_other_classes(folder):
    plain = data.open_source(str(folder), class_names=NAMES)
    source = data.open_source(f"mosaic:{folder}", class_names=NAMES)
    assert source.ids == tuple(f"mosaic/{id}" for id in plain.ids)
    assert source.has_masks
    places = set()
    for i in range(len(source)):
        example, own = source[i], plain[i]
        cells = _cells(example.image)
        kinds = cells[:, 0, 0, 0] // 40
        assert (cells == cells[:, :1, :1]).all()
        assert len(set(kinds)) == 4
        assert example.labels == own.labels == (int(own.image[0, 0, 0]) // 40,)
        place = np.flatnonzero(_cells(np.repeat(example.mask[..., None], 3, -1)).all((1, 2, 3)))
        assert example.mask.sum() * 4 == example.mask.size
        np.testing.assert_array_equal(cells[place[0], 0, 0], own.image[0, 0])
        places.add(int(place[0]))
    assert places == {0, 1, 2, 3}


def test_mosaics_are_the_same_every_time_and_differ(folder):
    first, second = (data.open_source(f"mosaic:folder:{folder}", class_names=NAMES) for _ in range(2))
    images = [first[i].image for i in range(len(first))]
    for i in reversed(range(len(first))):
        np.testing.assert_array_equal(second[i].image, images[i])
    assert len({image[::16, ::16].tobytes() for image in images}) > len(images) // 2


@pytest.mark.parametrize(("resize", "size"), [(16, 16), (256, 224), (40, 32)])
def test_the_cells_that_a_network_sees_have_the_same_area_and_their_edges_are_the_masks(folder, resize, size):
    source = data.open_source(f"mosaic:{folder}", class_names=NAMES)
    settings = Settings(size=size, resize=resize)
    for i in range(4):
        example = source[i]
        mask = data.crop_mask(example.mask, settings)
        assert mask.sum() * 4 == mask.size
        same = np.abs(data.crop(example.image, settings).astype(int) - example.image[example.mask][0]).max(-1) <= 1
        assert same[mask].mean() > 1 - 12 / size  # pixels at an edge between cells are of both
        assert not same[~mask].any()


def test_the_square_about_the_centre_is_taken(tmp_path):
    for kind in range(4):
        pixels = np.zeros((20, 40, 3), np.uint8)
        pixels[:, 10:30] = 50 * (kind + 1)
        save(tmp_path / str(kind) / "a.png", pixels)
    cells = _cells(data.open_source(f"mosaic:{tmp_path}", class_names=NAMES)[0].image)
    assert cells.shape == (4, 20, 20, 3)
    assert {*cells.reshape(4, -1).min(1)} == {50, 100, 150, 200}
    assert {*cells.reshape(4, -1).max(1)} == {50, 100, 150, 200}


def test_a_corrupt_picture_is_reported_for_itself_and_left_out_of_others(folder):
    (folder / "0" / "0.png").write_bytes(b"no picture")
    source = data.open_source(f"mosaic:{folder}", class_names=NAMES)
    with pytest.raises(OSError, match=r"0\.png"):
        source[0]
    for i in range(1, len(source)):
        assert len({*_cells(source[i].image)[:, 0, 0, 0]}) == 4


def test_a_picture_that_shows_the_explained_class_too_is_not_beside_it(tmp_path):
    rows = ["file,class_index"]
    for kind in range(5):
        save(tmp_path / f"{kind}.png", np.full((8, 8, 3), 40 * kind, np.uint8))
        rows.append(f"{kind}.png,{kind}")
    rows.append("4.png,0")  # shows class 0 as well
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    source = data.open_source(f"mosaic:{tmp_path}", class_names=NAMES)
    assert {*_cells(source[0].image)[:, 0, 0, 0]} == {0, 40, 80, 120}


def test_classes_asked_for_are_explained_among_all(folder):
    source = data.open_source(f"mosaic:{folder}", class_names=NAMES, classes="zebra")
    assert source.ids == tuple(f"mosaic/0/{i}.png" for i in range(3))
    assert source[2].labels == (0,)


def test_too_few_classes_or_no_labels_are_said(tmp_path):
    for i in range(3):
        save(tmp_path / str(i) / "a.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="four pictures of different classes wanted, 3 came"):
        data.open_source(f"mosaic:{tmp_path}", class_names=NAMES)
    save(tmp_path / "0" / "b.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(OSError, match="fewer than four different classes"):
        data.open_source(f"mosaic:{tmp_path}", class_names=NAMES)[0]
    save(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    source = data.open_source(f"mosaic:{tmp_path}", class_names=NAMES)
    with pytest.raises(OSError, match="has no label"):
        source[source.ids.index("mosaic/a.png")]
