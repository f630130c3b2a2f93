"""Model files that were cut, flipped, forged or made to hurt: 13,000 of them, and none does harm.

Each either loads to the same predictions or raises ``ModelFileError`` with one sentence; meanwhile
nothing is executed, imported or written, memory stays small and no case takes long.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
import tracemalloc
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier, load_model, save_model
from sk_mnist_mlp.exceptions import ModelFileError

MAX_BYTES = 16 << 20  # of memory for one case; files here are of a few kilobytes
MAX_SECONDS = 5.0
ZEROS = "0" * 64
METADATA = "__metadata__"

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


@pytest.fixture(scope="module")
def attempt(tmp_path_factory):
    """Load some bytes as a model file and hold what must hold; says whether they loaded."""
    path = tmp_path_factory.mktemp("attempts") / "model.mlp"

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
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < MAX_BYTES
        assert time.perf_counter() - began < MAX_SECONDS
        if model is not None and same:
            np.testing.assert_array_equal(model.predict_proba(IMAGES), EXPECTED)
            assert set(model.predict(IMAGES)) <= set(model[-1].classes_)
        return model is not None

    with open(path, "w+b") as file:  # opening it anew for each case would take most of the time
        yield attempt
    assert os.listdir(path.parent) == ["model.mlp"]


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


def test_one_flipped_bit_anywhere_is_noticed(sound, attempt):
    """A flipped bit in any byte of the file is refused."""
    chance = random.Random(1)
    for place in range(len(sound)):
        changed = bytearray(sound)
        changed[place] ^= 1 << chance.randrange(8)
        assert not attempt(bytes(changed)), place


@settings(deadline=None, max_examples=1000)
@given(data=st.data())
def test_changed_bytes_are_noticed(sound, attempt, data):
    """Up to eight changed bytes, wherever they lie, are refused."""
    changed = bytearray(sound)
    places = st.integers(0, len(sound) - 1)
    for place in data.draw(st.sets(places, min_size=1, max_size=8)):
        changed[place] ^= data.draw(st.integers(1, 255))
    assert not attempt(bytes(changed))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_pieces_lost_doubled_and_swapped_are_refused(sound, attempt, data):
    """Files with a piece left out, put in twice, overwritten, or with bytes before or after."""
    start = data.draw(st.integers(0, len(sound) - 1))
    end = data.draw(st.integers(start + 1, len(sound)))
    noise = data.draw(st.binary(min_size=1, max_size=200))
    for changed in (
        sound[:start] + sound[end:],
        sound[:end] + sound[start:],
        sound[:start] + noise + sound[start:],
        sound[:start] + b"\0" * (end - start) + sound[end:],
        noise + sound,
        sound + noise,
    ):
        if changed != sound:
            assert not attempt(changed)


@settings(deadline=None, max_examples=150)
@given(noise=st.binary(max_size=3000))
def test_files_of_noise_are_refused(sound, attempt, noise):
    """Random bytes, by themselves or after the beginning of a model file, are no model files."""
    assert not attempt(noise)
    assert not attempt(sound[: 8 + len(noise) % 200] + noise)


# ----------------------------------------------------------------------------------------------
# Forgeries: the digest agrees with what is forged


def contents_of(sound):
    """The manifest, what the header says of the tensors, and their bytes."""
    n_header = int.from_bytes(sound[:8], "little")
    header = json.loads(sound[8 : 8 + n_header])
    manifest = json.loads(header.pop(METADATA)["sk_mnist_mlp"])
    return manifest | {"sha256": ZEROS}, header, sound[8 + n_header :]


def forge(manifest, tensors, data, n_header=None):
    """A file of these contents, with the digest that belongs to them."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return forge_header(json.dumps({METADATA: {"sk_mnist_mlp": text}, **tensors}), data, n_header)


def forge_header(header, data, n_header=None):
    """A file with this header, whose length may be told wrongly."""
    header = header.encode() if isinstance(header, str) else header
    n_header = len(header) if n_header is None else n_header
    contents = n_header.to_bytes(8, "little") + header + data
    digest = hashlib.sha256(contents).hexdigest()
    return contents.replace(ZEROS.encode(), digest.encode(), 1)


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
    *({"dict": [[[], 1]]}, {"keras": {"class": "Model", "arguments": {}}}),
    *({"distortion": {"path": "x"}}, {"random_state": {"dict": [["state", 0]]}}),
    {"array": {"dtype": "object", "values": ["x"]}},
]


def test_absurd_values_anywhere_in_the_manifest_do_no_harm(sound, attempt):
    """Each value of the manifest replaced by 12 of 28 absurd ones, the digest made to agree."""
    manifest, *rest = contents_of(sound)
    chance, n_cases = random.Random(4), 0
    for place in places(manifest):
        for value in chance.sample(ABSURD, 12) if place else ():
            # With another scale, or without the flattener, it is a sound file of another model.
            same = "scale" not in place and place != ("model", "steps", 0)
            attempt(forge(put(manifest, place, value), *rest), same=same)
            n_cases += 1
    assert n_cases > 1000


def test_forged_fields_of_other_meaning_are_refused(sound, attempt):
    """What a reader would misread is refused, one forgery each."""
    manifest, *rest = contents_of(sound)
    network = ("model", "steps", 1, 1, "network")
    classes = ("model", "steps", 1, 1, "classes")
    for place, value in [
        (("format",), 0),
        (("format",), 2),
        (("kind",), "checkpoint"),
        (("surprise",), 1),
        (("sha256",), "1" * 64),
        (("sha256",), ZEROS[1:]),
        (("sha256",), ""),
        (("sha256",), "\ud800" * 64),
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
        (("model", "steps", 1, 1, "parameters", "callbacks"), None),
        (("model", "steps", 1, 1, "parameters", "checkpoint"), "/etc/passwd"),
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
        assert not attempt(forge(put(manifest, place, value), *rest)), (place, value)


def test_forged_tensors_are_refused(sound, attempt):
    """Tensors of other shapes, types, values or places than the network says."""
    manifest, tensors, data = contents_of(sound)
    start, end = tensors["coefs_0"]["data_offsets"]

    def with_tensor(payload=data[start:end], name="coefs_0", **changes):
        """The file with another first kernel, the other tensors moved to where they fit."""
        moved = {}
        for other, described in tensors.items():
            offsets = [at + len(payload) - end + start for at in described["data_offsets"]]
            moved[other] = described | {"data_offsets": offsets}
            if described["data_offsets"][0] < start:
                moved[other] = described
        first = {"dtype": "F32", "shape": [6, 3], "data_offsets": [start, start + len(payload)]}
        del moved["coefs_0"]
        forged = {name: first | changes} | moved
        return forge(manifest, forged, data[:start] + payload + data[end:])

    weights = np.frombuffer(data[start:end], "<f4").reshape(6, 3)
    assert attempt(with_tensor())
    bad = weights.copy()
    for value in (np.nan, np.inf, -np.inf):
        bad[2, 1] = value
        assert not attempt(with_tensor(bad.tobytes()))
    for dtype, payload in [
        ("F64", weights.astype(np.float64)),
        ("I32", weights.astype(np.int32)),
        ("F16", weights.astype(np.float16)),
        ("C64", weights.astype(np.complex64)),
        ("BOOL", np.full((6, 3), 7, np.uint8)),
        ("BF16", weights.astype(np.float16)),
        ("F8_E5M2", weights.astype(np.uint8)),
        ("F4", weights.astype(np.uint8)[:3]),
    ]:
        assert not attempt(with_tensor(payload.tobytes(), dtype=dtype))
    for shape in (
        *([3, 6], [18], [5, 3], [6, 3, 1], [6, 3] + [1] * 100, [0, 3], [], [18, 1, 0]),
        *([2**31, 2**31], [2**32, 2**32], [2**62, 4], [2**70], [-6, -3], [6.0, 3], ["6", 3], 18),
    ):
        assert not attempt(with_tensor(shape=shape)), shape
    for dtype in ("object", "O", "float32", "U9", "<f4", None, 4, ["F32"]):
        assert not attempt(with_tensor(dtype=dtype))
    for name in ("../coefs_0", "coefs_00", "", "x\0y", "moments_99", METADATA):
        assert not attempt(with_tensor(name=name)), name
    for payload in (data[start:end][:-1], data[start:end] + b"\0", b""):
        assert not attempt(with_tensor(payload))
    assert not attempt(with_tensor(weights[:5].tobytes(), shape=[5, 3]))


def test_forged_places_are_refused(sound, attempt):
    """Tensors that overlap, leave gaps, lie outside the file, are missing, doubled or too many."""
    manifest, tensors, data = contents_of(sound)
    assert attempt(forge(manifest, tensors, data))
    assert attempt(forge(manifest, dict(reversed(tensors.items())), data))
    start, end = tensors["coefs_0"]["data_offsets"]
    for offsets in (
        *([start + 4, end + 4], [start, end - 4], [start, end + 4], [end, start], [end, end]),
        *([start], [start, end, end], [], None, [float(start), end], [str(start), end]),
        *([-72, 0], [2**64 - 72, 2**64], [2**63, 2**63 + 72], [len(data), len(data) + 72]),
    ):
        forged = tensors | {"coefs_0": tensors["coefs_0"] | {"data_offsets": offsets}}
        assert not attempt(forge(manifest, forged, data)), offsets
    for name in tensors:
        assert not attempt(forge(manifest, {n: t for n, t in tensors.items() if n != name}, data))
    assert not attempt(forge(manifest, tensors | {"evil": tensors["coefs_0"]}, data))
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]}
    assert not attempt(forge(manifest, tensors | {"evil": empty}, data))
    many = {f"evil_{number}": empty for number in range(20_000)}
    assert not attempt(forge(manifest, tensors | many, data))
    assert not attempt(forge(manifest, {}, b""))
    for extra in (b"\0", b"evil" * 100):
        assert not attempt(forge(manifest, tensors, data + extra))
        assert not attempt(forge(manifest, tensors, extra + data))


def test_forged_headers_are_refused(sound, attempt):
    """Headers of false length or encoding, that name things twice, or have no manifest."""
    manifest, tensors, data = contents_of(sound)
    header = json.dumps({METADATA: {"sk_mnist_mlp": json.dumps(manifest)}, **tensors})
    assert attempt(forge_header(header, data))
    assert attempt(forge_header(header + " " * 99, data))
    for length in (0, 1, len(header) - 1, len(header) + 1, 2**24, 2**25, 2**40, 2**63, 2**64 - 1):
        assert not attempt(forge_header(header, data, length)), length
    first = json.dumps(tensors["coefs_0"])
    twice = [
        header.replace('"coefs_0":', f'"coefs_0": {first}, "coefs_0":'),
        header.replace(f'"{METADATA}":', f'"{METADATA}": {{}}, "{METADATA}":'),
        header.replace('"sk_mnist_mlp":', '"sk_mnist_mlp": "", "sk_mnist_mlp":', 1),
        header.replace('"dtype": "F32"', '"dtype": "F64", "dtype": "F32"', 1),
    ]
    others = [json.dumps({METADATA: metadata, **tensors}) for metadata in (None, {}, [], "x", 1)]
    others += [json.dumps({METADATA: {"sk_mnist_mlp": value}}) for value in (None, 1, [], manifest)]
    for forged in (
        *twice,
        *others,
        json.dumps(tensors),
        "",
        "null",
        "[]",
        "{",
        header + "\0",
        "\ufeff" + header,
        header.encode("utf-16"),
        header.encode() + b"\xff",
        header.replace('"F32"', "NaN"),
        header.replace('"shape": [6, 3]', f'"shape": [{"9" * 100_000}]'),
        "[" * 100_000,
        '{"a":' * 5_000,
        " " * (1 << 20),
    ):
        assert not attempt(forge_header(forged, data)), forged[:100]


def test_forged_manifests_are_refused(sound, attempt):
    """What is no JSON, or JSON to choke on: deep, doubled, huge."""
    manifest, *rest = contents_of(sound)
    text = json.dumps(manifest)
    for forged in (
        "",
        "null",
        "[]",
        "{",
        '"model"',
        "\ufeff" + text,
        text.replace('"format": 1', '"format": 1, "format": 1'),
        text.replace('"format": 1', '"format": NaN'),
        text.replace('"format": 1', f'"format": {"9" * 100_000}'),
        text.replace('"format": 1', f'"format": {"[" * 15_000 + "]" * 15_000}'),
        text.replace('"format": 1', f'"format": {"[" * 500 + "]" * 500}'),
        text.replace('"scale": "auto"', f'"scale": {"[" * 900 + "]" * 900}'),
        text.replace('"scale": "auto"', f'"scale": {"[" * 400 + "]" * 400}'),
        "[" * 100_000,
        '{"a":' * 5_000,
    ):
        assert forged != text
        assert not attempt(forge(forged, *rest)), forged[:100]


NUMBERS = st.integers(-5, 300) | st.sampled_from([2**31, 2**32, 2**53, 2**63, 2**64])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
TENSORS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F64", "F16", "BF16", "I64", "U8", "BOOL"]),
        "shape": st.lists(NUMBERS, max_size=3) | JSON,
        "data_offsets": st.lists(NUMBERS, min_size=2, max_size=2) | JSON,
    }
)


@settings(deadline=None, max_examples=1000)
@given(data=st.data())
def test_any_description_of_a_tensor_does_no_harm(sound, attempt, data):
    """One or two tensors described by anything, the digest made to agree."""
    manifest, tensors, payload = contents_of(sound)
    for name in data.draw(st.sets(st.sampled_from([*tensors, "x"]), min_size=1, max_size=2)):
        tensors = tensors | {name: data.draw(TENSORS | JSON)}
    attempt(forge(manifest, tensors, payload), same=False)


@settings(deadline=None, max_examples=1000)
@given(data=st.data())
def test_any_value_in_the_manifest_does_no_harm(sound, attempt, data):
    """Anything that JSON can say, anywhere in the manifest, the digest made to agree."""
    manifest, *rest = contents_of(sound)
    place = data.draw(st.sampled_from(list(places(manifest))[1:]))
    attempt(forge(put(manifest, place, data.draw(JSON)), *rest), same=False)


MEMORY = """
import os, resource, sys
from sk_mnist_mlp import load_model
from sk_mnist_mlp.exceptions import ModelFileError
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
sound, *bombs = sys.argv[1:]
load_model(sound)
before = peak()
for path in bombs:
    try:
        load_model(path)
    except ModelFileError:
        pass
    else:
        raise AssertionError(path)
    assert peak() - before < 16 * os.path.getsize(path) + (128 << 20), (path, peak() - before)
"""


def test_memory_is_bounded_by_the_size_of_the_file(sound, tmp_path):
    """Headers of 16 MiB made to fill memory stay below 16 times that and 128 MiB."""
    manifest, tensors, data = contents_of(sound)
    text, room = json.dumps(manifest), (16 << 20) - 20_000
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]}
    many = {f"evil_{number}": empty for number in range(6_000)}
    wide = {"evil": empty | {"shape": [0] + [1] * (room // 3)}}
    named = ", ".join(f'"{number}": 0' for number in range(room // 16))
    bombs = [
        forge(manifest, tensors | many, data),
        forge(manifest, tensors | wide, data),
        forge(text.replace('"format": 1', '"format": [' + "0.5," * (room // 4) + "1]"), {}, b""),
        forge(text.replace('"format": 1', '"format": ["' + "x" * room + '"]'), {}, b""),
        forge(text.replace('"format": 1', f'"format": {{{named}}}'.replace(" ", "")), {}, b""),
        forge_header(json.dumps({METADATA: {"x": "\U0001f600" * (room // 12)}}), b""),
        forge_header(" " * room, b""),
    ]
    paths = [tmp_path / f"{number}" for number in range(len(bombs) + 1)]
    for path, contents in zip(paths, [sound, *bombs], strict=True):
        path.write_bytes(contents)
    subprocess.run([sys.executable, "-c", MEMORY, *map(str, paths)], check=True, timeout=600)
