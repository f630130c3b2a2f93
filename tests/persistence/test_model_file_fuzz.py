"""Model files that were cut, flipped, forged or made to hurt: 8,000 of them, and none does harm.

Each either loads to the same predictions or raises ``ModelFileError`` with one sentence; meanwhile
nothing is executed, imported or written, memory stays small and no case takes long.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import struct
import sys
import time
import tracemalloc
import typing
import zipfile
import zlib

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier, load_model, save_model
from sk_mnist_mlp.exceptions import ModelFileError

SIGNATURE = b"sk_mnist_mlp sha256 "
MAX_BYTES = 16 << 20  # of memory for one case; files here are of a few kilobytes
MAX_SECONDS = 5.0

rng = np.random.default_rng(0)
IMAGES, LABELS = rng.integers(0, 256, (24, 2, 3), dtype=np.uint8), np.arange(24) % 3
MODEL = make_pipeline(
    ImageFlattener(),
    MLPDigitClassifier(hidden_units=(3, 2), epochs=2, warm_start=True, random_state=0),
).fit(IMAGES, np.array(["a", "b", "c"])[LABELS])
EXPECTED = MODEL.predict_proba(IMAGES)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of an undamaged file."""
    path = tmp_path_factory.mktemp("sound") / "model.mlp"
    save_model(MODEL, path)
    load_model(path)  # imports all that loading needs
    return path.read_bytes()


@pytest.fixture
def attempt(tmp_path):
    """Load some bytes as a model file and hold what must hold; says whether they loaded."""
    path = tmp_path / "model.mlp"

    def attempt(contents, *, same=True):
        file.seek(0)
        file.write(contents)
        file.truncate()
        file.flush()
        tracemalloc.start()
        began = time.perf_counter()
        try:
            with watching():
                model = load_model(path)
        except ModelFileError as error:
            sentence = str(error)
            assert sentence.startswith("load_model: expected "), sentence
            assert "\n" not in sentence and len(sentence) < 1000, sentence
            model = None
        assert tracemalloc.get_traced_memory()[1] < MAX_BYTES
        tracemalloc.stop()
        assert time.perf_counter() - began < MAX_SECONDS
        if model is not None and same:
            np.testing.assert_array_equal(model.predict_proba(IMAGES), EXPECTED)
            assert set(model.predict(IMAGES)) <= set(model[-1].classes_)
        return model is not None

    with open(path, "w+b") as file:  # opening it anew for each case would take most of the time
        yield attempt
    tracemalloc.stop()
    assert os.listdir(tmp_path) == ["model.mlp"]


class watching:
    """A context in which this process must neither write, import, compile nor execute."""

    active = False
    seen: typing.ClassVar[list[str]] = []

    def __enter__(self):
        watching.seen.clear()
        watching.active = True

    def __exit__(self, *_):
        watching.active = False
        assert not watching.seen, watching.seen


FORBIDDEN = (
    "compile",
    "ctypes",
    "exec",
    "import",
    "os",
    "pickle",
    "shutil",
    "socket",
    "subprocess",
)


def audit(event, arguments):
    """Note what Python's own audit reports while somebody is watching."""
    if not watching.active:
        return
    forbidden = event.split(".")[0] in FORBIDDEN
    if event == "open" and isinstance(arguments[2], int):
        forbidden = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if forbidden:
        watching.seen.append(f"{event}{arguments}")


sys.addaudithook(audit)


# ----------------------------------------------------------------------------------------------
# Accidents


def test_a_file_cut_at_any_length_is_refused(sound, attempt):
    """None of the lengths but the whole one loads."""
    assert attempt(sound)
    assert not any(attempt(sound[:length]) for length in range(len(sound)))


def test_flipped_bytes_are_noticed_or_harmless(sound, attempt):
    """1,500 files with 1 to 4 bytes changed: most are refused, the rest predict the same."""
    chance = random.Random(1)
    loaded = 0
    for _ in range(1500):
        changed = bytearray(sound)
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            changed[chance.randrange(len(sound))] ^= 1 << chance.randrange(8)
        loaded += attempt(bytes(changed))
    assert loaded < 150


def test_pieces_lost_doubled_and_swapped_are_refused(sound, attempt):
    """600 files with a piece left out, put in twice, overwritten, or with bytes before or after."""
    chance = random.Random(2)
    for _ in range(100):
        start = chance.randrange(len(sound) - 1)
        end = chance.randrange(start + 1, len(sound))
        noise = chance.randbytes(chance.randrange(1, 200))
        for changed in (
            sound[:start] + sound[end:],
            sound[:end] + sound[start:],
            sound[:start] + noise + sound[start:],
            sound[:start] + b"\0" * (end - start) + sound[end:],
            noise + sound,
            sound + noise,
        ):
            if changed != sound:
                attempt(changed)


def test_files_of_noise_are_refused(sound, attempt):
    """300 files of random bytes, half of them with this package's end, are no model files."""
    chance = random.Random(3)
    for _ in range(150):
        noise = chance.randbytes(chance.randrange(3000))
        assert not attempt(noise)
        assert not attempt(noise + sound[-106:])


# ----------------------------------------------------------------------------------------------
# Forgeries: the digests agree with what is forged


def contents_of(sound):
    """The manifest and the other members of a file."""
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()[1:]}
        return json.loads(archive.read("manifest.json")), members


def forge(manifest, members, compression=zipfile.ZIP_STORED, change=None):
    """A file of these contents, with the digests that belong to them."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in [("manifest.json", text), *members]:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            if change:
                change(info)
            archive.writestr(info, data)
        archive.comment = SIGNATURE + hashlib.sha256(text).hexdigest().encode()
    return file.getvalue()


def places(value, place=()):
    """The places of all values in a tree of JSON."""
    yield place
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, child in value.items():
            yield from places(child, (*place, key))


def put(tree, place, value):
    """The tree with another value at a place; an ellipsis takes the place away."""
    tree = json.loads(json.dumps(tree))
    parent = tree
    for key in place[:-1]:
        parent = parent[key]
    if value is Ellipsis:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return tree


ABSURD = [
    *(..., None, True, -1, 0, 7, 2**40, 10**400, 0.5, -1e300, 1e999, "", "x", "\ud800", "../../x"),
    *([], [[]], ["x"], [1, -1], {}, {"x": 1}, {"tuple": [3, 2]}, {"float": "nan"}),
    *({"dict": [[[], 1]]}, {"keras": {"class": "Model", "config": {}}}),
    *({"estimator": {"class": "load_model", "parameters": {}}}, {"random_state": {"words": "00"}}),
    {"array": {"dtype": "object", "values": ["x"]}},
]


def test_absurd_values_anywhere_in_the_manifest_do_no_harm(sound, attempt):
    """Each value of the manifest replaced by 10 of 28 absurd ones, the digests made to agree."""
    manifest, members = contents_of(sound)
    chance, n_cases = random.Random(4), 0
    for place in places(manifest):
        if not place or (place[0] == "arrays" and place[1:2] > (1,)):
            continue  # the arrays after the second are described like the first two
        for value in chance.sample(ABSURD, 10):
            forged = put(manifest, place, value)
            # With another scale, or without the flattener, it is a sound file of another model.
            same = "scale" not in place and place != ("model", "steps", 0)
            attempt(forge(forged, members.items()), same=same)
            n_cases += 1
    assert n_cases > 1000


def test_forged_fields_of_other_meaning_are_refused(sound, attempt):
    """What a reader would misread is refused, one forgery each."""
    manifest, members = contents_of(sound)
    network = ("model", "steps", 1, 1, "network")
    classes = ("model", "steps", 1, 1, "classes")
    for place, value in [
        (("format",), 0),
        (("format",), 2),
        (("kind",), "checkpoint"),
        (("surprise",), 1),
        ((*network, "activation"), "eval"),
        ((*network, "n_classes"), 4),
        ((*network, "n_features"), 5),
        ((*network, "hidden_units"), {"tuple": [3]}),
        ((*network, "hidden_units"), {"tuple": [2**31, 2**31]}),
        ((*network, "dtype"), "float64"),
        ((*classes, "values"), ["a", "b"]),
        ((*classes, "values"), ["a", "b", "c", "d"]),
        ((*classes, "values"), ["a", "c", "b"]),
        ((*classes, "values"), ["a", "a", "b"]),
        ((*classes, "values"), ["a", "b", 3]),
        ((*classes, "width"), 2**40),
        ((*classes, "dtype"), "object_"),
        (("model", "steps", 0, 1, "image_shape"), [2**31, 2**31]),
        (("model", "steps", 0, 1, "image_shape"), [3, 3]),
        (("model", "steps", 0, 1, "parameters", "scale"), -1),
        (("model", "steps", 0, 1, "parameters", "memory"), "x"),
        (("model", "steps", 0, 0), "a__b"),
        (("model", "steps", 0, 0), manifest["model"]["steps"][1][0]),
        (("model", "steps"), manifest["model"]["steps"][::-1]),
        (("model", "steps"), []),
        (("model", "steps", 1, 1, "state", "moments"), 9999),
        (("model", "steps", 1, 1, "state", "moments"), 0),
        (("model", "steps", 1, 1, "requests"), {"predict": True}),
        (("model", "steps", 1, 1, "requests"), {"fit": "not a name"}),
        (("model", "steps", 1, 1, "state", "seeds", "order"), -1),
        (("model", "steps", 1, 1, "state", "moments"), 3),
    ]:
        assert not attempt(forge(put(manifest, place, value), members.items())), (place, value)


def test_forged_arrays_are_refused(sound, attempt):
    """Arrays of other shapes, dtypes, values or places than the manifest and the network say."""
    manifest, members = contents_of(sound)
    name, data = "coefs_0.npy", members["coefs_0.npy"]

    def with_array(array, **fields):
        payload = np.ascontiguousarray(array).tobytes()
        described = {
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "sha256": hashlib.sha256(payload).hexdigest(),
        } | fields
        forged = put(manifest, ("arrays", 0), {"name": "coefs_0"} | described)
        file = io.BytesIO()
        np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=True)
        return forge(forged, {**members, name: file.getvalue()}.items())

    weights = np.frombuffer(data[-72:], "<f4").reshape(6, 3)
    assert attempt(with_array(weights))
    bad = weights.copy()
    for value in (np.nan, np.inf, -np.inf):
        bad[2, 1] = value
        assert not attempt(with_array(bad))
    for array in (
        weights.T,
        weights[:5],
        weights.ravel(),
        weights.astype(np.float64),
        weights.astype(np.int32),
        weights.astype(object),
        np.asfortranarray(weights),
        weights.astype(">f4"),
        weights.astype([("f0", "<f4")]),
        np.zeros((0, 3), np.float32),
    ):
        assert not attempt(with_array(array))
    for shape in ([2**31, 2**31], [2**32, 2**32], [-6, -3], [6, 3, 1], [1] * 9, [18], [0, 3], []):
        assert not attempt(with_array(weights, shape=shape))
    for dtype in ("object", "O", "float16", "complex64", "U9", "void", "<f4"):
        assert not attempt(with_array(weights, dtype=dtype))
    assert not attempt(with_array(weights, sha256="0" * 64))
    for forged in (data[:-1], data + b"\0", data[:64], b"", pickle.dumps(weights)):
        assert not attempt(forge(manifest, {**members, name: forged}.items()))


def test_forged_archives_are_refused(sound, attempt):
    """Names that climb out, doubled, missing, reordered and foreign members, flags and methods."""
    manifest, members = contents_of(sound)
    pairs = list(members.items())
    for name in ("../coefs_0.npy", "/etc/coefs_0.npy", "..\\coefs_0.npy", "C:coefs_0.npy", "\0"):
        assert not attempt(forge(manifest, [(name, pairs[0][1]), *pairs[1:]]))
        for listed in (name, name.removesuffix(".npy")):
            forged = put(manifest, ("arrays", 0, "name"), listed)
            assert not attempt(forge(forged, [(name, pairs[0][1]), *pairs[1:]]))
    assert not attempt(forge(manifest, pairs[1:]))
    assert not attempt(forge(manifest, pairs[::-1]))
    assert not attempt(forge(manifest, [*pairs, ("evil.py", b"raise SystemExit")]))
    with pytest.warns(UserWarning, match="Duplicate name"):
        doubled = forge(manifest, [*pairs, pairs[0]])
    assert not attempt(doubled)
    assert not attempt(forge(manifest, [(name, b"") for name, _ in pairs]))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert not attempt(forge(manifest, pairs, method))
    for attribute, value in (("extra", b"\1\0\4\0evil"), ("comment", b"evil")):
        forged = forge(manifest, pairs, change=lambda i, a=attribute, v=value: setattr(i, a, v))
        assert not attempt(forged)
    assert attempt(forge(manifest, pairs, zipfile.ZIP_DEFLATED))


def test_forged_manifests_are_refused(sound, attempt):
    """What is no JSON, or JSON to choke on: deep, doubled, huge, of other encodings."""
    manifest, members = contents_of(sound)
    text = json.dumps(manifest)
    for forged in (
        b"",
        b"null",
        b"[]",
        b"{",
        b'"model"',
        b"\xff\xfe",
        text.encode("utf-16"),
        text.encode("utf-8-sig"),
        text.replace('"format": 1', '"format": 1, "format": 1').encode(),
        text.replace('"format": 1', '"format": NaN').encode(),
        text.replace('"format": 1', f'"format": {"9" * 100_000}').encode(),
        text.replace('"format": 1', f'"format": {"[" * 15_000 + "]" * 15_000}').encode(),
        text.replace('"format": 1', f'"format": {"[" * 500 + "]" * 500}').encode(),
        b"[" * 100_000,
        b'{"a":' * 5_000,
    ):
        assert not attempt(forge(forged, members.items()))


def test_bombs_are_refused_without_unpacking(sound, attempt):
    """Members that grow a thousandfold, claim what they are not, or are far too many."""
    manifest, members = contents_of(sound)
    pairs = list(members.items())[1:]
    zeros = b"\0" * (64 << 20)
    bomb = forge(manifest, [("coefs_0.npy", zeros), *pairs], zipfile.ZIP_DEFLATED)
    assert not attempt(bomb)
    assert not attempt(forge(json.dumps(manifest).encode() + b" " * len(zeros), pairs))
    shape = [len(zeros) // 4, 1]
    digest = hashlib.sha256(zeros).hexdigest()
    listed = {"name": "coefs_0", "dtype": "float32", "shape": shape, "sha256": digest}
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        forged = put(manifest, ("arrays", 0), listed)
        assert not attempt(forge(forged, [("coefs_0.npy", zeros), *pairs], method))
    many = [(f"m{i}.npy", b"") for i in range(5000)]
    assert not attempt(forge(manifest, many))
    assert not attempt(lying_sizes(manifest, members))


def lying_sizes(manifest, members):
    """A file whose directory claims 4 GB for a member of 200 bytes."""
    contents = bytearray(forge(manifest, members.items(), zipfile.ZIP_DEFLATED))
    place = contents.rindex(b"coefs_0.npy") - 46
    assert contents[place : place + 4] == b"PK\1\2"
    struct.pack_into("<L", contents, place + 24, 2**32 - 2)
    return bytes(contents)


def test_a_stream_longer_than_its_member_is_refused(sound, attempt):
    """A deflated stream that goes on after its stated size is not followed."""
    manifest, members = contents_of(sound)
    contents = bytearray(forge(manifest, members.items(), zipfile.ZIP_DEFLATED))
    place = contents.rindex(b"manifest.json") - 46
    (n_packed,) = struct.unpack_from("<L", contents, place + 20)
    longer = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = longer.compress(b"{" + b" " * 1000) + longer.flush()
    if len(stream) <= n_packed:
        contents[43 : 43 + len(stream)] = stream
    assert not attempt(bytes(contents))
