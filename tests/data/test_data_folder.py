"""``folder:DIR``: classes by folder and by table, masks, names that stay."""

import re

import numpy as np
import pytest
from pictures import NAMES, noise, save
from PIL import Image

from egcam_jax import data


def test_sub_folders_are_classes_by_index_name_or_both(tmp_path):
    for i, name in enumerate(("1", "Zebra", "2_tabby", "goldfish")):
        save(tmp_path / name / f"{i}.png", noise(i))
    source = data.open_source(f"folder:{tmp_path}", class_names=NAMES)
    assert source.ids == ("1/0.png", "2_tabby/2.png", "Zebra/1.png", "goldfish/3.png")
    assert [source[i].labels for i in range(4)] == [(1,), (2,), (0,), (3,)]
    np.testing.assert_array_equal(source[1].image, noise(2))
    assert not source.has_masks
    assert source[0].mask is None
    assert isinstance(source, data.Source)


def test_underscores_and_hyphens_are_blanks(tmp_path):
    save(tmp_path / "street-sign" / "a.png", noise(0))
    save(tmp_path / "Street_Sign " / "b.png", noise(1))
    source = data.open_source(str(tmp_path), class_names=NAMES)
    assert {source[i].labels for i in range(2)} == {(1,)}


def test_one_folder_of_a_wordnet_identifier_for_each_class_counts_in_order(tmp_path):
    for synset in ("n02000000", "n01000000", "n03000000"):
        save(tmp_path / synset / "a.png", noise(0))
    source = data.open_source(str(tmp_path), class_names=["first", "second", "third"])
    assert source.ids == ("n01000000/a.png", "n02000000/a.png", "n03000000/a.png")
    assert [source[i].labels for i in range(3)] == [(0,), (1,), (2,)]
    with pytest.raises(ValueError, match=r"3 sub-folders.*each of the model's 7.*labels\.csv"):
        data.open_source(str(tmp_path), class_names=NAMES)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("tabi", "'tabi' is none of the model's classes; near ones: 2 tabby"),
        ("7", "class 7 came, 0 to 6 wanted"),
        ("0_tabby", "'tabby' is class 2 of this model, where 0 is 'zebra'"),
    ],
)
def test_folders_that_are_no_class_are_refused(tmp_path, folder, message):
    save(tmp_path / folder / "a.png", noise(0))
    with pytest.raises(ValueError, match=re.escape(message)):
        data.open_source(str(tmp_path), class_names=NAMES)


def test_pictures_right_in_the_folder_have_no_labels(tmp_path):
    save(tmp_path / "b.png", noise(0))
    save(tmp_path / "a.png", noise(1))
    save(tmp_path / ".hidden" / "c.png", noise(1))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = data.open_source(str(tmp_path), class_names=NAMES)
    assert source.ids == ("a.png", "b.png")
    assert source[0].labels == ()


def test_without_class_names_a_name_gives_no_label_and_an_index_does(tmp_path):
    save(tmp_path / "tabby" / "a.png", noise(0))
    save(tmp_path / "281" / "a.png", noise(0))
    source = data.open_source(str(tmp_path))
    assert [source[i].labels for i in range(2)] == [(281,), ()]


@pytest.mark.parametrize("ending", ["_mask.png", ".mask.png"])
def test_masks_beside_the_pictures(tmp_path, ending):
    mask = noise(5)[..., 0] > 128
    save(tmp_path / "zebra" / "a.png", noise(0))
    save(tmp_path / "zebra" / f"a{ending}", mask.astype(np.uint8) * 255)
    source = data.open_source(str(tmp_path), class_names=NAMES)
    assert source.ids == ("zebra/a.png",)
    assert source.has_masks
    np.testing.assert_array_equal(source[0].mask, mask)
    save(tmp_path / "zebra" / "b.png", noise(1))
    source = data.open_source(str(tmp_path), class_names=NAMES)
    assert source.has_masks  # some of them
    assert source[1].mask is None


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_a_mask_is_what_is_not_0_whatever_its_mode(tmp_path, mode):
    mask = noise(5)[..., 0] > 128
    ones = Image.fromarray(mask.astype(np.uint8))  # 0 and 1, not 255
    if mode == "1":
        picture = Image.fromarray(mask)
    elif mode == "RGBA":
        picture = Image.merge(
            "RGBA", [Image.new("L", ones.size, 255)] * 3 + [Image.fromarray(mask.astype(np.uint8) * 255)]
        )
    elif mode == "I;16":
        picture = Image.fromarray(mask.astype(np.uint16))
    elif mode == "P":
        picture = Image.fromarray(mask.astype(np.uint8))
        picture.putpalette([0, 0, 0, 128, 0, 0])
    else:
        picture = ones.convert(mode)
    save(tmp_path / "a.png", noise(0))
    picture.save(tmp_path / "a_mask.png")
    np.testing.assert_array_equal(data.open_source(str(tmp_path))[0].mask, mask)


def test_a_mask_of_another_size_is_a_corrupt_record(tmp_path):
    save(tmp_path / "a.png", noise(0))
    save(tmp_path / "a_mask.png", noise(0, 10, 10)[..., 0])
    with pytest.raises(OSError, match=r"a_mask\.png: the mask has 10 x 10 pixels, its picture 30 x 20"):
        data.open_source(str(tmp_path))[0]


def _table(folder, text):
    for i, name in enumerate("abc"):
        save(folder / f"{name}.png", noise(i))
    (folder / "labels.csv").write_text(text, encoding="utf-8-sig")
    return data.open_source(f"folder:{folder}", class_names=NAMES)


def test_a_table_gives_labels_masks_and_other_columns(tmp_path):
    mask = noise(7)[..., 0] > 99
    save(tmp_path / "m.png", mask.astype(np.uint8) * 255)
    source = _table(tmp_path, "file,mask,coco,imagenet_class_indices\nb.png,m.png,airplane,5 6\na.png,m.png,cat,2\n")
    assert source.ids == ("b.png", "a.png")
    assert [source[i].labels for i in range(2)] == [(5, 6), (2,)]
    assert source.has_masks
    np.testing.assert_array_equal(source[0].mask, mask)
    np.testing.assert_array_equal(source[0].image, noise(1))


def test_a_table_may_name_classes_leave_them_out_and_have_a_picture_twice(tmp_path):
    source = _table(tmp_path, "file,class\na.png,street sign\nb.png,\na.png,zebra\n")
    assert source.ids == ("a.png", "b.png", "a.png#2")
    assert [source[i].labels for i in range(3)] == [(1,), (), (0,)]


def test_boxes_of_a_table_are_filled(tmp_path):
    source = _table(tmp_path, "file,class_index,boxes_x0_y0_x1_y1\na.png,1,2 3 5 7;10.6 0 12.4 1\n")
    expected = np.zeros((20, 30), bool)
    expected[3:7, 2:5] = True
    expected[0, 11] = True  # of pixels 10, 11 and 12 only the centre 11.5 is in the box
    np.testing.assert_array_equal(source[0].mask, expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,class_index\na.png,1\n", "no column 'file' but picture, class_index"),
        ("file,class_index\na.png,zebra\n", "line 2: class 'zebra' came, indices between blanks"),
        ("file,class_index\na.png,1\nb.png,9\n", "line 3: class 9 came, 0 to 6 wanted"),
        ("file,class\na.png,zebbra\n", "line 2: 'zebbra' is none of the model's classes; near ones: 0 zebra"),
        ("file,boxes\na.png,1 2 3\n", "line 2: boxes '1 2 3' came"),
        ("file,boxes\na.png,9 8 5 5\n", "line 2: boxes must be 'x0 y0 x1 y1' with x0 < x1 and y0 < y1; got 9 8 5 5"),
        ("file,boxes\na.png,1 2 nan 5\n", "line 2: boxes must be 'x0 y0 x1 y1'"),
        ("file,class_index\n,1\n", "line 2: the column 'file' is empty"),
    ],
)
def test_bad_tables_name_the_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        _table(tmp_path, text)


def test_a_picture_of_the_table_that_is_missing_is_a_corrupt_record(tmp_path):
    source = _table(tmp_path, "file,class_index\na.png,1\nnone.png,2\n")
    assert source.ids == ("a.png", "none.png")
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        source[1]


def test_ids_read_no_picture(tmp_path):
    (tmp_path / "zebra").mkdir()
    (tmp_path / "zebra" / "a.png").write_bytes(b"not a picture")
    source = data.open_source(str(tmp_path), class_names=NAMES)
    assert source.ids == ("zebra/a.png",)
    with pytest.raises(OSError, match=r"a\.png"):
        source[0]


def test_classes_keep_only_theirs(tmp_path):
    for i, name in enumerate(("zebra", "street sign", "tabby", "airliner", "warplane")):
        save(tmp_path / name / "a.png", noise(i))
    source = data.open_source(str(tmp_path), class_names=NAMES, classes='zebra,"stop sign"')
    assert source.ids == ("street sign/a.png", "zebra/a.png")
    np.testing.assert_array_equal(source[0].image, noise(1))
    assert data.open_source(str(tmp_path), class_names=NAMES, classes="airplane").ids == (
        "airliner/a.png",
        "warplane/a.png",
    )
    with pytest.raises(ValueError, match="no example of umbrella"):
        data.open_source(str(tmp_path), class_names=NAMES, classes="umbrella")
    with pytest.raises(ValueError, match=r"'zebr' is none of the model's classes; near ones: 0 zebra"):
        data.open_source(str(tmp_path), class_names=NAMES, classes="zebr")
    with pytest.raises(ValueError, match="names between commas"):
        data.open_source(str(tmp_path), class_names=NAMES, classes="zebra,,tabby")


def test_what_is_no_source_says_what_is(tmp_path):
    with pytest.raises(ValueError, match=r"'photos' is neither a folder nor one of folder:\.\.\., coco:"):
        data.open_source("photos")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        data.open_source(f"folder:{tmp_path / 'none'}")
    with pytest.raises(FileNotFoundError, match="no picture in this folder or below"):
        data.open_source(str(tmp_path))
