"""Where places lie in room that they are written into."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from egcam_jax.splitting._flatten import flatten


@pytest.mark.parametrize(
    ("write", "beside"),
    [
        (lambda room, tokens: lax.dynamic_update_slice(room, tokens, (0, 1, 0)), (1, 1)),
        (lambda room, tokens: lax.dynamic_update_slice(room, tokens, (0, 5, 0)), (2, 0)),  # JAX moves the start
        (lambda room, tokens: room.at[:, jnp.arange(1, 5)].set(tokens), (1, 1)),
        (lambda room, tokens: room.at[:, jnp.arange(-4, 0)].set(tokens), (2, 0)),
        (lambda room, tokens: room.at[:, jnp.arange(3, 7)].set(tokens), None),  # the last token is dropped
        (lambda room, tokens: room.at[:, jnp.arange(3, 7)].set(tokens, mode="clip"), None),
        (lambda room, tokens: room.at[:, jnp.array([[1, 2], [3, 4]])].set(tokens.reshape(1, 2, 2, 3)), None),
    ],
)
def test_places_are_known_only_where_all_of_them_fit_in_the_room(write, beside):
    network = lambda x: write(jnp.zeros((1, 6, 3)), x.reshape(1, 4, 3))
    program = flatten(jax.make_jaxpr(network)(jnp.zeros((1, 2, 2, 3))))
    listed = program.axes[program.logits][1]
    assert listed.size == 6
    assert bool(listed.places) == (beside is not None)
    assert (listed.before, listed.after) == (beside or (0, 0))
