"""MNIST: whole, as published, offline, each caller's own; and other people's files, with care."""

import contextlib
import gzip
import hashlib
import os
import pickle
import re
import shutil
import socket
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_mnist_mlp import datasets
from sk_mnist_mlp.datasets import load_idx, load_mnist
from sk_mnist_mlp.datasets import mnist as _mnist
from sk_mnist_mlp.exceptions import DataFileError

SHIPPED = Path(datasets.__file__).parent / "data"
TRAIN_CLASS_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]

rng = np.random.default_rng(0)
SMALL = {
    "x_train": rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
    "y_train": np.array([3, 1, 4, 1, 5], dtype=np.uint8),
    "x_test": rng.integers(0, 256, (2, 28, 28), dtype=np.uint8),
    "y_test": np.array([9, 2], dtype=np.uint8),
}
IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


@pytest.fixture(scope="module")
def mnist():
    """Return MNIST as a Bunch; no test may write to it."""
    return load_mnist()


@pytest.fixture(scope="module")
def splits():
    """Return MNIST as its customary four arrays; no test may write to them."""
    return load_mnist(return_splits=True)


def write_idx(path, array):
    """Write an array of uint8 as an IDX file, gzipped if the name ends so."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    contents = head + array.tobytes()
    path.write_bytes(gzip.compress(contents) if path.suffix == ".gz" else contents)


def write_folder(folder, arrays, spelling="{}", dot=False):
    """Write four arrays as a folder of IDX files."""
    for key, array in arrays.items():
        name = IDX_NAMES[key].replace("-idx", ".idx") if dot else IDX_NAMES[key]
        write_idx(folder / spelling.format(name), array)
    return folder


def refusal(path, error=DataFileError):
    """Return the message with which files at this path are refused."""
    with pytest.raises(error) as caught:
        load_mnist(path=path)
    return str(caught.value)


def peak_bytes_of_refusal(path):
    """Return the most memory that refusing this file took at any time."""
    tracemalloc.start()
    try:
        refusal(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_is_small(path):
    """Assert that the files at this path are read as the small data set."""
    X_train, X_test, y_train, y_test = load_mnist(path=path, return_splits=True)
    np.testing.assert_array_equal(X_train, SMALL["x_train"])
    np.testing.assert_array_equal(X_test, SMALL["x_test"])
    np.testing.assert_array_equal(y_train, SMALL["y_train"])
    np.testing.assert_array_equal(y_test, SMALL["y_test"])
    assert (X_train.dtype, y_train.dtype) == (np.uint8, np.int64)


# ---- the embedded digits ---------------------------------------------------------------------


def test_the_bunch_holds_all_of_mnist(mnist):
    """The Bunch has 70,000 uint8 images with int64 labels and the entries scikit-learn's have."""
    assert (mnist.images.shape, mnist.images.dtype) == ((70_000, 28, 28), np.uint8)
    assert (mnist.data.shape, mnist.data.dtype) == ((70_000, 784), np.uint8)
    assert (mnist.target.shape, mnist.target.dtype) == ((70_000,), np.int64)
    assert (mnist.images.min(), mnist.images.max()) == (0, 255)
    assert mnist.target_names == list("0123456789")
    assert mnist.n_train == 60_000
    assert mnist.frame is None


def test_flat_data_is_a_view_of_the_images(mnist):
    """The flat rows and the images share one memory."""
    assert np.shares_memory(mnist.data, mnist.images)
    np.testing.assert_array_equal(mnist.data[0], mnist.images[0].ravel())


def test_the_training_labels_are_distributed_as_published(mnist):
    """The first 60,000 labels count up to the published size of each class."""
    assert np.bincount(mnist.target[: mnist.n_train]).tolist() == TRAIN_CLASS_COUNTS


def test_the_splits_are_the_bunch_in_two(mnist, splits):
    """The customary training part is the first 60,000 rows, the test part the other 10,000."""
    X_train, X_test, y_train, y_test = splits
    assert (X_train.shape, X_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert (X_train.dtype, y_train.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(np.concatenate([X_train, X_test]), mnist.images)
    np.testing.assert_array_equal(np.concatenate([y_train, y_test]), mnist.target)


def test_return_x_y_gives_images_and_labels(mnist):
    """With return_X_y the images and the labels come as a pair."""
    images, target = load_mnist(return_X_y=True)
    np.testing.assert_array_equal(images, mnist.images)
    np.testing.assert_array_equal(target, mnist.target)


def test_splits_are_images_and_labels_already(tmp_path):
    """With return_splits, return_X_y makes no difference."""
    write_folder(tmp_path, SMALL)
    both = load_mnist(path=tmp_path, return_X_y=True, return_splits=True)
    for one, other in zip(both, load_mnist(path=tmp_path, return_splits=True), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_pixels_are_named_as_the_flattener_names_them(mnist):
    """Feature names are row first, and those of ImageFlattener."""
    from sk_mnist_mlp._estimators.flattener import ImageFlattener

    flattener = ImageFlattener().fit(mnist.images[:1])
    assert mnist.feature_names == flattener.get_feature_names_out().tolist()
    assert mnist.feature_names[27:29] == ["pixel_0_27", "pixel_1_0"]


def test_the_description_credits_the_authors(mnist):
    """The description and the folder's README name the authors, the licence and every file."""
    for text in mnist.DESCR, (SHIPPED / "README.md").read_text(encoding="utf-8"):
        assert "© Yann LeCun and Corinna Cortes" in text
        assert "https://creativecommons.org/licenses/by-sa/3.0/" in text
    listed = re.findall(r"^\| `(\S+)`", (SHIPPED / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted([*listed, "README.md"]) == sorted(os.listdir(SHIPPED))


def test_each_caller_gets_arrays_of_their_own(splits):
    """Writing to arrays that were loaded does not change what is loaded next."""
    X_train, _, y_train, _ = load_mnist(return_splits=True)
    X_train[:] = 0
    y_train[:] = 0
    again = load_mnist(return_splits=True)
    np.testing.assert_array_equal(again[0], splits[0])
    np.testing.assert_array_equal(again[2], splits[2])


def test_nothing_is_downloaded(monkeypatch):
    """The digits load where no socket can be opened."""

    def no_socket(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_socket)
    assert len(load_mnist(return_splits=True)) == 4


def test_loading_imports_nothing_heavy():
    """Neither importing the data sets nor loading arrays imports what only others need."""
    code = (
        "import sys; from sk_mnist_mlp.datasets import load_mnist; "
        "load_mnist(return_splits=True); print(sorted({'tensorflow', 'keras', 'scikeras', "
        "'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_these():
    """The folder offers readers of data sets and of pictures, and what they return, and no more."""
    assert datasets.__all__ == [
        "Digit",
        "Shapes",
        "find_shapes",
        "load_idx",
        "load_image",
        "load_mnist",
        "prepare_digit",
        "read_digit",
        "read_digits",
    ]


def test_arguments_have_to_be_named():
    """A bare path or flag is refused: which of the four it means would be a guess."""
    with pytest.raises(TypeError, match="takes 0 positional arguments but 1 was given"):
        load_mnist("mnist.npz")


# ---- checksums -------------------------------------------------------------------------------


@pytest.fixture
def shipped_copy(tmp_path, monkeypatch):
    """Return a copy of the embedded files that is loaded instead, as by a new process."""
    shutil.copytree(SHIPPED, tmp_path / "data")
    monkeypatch.setattr(_mnist, "_SHIPPED_FOLDER", tmp_path / "data")
    monkeypatch.setattr(_mnist, "_verified", set())
    return tmp_path / "data"


@pytest.fixture
def counted_digests(monkeypatch):
    """Return a list that grows by one with every SHA-256 that is begun."""
    begun = []
    sha256 = hashlib.sha256
    monkeypatch.setattr(_mnist.hashlib, "sha256", lambda: begun.append(1) or sha256())
    return begun


def damage_sentence(path, found):
    """Return what is said of an embedded test label file that is not as it was shipped."""
    published = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    return (
        f"load_mnist: expected the embedded file {str(path)!r} to have contents of SHA-256 "
        f"{published}, got {found}. Reinstall sk_mnist_mlp."
    )


def test_the_listed_checksums_are_those_that_are_verified():
    """SHA256SUMS lists each embedded file's contents with the checksum the code holds."""
    lines = (SHIPPED / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    listed = dict(reversed(line.split("  ")) for line in lines)
    assert listed == _mnist._SHIPPED_SHA256
    for name, checksum in listed.items():
        contents = gzip.decompress((SHIPPED / f"{name}.gz").read_bytes())
        assert hashlib.sha256(contents).hexdigest() == checksum


def test_checksums_are_verified_once_per_file_and_process(monkeypatch, counted_digests):
    """Four files mean four checksums, however often and by how many threads they are loaded."""
    monkeypatch.setattr(_mnist, "_verified", set())
    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load_mnist, return_splits=True) for _ in range(3)]
    assert all(len(load.result()) == 4 for load in loads)
    assert len(counted_digests) == 4


def test_an_altered_embedded_file_is_refused_each_time(shipped_copy):
    """Sound gzip with one label changed is still found out, and found out again."""
    path = shipped_copy / "t10k-labels-idx1-ubyte.gz"
    contents = bytearray(gzip.decompress(path.read_bytes()))
    contents[100] ^= 1
    path.write_bytes(gzip.compress(contents))
    expected = damage_sentence(path, hashlib.sha256(contents).hexdigest())
    assert refusal(None) == expected
    assert refusal(None) == expected


@pytest.mark.parametrize("kind", ["truncated", "missing"])
def test_a_broken_or_missing_embedded_file_asks_for_a_new_installation(shipped_copy, kind):
    """An embedded file that cannot be read is named, with the way to get it back."""
    path = shipped_copy / "t10k-labels-idx1-ubyte.gz"
    if kind == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100])
    assert refusal(None) == damage_sentence(path, "a broken or missing file")


# ---- data frames -----------------------------------------------------------------------------


def test_as_frame_gives_flat_frames(tmp_path):
    """With as_frame the Bunch holds a DataFrame of pixels, a Series of labels, and both in one."""
    pd = pytest.importorskip("pandas")
    arrays = load_mnist(path=write_folder(tmp_path, SMALL))
    bunch = load_mnist(path=tmp_path, as_frame=True)
    pd.testing.assert_frame_equal(
        bunch.data, pd.DataFrame(arrays.data, columns=arrays.feature_names)
    )
    pd.testing.assert_series_equal(bunch.target, pd.Series(arrays.target, name="target"))
    pd.testing.assert_frame_equal(bunch.frame, bunch.data.assign(target=bunch.target))
    assert (bunch.data.dtypes == np.uint8).all()


def test_as_frame_goes_with_pairs_and_splits(tmp_path):
    """With as_frame the pair and the splits are the same frames, whole and in parts."""
    pd = pytest.importorskip("pandas")
    bunch = load_mnist(path=write_folder(tmp_path, SMALL), as_frame=True)
    X, y = load_mnist(path=tmp_path, as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)
    X_train, X_test, y_train, y_test = load_mnist(path=tmp_path, as_frame=True, return_splits=True)
    pd.testing.assert_frame_equal(pd.concat([X_train, X_test], ignore_index=True), X)
    pd.testing.assert_series_equal(pd.concat([y_train, y_test], ignore_index=True), y)


def test_as_frame_without_pandas_says_what_to_install(monkeypatch):
    """Where pandas is missing, as_frame says so in one sentence."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError) as caught:
        load_mnist(as_frame=True)
    assert str(caught.value) == (
        "load_mnist: expected the package pandas for as_frame=True, got none. "
        f'Install it: {sys.executable} -m pip install "pandas>=2.2"'
    )


# ---- other people's folders ------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["{}", "{}.gz"])
@pytest.mark.parametrize("dot", [False, True])
def test_a_folder_is_read_in_either_spelling(tmp_path, spelling, dot):
    """Files are found with a dash or a dot in their names, gzipped or not."""
    assert_is_small(write_folder(tmp_path, SMALL, spelling, dot))
    assert_is_small(str(tmp_path))


def test_the_embedded_folder_is_read_like_any_other(splits):
    """The package's own data folder, given as a path, is the same data set."""
    for own, shipped in zip(load_mnist(path=SHIPPED, return_splits=True), splits, strict=True):
        np.testing.assert_array_equal(own, shipped)


def test_a_bunch_from_a_folder_describes_that_folder(tmp_path):
    """Names of classes, sizes and description are those of the files, not those of MNIST."""
    bunch = load_mnist(path=write_folder(tmp_path, SMALL))
    assert bunch.target_names == ["1", "2", "3", "4", "5", "9"]
    assert (bunch.n_train, len(bunch.target)) == (5, 7)
    description = bunch.DESCR
    assert description == f"7 labelled images of 28x28 pixels, read from {tmp_path}."


def test_a_missing_file_is_named_in_both_spellings(tmp_path):
    """A folder that lacks a file raises FileNotFoundError with the names that were looked for."""
    (write_folder(tmp_path, SMALL) / IDX_NAMES["y_test"]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(path=tmp_path)
    assert caught.value.filename == str(tmp_path)
    assert caught.value.strerror == (
        "load_mnist: expected a folder with a file t10k-labels-idx1-ubyte or "
        "t10k-labels.idx1-ubyte, plain or with .gz behind, got one without. Put it there, or give "
        "the path of Keras's mnist.npz"
    )


def test_a_path_to_nothing_stays_a_file_not_found_error(tmp_path):
    """A path where nothing lies raises Python's own error with a clear sentence."""
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(path=tmp_path / "nowhere")
    assert caught.value.strerror == (
        "load_mnist: expected a folder of IDX files or Keras's mnist.npz, got nothing. "
        "Check the path"
    )


def test_a_damaged_file_of_a_folder_is_named(tmp_path):
    """A truncated file among the four is refused by load_mnist with the file's own path."""
    path = write_folder(tmp_path, SMALL) / IDX_NAMES["x_test"]
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(tmp_path) == (
        f"load_mnist: expected {str(path)!r} to hold 1584 bytes, as its header promises for uint8 "
        f"of shape (2, 28, 28), got 1583 bytes. Copy or download it again."
    )


UNFIT_IMAGES = {
    "of another size": np.zeros((5, 27, 28), np.uint8),
    "flat": np.zeros((5, 784), np.uint8),
    "labels": np.zeros(5, np.uint8),
}
UNFIT_LABELS = {
    "too few": np.zeros(4, np.uint8),
    "too many": np.zeros(6, np.uint8),
    "images": np.zeros((5, 28, 28), np.uint8),
}


def images_sentence(source, array):
    """Return what is said of images that are none."""
    return (
        f"load_mnist: expected {source} to hold images, uint8 of shape (n, 28, 28), got "
        f"{array.dtype} of shape {array.shape}. Read arrays of any form with load_idx."
    )


def labels_sentence(source, images_source, array):
    """Return what is said of labels that do not fit five images."""
    return (
        f"load_mnist: expected {source} to hold integer labels of shape (5,), one for each image "
        f"of {images_source}, got {array.dtype} of shape {array.shape}. Take both files from the "
        f"same data set."
    )


@pytest.mark.parametrize("kind", UNFIT_IMAGES)
def test_arrays_that_are_no_images_are_refused(tmp_path, kind):
    """Images of another form are refused by name, in a folder and in an archive."""
    array = UNFIT_IMAGES[kind]
    arrays = {**SMALL, "x_train": array}
    source = repr(str(tmp_path / IDX_NAMES["x_train"]))
    assert refusal(write_folder(tmp_path, arrays)) == images_sentence(source, array)
    path = tmp_path / "mnist.npz"
    np.savez(path, **arrays)
    assert refusal(path) == images_sentence(f"x_train of {str(path)!r}", array)


@pytest.mark.parametrize("kind", UNFIT_LABELS)
def test_labels_that_do_not_fit_the_images_are_refused(tmp_path, kind):
    """Labels that do not pair with the images are refused by name, in a folder or an archive."""
    array = UNFIT_LABELS[kind]
    arrays = {**SMALL, "y_train": array}
    images, labels = (repr(str(tmp_path / IDX_NAMES[key])) for key in ("x_train", "y_train"))
    assert refusal(write_folder(tmp_path, arrays)) == labels_sentence(labels, images, array)
    path = tmp_path / "mnist.npz"
    np.savez(path, **arrays)
    images, labels = (f"{key} of {str(path)!r}" for key in ("x_train", "y_train"))
    assert refusal(path) == labels_sentence(labels, images, array)


# ---- Keras's archive -------------------------------------------------------------------------


def npy_header(shape, descr="|u1"):
    """Return the header of a .npy file."""
    buffer = BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


def npy_bytes(array, **options):
    """Return the contents of a .npy file."""
    buffer = BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def write_archive(path, x_train, *, declared_size=None, compression=zipfile.ZIP_DEFLATED):
    """Write an archive whose x_train has these contents and perhaps lies about their size."""
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive:
        for key, array in SMALL.items():
            contents = x_train if key == "x_train" else npy_bytes(array)
            archive.writestr(f"{key}.npy", contents)
        if declared_size is not None:
            archive.getinfo("x_train.npy").file_size = declared_size
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_is_read(tmp_path, save):
    """An archive as Keras keeps it is read, compressed or not."""
    save(tmp_path / "mnist.npz", **SMALL)
    assert_is_small(tmp_path / "mnist.npz")


def test_an_archive_of_other_layouts_is_read(tmp_path):
    """Column-major images, big-endian labels and the longer kind of header change nothing."""
    path = tmp_path / "mnist.npz"
    arrays = {key: npy_bytes(array, version=(2, 0)) for key, array in SMALL.items()}
    arrays["x_train"] = npy_bytes(np.asfortranarray(SMALL["x_train"]))
    arrays["y_train"] = npy_bytes(SMALL["y_train"].astype(">i4"))
    with zipfile.ZipFile(path, "w") as archive:
        for key, contents in arrays.items():
            archive.writestr(f"{key}.npy", contents)
    assert_is_small(path)
    bunch = load_mnist(path=path)
    assert np.shares_memory(bunch.data, bunch.images)


class Explosive:
    """An object that leaves a trace when it is unpickled."""

    trace: Path

    def __reduce__(self):
        """Have the unpickler make a folder."""
        return os.mkdir, (str(self.trace),)


def test_an_archive_is_never_unpickled(tmp_path):
    """Arrays of objects are refused by their header; the pickle in them is not run."""
    Explosive.trace = tmp_path / "trace"
    path = tmp_path / "mnist.npz"
    np.savez(path, **{**SMALL, "x_train": np.array([Explosive()], dtype=object)})
    size = zipfile.ZipFile(path).getinfo("x_train.npy").file_size
    assert refusal(path) == (
        f"load_mnist: expected x_train of {str(path)!r} to be an array of numbers, got a header "
        f"for object of shape (1,) in {size} bytes. Give Keras's mnist.npz, or one like it."
    )
    assert not Explosive.trace.exists()
    pickle.loads(pickle.dumps(Explosive()))
    assert Explosive.trace.exists()


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    """A single IDX file is no data set, and the error says what reads it."""
    path = tmp_path / "train-labels-idx1-ubyte"
    write_idx(path, SMALL["y_train"])
    assert refusal(path) == (
        f"load_mnist: expected {str(path)!r} to be a folder of IDX files or Keras's mnist.npz, got "
        f"a file that is no archive. Read a single IDX file with load_idx."
    )
    np.testing.assert_array_equal(load_idx(path), SMALL["y_train"])


def test_an_archive_without_a_key_is_refused(tmp_path):
    """A missing array is named, next to those that are there."""
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=SMALL["x_train"], labels=SMALL["y_train"])
    assert refusal(path) == (
        f"load_mnist: expected the array y_train of {str(path)!r}, got an archive of x_train.npy, "
        f"labels.npy. Give Keras's mnist.npz, or one like it."
    )


def test_images_of_floats_are_refused(tmp_path):
    """Images already scaled to 0-1 are not what the loader promises, and are refused."""
    path = tmp_path / "mnist.npz"
    np.savez(path, **{**SMALL, "x_train": SMALL["x_train"] / 255})
    assert "got float64 of shape (5, 28, 28)." in refusal(path)


def test_an_unusual_compression_is_refused(tmp_path):
    """A method that zipfile expands without a bound is refused before it is read."""
    path = tmp_path / "mnist.npz"
    write_archive(path, npy_bytes(SMALL["x_train"]), compression=zipfile.ZIP_BZIP2)
    assert refusal(path) == (
        f"load_mnist: expected x_train of {str(path)!r} to be stored or deflated, got compression "
        f"method 12. Write it again with numpy.savez_compressed."
    )


HUGE = (10**9, 28, 28)


@pytest.mark.parametrize("declared_size", [None, len(npy_header(HUGE)) + 784 * 10**9])
def test_lying_headers_allocate_nothing_on_their_word(tmp_path, declared_size):
    """Memory is bounded by what an archive holds, even if header and archive lie alike."""
    path = write_archive(
        tmp_path / "mnist.npz", npy_header(HUGE) + bytes(99), declared_size=declared_size
    )
    assert peak_bytes_of_refusal(path) < 3 << 20


def test_an_archive_that_is_a_bomb_does_not_go_off(tmp_path):
    """Memory is bounded by the size an archive admits to, whatever its contents expand to."""
    head = npy_header((5, 28, 28))
    path = write_archive(
        tmp_path / "mnist.npz", head + bytes(64 << 20), declared_size=len(head) + 5 * 784
    )
    assert peak_bytes_of_refusal(path) < 3 << 20


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\x93NUMPY\x03\x00",
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 0xFFFF,
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b"-" * 9000,
        b"\x93NUMPY\x01\x00\x10\x27" + b"-" * 9999 + b"1",
        b"\x93NUMPY\x01\x00\xf0\x01" + b"-" * 495 + b"1",
        b"\x93NUMPY\x01\x00\xf0\x01" + b"(" * 496,
        npy_header((-5, -28, 28)) + bytes(5 * 784),
        npy_header((5, 28, 28), descr="V2147483647"),
    ],
)
def test_hostile_npy_headers_are_refused(tmp_path, contents):
    """Headers made to confuse NumPy's parser are refused with the archive's name."""
    path = write_archive(tmp_path / "mnist.npz", contents)
    assert repr(str(path)) in refusal(path)


def test_a_damaged_archive_says_what_is_wrong_with_it(tmp_path):
    """Contents that do not match the archive's own checksum are refused with its reason."""
    path = tmp_path / "mnist.npz"
    np.savez(path, **SMALL)
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 1
    path.write_bytes(damaged)
    assert refusal(path) == (
        f"load_mnist: expected {str(path)!r} to be a sound archive of NumPy arrays, got a damaged "
        f"one (Bad CRC-32 for file 'x_train.npy'). Copy or download it again."
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Return the contents of a small archive and a path to write variants of it to."""
    path = tmp_path_factory.mktemp("npz") / "mnist.npz"
    np.savez_compressed(path, **{key: array * 0 for key, array in SMALL.items()})
    return path.read_bytes(), path


@given(data=st.data())
def test_a_damaged_archive_is_harmless_or_refused(archive, data):
    """A byte changed or an end cut off anywhere in an archive never changes data unnoticed."""
    contents, path = archive
    damaged = bytearray(contents)
    damaged[data.draw(st.integers(0, len(contents) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged[: data.draw(st.integers(1, len(contents)))])
    with contextlib.suppress(DataFileError):
        bunch = load_mnist(path=path)
        assert (bunch.images.shape, bunch.images.any()) == ((7, 28, 28), False)
