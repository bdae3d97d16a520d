"""Checkpoints as training code writes them: every wrapping comes off, and sizes are those of the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pth_writer as w
import pytest
from safetensors.numpy import save_file
from seeded_weights import seeded_images, seeded_weights
from test_models_reference import reference

from egcam_jax import models

NAME = "cifar_resnet20"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
State = dict[str, np.ndarray]


def state(name: str = NAME, **changed: tuple[int, ...]) -> State:
    """Seeded weights, some with other shapes."""
    kept = {key: tuple(shape) for key, shape in reference(name)[0]["shapes"].items()}
    return seeded_weights(kept | {key.replace("__", "."): shape for key, shape in changed.items()})


def saved(path: Path, tree: Any) -> Path:
    """Write a tree of dicts, arrays and plain values as PyTorch does."""
    storages: State = {}

    def written(node: Any) -> bytes:
        if isinstance(node, dict):
            return w.mapping(**{key: written(value) for key, value in node.items()})
        if not isinstance(node, np.ndarray):
            return w.plain(node)
        key = str(len(storages))
        storages[key] = node
        where = w.storage(key, node.dtype.name, node.size)
        return w.tensor(where, 0, node.shape, tuple(n // node.itemsize for n in node.strides))

    path.write_bytes(w.zipped(written(tree), storages))
    return path


def equal(first: models.Model, second: models.Model) -> None:
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert first.apply_fn == second.apply_fn


def under(prefix: str) -> Callable[[State], State]:
    return lambda tensors: {prefix + name: values for name, values in tensors.items()}


def inside(part: str, put: str) -> Callable[[State], State]:
    """As where one part of the network was wrapped."""
    return lambda tensors: {
        name.replace(part, f"{part}{put}", 1) if name.startswith(part) else name: values
        for name, values in tensors.items()
    }


WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "compiled": under("_orig_mod."),
    "data-parallel": under("module."),
    "compiled, then data-parallel": under("module._orig_mod."),
    "Lightning": lambda tensors: {"state_dict": under("model.")(tensors), "epoch": 3, "loops": {"fit": {"done": 1}}},
    "a part is data-parallel": inside("layer1.", "module."),
    "net": lambda tensors: {"net": under("module.")(tensors), "acc": 93.1, "epoch": 200},
    "torchvision": lambda tensors: {"model": tensors, "optimizer": {"state": {"exp": np.ones(3, np.float32)}}},
    "an accuracy beside": lambda tensors: {"state_dict": tensors, "best_acc1": np.array(91.0, np.float32)},
    "nested": lambda tensors: {"checkpoint": {"model": under("backbone.encoder.")(tensors)}},
    "only an average": lambda tensors: {"model_ema": under("module.")(tensors) | {"n_averaged": np.array([7])}},
    "another word": lambda tensors: {"student": tensors, "epoch": 1},
    "Lightning with a loss and a metric": lambda tensors: {
        "state_dict": under("model.")(tensors)
        | {"criterion.weight": np.ones(3, np.float32), "val_acc.correct": np.array(3.0, np.float32)}
    },
    "a dropout in the head": inside("linear.", "1."),
    "a head beside": lambda tensors: {
        name if name.startswith("linear") else f"backbone.{name}": values for name, values in tensors.items()
    },
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrappings_come_off(tmp_path: Path, wrapping: str) -> None:
    plain = models.load(NAME, saved(tmp_path / "plain.pth", state()))
    equal(models.load(NAME, saved(tmp_path / "wrapped.pth", WRAPPINGS[wrapping](state()))), plain)


@pytest.mark.parametrize("ending", [".pth.tar", ".ckpt", ".bin", ".PTH", ".pt"])
def test_endings_of_pytorchs_files(tmp_path: Path, ending: str) -> None:
    plain = models.load(NAME, saved(tmp_path / "plain.pth", state()))
    equal(models.load(NAME, saved(tmp_path / f"model_best{ending}", {"state_dict": state()})), plain)


@pytest.mark.parametrize("average", ["model_ema", "state_dict_ema", "ema"])
def test_of_weights_and_their_average_the_choice_is_told(tmp_path: Path, average: str) -> None:
    mean = {name: values / 2 for name, values in state().items()}
    path = saved(tmp_path / "both.pth", {"model": state(), average: under("module.")(mean)})
    with pytest.warns(UserWarning, match=f"holds 'model' and its average '{average}'; 'model' is taken"):
        trained = models.load(NAME, path)
    equal(trained, models.load(NAME, saved(tmp_path / "plain.pth", state())))
    averaged = models.load(NAME, path, entry=average)
    equal(averaged, models.load(NAME, saved(tmp_path / "mean.pth", mean)))
    assert averaged.weights == f"{path} ({average})"
    with pytest.raises(ValueError, match=rf"entry must be .*got 'emma'.*{average}"):
        models.load(NAME, path, entry="emma")


def test_an_average_among_the_names_is_taken_by_its_beginning(tmp_path: Path) -> None:
    mean = {name: values / 2 for name, values in state().items()}
    path = saved(tmp_path / "both.ckpt", {"state_dict": under("model.")(state()) | under("ema_model.")(mean)})
    with pytest.raises(ValueError, match=r"ema_model\.conv1\.weight, .* in the weights have no place"):
        models.load(NAME, path)
    equal(models.load(NAME, path, entry="ema_model"), models.load(NAME, saved(tmp_path / "mean.pth", mean)))


def test_of_several_networks_one_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "gan.pth", {"generator": {"w": np.ones(2, np.float32)}, "critic": state()})
    with pytest.raises(
        ValueError, match=r"must hold one set of tensors; got 'generator', 'critic'\. Name one with ent"
    ):
        models.load(NAME, path)
    assert models.load(NAME, path, entry="critic").class_names[3] == "cat"


def test_left_over_and_missing_tensors_come_with_the_nearest_names(tmp_path: Path) -> None:
    tensors = state()
    tensors["layer2.0.conv1.wieght"] = tensors.pop("layer2.0.conv1.weight")
    with pytest.raises(ValueError, match="does not fit cifar_resnet20") as caught:
        models.load(NAME, saved(tmp_path / "a.pth", tensors))
    message = str(caught.value)
    assert "layer2.0.conv1.wieght in the weights has no place in this network" in message
    assert "1 of 97 variables are not filled: layer2/0/conv1/kernel" in message
    assert "Nearest to layer2/0/conv1/wieght: layer2/0/conv1/kernel" in message


def head_by_hand(features: np.ndarray, tensors: State, layers: list[str]) -> np.ndarray:
    """Fully connected layers in PyTorch's order: channels first, ReLU between."""
    x = features.transpose(0, 3, 1, 2).reshape(len(features), -1)
    for i, layer in enumerate(layers):
        x = np.maximum(x, 0) if i else x
        x = x @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"]
    return x


def test_the_number_of_classes_is_the_files(tmp_path: Path) -> None:
    tensors = state(linear__weight=(7, 64), linear__bias=(7,))
    model = models.load(NAME, saved(tmp_path / "seven.pth", {"model": under("module.")(tensors)}))
    assert model.class_names == tuple(f"class {i}" for i in range(7))
    x = jnp.asarray(seeded_images(2, 32, 32))
    logits, made = model.apply_fn.module.apply(model.params, x, capture_intermediates=True, mutable=["intermediates"])
    features = np.asarray(made["intermediates"]["layer3"]["__call__"][0]).mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(logits, head_by_hand(features, tensors, ["linear"]), rtol=1e-4, atol=1e-4)


def test_hidden_units_are_the_files(tmp_path: Path) -> None:
    changed = {"1": (6, 9216), "4": (5, 6), "6": (4, 5)}
    shapes = {f"classifier__{i}__weight": shape for i, shape in changed.items()}
    tensors = state("alexnet", **shapes, **{f"classifier__{i}__bias": (n,) for i, (n, _) in changed.items()})
    model = models.load("alexnet", saved(tmp_path / "small.pth", tensors), class_names=["a", "b", "c", "d"])
    assert model.class_names == ("a", "b", "c", "d")
    x = jnp.asarray(seeded_images(1, 224, 224))
    logits, made = model.apply_fn.module.apply(model.params, x, capture_intermediates=True, mutable=["intermediates"])
    features = np.asarray(made["intermediates"]["features"]["__call__"][0])
    by_hand = head_by_hand(features, tensors, ["classifier.1", "classifier.4", "classifier.6"])
    np.testing.assert_allclose(logits, by_hand, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "head"), [("squeezenet1_1", "classifier.1"), ("resnet18", "fc")])
def test_other_families_take_their_classes_from_the_file(tmp_path: Path, name: str, head: str) -> None:
    rest = reference(name)[0]["shapes"][f"{head}.weight"][1:]
    key = head.replace(".", "__")
    tensors = state(name, **{f"{key}__weight": (3, *rest), f"{key}__bias": (3,)})
    save_file(tensors, tmp_path / "three.safetensors")
    model = models.load(name, tmp_path / "three.safetensors")
    assert len(model.class_names) == 3
    assert jax.eval_shape(model.apply_fn, model.params, jnp.zeros((1, 64, 64, 3))).shape == (1, 3)


def test_a_network_of_grey_pictures(tmp_path: Path) -> None:
    """One channel is the sum of three: grey copied into three channels gives the same logits."""
    tensors = state()
    grey = tensors | {"conv1.weight": tensors["conv1.weight"].sum(axis=1, keepdims=True)}
    path = saved(tmp_path / "grey.pth", grey)
    with pytest.warns(
        UserWarning, match=r"takes grey pictures; .*averaged to 0\.449 and 0\.226\. Pass the preprocess="
    ):
        model = models.load(NAME, path)
    assert model.input_shape == (32, 32, 1)
    assert (model.preprocess.mean, model.preprocess.std) == ((0.449,), (0.226,))
    own = models.Preprocess(size=(16, 24), resize=16, mean=(0.5,), std=(0.25,))
    model = models.load(NAME, path, preprocess=own)
    assert (model.preprocess, model.input_shape) == (own, (16, 24, 1))
    colour = models.load(NAME, saved(tmp_path / "colour.pth", tensors))
    x = jnp.asarray(seeded_images(2, 16, 24))[..., :1]
    wanted = colour.apply_fn(colour.params, jnp.repeat(x, 3, axis=-1))
    np.testing.assert_allclose(model.apply_fn(model.params, x), wanted, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match=r"x must have shape \(b, H, W, 1\); got \(2, 16, 24, 3\)"):
        model.apply_fn(model.params, jnp.repeat(x, 3, axis=-1))


def test_other_numbers_of_channels_need_their_preprocessing(tmp_path: Path) -> None:
    path = saved(tmp_path / "four.pth", state(conv1__weight=(16, 4, 3, 3)))
    with pytest.raises(ValueError, match=r"preprocess must have 4 numbers in mean and in std.*got 3 and 3"):
        models.load(NAME, path)
    own = models.Preprocess(size=32, resize=32, mean=(0.5,) * 4, std=(0.5,) * 4)
    assert models.load(NAME, path, preprocess=own).input_shape == (32, 32, 4)


NAMES = ("tench, Tinca tinca", "goldfish", "shark")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("names.txt", "tench, Tinca tinca\ngoldfish\nshark\n"),
        ("names.txt", "\ufefftench, Tinca tinca\r\ngoldfish\r\nshark\r\n\r\n"),
        ("names.csv", 'index,name\n1,goldfish\n0,"tench, Tinca tinca"\n2,shark\n'),
        ("names.csv", 'class_index,synset,name\n0,n1,"tench, Tinca tinca"\n2,n3,shark\n1,n2,goldfish\n'),
        ("names.csv", '0,"tench, Tinca tinca"\n1,goldfish\n2,shark\n'),
        ("names.csv", '"tench, Tinca tinca",0\ngoldfish,1\nshark,2\n'),
        (
            "names.csv",
            'class_index,coarse_index,coarse_name\n0,2,shark\n1,0,"tench, Tinca tinca"\n2,2,shark\n3,1,goldfish\n',
        ),
    ],
)
def test_class_names_from_a_file(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8", newline="")
    assert models.read_names(tmp_path / file) == NAMES


@pytest.mark.parametrize("text", ["index,name\n0,a\n2,b\n", "index,name\n0,a\n0,b\n", "0,a\n1,b\n1,c\n"])
def test_indices_that_do_not_count_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.csv").write_text(text)
    with pytest.raises(ValueError, match=r"class_names must give one name to each index from 0 on.*names\.csv"):
        models.read_names(tmp_path / "names.csv")


def test_another_number_of_class_names_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", state())
    with pytest.raises(ValueError, match="class_names must be 10 names, one for each logit; got 3"):
        models.load(NAME, path, class_names=NAMES)
    with pytest.raises(FileNotFoundError, match=r"class_names: there is no file .*none\.txt"):
        models.load(NAME, path, class_names=tmp_path / "none.txt")


def test_a_digest_of_parameters_tells_weights_from_others() -> None:
    key = jax.random.key(0)
    first, same, other = (models.init(NAME, k).params for k in (key, key, jax.random.key(1)))
    assert models.params_digest(first) == models.params_digest(same)
    assert models.params_digest(first) != models.params_digest(other)
    assert models.params_digest({"a": np.ones(4)}) != models.params_digest({"a": np.ones((2, 2))})
    assert models.params_digest({"a": np.ones(4), "b": np.zeros(4)}) != models.params_digest(
        {"a": np.zeros(4), "b": np.ones(4)}
    )


def test_a_preprocessing_as_text() -> None:
    caffe = models.parse_preprocess("scale=255, mean=104 117 123, std=1 1 1, bgr=true", models.Preprocess())
    assert caffe == models.Preprocess(scale=255.0, mean=(104, 117, 123), std=(1, 1, 1), bgr=True)
    oblong = models.parse_preprocess("size=64 128,resize=64,interpolation=bicubic", caffe)
    assert (oblong.size, oblong.resize, oblong.interpolation, oblong.bgr) == ((64, 128), 64, "bicubic", True)
    assert models.parse_preprocess("resnet50_v1", models.Preprocess()).mean == (103.939, 116.779, 123.68)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resnet5", "network's name or FIELD=VALUE; got 'resnet5'. Did you mean 'resnet50'"),
        ("means=1", "got 'means'. Did you mean 'mean'"),
        ("size=1 2 3", "give size a value of its kind; got '1 2 3'"),
        ("mean=a", "give mean a value"),
        ("bgr=yes", "give bgr a value"),
        ("interpolation=area", "give interpolation a value"),
    ],
)
def test_a_preprocessing_that_is_none_says_so(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        models.parse_preprocess(text, models.Preprocess())


@pytest.mark.skipif(not DATA.is_dir(), reason="the optional folder ../shared/data is missing")
def test_a_fine_tuned_vgg16_of_16_classes() -> None:
    """Of the photographs 93 % are right, with the preprocessing of its convolutions."""
    from test_models_real import logits

    from egcam_jax import data

    seen = models.Preprocess(mean=(123.68, 116.779, 103.939), std=(1, 1, 1), scale=255.0)
    names = DATA / "vgg16_coarse_classes.csv"
    model = models.load("vgg16", DATA / "vgg16_coarse.safetensors", class_names=names, preprocess=seen)
    assert (model.class_names[0], model.class_names[6], len(model.class_names)) == ("fish", "dog", 16)
    coarse = dict(line.split(",")[:2] for line in names.read_text().splitlines()[1:])
    rows = [line.split(",") for line in (DATA / "imagenet_samples" / "labels.csv").read_text().splitlines()[1:]]
    pictures = [data.read(DATA / "imagenet_samples" / row[0]) for row in rows[::10]]
    best = logits(model, np.stack([data.preprocess(picture, seen) for picture in pictures]), 10).argmax(axis=1)
    assert (best == [int(coarse[row[1]]) for row in rows[::10]]).mean() >= 0.8
