"""The stream: order, determinism, corrupt records, masks that follow the picture; and references."""

import dataclasses
import itertools
import threading
import warnings

import numpy as np
import pytest
from pictures import NAMES, Settings, noise, save
from PIL import Image

from egcam_jax import data

pytest.importorskip("grain", reason="grain is not installed")


@pytest.fixture
def folder(tmp_path):
    for i in range(12):
        save(tmp_path / str(i % 3) / f"{i:02d}.png", noise(i, 20 + i, 40 - i))
    (tmp_path / "1" / "04.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return data.open_source(str(tmp_path), class_names=NAMES)


@pytest.mark.parametrize("workers", [0, 1, 5])
def test_examples_come_in_the_order_asked_for_as_the_network_takes_them(folder, workers):
    indices = [7, 0, 3, 11, 3]
    settings = Settings(size=12, resize=14)
    loaded = list(data.stream(folder, settings, indices, workers=workers))
    assert [one.index for one in loaded] == indices
    for one in loaded:
        example = folder[one.index]
        assert (one.id, one.labels, one.mask, one.error) == (example.id, example.labels, None, None)
        np.testing.assert_array_equal(one.crop, data.crop(example.image, settings))
        np.testing.assert_array_equal(one.x, data.preprocess(example.image, settings))
        assert one.x.dtype == np.float32


def test_a_corrupt_record_comes_with_its_reason_and_the_next_ones_after_it(folder):
    number = folder.ids.index("1/04.png")
    before, corrupt, after = data.stream(folder, Settings(), [0, number, 1])
    assert (corrupt.index, corrupt.id) == (number, "1/04.png")
    assert "04.png" in corrupt.error
    assert (corrupt.crop, corrupt.x, corrupt.labels, corrupt.mask) == (None, None, (), None)
    assert before.error is None
    assert after.error is None


def test_going_on_gives_what_would_have_come(folder):
    whole = [one.x for one in data.stream(folder, Settings(), range(3))]
    rest = [one.x for one in data.stream(folder, Settings(), range(1, 3))]
    np.testing.assert_array_equal(whole[1:], rest)


def test_little_is_read_ahead_and_an_abandoned_stream_leaves_no_thread():
    read = []

    class Endless:
        name, ids, has_masks = "endless", ("a",) * 10_000, False

        def __len__(self):
            return len(self.ids)

        def __getitem__(self, index):
            read.append(index)
            return data.Example("a", noise(index), (), None)

    before = threading.active_count()
    stream = data.stream(Endless(), Settings(), range(10_000), workers=2)
    assert [one.index for one in itertools.islice(stream, 3)] == [0, 1, 2]
    del stream
    for thread in threading.enumerate():
        if thread.name.startswith("grain"):
            thread.join(timeout=10)
    assert threading.active_count() <= before
    assert len(read) < 50


def test_an_error_of_another_kind_is_not_taken_for_a_corrupt_record(folder):
    with pytest.raises(ValueError, match="larger than the shortest side"):
        list(data.stream(folder, Settings(size=20, resize=10), [0]))


def test_what_a_network_takes_beside_the_picture_comes_with_it(folder):
    rows = {name: np.float32([i, -i]) for i, name in enumerate(folder.ids)}
    with_rows = dataclasses.replace(
        folder, read=lambda i: (example := folder.read(i))._replace(context=rows[example.id])
    )
    for one in data.stream(with_rows, Settings(), [2, 0]):
        np.testing.assert_array_equal(one.context, rows[one.id])
    assert next(data.stream(folder, Settings(), [0])).context is None


def test_wrong_arguments_are_refused_at_once(folder):
    with pytest.raises(IndexError, match="12 came, where"):
        data.stream(folder, Settings(), [0, 12])
    with pytest.raises(IndexError, match="-1 came"):
        data.stream(folder, Settings(), [-1])
    with pytest.raises(ValueError, match="workers must be at least 0; got -1"):
        data.stream(folder, Settings(), [0], workers=-1)
    assert list(data.stream(folder, Settings(), [])) == []


def test_threads_that_read_leave_the_filters_of_warnings_as_they_were(folder):
    before = list(warnings.filters)
    list(data.stream(folder, Settings(), [0, 1, 2, 3] * 30, workers=8))
    assert list(warnings.filters) == before


@pytest.mark.parametrize("shape", [(20, 30), (45, 24), (64, 64), (9, 31)])
@pytest.mark.parametrize(("resize", "size"), [(16, 16), (19, 16), (40, 32)])
def test_a_mask_is_where_the_object_is_in_the_crop(shape, resize, size):
    height, width = shape
    mask = np.zeros(shape, bool)
    mask[height // 4 : height // 2, width // 3 : 3 * width // 4] = True
    picture = np.repeat(mask[..., None], 3, -1).astype(np.uint8) * 255
    settings = Settings(size=size, resize=resize)
    cropped = data.crop_mask(mask, settings)
    grey = data.crop(picture, settings)[..., 0]
    assert cropped[grey >= 250].all()
    assert not cropped[grey <= 5].any()
    assert ((grey > 5) & (grey < 250)).mean() < 0.35  # the object's edge
    assert 0.05 < cropped.mean() < 0.5


def test_a_mask_through_a_crop_without_resizing_is_cut():
    mask = noise(3, 20, 30)[..., 0] > 128
    np.testing.assert_array_equal(data.crop_mask(mask, Settings(size=14, resize=20)), mask[3:17, 8:22])


def test_a_mask_resized_by_whole_numbers_keeps_its_blocks():
    blocks = noise(3, 8, 8)[..., 0] > 128
    big = blocks.repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(data.crop_mask(big, Settings(size=32, resize=32)), big)
    half = np.zeros((32, 32), bool)
    half[:, 16:] = True
    np.testing.assert_array_equal(data.crop_mask(half, Settings(size=8, resize=8)), np.arange(8)[None] >= [[4]] * 8)


def test_a_mask_that_is_none_is_refused():
    with pytest.raises(TypeError, match="must be booleans; got uint8 values"):
        data.crop_mask(np.zeros((4, 4), np.uint8), Settings())
    with pytest.raises(ValueError, match=r"shape \(4, 4, 1\)"):
        data.crop_mask(np.zeros((4, 4, 1), bool), Settings())


def test_masks_come_with_their_pictures(tmp_path):
    mask = np.zeros((20, 30), bool)
    mask[:, 15:] = True
    save(tmp_path / "a.png", np.repeat(mask[..., None], 3, -1).astype(np.uint8) * 255)
    Image.fromarray(mask).save(tmp_path / "a_mask.png")
    source = data.open_source(str(tmp_path))
    (one,) = data.stream(source, Settings(size=10, resize=10), [0])
    assert one.mask.shape == (10, 10)
    np.testing.assert_array_equal(one.mask, one.crop[..., 0] >= 128)


def test_references_are_drawn_by_seed_without_the_explained_and_the_corrupt(folder):
    avoid = folder.ids[:4]
    stack, ids = data.pick_references(folder, Settings(), count=5, seed=1, avoid=avoid)
    again, same = data.pick_references(folder, Settings(), count=5, seed=1, avoid=avoid)
    assert ids == same
    np.testing.assert_array_equal(stack, again)
    assert len(set(ids)) == 5
    assert not {*avoid, "1/04.png"} & set(ids)
    assert list(ids) == sorted(ids, key=folder.ids.index)
    for x, id in zip(stack, ids, strict=True):
        np.testing.assert_array_equal(x, data.preprocess(folder[folder.ids.index(id)].image, Settings()))
    assert any(data.pick_references(folder, Settings(), count=5, seed=s, avoid=avoid)[1] != ids for s in range(2, 5))
    every, all_ids = data.pick_references(folder, Settings(), count=99, seed=1, avoid=avoid)
    assert len(every) == len(all_ids) == 12 - 4 - ("1/04.png" not in avoid)


def test_no_picture_is_a_reference_twice(tmp_path):
    for i in range(6):
        save(tmp_path / f"{i}.png", noise(i // 3))
    _, ids = data.pick_references(data.open_source(str(tmp_path)), Settings(), count=4, seed=0)
    assert [int(id[0]) // 3 for id in ids] == [0, 1]


def test_a_picture_that_is_explained_under_another_name_is_no_reference(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", noise(i))
    (tmp_path / "labels.csv").write_text("file,class_index\n0.png,0\n1.png,1\n0.png,2\n2.png,2\n1.png,3\n")
    source = data.open_source(str(tmp_path), class_names=NAMES)
    _, ids = data.pick_references(source, Settings(), count=4, seed=0, avoid=["0.png#2", "1.png"])
    assert ids == ("2.png",)


def _pictures(folder, *seeds):
    """Pictures called 0.png and so on."""
    for i, seed in enumerate(seeds):
        save(folder / f"{i}.png", noise(seed))
    return folder


def test_what_is_explained_is_known_by_what_it_shows_where_it_lies_elsewhere(tmp_path):
    explained = data.open_source(f"folder:{_pictures(tmp_path / 'a', 0, 1)}")
    copies = data.open_source(f"folder:{_pictures(tmp_path / 'b', 2, 1, 3, 0)}")
    x, ids = data.pick_references(copies, Settings(), count=4, seed=0, avoid=explained.ids, explained=explained)
    assert ids == ("0.png", "2.png")
    np.testing.assert_array_equal(x[0], data.preprocess(noise(2), Settings()))
    _, ids = data.pick_references(copies, Settings(), count=4, seed=0, avoid=["0.png"], explained=explained)
    assert ids == ("0.png", "1.png", "2.png")
    with pytest.raises(ValueError, match="each shows a picture that is explained itself"):
        data.pick_references(explained, Settings(), count=4, seed=0, avoid=copies.ids, explained=copies)


def test_explained_pictures_of_the_same_place_are_not_read_to_know_them(tmp_path):
    folder = _pictures(tmp_path / "a", *range(6))
    (tmp_path / "link").symlink_to(folder)
    source, again = data.open_source(str(folder)), data.open_source(f"folder:{tmp_path / 'link'}")
    for i in range(4):
        (folder / f"{i}.png").write_bytes(b"")  # could they be read, nothing would tell
    _, ids = data.pick_references(again, Settings(), count=4, seed=0, avoid=source.ids[:4], explained=source)
    assert ids == ("4.png", "5.png")


def test_references_that_cannot_be_are_said_to(folder):
    with pytest.raises(ValueError, match="count must be at least 1; got 0"):
        data.pick_references(folder, Settings(), count=0, seed=0)
    with pytest.raises(ValueError, match="none of its 12 examples can be a reference, as each shows"):
        data.pick_references(folder, Settings(), count=2, seed=0, avoid=folder.ids)
