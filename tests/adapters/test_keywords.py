"""Keywords of a model's call, and attributes that cannot be hashed: all adapters hand them on and know them again."""

import dataclasses
import functools

import equinox as eqx
import flax.linen as linen
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import egcam_jax
from egcam_jax import metrics
from egcam_jax.adapters import from_equinox, from_haiku, from_linen, from_nnx

KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(3), (2, 8, 8, 3))


@dataclasses.dataclass
class Config:
    """A dataclass that cannot be hashed."""

    width: int = 4


def traces_of(*functions_and_params):
    """How often one compiled function is traced for some functions of the same params."""
    traces = []

    def run(apply_fn, params):
        traces.append(None)
        return apply_fn(params, X)

    compiled = jax.jit(run, static_argnums=0)
    for params, apply_fn in functions_and_params:
        compiled(apply_fn, params)
    return len(traces)


class NnxNet(nnx.Module):
    """Dropout by the call's rngs, a rematerialised convolution, and attributes of all kinds."""

    def __init__(self, config, rngs):
        self.config, self.sizes, self.names = config, [1, [2]], {"a": {"b"}}
        self.mean = np.arange(3.0)
        self.conv = nnx.Conv(3, config.width, (3, 3), rngs=rngs)
        self.drop = nnx.Dropout(0.5)
        self.fc = nnx.Linear(config.width, 5, rngs=rngs)

    def __call__(self, x, rngs=None, scale=1.0):
        x = nnx.remat(lambda conv, x: conv(x))(self.conv, x - self.mean)
        return scale * self.fc(self.drop(nnx.relu(x), deterministic=rngs is None, rngs=rngs).mean((1, 2)))


def test_nnx_keywords_attributes_and_remat():
    model = NnxNet(Config(), nnx.Rngs(0))
    params, apply_fn = from_nnx(model)
    kept = model.fc(nnx.relu(model.conv(X - model.mean)).mean((1, 2)))
    np.testing.assert_allclose(apply_fn(params, X), kept, rtol=1e-5, atol=1e-6)
    assert traces_of((params, apply_fn), from_nnx(model), from_nnx(NnxNet(Config(), nnx.Rngs(1)))) == 1
    np.testing.assert_allclose(from_nnx(model, scale=2.0)[1](params, X), 2 * kept, rtol=1e-5, atol=1e-6)
    assert from_nnx(model, scale=2.0)[1] != from_nnx(model, scale=3.0)[1]
    dropped, draws = from_nnx(model, rngs=nnx.Rngs(1))
    np.testing.assert_allclose(draws(dropped, X), model(X, rngs=nnx.Rngs(1)), rtol=1e-5, atol=1e-6)
    others = from_nnx(model, rngs=nnx.Rngs(2))
    assert np.abs(draws(dropped, X) - others[1](others[0], X)).max() > 1e-3
    assert traces_of((dropped, draws), others) == 1
    explanation = egcam_jax.explain(params, apply_fn, X, method="gradcam")
    predict = jax.tree_util.Partial(apply_fn, params)
    score = metrics.insertion_auc(predict, X, explanation.saliency, explanation.target, step=16)
    by_hand = lambda x: model.fc(nnx.relu(model.conv(x - model.mean)).mean((1, 2)))
    again = metrics.insertion_auc(by_hand, X, explanation.saliency, explanation.target, step=16)
    np.testing.assert_allclose(score.value, again.value, rtol=1e-5)


def test_a_changed_attribute_is_another_function():
    model = NnxNet(Config(), nnx.Rngs(0))
    first = from_nnx(model)
    model.config.width = 5
    assert from_nnx(model)[1] != first[1]
    model.config.width = 4
    assert from_nnx(model)[1] == first[1]
    model.sizes[1].append(3)
    assert from_nnx(model)[1] != first[1]


class EquinoxNet(eqx.Module):
    """A model that needs a key, with static fields of all kinds."""

    conv: eqx.nn.Conv2d
    drop: eqx.nn.Dropout
    fc: eqx.nn.Linear
    config: Config = eqx.field(static=True)
    sizes: list = eqx.field(static=True)
    table: dict

    def __init__(self, key, width=4):
        self.conv = eqx.nn.Conv2d(3, width, 3, key=key)
        self.drop = eqx.nn.Dropout(0.5)
        self.fc = eqx.nn.Linear(width, 5, key=key)
        self.config, self.sizes, self.table = Config(width), [1, [2]], {"a": Config(1)}

    def __call__(self, x, *, key, inference=True):
        return self.fc(self.drop(jax.nn.relu(self.conv(x)), key=key, inference=inference).mean((1, 2)))


def test_equinox_keywords_and_attributes():
    model = EquinoxNet(KEY)
    images = jnp.moveaxis(X, -1, 1)
    params, apply_fn = from_equinox(model, key=KEY, inference=False)
    by_hand = jax.vmap(lambda image: model(image, key=KEY, inference=False))(images)
    np.testing.assert_allclose(apply_fn(params, X), by_hand, rtol=1e-5, atol=1e-6)
    another = from_equinox(EquinoxNet(jax.random.key(1)), key=jax.random.key(2), inference=False)
    assert traces_of((params, apply_fn), another) == 1
    assert from_equinox(model, key=KEY)[1] != apply_fn
    assert from_equinox(EquinoxNet(KEY, width=5), key=KEY, inference=False)[1] != apply_fn
    with pytest.raises(
        ValueError, match=r"'key'.*from_equinox called the model with no keywords.*key=\.\.\., inference="
    ):
        egcam_jax.explain(*from_equinox(model), X, method="gradcam")


def test_an_equinox_model_with_a_state_must_return_it():
    class Net(eqx.Module):
        fc: eqx.nn.Linear
        index: eqx.nn.StateIndex

        def __call__(self, x, state):
            features = x.mean((1, 2))
            return features, self.fc(features)

    model, state = eqx.nn.make_with_state(lambda: Net(eqx.nn.Linear(3, 5, key=KEY), eqx.nn.StateIndex(0.0)))()
    params, apply_fn = from_equinox(model, state)
    with pytest.raises(TypeError, match=r"must return \(logits, state\); got .*, "):
        apply_fn(params, X)


def test_linen_keywords_and_attributes():
    class Net(linen.Module):
        config: Config
        weights: np.ndarray

        @linen.compact
        def __call__(self, x, train=True):
            x = linen.Dropout(0.5, deterministic=not train)(linen.Conv(self.config.width, (3, 3))(x))
            return linen.Dense(5)(linen.relu(x).mean((1, 2))) * self.weights

    module = Net(Config(), np.arange(5.0))
    variables = module.init(KEY, X, train=False)
    rngs = {"dropout": jax.random.key(1)}
    params, apply_fn = from_linen(module, variables, train=True, rngs=rngs)
    by_hand = module.apply(variables, X, train=True, rngs=rngs)
    np.testing.assert_allclose(apply_fn(params, X), by_hand, rtol=1e-5, atol=1e-6)
    same = Net(Config(), np.arange(5.0))
    assert traces_of((params, apply_fn), from_linen(same, variables, train=True, rngs={"dropout": KEY})) == 1
    other = Net(Config(), 2 * np.arange(5.0))
    assert from_linen(other, variables, train=False)[1] != from_linen(module, variables, train=False)[1]
    with pytest.raises(ValueError, match=r"from_linen called the model with no keywords\. .*train=\.\.\."):
        egcam_jax.explain(*from_linen(module, variables), X, method="gradcam")


def test_haiku_keywords():
    def network(x, is_training):
        x = jax.nn.relu(hk.Conv2D(4, 3)(x))
        return hk.Linear(5)((hk.dropout(hk.next_rng_key(), 0.5, x) if is_training else x).mean((1, 2)))

    params = hk.transform(network).init(KEY, X, is_training=False)
    trees, apply_fn = from_haiku(hk.transform(network), params, rng=KEY, is_training=True)
    by_hand = hk.transform(network).apply(params, KEY, X, is_training=True)
    np.testing.assert_allclose(apply_fn(trees, X), by_hand, rtol=1e-5, atol=1e-6)
    other = from_haiku(hk.transform(network), params, rng=jax.random.key(1), is_training=True)
    assert traces_of((trees, apply_fn), other) == 1
    quiet = [from_haiku(hk.without_apply_rng(hk.transform(network)), params, is_training=False) for _ in range(2)]
    assert traces_of(*quiet) == 1
    assert quiet[0][1] != from_haiku(hk.without_apply_rng(hk.transform(network)), params, is_training=True)[1]
    with pytest.raises(ValueError, match="rng: this function takes no key"):
        from_haiku(hk.without_apply_rng(hk.transform(network)), params, rng=KEY)
    with pytest.raises(ValueError, match="from_haiku called the model with no keywords"):
        egcam_jax.explain(*from_haiku(hk.transform(network), params), X, method="gradcam")


def test_a_context_is_handed_to_the_model():
    class InNnx(nnx.Module):
        def __init__(self):
            self.fc = nnx.Linear(3, 5, rngs=nnx.Rngs(0))

        def __call__(self, x, rows, scale):
            return self.fc(x.mean((1, 2))) * rows["a"] * scale

    class InEquinox(eqx.Module):
        fc: eqx.nn.Linear

        def __call__(self, x, row, *, scale):
            return self.fc(x.mean((1, 2))) * row["a"] * scale

    class InLinen(linen.Module):
        @linen.compact
        def __call__(self, x, rows, scale=1):
            return linen.Dense(5)(x.mean((1, 2))) * rows["a"] * scale

    rows, module = {"a": jnp.array([[2.0], [3.0]])}, InLinen()
    transformed = hk.transform(lambda x, rows, scale: hk.Linear(5)(x.mean((1, 2))) * rows["a"] * scale)
    for params, apply_fn in (
        from_nnx(InNnx(), scale=2.0),
        from_equinox(InEquinox(eqx.nn.Linear(3, 5, key=KEY)), scale=2.0),
        from_linen(module, module.init(KEY, X, rows), scale=2.0),
        from_haiku(transformed, transformed.init(KEY, X, rows, 1.0), scale=2.0),
    ):
        ones = apply_fn(params, X, {"a": jnp.ones((2, 1))})
        np.testing.assert_allclose(apply_fn(params, X, rows), ones * rows["a"], rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "adapter"),
    [
        (lambda: NnxNet(Config(), nnx.Rngs(0)), "from_nnx"),
        (lambda: EquinoxNet(KEY), "from_equinox"),
        (lambda: eqx.filter_jit(EquinoxNet(KEY)), "from_equinox"),
        (lambda: hk.transform(lambda x: x), "from_haiku"),
        (lambda: functools.partial(EquinoxNet(KEY), key=KEY), "from_equinox"),
    ],
)
def test_a_model_in_place_of_a_function_names_its_adapter(model, adapter, unannotated):
    for ask in (
        lambda: egcam_jax.explain({}, model(), X, method="gradcam"),
        lambda: metrics.insertion_auc(model(), X, X[..., 0], 0),
    ):
        with pytest.raises(TypeError, match=f"must be a function; got the model .* itself.*{adapter}"):
            ask()


class Named(eqx.Module):
    """Its call has another name for itself, and needs a key."""

    conv: eqx.nn.Conv2d

    def __call__(module, x, key):
        return module.conv(x).mean((1, 2))


def test_the_inputs_are_not_among_the_keywords_to_pass():
    params, apply_fn = from_equinox(Named(eqx.nn.Conv2d(3, 4, 3, key=KEY)))
    with pytest.raises(ValueError, match=r"The model also takes key=\.\.\.: pass"):
        egcam_jax.explain(params, apply_fn, X, method="gradcam")
