"""Names as other systems write them mean one file, or say why not; and nothing in a folder vanishes unsaid."""

import json
import unicodedata

import numpy as np
import pytest
from pictures import NAMES, noise, save

from egcam_jax import data

COMPOSED = unicodedata.normalize("NFC", "Bären/Füße é.png")
APART = unicodedata.normalize("NFD", COMPOSED)
SPELLINGS = [
    ("sub/cat.png", "sub\\cat.png"),
    ("sub/cat.png", "SUB/Cat.PNG"),
    ("sub/cat.png", ".\\sub\\cat.png"),
    ("sub/my cat.png", "sub/my%20cat.png"),
    ("sub/my cat.png", "sub\\My%20Cat.png"),
    (COMPOSED, APART),
    (APART, COMPOSED),
    ("100%25.png", "100%25.png"),
]


def coco(folder, name):
    note = {"id": 1, "image_id": 1, "category_id": 5, "segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]]}
    content = {
        "images": [{"id": 1, "file_name": name, "height": 20, "width": 30}],
        "annotations": [note],
        "categories": [{"id": 5, "name": "zebra"}],
    }
    (folder / "instances.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(("file", "written"), SPELLINGS)
def test_a_spelling_means_its_file(tmp_path, file, written):
    save(tmp_path / file, noise(7))
    save(tmp_path / "other.png", noise(1))
    (tmp_path / "labels.csv").write_text(f"file,class_index\n{written},1\nother.png,2\n", encoding="utf-8")
    source = data.open_source(str(tmp_path), class_names=NAMES)
    assert source.ids[0] == written
    np.testing.assert_array_equal(source[0].image, noise(7))
    assert source.pictures[0] == file
    coco(tmp_path, written)
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    np.testing.assert_array_equal(data.open_source(f"coco:{tmp_path}", class_names=NAMES)[0].image, noise(7))


@pytest.mark.parametrize(("file", "written"), SPELLINGS)
def test_a_masks_spelling_means_its_file(tmp_path, file, written):
    mask = noise(5)[..., 0] > 128
    save(tmp_path / "a.png", noise(0))
    save(tmp_path / file, mask)
    (tmp_path / "labels.csv").write_text(f"file,class_index,mask\na.png,1,{written}\n", encoding="utf-8")
    np.testing.assert_array_equal(data.open_source(str(tmp_path))[0].mask, mask)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_mask_beside_its_picture_in_the_other_form(tmp_path, forms):
    mask = noise(5)[..., 0] > 128
    save(tmp_path / unicodedata.normalize(forms[0], "é.png"), noise(0))
    save(tmp_path / unicodedata.normalize(forms[1], "é_mask.png"), mask)
    source = data.open_source(str(tmp_path))
    assert len(source.ids) == 1
    np.testing.assert_array_equal(source[0].mask, mask)


def test_a_file_of_the_name_itself_comes_first(tmp_path):
    for i, name in enumerate(("a.png", "A.png", "a%20b.png", "a b.png")):
        save(tmp_path / name, noise(i))
    (tmp_path / "labels.csv").write_text("file,class_index\na.png,1\nA.png,1\na%20b.png,1\na b.png,1\n")
    source = data.open_source(str(tmp_path))
    for i in range(4):
        np.testing.assert_array_equal(source[i].image, noise(i))


def test_never_one_of_two_and_never_anothers(tmp_path):
    save(tmp_path / "a.png", noise(0))
    save(tmp_path / "A.png", noise(1))
    (tmp_path / "labels.csv").write_text("file,class_index\na.PNG,1\nb.png,1\n")
    source = data.open_source(str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"a\.PNG: several files have this name.*A\.png, a\.png"):
        source[0]
    with pytest.raises(FileNotFoundError, match=r"b\.png: no such file; near ones: A\.png"):
        source[1]
    (tmp_path / "A.png").unlink()
    (tmp_path / "labels.csv").write_text("file,class_index\na.png,1\nA.png,1\n")
    source = data.open_source(str(tmp_path))
    np.testing.assert_array_equal(source[0].image, noise(0))
    with pytest.raises(FileNotFoundError, match=r"A\.png: no such file; a\.png is another in the table"):
        source[1]


def test_two_spellings_of_a_picture_are_one_picture(tmp_path):
    save(tmp_path / "sub" / "a.png", noise(0))
    (tmp_path / "labels.csv").write_text("file,class_index\nsub/a.png,1\nsub\\a.png,2\n")
    source = data.open_source(str(tmp_path))
    assert source.ids == ("sub/a.png", "sub\\a.png")
    assert source.pictures == ("sub/a.png", "sub/a.png")


def test_an_argument_in_the_other_form_is_its_file(tmp_path):
    file = save(tmp_path / unicodedata.normalize("NFD", "é.png"), noise(0))
    assert data.expand(tmp_path / unicodedata.normalize("NFC", "é.png")) == [file]


def test_other_formats_are_counted_by_folder(tmp_path):
    save(tmp_path / "zebra" / "1.png", noise(0))
    for name in ("tabby/1.heic", "tabby/2.HEIC", "zebra/2.cr2", "zebra/noending"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"not read")
    (tmp_path / "notes.txt").write_text("no picture")
    source = data.open_source(str(tmp_path), class_names=NAMES)
    assert source.ids == ("zebra/1.png",)
    assert [one.name for one in data.passed_over(source)] == [
        "tabby/1.heic",
        "tabby/2.HEIC",
        "zebra/2.cr2",
        "zebra/noending",
    ]
    line = data.told(data.passed_over(source))
    assert line.startswith(
        "4 files were passed over: 2 in tabby (.heic files are not read; convert them to JPEG or PNG), "
    )
    assert "zebra/noending (its name has no ending)" in line
    (tmp_path / "zebra" / "1.png").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"no picture in this folder or below it \(4 files of other kinds, as tab"
    ):
        data.open_source(str(tmp_path))
    assert data.passed_over(data.open_source("demo")) == ()


@pytest.mark.parametrize("suffix", [".avif", ".tif", ".jp2", ".mpo", ".JPEG"])
def test_what_pillow_reads_is_read(tmp_path, suffix):
    from PIL import Image

    if suffix.lower() not in Image.registered_extensions():
        pytest.skip("this Pillow does not read the format")
    Image.new("RGB", (30, 20), (200, 100, 50)).save(tmp_path / f"a{suffix}")
    source = data.open_source(str(tmp_path))
    assert source.ids == (f"a{suffix}",)
    assert np.abs(source[0].image.astype(int) - (200, 100, 50)).max() <= 6


def fingerprint(folder, **options):
    return data.fingerprint(data.open_source(str(folder), class_names=NAMES), **options)


def test_a_fingerprint_is_of_content_wherever_the_data_lies(tmp_path):
    for place in ("one", "two"):
        save(tmp_path / place / "zebra" / "a.png", noise(0))
        save(tmp_path / place / "zebra" / "a_mask.png", noise(1)[..., 0])
        save(tmp_path / place / "tabby" / "b.png", noise(2))
    one, two = fingerprint(tmp_path / "one"), fingerprint(tmp_path / "two")
    assert one.content == two.content
    assert one.stamp != two.stamp
    save(tmp_path / "two" / "zebra" / "a_mask.png", noise(9)[..., 0])
    assert fingerprint(tmp_path / "two").content != one.content
    assert fingerprint(tmp_path / "two", indices=[0]).content == fingerprint(tmp_path / "one", indices=[0]).content
    save(tmp_path / "two" / "tabby" / "b.png", noise(3))
    assert fingerprint(tmp_path / "two", indices=[0]).content != fingerprint(tmp_path / "one", indices=[0]).content


def test_a_stamp_spares_the_reading(tmp_path, monkeypatch):
    save(tmp_path / "a.png", noise(0))
    known = fingerprint(tmp_path)
    changed = known._replace(content="as it was recorded")
    assert fingerprint(tmp_path, known=changed) == changed
    save(tmp_path / "a.png", noise(1))
    assert fingerprint(tmp_path, known=changed).content != known.content


def test_a_fingerprint_of_outlines_and_of_arrays(tmp_path):
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    save(tmp_path / "a.png", noise(0))
    coco(tmp_path, "a.png")
    first = data.fingerprint(data.open_source(f"coco:{tmp_path}", class_names=NAMES))
    text = (tmp_path / "instances.json").read_text()
    (tmp_path / "instances.json").write_text(json.dumps(json.loads(text), indent=2))
    assert data.fingerprint(data.open_source(f"coco:{tmp_path}", class_names=NAMES)).content == first.content
    (tmp_path / "instances.json").write_text(text.replace("[0, 0, 9, 0", "[0, 0, 8, 0"))
    assert data.fingerprint(data.open_source(f"coco:{tmp_path}", class_names=NAMES)).content != first.content
    prints = set()
    for seed in (0, 0, 1):
        np.savez(tmp_path / "a.npz", test_images=noise(seed)[None], test_labels=np.array([1]))
        prints.add(data.fingerprint(data.open_source(f"npz:{tmp_path / 'a.npz'}")).content)
    assert len(prints) == 2


def test_a_fingerprint_of_a_source_that_does_not_tell_what_it_is_made_of():
    class Own:
        name, ids, has_masks = "own", ("a",), False

        def __init__(self, seed):
            self.seed = seed

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return data.Example("a", noise(self.seed), (), None)

    assert data.fingerprint(Own(0)).content == data.fingerprint(Own(0)).content
    assert data.fingerprint(Own(0)).content != data.fingerprint(Own(1)).content
