"""How things are kept in files: checked tensors, whole files and pages, plain values.

It knows nothing of networks or estimators.
"""

from sk_mnist_mlp._storage.atomic import check_place, replacing
from sk_mnist_mlp._storage.checked_json import Fields, Refuse, shown
from sk_mnist_mlp._storage.keras_config import (
    KERAS_CLASSES,
    KerasConfig,
    config_of,
    copy_optimizer,
    undecayed,
    with_configs,
)
from sk_mnist_mlp._storage.labels import (
    NUMBERS,
    NotPlainError,
    decode_labels,
    decode_numbers,
    encode_labels,
)
from sk_mnist_mlp._storage.pages import check_line, read_page_part, render_page
from sk_mnist_mlp._storage.streams import read_at_most, read_npy
from sk_mnist_mlp._storage.tensors_file import (
    KEY,
    Arrays,
    read_manifest_and_tensors,
    read_tensors,
    write_tensors,
)

__all__ = [
    "KERAS_CLASSES",
    "KEY",
    "NUMBERS",
    "Arrays",
    "Fields",
    "KerasConfig",
    "NotPlainError",
    "Refuse",
    "check_line",
    "check_place",
    "config_of",
    "copy_optimizer",
    "decode_labels",
    "decode_numbers",
    "encode_labels",
    "read_at_most",
    "read_manifest_and_tensors",
    "read_npy",
    "read_page_part",
    "read_tensors",
    "render_page",
    "replacing",
    "shown",
    "undecayed",
    "with_configs",
    "write_tensors",
]
