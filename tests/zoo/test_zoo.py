"""The zoos of models that JAX users run: what is listed and chosen, Grad-CAM by hand, a metric, one compilation."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import CASES

import egcam_jax
from egcam_jax import metrics

pytestmark = pytest.mark.zoo

COMPILATION = "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def compilations():
    """The programs that were compiled, or read from the cache, so far."""
    seen = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: event == COMPILATION and seen.append(1)
    )
    return seen


def by_hand(pieces, params, x, target):
    """Grad-CAM from the two halves: the mean gradient over positions weighs each channel."""
    activation, *carried = pieces.bypass(params, x) if pieces.bypass else (pieces.features(params, x),)
    score = lambda a: jnp.take_along_axis(pieces.head(params, a, *carried), target[:, None], axis=1).sum()
    gradient = jax.grad(score)(activation)
    if activation.ndim == 3:  # tokens: a square grid after the class token and registers
        side = int(np.sqrt(activation.shape[1]))
        first = activation.shape[1] - side**2
        activation, gradient = (a[:, first:].reshape(len(a), side, side, -1) for a in (activation, gradient))
    return jax.nn.relu(jnp.einsum("bhwk,bk->bhw", activation, gradient.mean((1, 2))))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:::(?!egcam_jax)")
def test_a_model_of_a_zoo(name, compilations):
    case = CASES[name]
    pytest.importorskip(case.package)
    mesh = jax.make_mesh((1,), ("images",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh) if case.meshed else contextlib.nullcontext():
        judged(case, compilations)


def judged(case, compilations):
    model = case.make()
    params, apply_fn = case.adapt(model)
    x = jax.random.normal(jax.random.key(1), (2, case.size, case.size, 3))
    target = jax.jit(apply_fn)(params, x).argmax(axis=1)
    known = egcam_jax.layers(apply_fn, params, x)
    layer = case.layer if len(case.shape) == 2 else None
    chosen = egcam_jax.split(apply_fn, params, x, layer).layer
    assert chosen.endswith(case.layer)
    assert known[chosen] == case.shape
    pieces = jax.jit(lambda params, x: by_hand(egcam_jax.split(apply_fn, params, x, layer), params, x, target))
    explain = lambda apply_fn: egcam_jax.explain(params, apply_fn, x, method="gradcam", target=target, layer=layer)
    explanation = explain(apply_fn)
    wanted = pieces(params, x)
    assert wanted.max() > 0
    np.testing.assert_allclose(explanation.cam, wanted, rtol=1e-3, atol=1e-4 * float(wanted.max()))
    np.testing.assert_array_equal(explanation.target, target)
    np.testing.assert_allclose(explanation.logits, jax.jit(apply_fn)(params, x), rtol=1e-3, atol=1e-4)
    judge = lambda params, apply_fn: metrics.deletion_auc(
        jax.tree_util.Partial(apply_fn, params), x, explanation.saliency, target, step=case.size**2 // 4
    )
    score = judge(params, apply_fn)
    empty = explanation.saliency.max((1, 2)) == 0  # without an order, and so without a value
    assert ((score.value > 0) & (score.value < 1) | empty).all()
    assert not empty.all()
    before = len(compilations)
    again_params, again = case.adapt(model)
    np.testing.assert_array_equal(explain(again).cam, explanation.cam)
    np.testing.assert_array_equal(judge(again_params, again).value, score.value)
    assert len(compilations) == before
