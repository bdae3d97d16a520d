"""Programs of the library's own, alone and inside others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax.core import compilation


def double(x, *, times):
    return times * x


@pytest.fixture
def seen(monkeypatch):
    """What the compiler is given, of each ``jax.jit`` that is called."""
    compilation._known()  # compiles too, the first time
    seen = []
    plain = jax.jit

    def spy(function, **options):
        compiled = plain(function, **options)

        def call(*arguments, **keywords):
            seen.append(options.get("compiler_options"))
            return compiled(*arguments, **keywords)

        return call

    monkeypatch.setattr(jax, "jit", spy)
    return seen


@pytest.mark.parametrize("known", [True, False])
def test_alone_on_the_cpu_the_options_are_given_where_the_compiler_knows_them(seen, monkeypatch, known):
    compiled = compilation.jit(double, static_argnames=("times",))
    actual = compilation._known()
    monkeypatch.setattr(compilation, "_known", lambda: known and actual)
    np.testing.assert_array_equal(compiled(jnp.arange(3.0), times=3), [0, 3, 6])
    assert seen == [compilation.CPU_OPTIONS if known and actual else None]


def test_inside_another_program_the_options_are_that_programs():
    compiled = compilation.jit(double, static_argnames=("times",))
    x = jnp.arange(3.0)
    wanted = [0, 2, 4]
    np.testing.assert_array_equal(jax.jit(lambda x: compiled(x, times=2))(x), wanted)
    np.testing.assert_array_equal(jax.jit(lambda: compiled(x, times=2))(), wanted)
    np.testing.assert_array_equal(jax.vmap(lambda x: compiled(x, times=2))(x), wanted)
    np.testing.assert_array_equal(jax.grad(lambda x: compiled(x, times=2).sum())(x), [2, 2, 2])
    np.testing.assert_array_equal(jax.checkpoint(lambda x: compiled(x, times=2))(x), wanted)
    assert jax.eval_shape(lambda x: compiled(x, times=2), x).shape == (3,)
