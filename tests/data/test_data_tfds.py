"""``tfds:NAME``: sets prepared on the spot in TFDS's own formats, read without TensorFlow."""

import io
import json
import re
import struct
import sys

import numpy as np
import pytest
from pictures import NAMES, Settings, noise, png

from egcam_jax import data

tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
pytest.importorskip("array_record", reason="array_record is not installed")

KINDS = ("umbrella", "zebra", "kitchen table")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return tmp_path


def _prepare(root, name, features, examples):
    """Prepare a set, in TFDS's own order. Pictures come as files, since TFDS encodes arrays with TensorFlow."""

    class Prepared(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        code_path = None  # no file of checksums beside this test is looked for

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, manager):
            return {split: enumerate(records) for split, records in examples.items()}

        def _generate_examples(self):
            raise NotImplementedError  # it is abstract; the splits above hold the examples themselves

    Prepared.name = name
    builder = Prepared(data_dir=str(root), file_format="array_record")
    builder.download_and_prepare()
    return root / builder.data_dir


def _classified(root, *, names=KINDS, splits=(("train", 7), ("test", 3)), labels=lambda i: i % 3):
    def record(i):
        return {"image": io.BytesIO(png(noise(i))), "label": labels(i)}

    features = {"image": tfds.features.Image(shape=(None, None, 3)), "label": tfds.features.ClassLabel(names=names)}
    return _prepare(root, "classified_things", features, {split: map(record, range(count)) for split, count in splits})


def _number(image):
    """Which of the pictures it is."""
    return next(i for i in range(99) if noise(i).shape == image.shape and (noise(i) == image).all())


def test_pictures_and_labels_by_name_without_tensorflow(root):
    _classified(root)
    source = data.open_source("tfds:classified_things:train", class_names=NAMES)
    assert source.ids == tuple(f"train/00000/{i:05d}" for i in range(7))
    assert not source.has_masks
    by_number = {_number(source[i].image): source[i].labels for i in range(7)}
    assert by_number == {i: ((NAMES.index("umbrella"),), (NAMES.index("zebra"),), ())[i % 3] for i in range(7)}
    assert source[2].id == source.ids[2]
    assert "tensorflow" not in sys.modules


def test_slices_sums_and_versions_keep_the_ids(root):
    _classified(root)
    whole = data.open_source("tfds:classified_things:1.0.0:train", class_names=NAMES)
    part = data.open_source("tfds:classified_things:train[2:4]+test[1:]", class_names=NAMES)
    assert part.ids == ("train/00000/00002", "train/00000/00003", "test/00000/00001", "test/00000/00002")
    np.testing.assert_array_equal(part[1].image, whole[3].image)
    assert len(data.open_source("tfds:classified_things", class_names=NAMES)) == 3, "test, where there is no validation"


def test_classes_keep_only_theirs(root):
    _classified(root)
    source = data.open_source("tfds:classified_things:train", class_names=NAMES, classes="zebra")
    assert [_number(source[i].image) % 3 for i in range(len(source))] == [1, 1]


def test_mosaics_of_records(root):
    _classified(root, names=NAMES, labels=lambda i: i, splits=(("test", 7),))
    source = data.open_source("mosaic:tfds:classified_things", class_names=NAMES)
    assert source.ids[0] == "mosaic/test/00000/00000"
    assert source[3].image.shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("names", "model", "expected"),
    [
        (("0", "1", "2"), ("red", "green", "blue"), 2),  # no names in the data: as they are
        (("n01440764", "n01443537", "n01484850"), ("tench", "goldfish", "great white shark"), 2),
        (KINDS, ("class 0", "class 1", "class 2"), 2),  # no names in the model
        (("blue", "green", "red"), ("red", "green", "blue"), 0),  # other order
        (KINDS, None, 2),
    ],
)
def test_labels_by_name_or_as_they_are(root, names, model, expected):
    _classified(root, names=names, splits=(("test", 1),), labels=lambda i: 2)
    assert data.open_source("tfds:classified_things", class_names=model)[0].labels == (expected,)


@pytest.mark.parametrize("model", [("red", "green", "blue"), ("class 0", "class 1")])
def test_classes_that_are_not_the_models_are_refused(root, model):
    _classified(root)
    with pytest.raises(ValueError, match=r"its 3 classes \(umbrella, .*\) are none of the model's"):
        data.open_source("tfds:classified_things", class_names=model)


def test_an_unknown_label_is_none(root):
    _classified(root, splits=(("test", 1),), labels=lambda i: -1)
    assert data.open_source("tfds:classified_things", class_names=NAMES)[0].labels == ()


OBJECTS = {
    "area": np.int64,
    "bbox": tfds.features.BBoxFeature(),
    "id": np.int64,
    "is_crowd": np.bool_,
    "label": tfds.features.ClassLabel(names=("person", "zebra", "stop sign")),
}


def _object(label, id, top, left, bottom, right):
    box = tfds.features.BBox(ymin=top / 20, xmin=left / 30, ymax=bottom / 20, xmax=right / 30)
    return {"area": 1, "bbox": box, "id": id, "is_crowd": False, "label": label}


THINGS = [
    _object(1, 70_000, 2, 3, 8, 10),
    _object(2, 7, 0, 0, 5, 5),
    _object(1, 9, 10, 20, 20, 30),
    _object(0, 5, 0, 0, 1, 1),
]


def test_boxes_of_cocos_objects_are_their_masks(root):
    features = {"image": tfds.features.Image(), "objects": tfds.features.Sequence(OBJECTS)}
    _prepare(root, "coco", features, {"validation": [{"image": io.BytesIO(png(noise(0))), "objects": THINGS}]})
    source = data.open_source("tfds:coco", class_names=NAMES)
    assert source.ids == ("validation/00000/00000:zebra", "validation/00000/00000:stop sign")
    assert source.has_masks
    assert [source[i].labels for i in range(2)] == [(0,), (1,)]
    expected = np.zeros((20, 30), bool)
    expected[2:8, 3:10] = expected[10:20, 20:30] = True
    np.testing.assert_array_equal(source[0].mask, expected)
    assert data.open_source("tfds:coco", class_names=NAMES, classes='"stop sign"').ids == source.ids[1:]


def test_outlines_of_panoptic_coco_are_exact(root):
    numbers = np.random.default_rng(0).choice([0, 5, 7, 9, 70_000], size=(20, 30))
    colour = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], -1).astype(np.uint8)
    features = {
        "image": tfds.features.Image(),
        "panoptic_image": tfds.features.Image(encoding_format="png"),
        "panoptic_objects": tfds.features.Sequence(OBJECTS),
    }
    record = {"image": io.BytesIO(png(noise(0))), "panoptic_image": io.BytesIO(png(colour)), "panoptic_objects": THINGS}
    _prepare(root, "coco", features, {"validation": [record]})
    source = data.open_source("tfds:coco", class_names=NAMES)
    np.testing.assert_array_equal(source[0].mask, (numbers == 9) | (numbers == 70_000))
    np.testing.assert_array_equal(source[1].mask, numbers == 7)


def test_a_damaged_picture_and_a_damaged_file_are_reported_by_id(root):
    pytest.importorskip("grain")
    pictures = [io.BytesIO(png(noise(i))) for i in range(3)]
    pictures[1] = io.BytesIO(b"\x89PNG\r\n\x1a\n and no more")
    features = {"image": tfds.features.Image(shape=(None, None, 3)), "label": tfds.features.ClassLabel(names=KINDS)}
    examples = {split: [{"image": picture, "label": 0} for picture in pictures] for split in ("test",)}
    folder = _prepare(root, "classified_things", features, examples)
    source = data.open_source("tfds:classified_things", class_names=NAMES)
    loaded = list(data.stream(source, Settings(), range(3)))
    assert sum(one.error is None for one in loaded) == 2
    (bad,) = [one for one in loaded if one.error]
    assert bad.id in bad.error
    (shard,) = folder.glob("*test.array_record*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    source = data.open_source("tfds:classified_things", class_names=NAMES)
    assert any(one.error and "cannot be read" in one.error for one in data.stream(source, Settings(), range(3)))


def _as_tfrecord(folder):
    """Rewrite a set's files in TFRECORD, the default of TFDS: length, checksum, bytes, checksum."""
    from array_record.python.array_record_data_source import ArrayRecordDataSource

    for shard in folder.glob("*.array_record-*"):
        records = list(ArrayRecordDataSource(str(shard)))
        frames = [struct.pack("<QI", len(record), 0) + record + bytes(4) for record in records]
        shard.with_name(shard.name.replace("array_record", "tfrecord")).write_bytes(b"".join(frames))
        shard.unlink()
    described = folder / "dataset_info.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"fileFormat": "tfrecord"}))


def test_tfrecord_files_are_read_without_tensorflow(root):
    folder = _classified(root)
    expected = data.open_source("tfds:classified_things:train", class_names=NAMES)
    images = [expected[i].image for i in range(7)]
    _as_tfrecord(folder)
    source = data.open_source("tfds:classified_things:train", class_names=NAMES)
    for i in reversed(range(7)):
        np.testing.assert_array_equal(source[i].image, images[i])
    assert data.open_source("tfds:classified_things:train[5:]", class_names=NAMES).ids == source.ids[5:]
    assert "tensorflow" not in sys.modules


def test_a_tfrecord_file_that_is_cut_short_gives_the_records_before(root):
    folder = _classified(root)
    _as_tfrecord(folder)
    (shard,) = folder.glob("*train.tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-10])
    source = data.open_source("tfds:classified_things:train", class_names=NAMES)
    assert source[5].image.shape == (20, 30, 3)
    with pytest.raises(OSError, match=r"ends before record 6: damaged or cut short"):
        source[6]


def test_what_is_not_prepared_is_not_downloaded_but_the_command_is_given(root):
    _classified(root)
    with pytest.raises(FileNotFoundError) as info:
        data.open_source("tfds:cifar10")
    assert "prepared there: classified_things" in str(info.value)
    assert f"tfds.builder('cifar10', data_dir='{root}', file_format='array_record').download_and_prepare()" in str(
        info.value
    )
    assert sorted(path.name for path in root.iterdir()) == ["classified_things", "downloads"]
    with pytest.raises(FileNotFoundError, match=r"tfds:classified_things:2\.0\.0: not prepared"):
        data.open_source("tfds:classified_things:2.0.0")
    with pytest.raises(ValueError, match=r"no split 'validation' .*it has .*train"):
        data.open_source("tfds:classified_things:validation")


def test_without_tfds_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape('pip install "egcam-jax[tfds]"')):
        data.open_source("tfds:cifar10")
