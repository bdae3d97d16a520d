"""``coco:DIR``: outlines of every kind drawn pixel by pixel, classes by name, files where people have them."""

import json
import re

import numpy as np
import pytest
from pictures import NAMES, noise, save

from egcam_jax import data
from egcam_jax.data._coco_classes import COCO_CLASSES, labels_of
from egcam_jax.models._classes import class_names

pytest.importorskip("pycocotools", reason="pycocotools is not installed")

HEIGHT, WIDTH = 20, 30
CATEGORIES = [{"id": 24, "name": "zebra"}, {"id": 13, "name": "stop sign"}, {"id": 1, "name": "person"}]


def _box(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def _counts(mask):
    """Lengths of runs down the columns, first of what is not the object."""
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    return runs if not flat[0] else [0, *runs]


def _coco(folder, annotations, *, part="val2017", images="val2017", categories=CATEGORIES, size=(HEIGHT, WIDTH)):
    """Write three photographs and their annotations."""
    listed = []
    for number in (9, 4, 7):
        save(folder / images / f"{number:012d}.png", noise(number, HEIGHT, WIDTH))
        listed.append({"id": number, "file_name": f"{number:012d}.png", "height": size[0], "width": size[1]})
    content = {"images": listed, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))


def _note(image, category, segmentation, crowd=0):
    return {"image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": crowd, "bbox": []}


def _filled(*boxes):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def test_polygons_codes_and_crowds_are_drawn_pixel_by_pixel(tmp_path):
    crowd = noise(1, HEIGHT, WIDTH)[..., 0] > 200
    _coco(
        tmp_path,
        [
            _note(9, 24, [_box(2, 3, 10, 8), _box(20, 10, 25, 20)]),
            _note(4, 13, [_box(0, 0, 5, 5)]),
            _note(4, 13, {"size": [HEIGHT, WIDTH], "counts": _counts(crowd)}, crowd=1),
            _note(4, 24, [_box(0, 0, 30, 20)]),
            _note(7, 1, [_box(0, 0, 5, 5)]),
        ],
    )
    source = data.open_source(f"coco:{tmp_path}", class_names=NAMES)
    assert source.ids == ("000000000004.png:stop sign", "000000000004.png:zebra", "000000000009.png:zebra")
    assert [source[i].labels for i in range(3)] == [(1,), (0,), (0,)]
    assert source.has_masks
    np.testing.assert_array_equal(source[0].mask, _filled((0, 0, 5, 5)) | crowd)
    np.testing.assert_array_equal(source[1].mask, np.ones((HEIGHT, WIDTH), bool))
    np.testing.assert_array_equal(source[2].mask, _filled((2, 3, 10, 8), (20, 10, 25, 20)))
    np.testing.assert_array_equal(source[2].image, noise(9, HEIGHT, WIDTH))


def test_a_compressed_code_is_drawn(tmp_path):
    from pycocotools import mask as codes

    drawn = noise(1, HEIGHT, WIDTH)[..., 0] > 100
    code = codes.encode(np.asfortranarray(drawn.astype(np.uint8)))
    _coco(tmp_path, [_note(9, 24, {"size": list(code["size"]), "counts": code["counts"].decode()})])
    np.testing.assert_array_equal(data.open_source(f"coco:{tmp_path}", class_names=NAMES)[0].mask, drawn)


def test_a_slanted_polygon_covers_its_area(tmp_path):
    _coco(tmp_path, [_note(9, 24, [[0, 0, 30, 0, 0, 20]])])
    mask = data.open_source(f"coco:{tmp_path}", class_names=NAMES)[0].mask
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = columns / WIDTH + rows / HEIGHT
    assert mask[inside < 0.95].all()
    assert not mask[inside > 1.05].any()


def test_classes_are_asked_for_by_their_names_in_coco(tmp_path):
    box = [_box(2, 3, 10, 8)]
    _coco(tmp_path, [_note(9, 24, box), _note(4, 13, box), _note(7, 1, box)])
    one = data.open_source(f"coco:{tmp_path}", class_names=NAMES, classes='"stop sign"')
    assert one.ids == ("000000000004.png:stop sign",)
    assert one[0].labels == (1,)
    assert len(data.open_source(f"coco:{tmp_path}", class_names=NAMES, classes="Zebra, stop sign")) == 2
    with pytest.raises(ValueError, match=r"'stop sing' is not in .*near ones: stop sign"):
        data.open_source(f"coco:{tmp_path}", class_names=NAMES, classes="zebra,stop sing")
    with pytest.raises(ValueError, match=r"no class of this model fits person; it has zebra, stop sign"):
        data.open_source(f"coco:{tmp_path}", class_names=NAMES, classes="person")
    assert [data.open_source(f"coco:{tmp_path}", classes="person")[0].labels] == [()]


def test_an_object_without_an_outline_is_no_example(tmp_path):
    _coco(tmp_path, [_note(9, 24, []), _note(4, 24, [_box(2, 3, 10, 8)])])
    assert data.open_source(f"coco:{tmp_path}", class_names=NAMES).ids == ("000000000004.png:zebra",)
    _coco(tmp_path, [_note(9, 24, [])])
    with pytest.raises(ValueError, match="no object with an outline"):
        data.open_source(f"coco:{tmp_path}", class_names=NAMES)


@pytest.mark.parametrize("images", ["val2017", "images/val2017", "images", "data", "."])
def test_photographs_are_found_where_people_have_them(tmp_path, images):
    _coco(tmp_path, [_note(9, 24, [_box(2, 3, 10, 8)])], images=images)
    np.testing.assert_array_equal(
        data.open_source(f"coco:{tmp_path}", class_names=NAMES)[0].image, noise(9, HEIGHT, WIDTH)
    )


def test_of_several_splits_one_is_named(tmp_path):
    _coco(tmp_path, [_note(9, 24, [_box(2, 3, 10, 8)])])
    _coco(tmp_path, [_note(4, 13, [_box(2, 3, 10, 8)])], part="train2017", images="train2017")
    with pytest.raises(ValueError, match=r"several splits \(train2017, val2017\)"):
        data.open_source(f"coco:{tmp_path}", class_names=NAMES)
    assert data.open_source(f"coco:{tmp_path}:train2017", class_names=NAMES).ids == ("000000000004.png:stop sign",)
    with pytest.raises(FileNotFoundError, match=r"no annotations test2017 .*there are train2017, val2017"):
        data.open_source(f"coco:{tmp_path}:test2017", class_names=NAMES)


def test_a_missing_damaged_or_other_photograph_is_a_corrupt_record(tmp_path):
    box = [_box(2, 3, 10, 8)]
    _coco(tmp_path, [_note(9, 24, box), _note(4, 24, box), _note(7, 24, box)])
    (tmp_path / "val2017" / "000000000004.png").unlink()
    save(tmp_path / "val2017" / "000000000007.png", noise(0, 10, 10))
    source = data.open_source(f"coco:{tmp_path}", class_names=NAMES)
    with pytest.raises(FileNotFoundError, match=r"000000000004\.png"):
        source[0]
    with pytest.raises(OSError, match="10 x 10 pixels, where the annotations say 30 x 20"):
        source[1]
    assert source[2].mask.sum() == 40


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ({"size": [5, 5], "counts": [25]}, r"its size is \[5, 5\]"),
        ([[1, 2, 3, 4]], "none of its polygons has the three corners"),
        ({"size": [HEIGHT, WIDTH]}, "a run-length code without counts"),
        ({"size": [HEIGHT, WIDTH], "counts": [100, 20]}, "its counts are of 120 pixels, the picture's 600"),
        ({"size": [HEIGHT, WIDTH], "counts": "P17300000l0"}, "its counts are of 100 pixels, the picture's 600"),
        ({"size": [HEIGHT, WIDTH], "counts": [700, -100]}, "a run of less than no pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": ""}, "its counts are of 0 pixels, the picture's 600"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon that is not pairs of finite numbers"),
        ([[1, 2, 3, 4, float("nan"), 6]], "a polygon that is not pairs of finite numbers"),
        ([1, 2, 3, 4, 5, 6], r"numbers in the place of polygons: write \[\[x0"),
        ([[0.1, 0.1, 0.9, 0.1, 0.5, 0.8]], r"its corners lie in \[0, 1\]: pixels are wanted"),
        ([[40, 50, 60, 50, 50, 70]], "it covers no pixel of the picture"),
        ({"size": [HEIGHT, WIDTH], "counts": [600]}, "it covers no pixel of the picture"),
        ("text", "a str in the place of polygons"),
    ],
)
def test_an_outline_that_cannot_be_drawn_is_a_corrupt_record(tmp_path, segmentation, said):
    _coco(tmp_path, [_note(9, 24, segmentation)])
    source = data.open_source(f"coco:{tmp_path}", class_names=NAMES)
    with pytest.raises(OSError, match=rf"an outline cannot be drawn \({said}"):
        source[0]


def test_what_is_not_coco_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        data.open_source(f"coco:{tmp_path / 'none'}")
    with pytest.raises(FileNotFoundError, match="there are none; unpack"):
        data.open_source(f"coco:{tmp_path}")
    (tmp_path / "annotations").mkdir()
    path = tmp_path / "annotations" / "instances_val2017.json"
    path.write_text("{")
    with pytest.raises(OSError, match="not JSON"):
        data.open_source(f"coco:{tmp_path}")
    path.write_text('{"images": []}')
    with pytest.raises(OSError, match="it has no annotations, categories"):
        data.open_source(f"coco:{tmp_path}")


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("annotations", {"image_id": 99}, r"annotations\[1\] has image_id 99, which is not among its images"),
        ("annotations", {"category_id": 7}, r"annotations\[1\] has category_id 7, which is not among its categories"),
        ("images", {"height": None}, r"images\[1\] has no 'height'"),
        ("categories", {"name": None}, r"categories\[1\] has no 'name'"),
    ],
)
def test_an_entry_that_does_not_fit_is_named(tmp_path, kind, change, said):
    _coco(tmp_path, [_note(9, 24, [_box(2, 3, 10, 8)]), _note(4, 24, [_box(2, 3, 10, 8)])])
    path = tmp_path / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    entry = {**content[kind][1], **change}
    content[kind][1] = {name: value for name, value in entry.items() if value is not None}
    path.write_text(json.dumps(content))
    with pytest.raises(OSError, match=rf"instances_val2017\.json: {said}; repair"):
        data.open_source(f"coco:{tmp_path}", class_names=NAMES)


def _changed(folder, change):
    """A good file of annotations, changed."""
    _coco(folder, [_note(9, 24, [_box(2, 3, 10, 8)]), _note(4, 13, [_box(2, 3, 10, 8)])])
    path = folder / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return lambda: data.open_source(f"coco:{folder}", class_names=NAMES)


@pytest.mark.parametrize(
    ("kind", "entry", "said"),
    [
        (
            "images",
            {"id": 9, "file_name": "other.png", "height": 20, "width": 30},
            r"images\[0\] and images\[3\] .* id, 9",
        ),
        ("images", {"id": "9", "file_name": "o.png", "height": 20, "width": 30}, r"images\[3\] .* same id, 9 and '9'"),
        (
            "images",
            {"id": 8, "file_name": "000000000009.png", "height": 20, "width": 30},
            "same file_name, '000000000009",
        ),
        (
            "categories",
            {"id": 24, "name": "giraffe"},
            r"categories\[0\] and categories\[3\] have the same id, 24 and 24",
        ),
        ("categories", {"id": 99, "name": "Zebra"}, "the same name, 'zebra' and 'Zebra', as merged exports do"),
        (
            "images",
            {"id": None, "file_name": "o.png", "height": 20, "width": 30},
            r"images\[3\] has the id None, a whole",
        ),
        (
            "images",
            {"id": [1], "file_name": "o.png", "height": 20, "width": 30},
            r"images\[3\] has the id \[1\], a whole",
        ),
        (
            "images",
            {"id": 1.0, "file_name": "o.png", "height": 20, "width": 30},
            r"images\[3\] has the id 1\.0, a whole",
        ),
        (
            "images",
            {"id": 1, "file_name": "o.png", "height": "20", "width": 30},
            r"has the height '20', a whole number",
        ),
        (
            "annotations",
            {"image_id": {}, "category_id": 24},
            r"annotations\[2\] has the image_id \{\}, a whole number or",
        ),
        (
            "annotations",
            {"image_id": "9", "category_id": 24},
            r"image_id '9', which is not .* but for 9, which is a whole",
        ),
        ("annotations", "9", r"annotations\[2\] must be an object with image_id, category_id; got '9'"),
    ],
)
def test_ids_that_are_twice_or_of_another_type_are_named(tmp_path, kind, entry, said):
    opened = _changed(tmp_path, lambda content: content[kind].append(entry))
    with pytest.raises(OSError, match=rf"instances_val2017\.json: .*{said}"):
        opened()


def test_annotations_with_one_id_are_named(tmp_path):
    def change(content):
        content["annotations"][0]["id"] = content["annotations"][1]["id"] = 5

    with pytest.raises(OSError, match=r"annotations\[0\] and annotations\[1\] have the same id, 5 and 5"):
        _changed(tmp_path, change)()


def test_ids_may_be_text(tmp_path):
    def change(content):
        for entry in content["images"] + content["categories"]:
            entry["id"] = f"x{entry['id']}"
        for entry in content["annotations"]:
            entry["image_id"], entry["category_id"] = f"x{entry['image_id']}", f"x{entry['category_id']}"

    source = _changed(tmp_path, change)()
    assert {source[i].id: source[i].labels for i in range(2)} == {
        "000000000009.png:zebra": (0,),
        "000000000004.png:stop sign": (1,),
    }


def test_a_list_in_the_place_of_annotations_says_so(tmp_path):
    (tmp_path / "annotations.json").write_text("[1, 2]")
    with pytest.raises(OSError, match="it has no annotations, categories, images"):
        data.open_source(f"coco:{tmp_path}")


def test_objects_without_an_outline_are_counted(tmp_path):
    _coco(tmp_path, [_note(9, 24, []), _note(4, 24, [_box(2, 3, 10, 8)]), _note(7, 1, [])])
    source = data.open_source(f"coco:{tmp_path}", class_names=NAMES)
    assert data.told(source.passed) == "1 file was passed over: 000000000009.png (an object without an outline: zebra)"


def test_every_name_of_the_table_is_a_class_of_imagenet_or_cifar():
    known = {*class_names("imagenet"), *class_names("cifar10")}
    for name, fitting in COCO_CLASSES.items():
        assert set(fitting) - {name} <= known, name


@pytest.mark.parametrize(
    ("name", "indices"),
    [
        ("stop sign", (919,)),
        ("zebra", (340,)),
        ("cat", (281, 282, 283, 284, 285)),
        ("bus", (779, 654, 874)),
        ("elephant", (101, 385, 386)),
        ("laptop", (620, 681)),
        ("cell phone", (487,)),
        ("mouse", (673,)),
        ("kite", ()),
        ("person", ()),
    ],
)
def test_classes_of_coco_in_imagenet(name, indices):
    assert labels_of(name, class_names("imagenet")) == indices


def test_classes_of_coco_in_cifar():
    cifar = class_names("cifar10")
    found = {
        name: labels_of(name, cifar) for name in ("airplane", "car", "bird", "cat", "dog", "horse", "truck", "boat")
    }
    assert found == {
        "airplane": (0,),
        "car": (1,),
        "bird": (2,),
        "cat": (3,),
        "dog": (5,),
        "horse": (7,),
        "truck": (9,),
    } | {"boat": ()}


def test_without_pycocotools_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape('pip install "egcam-jax[coco]"')):
        data.open_source(f"coco:{tmp_path}")


def test_ids_of_numbers_and_of_texts_in_one_file(tmp_path):
    categories = [{"id": 24, "name": "zebra"}, {"id": "s", "name": "stop sign"}]
    notes = [_note(9, "s", [_box(2, 3, 12, 9)]), _note(9, 24, [_box(0, 0, 5, 4)])]
    _coco(tmp_path, notes, categories=categories)
    source = data.open_source(f"coco:{tmp_path}")
    assert source.ids == ("000000000009.png:zebra", "000000000009.png:stop sign")
    np.testing.assert_array_equal(source[0].mask, _filled((0, 0, 5, 4)))
    np.testing.assert_array_equal(source[1].mask, _filled((2, 3, 12, 9)))


@pytest.mark.parametrize("other", ["./000000000009.png", ".\\000000000009.png"])
def test_one_photograph_by_two_ways_of_writing_its_name_is_refused(tmp_path, other):
    _coco(tmp_path, [_note(9, 24, [_box(0, 0, 5, 4)])])
    path = tmp_path / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    content["images"].append({"id": 8, "file_name": other, "height": HEIGHT, "width": WIDTH})
    path.write_text(json.dumps(content))
    with pytest.raises(OSError, match="have the same file_name"):
        data.open_source(f"coco:{tmp_path}")
