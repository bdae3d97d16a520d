"""References that went through a network in an earlier run, read from a folder instead of computed again."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

import egcam_jax
from egcam_jax.core.kernel import Code
from egcam_jax.methods import EncodedReferences
from egcam_jax.models import Model
from egcam_jax.run.plan import Plan

_ALONE = (None, None)
"""What bypasses a layer that has a grid and that everything goes through."""


class Place(NamedTuple):
    """A folder that nobody else can write, for these versions on this processor, and how many bytes it may hold."""

    folder: Path
    limit: int


def references(
    place: Place | None,
    plan: Plan,
    model: Model,
    drawn: Float[np.ndarray, "R H W C"],
    encode: Callable[[], EncodedReferences],
) -> EncodedReferences:
    """The encoded references of a plan: those in a folder, or new ones, which are kept there.

    Args:
        place: Where they are kept, those that were read last; ``None`` keeps nothing.
        plan: Its layers and arithmetic are part of what a file stands for.
        model: The network. One without a digest of its weights is never kept.
        drawn: The references.
        encode: Computes what is kept.
    """
    if place is None or not model.digest:
        return encode()
    path = place.folder / f"{_key(plan, model, drawn)}.npz"
    with suppress(Exception):  # there is none, or it is damaged: zipfile and NumPy raise errors of many kinds for that
        kept = _read(path, drawn)
        os.utime(path)
        return kept
    encoded = encode()
    if all(code.carried == _ALONE for code in encoded.codes):
        with suppress(OSError):  # a full disk is no reason to stop
            _write(path, encoded)
            _bound(place)
    return encoded


def _key(plan: Plan, model: Model, drawn: np.ndarray) -> str:
    """All that the encoded references depend on, and the state of this package's own files."""
    known = [model.name, model.digest, model.weights, plan.layers or model.layer, plan.chunk, plan.dtype]
    kinds = sorted({device.device_kind for device in jax.devices()})
    flags = [os.environ.get("XLA_FLAGS"), kinds, jax.config.values["jax_default_matmul_precision"]]
    files = sorted(Path(egcam_jax.__file__).parent.rglob("*.py"))
    stamps = [(file.name, (status := file.stat()).st_size, status.st_mtime_ns) for file in files]
    text = json.dumps([known, plan.precision, flags, drawn.shape, stamps])
    return hashlib.sha256(text.encode() + np.ascontiguousarray(drawn).tobytes()).hexdigest()[:32]


def _read(path: Path, drawn: np.ndarray) -> EncodedReferences:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        if file.zip.testzip() is not None:  # NumPy may stop before the checksum is compared
            raise ValueError(f"{path} is damaged")
        layers, dtype = tuple(file["layers"].tolist()), str(file["dtype"])
        activations = [file[f"activation{i}"] for i in range(len(layers))]
        rest = np.asarray(drawn, np.float32), file["logits"], file["fingerprint"]
    activations, (images, logits, fingerprint) = jax.device_put((activations, rest))
    codes = tuple(Code(activation, _ALONE) for activation in activations)
    return EncodedReferences(images, codes, logits, fingerprint, layers, dtype)


def _write(path: Path, encoded: EncodedReferences) -> None:
    arrays: dict[str, Any] = {f"activation{i}": code.activation for i, code in enumerate(encoded.codes)}
    arrays |= {"logits": encoded.logits, "fingerprint": encoded.fingerprint}
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            np.savez(file, layers=encoded.layers, dtype=encoded.dtype, **jax.device_get(arrays))
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _bound(place: Place) -> None:
    """Remove the files that were read longest ago, until the others fit."""
    known = [(file, file.stat()) for file in place.folder.iterdir()]
    total = 0
    for file, status in sorted(known, key=lambda one: one[1].st_mtime, reverse=True):
        total += status.st_size
        if total > place.limit:
            file.unlink(missing_ok=True)
