"""`sk-mnist-mlp draw` and `export --format html`: a kept model as a page to draw on."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.cli import draw, main
from sk_mnist_mlp.datasets import load_mnist
from sk_mnist_mlp.persistence import save_model


@pytest.fixture(scope="module", params=["pipeline", "bare classifier"])
def model_file(request, tmp_path_factory):
    """A small model that reads images, and one that reads rows of pixels."""
    X, _, y, _ = load_mnist(return_splits=True)
    path = tmp_path_factory.mktemp("model") / "small model.skmlp"
    model = MLPDigitClassifier(hidden_units=4, epochs=1, random_state=0, engine="numpy")
    if request.param == "pipeline":
        save_model(make_pipeline(ImageFlattener(), model).fit(X[:500], y[:500]), path)
    else:
        save_model(model.fit(X[:500].reshape(500, 784) / 255, y[:500]), path)
    return str(path)


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    """The folder that temporary files go to, which nothing else uses."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def browser(tmp_path, monkeypatch):
    """A browser that writes down the address, says a lot, and then does as it is told."""
    script, seen = tmp_path / "browser.py", tmp_path / "seen"

    def install(then=""):
        script.write_text(
            "import os, pathlib, sys, time\n"
            f"pathlib.Path({str(seen)!r}).write_text(sys.argv[1])\n"
            f"print('chatter', flush=True), print('more', file=sys.stderr, flush=True)\n{then}\n"
        )
        program, file = Path(sys.executable).as_posix(), script.as_posix()
        monkeypatch.setenv("BROWSER", f"{program} {file} %s")
        return seen

    return install


@pytest.fixture
def no_browser(tmp_path, monkeypatch):
    """A machine that has neither a browser nor a screen."""
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def model_of(page):
    """What a page knows, as its script reads it."""
    text = page.read_text("utf-8")
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text)[1])


def test_draw_opens_a_page(model_file, browser, temporary_folder, capfd):
    """The page is a temporary file, its path is all that is printed, and the browser opens it."""
    seen = browser()
    assert main(["draw", model_file]) == 0
    out, err = capfd.readouterr()
    page = Path(out.removesuffix("\n"))
    assert (out.count("\n"), err) == (1, "")
    assert page.name == "small model.html"
    assert page.parent.parent.samefile(temporary_folder)
    assert model_of(page)["scores"] is None
    assert seen.read_text() == page.as_uri()
    if os.name == "posix":
        assert page.parent.stat().st_mode & 0o077 == 0  # nobody else reads what the page holds


@pytest.mark.skipif(os.name != "posix", reason="there is always a browser")
def test_draw_without_a_browser(model_file, no_browser, capfd):
    """Where there is no browser, the path is printed and nothing else."""
    assert main(["draw", model_file]) == 0
    out, err = capfd.readouterr()
    assert (Path(out.removesuffix("\n")).is_file(), err) == (True, "")


@pytest.mark.parametrize("error", [OSError("no Python"), None])
def test_draw_when_no_browser_can_be_asked(model_file, error, monkeypatch, capfd):
    """Where none can be opened, the path is printed and nothing else."""

    def run(command, **options):
        raise error or subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(draw.subprocess, "run", run)
    assert main(["draw", model_file]) == 0
    out, err = capfd.readouterr()
    assert (Path(out.removesuffix("\n")).is_file(), err) == (True, "")


def test_draw_waits_for_no_browser(model_file, browser, tmp_path, temporary_folder):
    """A browser that runs until it is closed holds neither the command nor who reads its output."""
    closed = tmp_path / "closed"
    browser(f"while not os.path.exists({str(closed)!r}): time.sleep(0.05)")
    code = (
        "from sk_mnist_mlp.cli import draw, main; draw._SECONDS = 1.0; "
        f"raise SystemExit(main(['draw', {model_file!r}]))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary_folder)},
        )
    finally:
        closed.touch()
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")


def test_draw_keeps_the_page(model_file, browser, data, tmp_path, temporary_folder, capsys):
    """--output keeps the page, and --data shows on it how good the model is."""
    seen = browser()
    page = tmp_path / "kept.html"
    assert main(["draw", model_file, "--output", str(page), "--data", data]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert seen.read_text() == page.as_uri()
    assert model_of(page)["scores"]["n"] == 200
    assert list(temporary_folder.iterdir()) == []


def test_export_a_page(model_file, data, tmp_path, capsys):
    """The page of export is beside the model, and says of the test images what evaluate says."""
    page = Path(model_file).with_suffix(".html")
    assert main(["export", model_file, "--format", "html"]) == 0
    assert re.fullmatch(
        rf"Exported        {re.escape(str(page))} \(\d+ kB\)\n", capsys.readouterr().out
    )
    assert model_of(page)["scores"] is None
    assert main(["export", model_file, "--format", "html", "--data", data]) == 0
    scores = model_of(page)["scores"]
    capsys.readouterr()
    assert main(["evaluate", model_file, "--data", data]) == 0
    accuracy = f"{scores['accuracy']:.2%}"
    assert f"Test accuracy   {accuracy} " in capsys.readouterr().out
    assert scores["n"] == 200


def test_data_are_for_the_page_alone(model_file, data, tmp_path, capsys):
    """Data that a format cannot hold are refused, and never replaced by the output."""
    begin = ["export", model_file, "--data", data, "--output"]
    assert main([*begin, str(tmp_path / "m.onnx"), "--format", "onnx"]) == 2
    assert capsys.readouterr().err == (
        "sk-mnist-mlp export: expected --data for the page of --format html, got it for onnx, "
        "which holds no test images. Leave it out.\n"
    )
    before = Path(data).read_bytes()
    assert main([*begin, data, "--format", "html"]) == 2
    assert main(["draw", model_file, "--data", data, "--output", data]) == 2
    assert main(["draw", model_file, "--output", model_file]) == 2
    assert capsys.readouterr().err.count("which is the same file") == 3
    assert Path(data).read_bytes() == before


def test_a_model_that_no_page_can_be_of(browser, temporary_folder, tmp_path, capsys):
    """It is refused in one line; no file is left, and no browser is asked."""
    seen = browser()
    classifier = MLPDigitClassifier(hidden_units=4, epochs=1, random_state=0, engine="numpy")
    path = tmp_path / "rows.skmlp"
    save_model(classifier.fit(np.ones((20, 7)), np.arange(20) % 2), path)
    assert main(["draw", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("sk-mnist-mlp draw: to_html: expected ")
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert list(temporary_folder.iterdir()) == []
    assert not seen.exists()
