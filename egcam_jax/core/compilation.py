"""``jax.jit`` for the library's own programs, with what makes convolutions quick on the CPU.

XLA hands convolutions on the CPU to a library whose fusions are up to twice as slow as its own code (seen with JAX
0.10); dots are left to it. The option is given to the compiler with each program, never set for the process.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
"""For programs that run on the CPU, where the compiler knows them."""


def jit(function: Callable[..., Any], *, static_argnames: tuple[str, ...]) -> Callable[..., Any]:
    """Compile a function; calls on their own, on the CPU, with ``CPU_OPTIONS``.

    Inside another program (under the user's ``jit``, ``vmap``, ``grad``) the options are that program's.

    Args:
        function: Pure, of arrays and static arguments.
        static_argnames: As ``jax.jit`` takes them.
    """
    plain = jax.jit(function, static_argnames=static_argnames)
    tuned = jax.jit(function, static_argnames=static_argnames, compiler_options=CPU_OPTIONS)

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        return (tuned if _outermost_on_cpu((arguments, keywords)) else plain)(*arguments, **keywords)

    return call


def options(platform: str) -> dict[str, str] | None:
    """The compiler's options for a program that runs on its own on one platform, known before its first call."""
    return CPU_OPTIONS if platform == "cpu" and _known() else None


def _outermost_on_cpu(arguments: Any) -> bool:
    """Whether a call is a program of its own, of arrays on the CPU, for a compiler that knows the options."""
    leaves = jax.tree.leaves(arguments)
    if isinstance(jnp.zeros(()), jax.core.Tracer) or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return False
    platforms = {device.platform for leaf in leaves if isinstance(leaf, jax.Array) for device in leaf.devices()}
    return platforms == {"cpu"} and _known()


@functools.cache
def _known() -> bool:
    """Whether the compiler knows the options: compiling with one that it does not know is an error."""
    try:
        jax.jit(lambda x: x, compiler_options=CPU_OPTIONS).lower(jax.ShapeDtypeStruct((), jnp.float32)).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
