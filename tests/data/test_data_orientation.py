"""A picture that its camera held askew: masks, outlines and boxes of the stored pixels turn with it."""

import json

import numpy as np
import pytest
from pictures import noise
from PIL import Image

from egcam_jax import data

HEIGHT, WIDTH = 20, 30
# What a camera stores for an upright picture when it is held as each EXIF orientation says.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p, -1),
}
SIZES = [(HEIGHT, WIDTH), (24, 24)]
every = pytest.mark.parametrize("held", STORED)
sizes = pytest.mark.parametrize("size", SIZES)


def drawn(size):
    """An object that no turning or mirroring leaves as it is, upright."""
    mask = np.zeros(size, bool)
    mask[2:9, 3:7] = True
    mask[2:4, 7:15] = True
    return mask


def save(path, upright, held, tag=True):
    """Write a PNG of what the camera stores of an upright picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[274] = held
    stored = np.ascontiguousarray(STORED[held](upright))
    Image.fromarray(stored).save(path, exif=exif.tobytes() if tag else b"")
    return stored


@every
@sizes
def test_a_mask_turns_with_its_picture(tmp_path, held, size):
    picture = noise(0, *size)
    save(tmp_path / "a.png", picture, held)
    save(tmp_path / "a_mask.png", drawn(size).astype(np.uint8) * 255, held, tag=False)
    example = data.open_source(str(tmp_path))[0]
    np.testing.assert_array_equal(example.image, picture)
    np.testing.assert_array_equal(example.mask, drawn(size))


@every
@sizes
def test_a_mask_with_an_orientation_of_its_own_is_turned_by_it(tmp_path, held, size):
    for picture_held in (1, 3, 6):
        save(tmp_path / "a.png", noise(0, *size), picture_held)
        save(tmp_path / "a_mask.png", drawn(size).astype(np.uint8) * 255, held)
        np.testing.assert_array_equal(data.open_source(str(tmp_path))[0].mask, drawn(size))


@pytest.mark.parametrize("held", [5, 6, 7, 8])
def test_a_mask_of_the_upright_size_is_upright(tmp_path, held):
    save(tmp_path / "a.png", noise(0, HEIGHT, WIDTH), held)
    Image.fromarray(drawn((HEIGHT, WIDTH))).save(tmp_path / "a_mask.png")
    np.testing.assert_array_equal(data.open_source(str(tmp_path))[0].mask, drawn((HEIGHT, WIDTH)))


@every
@sizes
def test_boxes_turn_with_the_picture(tmp_path, held, size):
    box = np.zeros(size, bool)
    box[2:9, 3:15] = True
    save(tmp_path / "a.png", noise(0, *size), held)
    rows, columns = np.nonzero(STORED[held](box))
    line = f"{columns.min()} {rows.min()} {columns.max() + 1} {rows.max() + 1}"
    (tmp_path / "labels.csv").write_text(f"file,class_index,boxes\na.png,1,{line}\n")
    np.testing.assert_array_equal(data.open_source(str(tmp_path))[0].mask, box)


def test_boxes_of_the_upright_picture_are_refused_where_they_reach_out(tmp_path):
    save(tmp_path / "a.png", noise(0, HEIGHT, WIDTH), 6)
    (tmp_path / "labels.csv").write_text("file,class_index,boxes\na.png,1,3 2 29 9\n")
    with pytest.raises(OSError, match=r"boxes must be in the picture as it is stored, 20 x 30 pix.*29, 9\. Save the"):
        data.open_source(str(tmp_path))[0]


@pytest.mark.parametrize("box", ["3 2 60 40", "-5 2 9 9", "300 200 400 300"])
def test_boxes_of_a_picture_of_another_size_are_refused(tmp_path, box):
    save(tmp_path / "a.png", noise(0, HEIGHT, WIDTH), 1)
    (tmp_path / "labels.csv").write_text(f"file,class_index,boxes\na.png,1,{box}\n")
    with pytest.raises(OSError, match=r"as it is stored, .* pixels; got boxes from .*Scale them to the size"):
        data.open_source(str(tmp_path))[0]


def outline(mask, kind):
    """COCO's outline of the object in stored pixels: a polygon of its two boxes, or a run-length code."""
    if kind == "polygons":
        boxes = []
        for part in (0, 1):
            rows, columns = np.nonzero(mask == part + 1)
            left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            boxes.append([int(n) for n in (left, top, right, top, right, bottom, left, bottom)])
        return boxes
    flat = (mask > 0).ravel(order="F").astype(int)
    runs = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]).tolist()
    return {"size": list(mask.shape), "counts": runs if not flat[0] else [0, *runs]}


@every
@sizes
@pytest.mark.parametrize("kind", ["polygons", "code"])
def test_outlines_turn_with_the_photograph(tmp_path, held, size, kind):
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    parts = np.zeros(size, np.uint8)
    parts[2:9, 3:7], parts[2:4, 7:15] = 1, 2
    stored = save(tmp_path / "a.png", noise(0, *size), held)
    listed = {"id": 1, "file_name": "a.png", "height": stored.shape[0], "width": stored.shape[1]}
    note = {"id": 1, "image_id": 1, "category_id": 5, "segmentation": outline(STORED[held](parts), kind)}
    content = {"images": [listed], "annotations": [note], "categories": [{"id": 5, "name": "cat"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    example = data.open_source(f"coco:{tmp_path}")[0]
    np.testing.assert_array_equal(example.mask, parts > 0)
    np.testing.assert_array_equal(example.image, noise(0, *size))


@pytest.mark.parametrize("suffix", [".tif", ".jpg", ".avif"])
def test_formats_that_pillow_turns_itself_are_turned_once(tmp_path, suffix):
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:16, :24], picture[16:, 24:] = (255, 0, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[274] = 6
    stored = np.ascontiguousarray(STORED[6](picture))
    if suffix not in Image.registered_extensions():
        pytest.skip("this Pillow does not read the format")
    Image.fromarray(stored).save(tmp_path / f"a{suffix}", exif=exif, **({"quality": 100} if suffix != ".tif" else {}))
    mask = STORED[6](picture[..., 0] > 0)
    Image.fromarray(np.ascontiguousarray(mask)).save(tmp_path / "a_mask.png")
    example = data.open_source(str(tmp_path))[0]
    np.testing.assert_array_equal(example.image > 127, picture > 127)
    np.testing.assert_array_equal(example.mask, picture[..., 0] > 0)


@pytest.mark.parametrize("number", [0, 9, 300])
def test_an_orientation_that_is_none_does_not_matter(tmp_path, number):
    exif = Image.Exif()
    exif[274] = number
    Image.fromarray(noise(0)).save(tmp_path / "a.png", exif=exif.tobytes())
    np.testing.assert_array_equal(data.read(tmp_path / "a.png"), noise(0))
