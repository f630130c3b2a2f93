"""``MLPDigitClassifier``: the scikit-learn contract around a network and its training."""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sk_mnist_mlp._estimators.distortion import RandomDistortion
from sk_mnist_mlp._estimators.planning import (
    ValidationRows,
    layer_widths,
    make_data,
    make_hooks,
    make_plan,
)
from sk_mnist_mlp._estimators.rules import (
    CLASSIFIER_RULES,
    COUNT,
    RANDOM_STATE,
    check_parameters,
    named,
)
from sk_mnist_mlp._estimators.sklearn_callbacks import EpochTasks
from sk_mnist_mlp._estimators.sklearn_compat import (
    DOC_LINK_TEMPLATE,
    CallbackSupportMixin,
    check_sample_weight,
    with_callbacks,
)
from sk_mnist_mlp._estimators.tables import check_table, user_level, warn_of_raw_pixels
from sk_mnist_mlp._estimators.targets import check_classes, check_labels, find_classes
from sk_mnist_mlp._network import (
    Layer,
    Layers,
    build_network,
    check_overflow,
    forward,
    log_softmax,
    most_probable,
    sample_probabilities,
    softmax,
)
from sk_mnist_mlp._storage import copy_optimizer, undecayed, with_configs
from sk_mnist_mlp._training import (
    CheckpointFile,
    FittedNetwork,
    Job,
    Seeds,
    check_memory,
    choose_engine,
    identity_of,
    start_tensorflow,
    train,
)
from sk_mnist_mlp.exceptions import InvalidParameterError

if TYPE_CHECKING:
    import keras

__all__ = ["MLPDigitClassifier"]


class MLPDigitClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """A multilayer perceptron for digits, or any table of numbers with labels.

    The defaults are the classic Keras tutorial: two hidden layers of 256 ReLU units with dropout
    0.45, trained by Adam on batches of 128 for 20 epochs; 269,322 weights for MNIST, and about
    98.3 % of its test images put into the right class.

    Parameters
    ----------
    hidden_units : int or sequence of int, default=256
        An int: two hidden layers of that width. A sequence: one width a layer.
    dropout : float, default=0.45
        Fraction of each hidden layer's units dropped at each step of training, in [0, 1)
        (Srivastava et al. 2014).
    activation : str, default="relu"
        Of the hidden layers: ``"elu"``, ``"gelu"``, ``"leaky_relu"``, ``"linear"``, ``"mish"``,
        ``"relu"``, ``"relu6"``, ``"selu"``, ``"sigmoid"``, ``"silu"``, ``"softplus"``,
        ``"softsign"``, ``"swish"`` or ``"tanh"``, as Keras defines them.
    optimizer : str or keras.optimizers.Optimizer, default="adam"
        Name of a Keras optimizer, or an instance, which is copied and never changed. ``"adam"``,
        ``"adamw"``, ``"rmsprop"`` and ``"sgd"``, and instances of them, train in the fast engines.
    learning_rate : float, default=0.001
        Above 0. An optimizer given as an instance brings its own.
    learning_rate_schedule : str, Keras LearningRateSchedule or None, default=None
        How the rate changes from step to step over one call of ``fit``. ``"cosine"``: up in a
        straight line over the first 5 % of the steps, then down half a cosine to zero
        (Loshchilov and Hutter 2017). ``"one_cycle"``: from 1/25 of the rate up over the first
        30 %, then down half a cosine to 1/10,000 (Smith and Topin 2018). A Keras schedule gives
        the rates itself, by the number of steps since the first of all.
    l2 : float, default=0.0
        Weight of the sum of squared kernel entries in the loss, 0 or more.
    label_smoothing : float, default=0.0
        Share of each target spread over all classes, in [0, 1).
    batch_size : int, default=128
        Rows a step, at most.
    epochs : int, default=20
        Passes over the training rows.
    augmentation : RandomDistortion or None, default=None
        How to distort the images of each step, in training only: every image by a distortion of
        its own, drawn anew in every epoch.
    early_stopping : bool, default=False
        Whether to stop when ``monitor`` has not improved by ``tol`` for ``n_iter_no_change``
        epochs, and keep the weights that did best. Rows are held out for that, unless ``fit`` is
        given ``X_val`` and ``y_val``.
    validation_fraction : float, default=0.1
        Share of each class to hold out, in (0, 1). Only with ``early_stopping``.
    monitor : {"val_accuracy", "val_loss"}, default="val_accuracy"
        What early stopping watches on the rows that are not trained on.
    n_iter_no_change : int, default=10
        Epochs without improvement to wait. Only with ``early_stopping``.
    tol : float, default=0.0001
        Rise in accuracy, or fall of the loss, that counts as improvement. Only with
        ``early_stopping``.
    class_weight : dict, "balanced" or None, default=None
        Label to weight; labels not named weigh one. ``"balanced"``: the inverse of frequency.
    warm_start : bool, default=False
        Whether ``fit`` resumes from the last call; anew, with a warning, if that diverged.
    callbacks : callable, keras.callbacks.Callback, list of them or None, default=None
        A function is called as ``function(epoch, logs)`` after each epoch, counted from 0, with
        its ``loss``, ``accuracy`` and so on; a true answer stops the training. Keras's callbacks
        run between epochs, on shallow copies. Weights, learning rate and ``stop_training`` that
        they set count in every engine; the rate that they see is the one that a schedule
        multiplies. A callback that acts on batches makes Keras's own loop train, and a warning
        names it. What callbacks themselves remember is in no checkpoint.
    checkpoint : str, os.PathLike or None, default=None
        Path of a file that keeps the training after every epoch. A later ``fit`` with the same
        data, parameters and path resumes from there, to the same end; delete the file to train
        anew. Takes no part in ``partial_fit``.
    dtype : {"float32", "float64"}, default="float32"
        Of the weights and of the arithmetic.
    engine : {"auto", "numpy", "xla", "keras"}, default="auto"
        What runs the training steps: NumPy, a program compiled by TensorFlow's XLA, or
        ``keras.Model.fit``. ``"auto"`` takes NumPy for small work, XLA for more, and Keras where
        only Keras can train what is asked for.
    random_state : int, RandomState instance or None, default=None
        Decides first weights, row order, dropout, distortions and held-out rows. An int makes
        every ``fit`` the same, bit for bit.
    verbose : int, default=0
        0: silent. 1: a live bar, or lines where nobody watches. 2: one line per epoch.

    Attributes
    ----------
    best_loss_, loss_ : float or None
        The lowest and the last epoch's loss; None where there is no history.
    best_validation_score_ : float or None
        The highest accuracy on the held-out rows; None without early stopping.
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    coefs_, intercepts_ : list of ndarray
        Kernel of shape (n_in, n_out) and bias of each layer.
    engine_ : str
        What trained: ``"numpy"``, ``"xla"`` or ``"keras"``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where X had them.
    history_ : dict of str to list of float
        One value per epoch: ``loss``, ``accuracy`` (both in training, with dropout), and with
        early stopping ``val_loss`` and ``val_accuracy``; NaN for epochs without it.
    loss_curve_ : list of float
        ``history_["loss"]``.
    model_ : keras.Sequential
        The network as a Keras model with softmax output; built when first asked for.
    n_features_in_, n_outputs_ : int
        Columns of X, and classes.
    n_iter_ : int
        Epochs behind the weights, those of earlier warm starts included.
    n_layers_ : int
        Layers, the input's and the output's included.
    out_activation_ : str
        ``"softmax"``.
    validation_scores_ : list of float or None
        ``history_["val_accuracy"]``; None without early stopping.

    See Also
    --------
    sk_mnist_mlp.ImageFlattener : Turns images into the rows this classifier reads.
    sk_mnist_mlp.RandomDistortion : What ``augmentation`` takes.
    sk_mnist_mlp.make_digit_pipeline : Parameters that are known to do well, by one word.
    sklearn.neural_network.MLPClassifier : scikit-learn's own, without dropout.

    Notes
    -----
    Rows of weight zero count as absent. The loss of a batch is its weighted sum divided by the sum
    of its weights.

    References
    ----------
    Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 15. Kingma and Ba (2015), Adam: A method for stochastic optimization, ICLR. Gal and
    Ghahramani (2016), Dropout as a Bayesian approximation, ICML. Loshchilov and Hutter (2017),
    SGDR, ICLR. Smith and Topin (2018), Super-convergence, arXiv:1708.07120.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist_mlp import MLPDigitClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(hidden_units=64, epochs=20, random_state=0).fit(X / 16, y)
    >>> model.score(X / 16, y) > 0.9
    True
    """

    _doc_link_module = "sk_mnist_mlp"
    _doc_link_template = DOC_LINK_TEMPLATE
    _parameter_constraints = CLASSIFIER_RULES | {"augmentation": [None, RandomDistortion]}

    def __init__(
        self,
        *,
        hidden_units: int | Sequence[int] = 256,
        dropout: float = 0.45,
        activation: str = "relu",
        optimizer: Any = "adam",
        learning_rate: float = 0.001,
        learning_rate_schedule: Any = None,
        l2: float = 0.0,
        label_smoothing: float = 0.0,
        batch_size: int = 128,
        epochs: int = 20,
        augmentation: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str = "val_accuracy",
        n_iter_no_change: int = 10,
        tol: float = 0.0001,
        class_weight: Mapping[Any, float] | str | None = None,
        warm_start: bool = False,
        callbacks: Sequence[Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        dtype: str = "float32",
        engine: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_units = hidden_units
        self.dropout = dropout
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.l2 = l2
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.epochs = epochs
        self.augmentation = augmentation
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.dtype = dtype
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------------------------------
    # Training

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers, best in about [0, 1].
        y : array-like of shape (n_samples,)
            Labels of any kind: numbers, strings, booleans; two different ones at least.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            0 or more for each row.
        X_val : array-like of shape (n_val, n_features) or None, default=None
            Rows to measure after each epoch, and never train on, in place of those that
            ``early_stopping`` would hold out. ``history_`` then has ``val_loss`` and
            ``val_accuracy``, with early stopping or without.
        y_val : array-like of shape (n_val,) or None, default=None
            Their labels, all of them among those of ``y``.
        sample_weight_val : array-like of shape (n_val,) or None, default=None
            Their weights.

        Returns
        -------
        self : MLPDigitClassifier
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are wrong; the estimator then stays as it was.

        Warns
        -----
        ConvergenceWarning
            If the loss stops being finite, which ends the training.
        UserWarning
            If ``X`` looks like raw pixels of 0 to 255, which an
            :class:`~sk_mnist_mlp.ImageFlattener` would scale.
        """
        return self._fit(X, y, sample_weight, validation=(X_val, y_val, sample_weight_val))

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train one epoch on these rows, resuming earlier calls.

        Calling it k times on the same rows equals ``fit`` with ``epochs=k``. Early stopping takes
        no part.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in :meth:`fit`.
        y : array-like of shape (n_samples,)
            Labels, all of them among ``classes``.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels there will ever be; needed in the first call.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            As in :meth:`fit`.

        Returns
        -------
        self : MLPDigitClassifier
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are wrong; the estimator then stays as it was.
        """
        return self._fit(X, y, sample_weight, classes, partial=True)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        classes: Any = None,
        *,
        validation: tuple[Any, Any, Any] = (None, None, None),
        partial: bool = False,
    ) -> Self:
        tasks = EpochTasks(self, self._attributes, X, y, sample_weight)
        with self._unchanged_on_error():
            with named(self._who):
                job, engine = self._plan(
                    X, y, sample_weight, classes, validation, tasks, partial=partial
                )
            return self._train(job, engine, tasks, partial=partial)

    @with_callbacks
    def _train(self, job: Job, engine: str, tasks: EpochTasks, *, partial: bool) -> Self:
        if not partial:
            tasks.open(job.plan.epochs)
        fitted = train(job, engine)
        tasks.close(fitted)
        self._adopt(fitted, keeps_state=partial or self.warm_start)
        return self

    def _plan(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        classes: Any,
        validation: tuple[Any, Any, Any],
        tasks: EpochTasks,
        *,
        partial: bool,
    ) -> tuple[Job, str]:
        """What to train and by which engine; every check is made here, before any work."""
        who, parameters = self._who, self._parameters()
        check_parameters(who, parameters, MLPDigitClassifier._parameter_constraints)
        start = self._start() if partial or self.warm_start else None
        if partial:
            classes = check_classes(classes, getattr(self, "classes_", None))
        X = check_table(self, X, self.dtype, reset=start is None)
        y = check_labels(y)
        check_consistent_length(X, y)
        weights = None if sample_weight is None else check_sample_weight(sample_weight, len(X))
        if start is None:
            warn_of_raw_pixels(who, X, are_images=self.augmentation is not None)
        if not partial:
            classes = find_classes(y, weights) if start is None else start.classes

        checkpoint = None
        if self.checkpoint is not None and not partial:
            checkpoint = CheckpointFile(self.checkpoint, who)
        if start is not None:
            seeds = start.state.seeds
        elif checkpoint is not None and checkpoint.seeds is not None and self.random_state is None:
            seeds = checkpoint.seeds
        else:
            seeds = Seeds.draw(check_random_state(self.random_state))
        shape = X.shape[1], len(classes)
        plan = make_plan(who, parameters, *shape, seeds, start=start, partial=partial)
        held_out = self._validation_rows(*validation)
        data = make_data(parameters, plan, X, y, classes, weights, held_out)
        job = Job(plan, data, make_hooks(who, parameters, [tasks]))
        engine = choose_engine(job, self.engine)
        check_memory(job, engine)
        if checkpoint is not None:
            job = checkpoint.attach(job, identity_of(parameters, job, engine))
        return job, engine

    def _validation_rows(self, X_val: Any, y_val: Any, weights: Any) -> ValidationRows | None:
        """What ``fit`` was given to validate with, once it is checked."""
        if X_val is None and y_val is None and weights is None:
            return None
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(
                f"expected X_val and y_val together, got no {missing}. Pass both or neither."
            )
        try:
            X_val, y_val = check_table(self, X_val, self.dtype, reset=False), check_labels(y_val)
            check_consistent_length(X_val, y_val)
            if weights is not None:
                weights = check_sample_weight(weights, len(X_val))
        except (TypeError, ValueError) as error:
            error.args = (
                f"expected X_val, y_val and sample_weight_val to fit X and y, got: {error}",
            )
            raise
        return X_val, y_val, weights

    @property
    def _who(self) -> str:
        """What errors call this estimator."""
        return type(self).__name__

    def _parameters(self) -> dict[str, Any]:
        """The parameters by name; a subclass may fix some, and not list them in its own."""
        return {name: getattr(self, name) for name in MLPDigitClassifier._parameter_constraints}

    def _start(self) -> FittedNetwork | None:
        """What to resume: what was learnt so far, in today's precision, unless it diverged."""
        if not hasattr(self, "coefs_"):
            return None
        learnt = self._fitted()
        if not self._is_finite:
            warnings.warn(
                f"{self._who}: expected finite weights to resume, got those of a training that "
                "diverged; training starts anew. Check learning_rate.",
                stacklevel=user_level(),
            )
            return None
        widths = layer_widths(self.hidden_units)
        if widths != learnt.network.hidden_units:
            raise InvalidParameterError(
                f"expected hidden_units as in the fit to resume, {learnt.network.hidden_units}, "
                f"got {widths}. Set it back, or clone the estimator to start anew."
            )
        return learnt.astype(self.dtype)

    # ------------------------------------------------------------------------------------------
    # What is kept

    def _attributes(self, fitted: FittedNetwork) -> dict[str, Any]:
        """What an estimator made of this network knows."""
        loss = fitted.history.get("loss", [])
        scores = fitted.history.get("val_accuracy")
        return {
            "_is_finite": fitted.is_finite,
            "_network": fitted.network,
            "_state": fitted.state,
            "best_loss_": min(loss, default=None),
            "best_validation_score_": None if scores is None else float(np.nanmax(scores)),
            "classes_": fitted.classes,
            "coefs_": [layer.kernel for layer in fitted.layers],
            "engine_": fitted.engine,
            "history_": fitted.history,
            "intercepts_": [layer.bias for layer in fitted.layers],
            "loss_": loss[-1] if loss else None,
            "loss_curve_": list(loss),
            "n_features_in_": fitted.network.n_features,
            "n_iter_": fitted.state.epoch,
            "n_layers_": len(fitted.layers) + 1,
            "n_outputs_": fitted.network.n_classes,
            "out_activation_": "softmax",
            "validation_scores_": None if scores is None else list(scores),
        }

    def _adopt(self, fitted: FittedNetwork, *, keeps_state: bool) -> None:
        """Become the estimator of a trained network, wherever it was trained."""
        self.__dict__.update(self._attributes(fitted))
        self._keeps_state = keeps_state
        self.__dict__.pop("_keras_model", None)

    def _fitted(self) -> FittedNetwork:
        """The trained network that this estimator is of."""
        return FittedNetwork(
            network=self._network,
            layers=self._layers(),
            classes=self.classes_,
            history=self.history_,
            engine=self.engine_,
            state=self._state,
        )

    def __getattr__(self, name: str) -> Any:
        """Build a Keras object that a file or pickle keeps as plain values, when asked for."""
        recorded = vars(self).get("_recorded", {})
        if name not in recorded:
            # Raises as Python would, or as the property does that led here.
            return super().__getattribute__(name)
        start_tensorflow()
        setattr(self, name, recorded[name].build())
        return vars(self)[name]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_keras_model", None)
        if "_state" in state and not state["_keeps_state"]:
            state["_state"] = replace(state["_state"], moments=())
        return with_configs(state)

    def __sklearn_clone__(self) -> Self:
        cloned: Self = super().__sklearn_clone__()
        # Keras's own copies forget exclude_from_weight_decay.
        if undecayed(self.optimizer):
            cloned.optimizer = copy_optimizer(self.optimizer)
        return cloned

    @contextlib.contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        before = {
            name: copy.copy(value) if isinstance(value, dict) else value
            for name, value in vars(self).items()
        }
        generator = self.random_state
        if isinstance(generator, np.random.RandomState):
            position = generator.get_state()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            if isinstance(generator, np.random.RandomState):
                generator.set_state(position)
            raise

    # ------------------------------------------------------------------------------------------
    # Prediction

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Name the most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in :meth:`fit`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Entries of ``classes_``.
        """
        X = self._check_rows(X)
        winners = most_probable(self._who, X, self._layers(), self._network.activation)
        return self.classes_[winners]

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Give each class's probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in :meth:`fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            Columns in the order of ``classes_``; rows sum to one.
        """
        return softmax(self._logits(X))

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Give the logarithm of each class's probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in :meth:`fit`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), float64
            Finite also where a probability underflows.
        """
        return log_softmax(self._logits(X))

    def predict_proba_samples(
        self, X: ArrayLike, n_samples: int = 50, random_state: Any = None
    ) -> NDArray[Any]:
        """Draw each class's probability again and again, with dropout left on.

        Where the draws of a row disagree, the network is unsure of it; their mean is often better
        calibrated than :meth:`predict_proba` (Gal and Ghahramani 2016). The fraction dropped is
        that of ``fit``; with ``dropout=0`` all draws are the same.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            As in :meth:`fit`.
        n_samples : int, default=50
            Draws, 1 or more.
        random_state : int, RandomState instance or None, default=None
            Decides what is dropped. An int makes every call the same.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_rows, n_classes), float64
            Classes in the order of ``classes_``; sums over them are one.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sk_mnist_mlp import MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> model = MLPDigitClassifier(hidden_units=64, epochs=10, random_state=0).fit(X / 16, y)
        >>> draws = model.predict_proba_samples(X[:3] / 16, n_samples=20, random_state=0)
        >>> draws.shape
        (20, 3, 10)
        >>> unsure = draws.std(axis=0).max(axis=1)  # one number a row
        """
        X = self._check_rows(X)
        given = {"n_samples": n_samples, "random_state": random_state}
        check_parameters(self._who, given, {"n_samples": [COUNT], "random_state": RANDOM_STATE})
        seed = check_random_state(random_state).randint(2**31 - 1)
        samples = sample_probabilities(X, self._network, self._layers(), int(n_samples), seed)
        check_overflow(self._who, samples.max(axis=0))
        return samples

    def _logits(self, X: Any) -> NDArray[Any]:
        logits = forward(self._check_rows(X), self._layers(), self._network.activation)
        return check_overflow(self._who, logits)

    def _layers(self) -> Layers:
        return tuple(map(Layer, self.coefs_, self.intercepts_))

    def _check_rows(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self, "coefs_")
        if not self._is_finite:
            raise ValueError(
                f"{self._who}: expected finite weights, got those of a training that diverged in "
                f"epoch {self.n_iter_}. Fit again with a smaller learning_rate."
            )
        with named(self._who):
            return check_table(self, X, self.coefs_[0].dtype, reset=False)

    @property
    def model_(self) -> keras.Sequential:
        """The network as a ``keras.Sequential`` with softmax output; imports Keras."""
        check_is_fitted(self, "coefs_")
        if "_keras_model" not in vars(self):
            start_tensorflow()
            self._keras_model = build_network(self._network, self._layers())
        return self._keras_model

    def __dir__(self) -> list[str]:
        # scikit-learn's own lists what hasattr finds, and its HTML view reads every attribute that
        # is listed; neither should build a Keras model.
        built = "_keras_model" in vars(self)
        names = (name for name in object.__dir__(self) if built or name != "model_")
        return [name for name in names if hasattr(self, name)]
