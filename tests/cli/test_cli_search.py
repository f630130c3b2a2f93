"""`sk-mnist-mlp search`: a grid search that can be interrupted, and its results as files."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from sk_mnist_mlp.cli import main
from sk_mnist_mlp.datasets import load_mnist

GRID = ["--dropout", "0.1", "0.4", "--hidden-units", "16", "32"]
SIZE = ["--epochs", "3", "--cv", "3", "--subset", "600"]


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The folder of a search that ended, and what it printed."""
    folder = tmp_path_factory.mktemp("search") / "out"
    command = [sys.executable, "-m", "sk_mnist_mlp", "search", *GRID, *SIZE, "--data", data]
    done = subprocess.run(
        [*command, "--n-jobs", "2", "--output", str(folder)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


def read_table(folder):
    with open(folder / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def search(folder, data, *options):
    return main(["search", *GRID, *SIZE, "--data", data, "--output", str(folder), *options])


# ----------------------------------------------------------------------------------------------
# What comes out


def test_results_are_those_of_grid_search(finished, data):
    """The table holds, to the last bit, what scikit-learn's GridSearchCV finds over a pipeline."""
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.utils import resample

    from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier

    X, _, y, _ = load_mnist(path=data, return_splits=True)
    X, y = resample(X, y, n_samples=600, replace=False, stratify=y, random_state=0)
    plain = GridSearchCV(
        make_pipeline(ImageFlattener(), MLPDigitClassifier(epochs=3, random_state=0)),
        {"mlpdigitclassifier__dropout": [0.1, 0.4], "mlpdigitclassifier__hidden_units": [16, 32]},
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
    ).fit(X, y)
    found = {
        (float(row["param_dropout"]), int(row["param_hidden_units"])): row
        for row in read_table(finished[0])
    }
    assert len(found) == 4
    names = ["mean_test_score", "std_test_score", "rank_test_score"]
    names += [f"split{k}_test_score" for k in range(3)]
    for i, candidate in enumerate(plain.cv_results_["params"]):
        row = found[tuple(candidate.values())]
        for name in names:
            assert float(row[name]) == plain.cv_results_[name][i]


def test_results_are_ranked(finished):
    """Screen and file list the candidates from the best on, with standard deviations."""
    folder, out = finished
    table = read_table(folder)
    ranks = [int(row["rank_test_score"]) for row in table]
    assert ranks == sorted(ranks)
    shown = re.findall(r"^ +(\d+) +(0\.\d{4})  (0\.\d{4}) +(\S+) +(\S+) +\d+\.\d$", out, re.M)
    assert [(int(line[0]), line[3], line[4]) for line in shown] == [
        (int(row["rank_test_score"]), row["param_dropout"], row["param_hidden_units"])
        for row in table
    ]
    assert [line[1:3] for line in shown] == [
        (f"{float(row['mean_test_score']):.4f}", f"{float(row['std_test_score']):.4f}")
        for row in table
    ]


def test_progress(finished):
    """A line for each fit counts up to the last and says what was fitted."""
    lines = re.findall(
        r"^Fit +(\d+)/12  accuracy 0\.\d+ +\d+\.\d s  fold [123]  dropout=\S+", finished[1], re.M
    )
    assert [int(number) for number in lines] == list(range(1, 13))


def test_best_model_is_kept(finished, data):
    """The model in the folder is the best candidate, trained on all training images."""
    from sklearn.pipeline import make_pipeline

    from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
    from sk_mnist_mlp.persistence import load_model

    folder, out = finished
    X, X_test, y, y_test = load_mnist(path=data, return_splits=True)
    best = read_table(folder)[0]
    parameters = {
        "dropout": float(best["param_dropout"]),
        "hidden_units": int(best["param_hidden_units"]),
    }
    twin = make_pipeline(
        ImageFlattener(), MLPDigitClassifier(epochs=3, random_state=0, **parameters)
    ).fit(X, y)
    kept = load_model(folder / "model.skmlp")
    np.testing.assert_array_equal(kept.predict_proba(X_test), twin.predict_proba(X_test))
    assert f"Test accuracy   {twin.score(X_test, y_test):.2%} " in out


def test_heat_map(finished):
    """The heat map is a picture of some size that is not blank."""
    with Image.open(finished[0] / "heatmap.png") as picture:
        assert min(picture.size) >= 300
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


@pytest.mark.parametrize(
    "grid",
    [
        ["--dropout", "0.1", "0.4"],
        ["--hidden-units", "16"],
        ["--hidden-units", "16,8", "32", "24,", "--learning-rate", "0.01"],
        ["--dropout", "0.1", "0.2", "--hidden-units", "8", "16", "--batch-size", "50", "100"],
    ],
)
def test_any_number_of_parameters(data, tmp_path, grid, capsys):
    """One parameter or three, one value or several, widths of any depth: every grid is searched."""
    options = ["--epochs", "1", "--cv", "2", "--subset", "300", "--data", data]
    assert main(["search", *grid, *options, "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "model.skmlp").exists()
    assert (tmp_path / "out" / "heatmap.png").exists()
    assert capsys.readouterr().err == ""


def test_folder_of_its_own(data, tmp_path, monkeypatch, capsys):
    """Without --output the same search finds the same folder and another search another one."""
    monkeypatch.chdir(tmp_path)
    options = ["--epochs", "1", "--cv", "2", "--subset", "300", "--data", data]
    for dropout in ("0.1", "0.1", "0.2"):
        assert main(["search", "--dropout", dropout, *options]) == 0
    outputs = capsys.readouterr().out
    assert outputs.count("2 of 2 fits were done by an earlier call") == 1
    folders = [path.name for path in tmp_path.iterdir()]
    assert len(folders) == 2
    assert all(re.fullmatch(r"mnist-search-[0-9a-f]{8}", name) for name in folders)


def test_without_matplotlib(data, tmp_path, monkeypatch, capsys):
    """Without matplotlib the search gives all but the picture, and says how to get that."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    options = ["--epochs", "1", "--cv", "2", "--subset", "300", "--data", data]
    assert main(["search", "--dropout", "0.1", *options, "--output", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert (
        "No heat map: matplotlib is missing. "
        f'Install it: {sys.executable} -m pip install "matplotlib>=3.8"\n'
    ) in out
    assert "Written         results.csv, model.skmlp\n" in out
    assert not (tmp_path / "out" / "heatmap.png").exists()


# ----------------------------------------------------------------------------------------------
# Interrupted, and called again


def fits(folder):
    """Each record's name and time of writing."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "fits").glob("*.json")}


def accuracy_in(record):
    """The accuracy that a finished fit is kept with."""
    (scores,) = json.loads(record.read_text())["scores"].values()
    return scores["accuracy"]


def start(folder, data, n_jobs):
    command = [sys.executable, "-m", "sk_mnist_mlp", "search", *GRID, "--data", data, "--cv", "3"]
    return subprocess.Popen(
        # Some tenths of a second a fit: time to interrupt it.
        [*command, "--epochs", "25", "--n-jobs", n_jobs, "--output", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_interrupted_search_goes_on(data, tmp_path, n_jobs):
    """Ctrl-C writes what is known and ends with 130; the next call does only what is missing."""
    folder = tmp_path / "out"
    process = start(folder, data, n_jobs)
    for line in process.stdout:
        if re.match(r"Fit +4/12", line):
            break
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the workers as well
    _, error = process.communicate(timeout=600)
    assert process.returncode in (130, -signal.SIGINT)
    before = fits(folder)
    assert 4 <= len(before) < 12
    assert error == (
        f"sk-mnist-mlp search: interrupted; {len(before)} of 12 fits are kept in '{folder}'. Call "
        f"it again with --output {folder} to resume.\n"
    )
    known = [row for row in read_table(folder) if row["mean_test_score"]]
    assert [int(row["rank_test_score"]) for row in known] == list(range(1, len(known) + 1))
    assert not (folder / "model.skmlp").exists()

    process = start(folder, data, n_jobs)
    out, error = process.communicate(timeout=600)
    assert (process.returncode, error) == (0, "")
    assert f"{len(before)} of 12 fits were done by an earlier call" in out
    after = fits(folder)
    assert len(after) == 12
    assert before.items() <= after.items()
    assert all(row["mean_test_score"] for row in read_table(folder))
    assert (folder / "model.skmlp").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without asking")
@pytest.mark.parametrize("n_jobs", ["1", "2"])
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_search_that_is_told_to_end(data, tmp_path, n_jobs, send):
    """SIGTERM ends a search with 143, its results kept and none of its processes left."""
    folder = tmp_path / "out"
    process = start(folder, data, n_jobs)
    for line in process.stdout:
        if re.match(r"Fit +4/12", line):
            break
    send(process.pid, signal.SIGTERM)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 143
    assert error.startswith("sk-mnist-mlp search: ")
    assert error.count("\n") == 1
    assert 4 <= len(fits(folder)) < 12
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # joblib's own watcher ends a moment later
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def test_worker_that_is_killed(data, tmp_path):
    """A worker that is ended from outside ends the search in one line, its results kept."""
    folder = tmp_path / "out"
    process = start(folder, data, "2")
    for line in process.stdout:
        if re.match(r"Fit +4/12", line):
            break
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True
    )
    workers = [line.split()[0] for line in listed.stdout.splitlines() if "popen_loky" in line]
    if not workers:
        process.kill()
        pytest.skip("ps does not list workers here")
    os.kill(int(workers[0]), signal.SIGKILL)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 1
    assert re.fullmatch(
        r"sk-mnist-mlp search: expected every process of the search to live, got one that was "
        rf"ended from outside, perhaps for its memory; \d+ of 12 fits are kept in '{folder}'. Call "
        rf"it again with --output {folder} to resume, with a smaller --n-jobs.\n",
        error,
    )
    assert (folder / "results.csv").exists()


@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_reader_that_leaves_early(data, tmp_path, n_jobs):
    """A search whose reader leaves after the first line goes on to its end, and says 141."""
    folder = tmp_path / "out"
    process = start(folder, data, n_jobs)
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    assert (process.wait(timeout=600), error) == (141, "")
    assert len(read_table(folder)) == 4
    assert len(fits(folder)) == 12
    assert (folder / "model.skmlp").exists()


def test_killed_search_goes_on(data, tmp_path):
    """A search killed outright leaves whole records, and the next call goes on from them."""
    folder = tmp_path / "out"
    process = start(folder, data, "1")
    for line in process.stdout:
        if re.match(r"Fit +3/12", line):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=600)
    before = fits(folder)
    for name in before:
        assert 0 <= accuracy_in(folder / "fits" / name) <= 1
    out, error = start(folder, data, "1").communicate(timeout=600)
    assert error == ""
    assert f"{len(before)} of 12 fits were done by an earlier call" in out
    assert before.items() <= fits(folder).items()


def test_second_call_trains_no_candidate(finished, data, capsys):
    """A finished search called again finds all fits done and gives the same table."""
    folder, out = finished
    before, table = fits(folder), (folder / "results.csv").read_text()
    assert search(folder, data) == 0
    again = capsys.readouterr().out
    assert "12 of 12 fits were done by an earlier call" in again
    assert "Fit " not in again
    assert fits(folder) == before
    assert (folder / "results.csv").read_text() == table
    assert again.split("\nrank")[1].split("\n\n")[0] == out.split("\nrank")[1].split("\n\n")[0]


@pytest.mark.parametrize("contents", ["", "{", "[]", '{"scores": 3, "seconds": 1}'])
def test_damaged_record_is_done_again(finished, data, contents, tmp_path, capsys):
    """A record that makes no sense counts as none."""
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    damaged = next((folder / "fits").iterdir())
    whole = accuracy_in(damaged)
    damaged.write_text(contents)
    assert search(folder, data) == 0
    assert "11 of 12 fits were done by an earlier call" in capsys.readouterr().out
    assert accuracy_in(damaged) == whole


# ----------------------------------------------------------------------------------------------
# Folders of something else


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (["--dropout", "0.3"], "its grid was {grid}, now it is {{'dropout': [0.3]}}"),
        ([*GRID, "--cv", "4"], "its folds was 3, now it is 4"),
        ([*GRID, "--epochs", "4"], "its epochs was 3, now it is 4"),
        ([*GRID, "--seed", "1"], "its seed was 0, now it is 1"),
        ([*GRID, "--subset", "500"], "its images was 600, now it is 500"),
    ],
)
def test_another_search_is_refused(finished, data, options, difference, capsys):
    """The folder of another search is refused with what differs, and stays as it was."""
    folder, _ = finished
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    arguments = [*SIZE, "--data", data, "--output", str(folder), *options]
    assert main(["search", *arguments]) == 2
    grid = {"hidden_units": [16, 32], "dropout": [0.1, 0.4]}
    assert capsys.readouterr().err == (
        f"sk-mnist-mlp search: expected --output to be a folder of this search, got '{folder}' of "
        f"another one: {difference.format(grid=grid)}. Choose another folder.\n"
    )
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_same_grid_in_another_order_is_the_same_search(finished, data):
    """Options in another order are the same search."""
    options = ["--hidden-units", "16", "32", "--dropout", "0.1", "0.4"]
    assert main(["search", *options, *SIZE, "--data", data, "--output", str(finished[0])]) == 0


def test_foreign_folder_is_refused(data, tmp_path, capsys):
    """A folder with files of these names from something else is refused."""
    (tmp_path / "model.skmlp").write_text("precious")
    assert search(tmp_path, data) == 2
    (tmp_path / "file").write_text("precious")
    assert search(tmp_path / "file", data) == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "search.json").write_text("what?")
    assert search(tmp_path / "other", data) == 2
    who = "sk-mnist-mlp search: expected --output to be a new folder or one of this search, got"
    assert capsys.readouterr().err.splitlines() == [
        f"{who} '{tmp_path}' with a model.skmlp of something else. Choose another folder.",
        f"{who} '{tmp_path / 'file'}', which is neither. Choose another one.",
        f"{who} '{tmp_path / 'other'}', which is neither. Choose another one.",
    ]
    assert (tmp_path / "model.skmlp").read_text() == "precious"


# ----------------------------------------------------------------------------------------------
# What cannot be searched


def test_nothing_to_try(capsys):
    """A search without values is refused at once."""
    began = time.perf_counter()
    assert main(["search"]) == 2
    assert time.perf_counter() - began < 300
    assert capsys.readouterr().err == (
        "sk-mnist-mlp search: expected something to try, got no option with values. For example: "
        "--dropout 0.2 0.45 --hidden-units 128 256.\n"
    )


@pytest.mark.parametrize("subset", ["29", "1001"])
def test_subset_too_small_or_too_large(data, tmp_path, subset, capsys):
    """A subset that cannot fill the folds, or is more than there is, is refused."""
    arguments = ["search", *GRID, "--data", data, "--output", str(tmp_path / "out")]
    assert main([*arguments, "--subset", subset]) == 2
    assert capsys.readouterr().err == (
        "sk-mnist-mlp search: expected --subset from 30 (3 folds of 10 classes) to 1000 images, "
        f"got {subset}.\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "status"),
    [
        (["--cv", "1000"], 2),
        (["--cv", "200", "--subset", "900"], 2),
        (["--subset", "5000"], 2),
        (["--seed", str(2**32)], 2),
        (["--seed", "9" * 5000], 2),
        (["--epochs", str(10**30)], 2),
        (["--batch-size", str(10**30)], 2),
        (["--n-jobs", "0.5"], 2),
        (["--learning-rate", "1e400"], 2),
        (["--data", "none"], 1),
    ],
)
def test_what_is_refused_leaves_no_folder(data, tmp_path, option, status, capsys):
    """A value that something refuses, be it below, is told in a line and leaves no folder."""
    arguments = ["search", *GRID, "--data", data, "--output", str(tmp_path / "out")]
    assert main([*arguments, *option]) == status
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_largest_seed_and_more_processes_than_fits(data, tmp_path):
    """The largest seed there is, and any number of processes, are taken."""
    options = ["--dropout", "0.1", "--epochs", "1", "--cv", "2", "--data", data, "--subset", "300"]
    options += ["--seed", str(2**32 - 1), "--n-jobs", str(10**9)]
    assert main(["search", *options, "--output", str(tmp_path / "out")]) == 0


def test_network_too_large(data, tmp_path, capsys):
    """A network that no memory holds is told in one line, without a traceback in it."""
    options = ["--hidden-units", str(10**13), *SIZE, "--data", data]
    assert main(["search", *options, "--output", str(tmp_path / "out")]) == 1
    assert re.fullmatch(
        r"sk-mnist-mlp search: MemoryError: MLPDigitClassifier: expected a network that fits in "
        r"memory, got .*\n",
        capsys.readouterr().err,
    )


def test_search_spares_its_data(data, tmp_path, capsys):
    """Data that lie in the folder under a name of the search's own are not written over."""
    folder = tmp_path / "out"
    assert search(folder, data) == 0
    copy = folder / "model.skmlp"
    shutil.copy(data, copy)
    before = copy.read_bytes()
    assert search(folder, str(copy)) == 2
    assert "which is the same file" in capsys.readouterr().err
    assert copy.read_bytes() == before


def test_subset_of_nearly_all(data, tmp_path):
    """A subset may leave out a single image."""
    options = ["--dropout", "0.1", "--epochs", "1", "--cv", "2", "--data", data]
    assert main(["search", *options, "--subset", "999", "--output", str(tmp_path / "out")]) == 0


def test_candidate_that_diverges(data, tmp_path, capsys):
    """A candidate whose loss is no number any more comes last, and the others are compared."""
    options = ["--learning-rate", "0.001", "1e30", "--hidden-units", "16", *SIZE, "--data", data]
    assert main(["search", *options, "--output", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert re.search(r"^ +- +diverged +- +", captured.out, re.M)
    assert re.search(r"^Fit [1-6]/6  diverged +\d+\.\d s  fold [123]  ", captured.out, re.M)
    warnings = captured.err.splitlines()
    assert warnings
    assert all("expected a finite loss, got " in line for line in warnings)
    assert [row["rank_test_score"] for row in read_table(tmp_path / "out")] == ["1", ""]


def test_all_candidates_diverge(data, tmp_path, capsys):
    """When nothing can be trained, that is one line and status 1."""
    options = ["--learning-rate", "1e30", *SIZE, "--data", data]
    assert main(["search", *options, "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "sk-mnist-mlp search: expected a candidate with a finite loss, got none. Try a smaller "
        "--learning-rate."
    )
    assert not (tmp_path / "out" / "model.skmlp").exists()
