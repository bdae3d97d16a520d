"""When two functions share a compiled program, and a word about arrays that a function captures."""

import dataclasses
import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import egcam_jax
from egcam_jax import metrics
from egcam_jax.core.contents import content
from egcam_jax.core.functions import Known, static

PARAMS = {"conv": 0.3 * jax.random.normal(jax.random.key(0), (3, 3, 3, 4)), "fc": jnp.arange(12.0).reshape(4, 3)}
X = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))


def network(params, x, scale=1.0, options=None):
    x = jax.lax.conv_general_dilated(x, params["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return scale * jax.nn.relu(x).mean((1, 2)) @ params["fc"]


@dataclasses.dataclass
class Plain:
    """Cannot be hashed."""

    value: object


class Thing:
    """An object that equals itself alone."""

    def __init__(self, value):
        self.value = value


THING = Thing(1)


def made(number):
    return lambda x: number * x


@pytest.mark.parametrize(
    "make",
    [
        lambda: functools.partial(network, scale=2.0, options={"a": [1, {"b"}]}),
        lambda: functools.partial(functools.partial(network, scale=2.0), options=np.arange(3)),
        lambda: functools.partial(network, options=Plain([float("nan"), jnp.arange(3), jax.random.key(1)])),
        lambda: jax.tree.structure({"a": Plain(1), "b": (1, None)}),
        lambda: functools.partial(made(3), THING),
        lambda: Plain(THING).value,
    ],
)
def test_equal_content_is_equal(make):
    assert content(make()) == content(make())
    assert hash(content(make())) == hash(content(make()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (True, 1),
        (0.0, -0.0),
        ([1], (1,)),
        (np.arange(3), np.arange(3.0)),
        (np.float32(1), np.float64(1)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (jax.random.key(0), jax.random.key(1)),
        (Plain(1), Plain(2)),
        (Thing(1), Thing(1)),
        (made(1), made(2)),
        (functools.partial(network, scale=1.0), functools.partial(network, scale=2.0)),
        (functools.partial(network, 1), functools.partial(network, options=1)),
    ],
)
def test_other_content_is_other(one, other):
    assert content(one) != content(other)


def test_content_of_what_contains_itself_and_of_what_changes():
    loop = [1]
    loop.append(loop)
    assert content(loop) == content(loop)
    thing, before = Thing(1), None
    before = content(thing)
    thing.value = 2
    assert content(thing) != before
    calls = []
    counted = lambda x: calls.append(x)
    before = content(functools.partial(counted, 1))
    calls.append(1)
    assert content(functools.partial(counted, 1)) == before


def test_plain_functions_stay_themselves():
    assert static("apply_fn", network) is network
    assert isinstance(static("apply_fn", functools.partial(network)), Known)


def test_equal_partials_compile_once_in_explain_and_in_metrics():
    traces = []

    def counted(scale, params, x, options=None):
        traces.append(None)
        return network(params, x, scale)

    ask = lambda apply_fn: egcam_jax.explain(PARAMS, apply_fn, X, method="gradcam", target=1).cam
    one = ask(functools.partial(counted, 1.0, options={"a": [1]}))
    assert len(traces) == 1
    np.testing.assert_array_equal(ask(functools.partial(counted, 1.0, options={"a": [1]})), one)
    assert len(traces) == 1
    np.testing.assert_allclose(ask(functools.partial(counted, 2.0, options={"a": [1]})), 2 * one, rtol=1e-5)
    assert len(traces) == 2
    for scale in (2.0, 3.0):  # bound arrays are arguments of the program
        np.testing.assert_allclose(ask(jax.tree_util.Partial(counted, scale)), scale * one, rtol=1e-5)
    assert len(traces) == 3
    judge = lambda predict: metrics.insertion_auc(predict, X, X[..., 0], 1, step=16).value
    judge(functools.partial(counted, 1.0, PARAMS))
    seen = len(traces)
    judge(functools.partial(counted, 1.0, jax.tree.map(jnp.array, PARAMS)))
    judge(jax.tree_util.Partial(functools.partial(counted, 1.0), PARAMS))
    after = len(traces)
    judge(jax.tree_util.Partial(functools.partial(counted, 1.0), PARAMS))
    assert len(traces) == after
    assert after == 2 * seen - 3


@pytest.mark.filterwarnings("default")
def test_a_function_that_captures_large_arrays_warns_with_the_size():
    weights = jnp.zeros((192, 2**15)) + jnp.arange(2.0**15)
    heavy = lambda params, x: network(PARAMS, x) + (x.reshape(len(x), -1) @ weights)[:, :3] * 0
    light = lambda params, x: network(params[0], x) + (x.reshape(len(x), -1) @ params[1])[:, :3] * 0
    for ask in (
        lambda: egcam_jax.layers(heavy, {}, X),
        lambda: egcam_jax.layers(jax.jit(heavy), {}, X),
        lambda: egcam_jax.layers(functools.partial(lambda weights, p, x: heavy(p, x), np.ones(3)), {}, X),
        lambda: metrics.insertion_auc(lambda x: heavy({}, x), X, X[..., 0], 1, step=16),
    ):
        with pytest.warns(UserWarning, match=r"captures 24 MB of arrays.*params of.*jax\.tree_util\.Partial"):
            ask()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        egcam_jax.layers(light, (PARAMS, weights), X)
        metrics.insertion_auc(jax.tree_util.Partial(light, (PARAMS, weights)), X, X[..., 0], 1, step=16)
