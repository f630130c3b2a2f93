"""How the weights are found: a plan and data in, a fitted network out.

It knows nothing of scikit-learn's estimators. TensorFlow, Keras and scikeras are imported inside
the functions that need them.
"""

from sk_mnist_mlp._training.blas import single_blas_thread
from sk_mnist_mlp._training.checkpoint import CheckpointFile
from sk_mnist_mlp._training.distortions import Distortion, distort, distortion_values
from sk_mnist_mlp._training.engines import (
    ENGINES,
    choose_engine,
    train,
    train_alone,
    train_through,
)
from sk_mnist_mlp._training.identity import fit_identity, identity_of, name_of
from sk_mnist_mlp._training.loop import train_each
from sk_mnist_mlp._training.memory import bytes_needed, check_memory
from sk_mnist_mlp._training.optimizers import OPTIMIZERS, optimizer_spec
from sk_mnist_mlp._training.plan import (
    EarlyStopping,
    EpochObserver,
    Job,
    Training,
    TrainingData,
    TrainingHooks,
    TrainingPlan,
    ValidationData,
)
from sk_mnist_mlp._training.result import FittedNetwork, Seeds, TrainingState
from sk_mnist_mlp._training.schedules import SCHEDULES
from sk_mnist_mlp._training.shared_context import SharedContext
from sk_mnist_mlp._training.shuffling import stratified_holdout
from sk_mnist_mlp._training.stack import structure_alone
from sk_mnist_mlp._training.stored import pack_layers, pack_state, take_layers, unpack_state
from sk_mnist_mlp._training.tensorflow_start import start_tensorflow

__all__ = [
    "ENGINES",
    "OPTIMIZERS",
    "SCHEDULES",
    "CheckpointFile",
    "Distortion",
    "EarlyStopping",
    "EpochObserver",
    "FittedNetwork",
    "Job",
    "Seeds",
    "SharedContext",
    "Training",
    "TrainingData",
    "TrainingHooks",
    "TrainingPlan",
    "TrainingState",
    "ValidationData",
    "bytes_needed",
    "check_memory",
    "choose_engine",
    "distort",
    "distortion_values",
    "fit_identity",
    "identity_of",
    "name_of",
    "optimizer_spec",
    "pack_layers",
    "pack_state",
    "single_blas_thread",
    "start_tensorflow",
    "stratified_holdout",
    "structure_alone",
    "take_layers",
    "train",
    "train_alone",
    "train_each",
    "train_through",
    "unpack_state",
]
