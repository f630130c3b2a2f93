"""What makes a fit the one it is, as plain text: its parameters' values and digests of its data.

Fits of equal identity end equally, in whatever process. Checkpoints and the finished fits of a
search are known by it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import joblib
import numpy as np

from sk_mnist_mlp._network import row_blocks
from sk_mnist_mlp._storage import config_of
from sk_mnist_mlp._training.plan import Job
from sk_mnist_mlp._training.result import FittedNetwork
from sk_mnist_mlp._training.stored import pack_layers, pack_state

__all__ = ["fit_identity", "identity_of", "name_of"]

_UNCOUNTED = ("checkpoint", "verbose")
"""Parameters that change nothing about what comes out."""


def fit_identity(parameters: Mapping[str, Any], **data: Any) -> dict[str, str]:
    """Describe a fit by an estimator's parameters, nested ones too, and by its data.

    Examples
    --------
    >>> fit_identity({"epochs": 3, "verbose": 1}, y=np.arange(3))
    {'epochs': '3', 'y': 'int64 of shape (3,) and digest 067c1b3ea9ea709a'}
    """
    identity = {name: _describe(value) for name, value in _counted(parameters).items()}
    return identity | {name: _digest(values) for name, values in data.items()}


def _counted(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in parameters.items() if n.rpartition("__")[2] not in _UNCOUNTED}


def identity_of(parameters: Mapping[str, Any], job: Job, engine: str) -> dict[str, str]:
    """Describe a fit of the classifier, with all that its parameters do not tell."""
    plan, data, hooks = job
    told = {name: v for name, v in parameters.items() if name not in ("callbacks", "random_state")}
    identity = fit_identity(told, X=data.X, y=data.labels, sample_weight=data.sample_weight)
    held_out = data.validation
    if held_out is not None and held_out.X is not data.X:
        weights = held_out.sample_weight
        identity |= fit_identity(
            {}, X_val=held_out.X, y_val=held_out.labels, sample_weight_val=weights
        )
    # Without a random_state the seeds are the checkpoint's own.
    drawn = parameters["random_state"] is not None
    return identity | {
        "callbacks": ", ".join(type(callback).__name__ for callback in hooks.callbacks),
        "random_state": f"the seeds {dataclasses.astuple(plan.seeds)}" if drawn else "None",
        "engine_": engine,
        "classes": f"{data.classes.dtype} {data.classes.tolist()}",
        "first weights": "drawn" if plan.start is None else _digest_start(plan.start),
    }


def name_of(identity: Mapping[str, Any]) -> str:
    """A short name for what JSON can write, fit for a file."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def _describe(value: Any) -> str:
    """A parameter's value in words that are the same in every process.

    Examples
    --------
    >>> _describe(np.float64(0.25)), _describe([256, np.int64(64)])
    ('0.25', '[256, 64]')
    """
    config = config_of(value)
    if config is not None:
        return str(config)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_describe, value))}]"
    if isinstance(value, Mapping):
        pairs = sorted(f"{_describe(key)}: {_describe(entry)}" for key, entry in value.items())
        return f"{{{', '.join(pairs)}}}"
    kind = type(value).__qualname__
    if hasattr(value, "get_params") and not isinstance(value, type):
        return f"{kind} {_describe(_counted(value.get_params(deep=False)))}"
    if hasattr(value, "get_config"):
        # Keras numbers the names of its objects in each process.
        told = {name: entry for name, entry in value.get_config().items() if name != "name"}
        return f"{kind} {_describe(told)}"
    text = repr(value)
    if " at 0x" in text:  # an address, which differs in each process
        # What cannot be pickled, a lambda say, keeps its address, and is never found again.
        with contextlib.suppress(Exception):
            return f"{kind} {joblib.hash(value)}"
    return text


def _digest(data: Any) -> str:
    """The type, shape and a digest of an array: the SHA-256 of its blocks' CRC-32.

    A change by accident shows as surely, and CRC-32 is three times as fast (6.6 against 1.9 GB/s,
    2026-11-23), which is 0.03 s for MNIST as float32. Other containers are hashed by joblib.
    """
    if data is None:
        return "None"
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "biuf" or not data.ndim:
        return f"{type(data).__qualname__} of hash {joblib.hash(data, coerce_mmap=True)}"
    hashed = hashlib.sha256()
    for rows in row_blocks(len(data), max(1, math.prod(data.shape[1:])), data.itemsize):
        block = np.ascontiguousarray(data[rows])
        hashed.update(struct.pack("<L", zlib.crc32(block.view(np.uint8).data)))
    return f"{data.dtype} of shape {data.shape} and digest {hashed.hexdigest()[:16]}"


def _digest_start(start: FittedNetwork) -> str:
    """A digest of the weights and all else that a warm start resumes."""
    described, arrays = pack_state(start.state)
    arrays |= pack_layers(start.layers)
    parts = [str(described), *(_digest(array.reshape(-1)) for array in arrays.values())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
