"""How things are kept in files: checked archives, whole files, plain values.

It knows nothing of networks or estimators.
"""

from sk_mnist_mlp._storage.archive import Arrays, read_archive, write_archive
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
from sk_mnist_mlp._storage.streams import read_at_most, read_npy

__all__ = [
    "KERAS_CLASSES",
    "NUMBERS",
    "Arrays",
    "Fields",
    "KerasConfig",
    "NotPlainError",
    "Refuse",
    "check_place",
    "config_of",
    "copy_optimizer",
    "decode_labels",
    "decode_numbers",
    "encode_labels",
    "read_archive",
    "read_at_most",
    "read_npy",
    "replacing",
    "shown",
    "undecayed",
    "with_configs",
    "write_archive",
]
