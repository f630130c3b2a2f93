"""A training kept on disk after every epoch, so that a fit that was killed can be resumed.

A checkpoint is a file like a model's: plain arrays and JSON, replaced whole or not at all.
It also says to which fit it belongs, by the parameters' values and a digest of the data, and no
other fit may be resumed from it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sk_mnist_mlp._network import NetworkSpec
from sk_mnist_mlp._storage import (
    Arrays,
    Fields,
    check_place,
    read_manifest_and_tensors,
    write_tensors,
)
from sk_mnist_mlp._training.plan import Job
from sk_mnist_mlp._training.result import Checkpoint, Seeds
from sk_mnist_mlp._training.stored import (
    pack_layers,
    pack_state,
    take_layers,
    unpack_seeds,
    unpack_state,
)

__all__ = ["CheckpointFile"]

_FORMAT = 1


class CheckpointFile:
    """The checkpoint at a path, if there is one yet.

    Raises
    ------
    ModelFileError
        If the file there is no checkpoint, or damaged.
    OSError
        If there is no folder to write into, or the path is no file's.
    """

    def __init__(self, path: str | os.PathLike[str], who: str) -> None:
        self._path, self._who = Path(path), who
        self._identity: Mapping[str, str] = {}
        self._kept: Fields | None = None
        self._arrays: Arrays = {}
        check_place(self._path, who=who)
        if self._path.exists():
            self._read()

    def _read(self) -> None:
        fields, self._arrays = read_manifest_and_tensors(
            self._path, who=self._who, what="a checkpoint"
        )
        fields.text("kind", ("checkpoint",))
        fields.whole("format", _FORMAT, _FORMAT)
        identity = fields.fields("identity")
        self._identity = {name: identity.text(name) for name in identity.names()}
        self._kept = fields.fields("checkpoint")
        fields.close()

    @property
    def seeds(self) -> Seeds | None:
        """The seeds that the fit drew, None where there is no checkpoint yet."""
        if self._kept is None:
            return None
        return unpack_seeds(self._kept.fields("state").fields("seeds"))

    @property
    def n_epochs(self) -> int:
        """Whole epochs behind the weights that are kept."""
        return 0 if self._kept is None else self._kept.fields("state").whole("epoch")

    def attach(self, job: Job, identity: Mapping[str, str]) -> Job:
        """Have a job resume from the checkpoint, and keep it from then on.

        A checkpoint of another fit, whose :func:`identity_of` differs, is a ValueError.
        """
        resume = None
        if self._kept is not None:
            self._check_identity(identity)
            resume = _unpack(self._kept, self._arrays, job.plan.network)
        keep = functools.partial(self._keep, identity=dict(identity))
        hooks = dataclasses.replace(job.hooks, resume=resume, keep=keep)
        return job._replace(hooks=hooks)

    def _check_identity(self, identity: Mapping[str, str]) -> None:
        for name in sorted(identity.keys() | self._identity.keys()):
            ours, theirs = identity.get(name, "nothing"), self._identity.get(name, "nothing")
            if ours != theirs:
                raise ValueError(
                    f"{self._who}: expected checkpoint={str(self._path)!r} to be of this fit, got "
                    f"one of a fit with {name}={theirs[:200]}, where this has {name}={ours[:200]}. "
                    "Delete the file to start anew, or give another path."
                )

    def _keep(self, checkpoint: Checkpoint, *, identity: dict[str, str]) -> None:
        described, arrays = _pack(checkpoint)
        manifest = {
            "kind": "checkpoint",
            "format": _FORMAT,
            "identity": identity,
            "checkpoint": described,
        }
        try:
            write_tensors(self._path, manifest, arrays, who=self._who)
        except OSError as error:  # a full disk, say: what is in memory is worth more
            warnings.warn(
                f"{self._who}: expected to keep the training at {str(self._path)!r}, got {error}; "
                "training goes on, and an older checkpoint stays. Make room there.",
                stacklevel=2,
            )


# ----------------------------------------------------------------------------------------------
# A checkpoint as plain values


def _pack(checkpoint: Checkpoint) -> tuple[dict[str, Any], Arrays]:
    state, arrays = pack_state(checkpoint.state)
    # As arrays, because a loss may be NaN, which JSON has no word for.
    arrays |= {f"history_{name}": np.array(column) for name, column in checkpoint.history.items()}
    arrays |= pack_layers(checkpoint.layers)
    arrays |= pack_layers(checkpoint.best_layers, "best_")
    described = {
        "state": state,
        "history": list(checkpoint.history),
        "has_best": bool(checkpoint.best_layers),
        "best_score": checkpoint.best_score if math.isfinite(checkpoint.best_score) else None,
        "stale_epochs": checkpoint.stale_epochs,
        "learning_rate": checkpoint.learning_rate,
        "stopped": checkpoint.stopped,
        "finished": checkpoint.finished,
    }
    return described, arrays


def _unpack(fields: Fields, arrays: Arrays, spec: NetworkSpec) -> Checkpoint:
    history = {}
    for name in fields.texts("history"):
        column = arrays.pop(f"history_{name}", None)
        if column is None or column.ndim != 1 or column.dtype != np.float64:
            fields.fail("history", "names of columns that are there")
        history[name] = column.tolist()
    has_score = fields.take("best_score") is not None
    has_best = fields.flag("has_best")
    checkpoint = Checkpoint(
        layers=take_layers(spec, arrays, fields),
        state=unpack_state(fields.fields("state"), arrays, spec),
        history=history,
        best_layers=take_layers(spec, arrays, fields, "best_") if has_best else (),
        best_score=fields.number("best_score") if has_score else -math.inf,
        stale_epochs=fields.whole("stale_epochs"),
        learning_rate=fields.number("learning_rate"),
        stopped=fields.flag("stopped"),
        finished=fields.flag("finished"),
    )
    fields.close()
    return checkpoint
