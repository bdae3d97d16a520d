"""Porting is strict, and weight files of every format mean the same."""

import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pth_writer as w
import pytest
from safetensors.numpy import save_file
from seeded_weights import seeded_weights
from test_models_reference import reference

from egcam_jax import models
from egcam_jax.models._files import digest, read_weights
from egcam_jax.models._port import fold_batch_norm

NAME = "cifar_resnet20"


def state() -> dict[str, np.ndarray]:
    return seeded_weights({key: tuple(shape) for key, shape in reference(NAME)[0]["shapes"].items()})


def saved(tmp_path: Path, tensors: dict[str, np.ndarray]) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    return path


def test_a_leftover_key_is_named(tmp_path: Path) -> None:
    tensors = state() | {"layer2.0.downsample.0.weight": np.zeros((32, 16, 1, 1), np.float32)}
    with pytest.raises(ValueError, match=r"layer2\.0\.downsample\.0\.weight in the weights has no place"):
        models.load(NAME, saved(tmp_path, tensors))


def test_an_unfilled_leaf_is_named(tmp_path: Path) -> None:
    tensors = state()
    del tensors["layer3.1.bn2.running_var"]
    with pytest.raises(ValueError, match=r"lack 1 of \d+ variables: layer3/1/conv2/var"):
        models.load(NAME, saved(tmp_path, tensors))


@pytest.mark.parametrize("shape", [(16, 16, 3, 5), (16, 16, 3), (32, 16, 3, 3), ()])
def test_a_wrong_shape_is_named(tmp_path: Path, shape: tuple[int, ...]) -> None:
    tensors = state() | {"layer1.0.conv1.weight": np.zeros(shape, np.float32)}
    with pytest.raises(ValueError, match=r"layer1\.0\.conv1\.weight .* shape .*needs \(3, 3, 16, 16\)"):
        models.load(NAME, saved(tmp_path, tensors))


def test_one_place_is_filled_once(tmp_path: Path) -> None:
    tensors = state() | {"fc.bias": np.zeros(10, np.float32)}  # beside linear.bias
    with pytest.raises(ValueError, match="taken twice"):
        models.load(NAME, saved(tmp_path, tensors))


def test_the_weights_of_another_network_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"weights\.safetensors does not fit cifar_resnet32"):
        models.load("cifar_resnet32", saved(tmp_path, state()))


def test_counters_of_batch_norm_are_ignored(tmp_path: Path) -> None:
    tensors = state() | {"bn1.num_batches_tracked": np.array(5)}
    assert models.load(NAME, saved(tmp_path, tensors)).name == NAME


def test_a_counter_of_an_unknown_layer_is_named(tmp_path: Path) -> None:
    tensors = state() | {"bn9.num_batches_tracked": np.array(5)}
    with pytest.raises(ValueError, match=r"bn9\.num_batches_tracked in the weights has no place"):
        models.load(NAME, saved(tmp_path, tensors))


def write_pth(path: Path, tensors: dict[str, np.ndarray], writer: Any, prefix: str) -> None:
    keys = {name: str(i) for i, name in enumerate(tensors)}

    def item(name: str, values: np.ndarray) -> bytes:
        where = w.storage(keys[name], "float32", values.size, legacy=writer is w.legacy)
        return w.tensor(where, 0, values.shape, tuple(n // 4 for n in values.strides))

    items = {prefix + name: item(name, values) for name, values in tensors.items()}
    wrapped = w.mapping(state_dict=w.mapping(**items), best_prec1=w.plain(91.7))
    path.write_bytes(writer(wrapped, {keys[name]: values for name, values in tensors.items()}))


def test_every_format_gives_the_same_network(tmp_path: Path) -> None:
    tensors = state()
    files = [tmp_path / f for f in ("a.safetensors", "a.npz", "a.pth", "a.th")]
    save_file(tensors, files[0])
    np.savez(files[1], allow_pickle=False, **tensors)
    write_pth(files[2], tensors, w.zipped, "")
    write_pth(files[3], tensors, w.legacy, "module.")
    loaded = [models.load(NAME, file) for file in files]
    for file, model in zip(files, loaded):
        jax.tree.map(np.testing.assert_array_equal, model.params, loaded[0].params)
        assert model.digest == digest(file)
        assert model.weights == str(file)
    assert len({model.apply_fn for model in loaded}) == 1


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_half_precision_files_become_float32(tmp_path: Path, dtype: Any) -> None:
    tensors = {name: values.astype(dtype) for name, values in state().items()}
    found = read_weights(saved(tmp_path, tensors))
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["conv1.weight"], tensors["conv1.weight"].astype(np.float32))


def test_bfloat16_in_an_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([1.5, -3], jnp.bfloat16))
    np.testing.assert_array_equal(read_weights(tmp_path / "a.npz")["x"], [1.5, -3])


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    tensors = state()
    tensors["conv1.weight"] = tensors["conv1.weight"].astype(np.int8)
    with pytest.raises(ValueError, match=r"conv1\.weight in the weights is int8, floating point wanted"):
        models.load(NAME, saved(tmp_path, tensors))


def test_bad_files_are_value_errors_that_name_the_file(tmp_path: Path) -> None:
    for file, data in {
        "a.safetensors": b"\xff" * 40,
        "b.npz": b"PK\x03\x04 no archive",
        "c.pth": b"no pickle",
        "d.onnx": b"",
    }.items():
        (tmp_path / file).write_bytes(data)
        with pytest.raises(ValueError, match=file):
            read_weights(tmp_path / file)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.pth"):
        read_weights(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("suffix", ["pth", "npz", "safetensors"])
def test_a_damaged_file_is_one_kind_of_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    values = np.arange(500, dtype=np.float32)
    if suffix == "npz":
        np.savez_compressed(path, x=values)
    elif suffix == "pth":
        write_pth(path, {"x": values}, w.zipped, "")
    else:
        save_file({"x": values}, path)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    messages = []
    for _ in range(300):
        data = bytearray(good)
        for at in rng.integers(0, min(len(data), 300), 4):
            data[-at] = rng.integers(256) if at % 2 else 255
            data[at] = rng.integers(256)
        path.write_bytes(data)
        try:
            read_weights(path)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(path.name in message and "\n" not in message for message in messages)


def test_a_method_of_compression_that_is_unknown_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(50.0))
    data = path.read_bytes()
    central = data.index(b"PK\x01\x02")
    path.write_bytes(data[: central + 10] + b"\x63\x00" + data[central + 12 :])
    with pytest.raises(ValueError, match=r"a\.npz is damaged .*NotImplementedError"):
        read_weights(path)


def test_an_eight_bit_float_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    header = b'{"x":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(ValueError, match=r"a\.safetensors"):
        read_weights(path)


def test_an_npz_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, a=np.array([{}], object))
    with pytest.raises(ValueError, match=r"objects\.npz"):
        read_weights(path)
    with zipfile.ZipFile(path) as archive:
        assert b"O" in archive.read("a.npy")


def test_a_file_of_anything_but_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lists.pth"
    for body in (w.plain([1, 2]), w.mapping(), w.mapping(epoch=w.plain(3))):
        path.write_bytes(w.zipped(body, {}))
        with pytest.raises(ValueError, match="holds no flat dict of tensors"):
            read_weights(path)


def test_folding_by_hand() -> None:
    unit = {"kernel": np.full((1, 1, 1, 2), 3.0), "scale": np.array([2.0, 1.0]), "bias": np.array([1.0, 0.0])}
    stats = {"mean": np.array([4.0, 0.0]), "var": np.array([15.0, 0.0])}
    variables = {"params": {"a": unit, "fc": {"kernel": np.eye(2)}}, "batch_stats": {"a": stats}}
    folded = fold_batch_norm(variables, 1.0)["params"]
    np.testing.assert_allclose(folded["a"]["kernel"].ravel(), [1.5, 3.0])
    np.testing.assert_allclose(folded["a"]["bias"], [-1.0, 0.0])
    np.testing.assert_array_equal(folded["fc"]["kernel"], np.eye(2))
