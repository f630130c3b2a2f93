"""MNIST as scikit-learn hands out data sets: embedded, or from the user's own files."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_mnist_mlp._extras import require
from sk_mnist_mlp._storage import read_npy
from sk_mnist_mlp.datasets.idx import open_file, read_idx
from sk_mnist_mlp.exceptions import DataFileError

if TYPE_CHECKING:
    from sklearn.utils import Bunch

_WHO = "load_mnist"
_FEATURE_NAMES = [f"pixel_{row}_{column}" for row in range(28) for column in range(28)]
_SHIPPED_FOLDER = Path(__file__).parent / "data"
# Of the uncompressed contents, as in SHA256SUMS; here a damaged installation cannot lose them.
_SHIPPED_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
# Images and labels of the training part, then of the test part.
_IDX_NAMES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
_NPZ_KEYS = (("x_train", "y_train"), ("x_test", "y_test"))

_verified: set[str] = set()
_verifying = threading.Lock()


class _Part(NamedTuple):
    """One part of the data set, for training or for testing."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_mnist(
    *,
    path: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    return_splits: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load the MNIST handwritten digits; nothing is downloaded.

    The digits are part of the package: 60,000 training images followed by 10,000 test images of
    28 by 28 grey pixels, written by hand and labelled 0 to 9. The files' SHA-256 checksums are
    verified the first time a process reads them. With ``path``, a data set of the same
    form (MNIST itself, Fashion-MNIST, Kuzushiji-MNIST, EMNIST, ...) is read from files instead.

    MNIST is © Yann LeCun and Corinna Cortes, under the licence CC BY-SA 3.0.

    Parameters
    ----------
    path : str or os.PathLike, default=None
        None for the embedded digits. Otherwise a folder holding the four IDX files, gzipped or not,
        named ``train-images-idx3-ubyte`` or ``train-images.idx3-ubyte`` and so on, or the file
        ``mnist.npz`` as Keras stores it, with the arrays ``x_train``, ``y_train``, ``x_test`` and
        ``y_test``. An archive is never unpickled.
    return_X_y : bool, default=False
        Whether to return ``(images, target)`` instead of a Bunch.
    return_splits : bool, default=False
        Whether to return the customary ``(X_train, X_test, y_train, y_test)`` instead of a Bunch.
        These are images and labels already, so ``return_X_y`` then makes no difference.
    as_frame : bool, default=False
        Whether to give the images as a flat pandas DataFrame, one column per pixel, and
        the labels as a pandas Series.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        A dictionary whose entries are attributes as well. All of them are the caller's own.

        data : ndarray of shape (70000, 784), or DataFrame if ``as_frame``
            The flat images, uint8 in 0-255. As an ndarray a view of ``images``, not a copy.
        images : ndarray of shape (70000, 28, 28)
            The images, uint8 in 0-255.
        target : ndarray of shape (70000,), or Series if ``as_frame``
            The labels, int64.
        feature_names : list of 784 str
            ``pixel_0_0`` to ``pixel_27_27``, row first.
        target_names : list of 10 str
            The labels that occur, in ascending order, as text.
        frame : DataFrame of shape (70000, 785), or None
            ``data`` and ``target`` together, if ``as_frame``.
        n_train : int
            60000: the number of leading rows that form the training part.
        DESCR : str
            The description of the data set.

    (images, target) : tuple if ``return_X_y``
        Arrays of shape (70000, 28, 28), uint8 in 0-255, and (70000,), int64. With ``as_frame`` a
        DataFrame of shape (70000, 784) and a Series.

    (X_train, X_test, y_train, y_test) : tuple if ``return_splits``
        Arrays of shape (60000, 28, 28), (10000, 28, 28), (60000,) and (10000,), or flat
        DataFrames and Series, of the same types as above.

    Raises
    ------
    DataFileError
        If a file is truncated, oversized, damaged or foreign, if images are not uint8 of shape
        (n, 28, 28), if labels are not integers of shape (n,), or if their numbers differ.
    OSError
        If a file is missing or may not be read.
    ImportError
        If ``as_frame`` and pandas is not installed.

    See Also
    --------
    load_idx : Any array from any IDX file.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998). "Gradient-based learning applied
       to document recognition." Proceedings of the IEEE, 86(11), 2278-2324.

    Examples
    --------
    >>> from sk_mnist_mlp.datasets import load_mnist
    >>> X_train, X_test, y_train, y_test = load_mnist(return_splits=True)
    >>> X_train.shape, X_test.shape, X_train.dtype
    ((60000, 28, 28), (10000, 28, 28), dtype('uint8'))
    >>> y_train[:8]
    array([5, 0, 4, 1, 9, 2, 1, 3])
    """
    if as_frame:  # refused before seconds of work
        require("pandas", who=_WHO, purpose="for as_frame=True")
    train, test = _read_parts(None if path is None else Path(path))
    if return_splits:
        X_train, y_train = _as_frames(train) if as_frame else train
        X_test, y_test = _as_frames(test) if as_frame else test
        return X_train, X_test, y_train, y_test
    whole = _Part(
        np.concatenate([train.images, test.images]), np.concatenate([train.labels, test.labels])
    )
    if return_X_y:
        return _as_frames(whole) if as_frame else tuple(whole)
    return _as_bunch(whole, len(train.labels), path, as_frame)


def _as_bunch(
    whole: _Part, n_train: int, path: str | os.PathLike[str] | None, as_frame: bool
) -> Bunch:
    # Here and not above: scikit-learn takes a second to import, and brings pandas with it.
    from sklearn.utils import Bunch

    data: Any = _flat(whole.images)
    target: Any = whole.labels
    frame = None
    if as_frame:
        data, target = _as_frames(whole)
        frame = data.assign(target=target)
    if path is None:
        description = (_SHIPPED_FOLDER / "mnist.rst").read_text(encoding="utf-8")
    else:
        description = f"{len(whole.labels)} labelled images of 28x28 pixels, read from {path}."
    return Bunch(
        data=data,
        images=whole.images,
        target=target,
        feature_names=_FEATURE_NAMES.copy(),
        target_names=[str(label) for label in np.unique(whole.labels)],
        frame=frame,
        n_train=n_train,
        DESCR=description,
    )


def _as_frames(part: _Part) -> tuple[Any, Any]:
    """Return the images as a flat DataFrame and the labels as a Series."""
    import pandas as pd

    frame = pd.DataFrame(_flat(part.images), columns=_FEATURE_NAMES)
    return frame, pd.Series(part.labels, name="target")


def _flat(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images.reshape(len(images), 28 * 28)


def _read_parts(path: Path | None) -> tuple[_Part, _Part]:
    """Return the training part and the test part from wherever they are."""
    if path is not None and not path.is_dir():
        return _read_npz(path)

    def read(name: str) -> tuple[NDArray[Any], str]:
        file = None if path is None else _find(path, name)
        return (read_idx(file, who=_WHO) if file else _read_shipped(name)), repr(str(file))

    train, test = (_as_part(*read(images), *read(labels)) for images, labels in _IDX_NAMES)
    return train, test


def _read_shipped(name: str) -> NDArray[Any]:
    """Read an embedded file; the first time, refuse it unless it is what was published."""
    path = _SHIPPED_FOLDER / f"{name}.gz"
    with _verifying:  # so that a second thread waits for the verdict rather than verify again
        if name not in _verified:
            digest = hashlib.sha256()
            cause: Exception | None = None
            try:
                array = read_idx(path, who=_WHO, observe=digest.update)
                found = digest.hexdigest()
            except (DataFileError, FileNotFoundError) as error:
                found, cause = "a broken or missing file", error
            if found != _SHIPPED_SHA256[name]:
                raise DataFileError(
                    f"{_WHO}: expected the embedded file {str(path)!r} to have contents of SHA-256 "
                    f"{_SHIPPED_SHA256[name]}, got {found}. Reinstall sk_mnist_mlp."
                ) from cause
            _verified.add(name)
            return array
    return read_idx(path, who=_WHO)


def _find(folder: Path, name: str) -> Path:
    """Return the path of an IDX file in either spelling, gzipped or not."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, dotted, f"{name}.gz", f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    raise FileNotFoundError(
        errno.ENOENT,
        f"{_WHO}: expected a folder with a file {name} or {dotted}, plain or with .gz behind, got "
        f"one without. Put it there, or give the path of Keras's mnist.npz",
        str(folder),
    )


def _read_npz(path: Path) -> tuple[_Part, _Part]:
    """Read the four arrays of Keras's archive."""
    with open_file(path, who=_WHO, expected="a folder of IDX files or Keras's mnist.npz") as file:
        if not zipfile.is_zipfile(file):
            raise DataFileError(
                f"{_WHO}: expected {str(path)!r} to be a folder of IDX files or Keras's mnist.npz, "
                f"got a file that is no archive. Read a single IDX file with load_idx."
            )
        try:
            with zipfile.ZipFile(file) as archive:

                def read(key: str) -> tuple[NDArray[Any], str]:
                    source = f"{key} of {str(path)!r}"
                    return _read_member(archive, f"{key}.npy", source), source

                train, test = (_as_part(*read(x), *read(y)) for x, y in _NPZ_KEYS)
                return train, test
        except (DataFileError, MemoryError):
            raise
        # Of a damaged archive zipfile, zlib and NumPy's header parser raise a dozen other kinds.
        except Exception as error:
            raise DataFileError(
                f"{_WHO}: expected {str(path)!r} to be a sound archive of NumPy arrays, got a "
                f"damaged one ({str(error) or type(error).__name__}). Copy or download it again."
            ) from error


def _read_member(archive: zipfile.ZipFile, name: str, source: str) -> NDArray[Any]:
    """Read one array of an archive, whose word is not taken for its size."""
    if name not in archive.namelist():
        raise DataFileError(
            f"{_WHO}: expected the array {source}, got an archive of "
            f"{', '.join(archive.namelist()) or 'nothing'}. Give Keras's mnist.npz, or one like it."
        )
    member = archive.getinfo(name)
    # zipfile expands other methods without a bound, and NumPy writes only these.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataFileError(
            f"{_WHO}: expected {source} to be stored or deflated, got compression method "
            f"{member.compress_type}. Write it again with numpy.savez_compressed."
        )
    with archive.open(member) as stream:
        try:
            return read_npy(stream, member.file_size)
        except ValueError as error:
            raise DataFileError(
                f"{_WHO}: expected {source} to be an array of numbers, got {error}. "
                "Give Keras's mnist.npz, or one like it."
            ) from error


def _as_part(
    images: NDArray[Any], images_source: str, labels: NDArray[Any], labels_source: str
) -> _Part:
    """Check that the arrays are images and their labels; a source says where an array was found."""
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataFileError(
            f"{_WHO}: expected {images_source} to hold images, uint8 of shape (n, 28, 28), got "
            f"{images.dtype} of shape {images.shape}. Read arrays of any form with load_idx."
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise DataFileError(
            f"{_WHO}: expected {labels_source} to hold integer labels of shape {images.shape[:1]}, "
            f"one for each image of {images_source}, got {labels.dtype} of shape {labels.shape}. "
            f"Take both files from the same data set."
        )
    return _Part(images, labels.astype(np.int64))
