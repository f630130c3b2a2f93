"""A fitted flattener as a record."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sk_mnist_mlp._estimators import ImageFlattener, divisor_of, output_container
from sk_mnist_mlp._storage import NUMBERS, Fields, shown
from sk_mnist_mlp.persistence.parameters import (
    check_fitted,
    feature_names,
    pack_parameters,
    set_feature_names,
    unpack_parameters,
)

__all__ = ["pack_flattener", "unpack_flattener"]

_MAX_WIDTH = 2**31
_CONTAINERS = ("default", "pandas", "polars")


def pack_flattener(model: ImageFlattener, who: str) -> dict[str, Any]:
    """Describe a fitted flattener."""
    check_fitted(model, "image_shape_", who)
    # Left out for images, as in the files of versions that did not keep it.
    rows = {"rows": True} if len(model._input_shape) == 1 else {}
    return rows | {
        "class": "ImageFlattener",
        "parameters": pack_parameters(model, who),
        "image_shape": [int(size) for size in model.image_shape_],
        "image_dtype": np.dtype(model.image_dtype_).name,
        "n_features": int(model.n_features_in_),
        "feature_names": feature_names(model),
        "output": output_container(model),
    }


def unpack_flattener(fields: Fields) -> ImageFlattener:
    """Make the flattener that :func:`pack_flattener` described."""
    model = unpack_parameters(fields.fields("parameters"), ImageFlattener)
    shape = fields.wholes("image_shape", 1, _MAX_WIDTH)
    n_features = fields.whole("n_features", 1, _MAX_WIDTH)
    if not 1 <= len(shape) <= 3 or math.prod(shape) != n_features:
        fields.fail("image_shape", f"1 to 3 sizes whose product is {n_features}")
    vars(model).update(
        image_shape_=tuple(shape),
        image_dtype_=np.dtype(fields.text("image_dtype", NUMBERS)),
        n_features_in_=n_features,
        _fitted_on_rows=fields.has("rows") and fields.flag("rows"),
    )
    try:
        divisor_of(model.scale, model.image_dtype_)
    except ValueError:
        fields.refuse("a scale that ImageFlattener takes", shown(model.scale))
    set_feature_names(model, fields)
    if fields.take("output") is not None:
        model.set_output(transform=fields.text("output", _CONTAINERS))
    fields.close()
    return model
