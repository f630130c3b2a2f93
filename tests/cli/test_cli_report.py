"""`sk-mnist-mlp report`: a kept model measured, in one file to hand over."""

import re
from pathlib import Path

import pytest

from sk_mnist_mlp import MLPDigitClassifier, make_digit_pipeline, save_model
from sk_mnist_mlp.cli import main
from sk_mnist_mlp.datasets import load_mnist


@pytest.fixture(scope="module", params=["pipeline", "bare classifier"])
def model_file(request, tmp_path_factory):
    """A small model that reads images, and one that reads rows of pixels."""
    X, _, y, _ = load_mnist(return_splits=True)
    path = tmp_path_factory.mktemp("model") / "small model.skmlp"
    parameters = {"hidden_units": 4, "epochs": 1, "random_state": 0, "engine": "numpy"}
    if request.param == "pipeline":
        model = make_digit_pipeline(**parameters).fit(X[:500], y[:500])
    else:
        model = MLPDigitClassifier(**parameters).fit(X[:500].reshape(500, 784) / 255, y[:500])
    save_model(model, path)
    return str(path)


@pytest.mark.parametrize("ending", ["html", "md"])
def test_a_report_is_written(model_file, data, ending, tmp_path, capsys):
    """It says of the test images what evaluate says, and how to load this file."""
    output = tmp_path / f"report.{ending}"
    assert main(["report", model_file, "--data", data, "--output", str(output)]) == 0
    written = capsys.readouterr()
    assert re.fullmatch(rf"Written         {re.escape(str(output))} \(\d+ kB\)\n", written.out)
    text = output.read_text("utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "small model.skmlp" in text
    assert "Robustness" in text
    assert main(["evaluate", model_file, "--data", data]) == 0
    accuracy = re.search(r"accuracy +([\d.]+)%", capsys.readouterr().out)[1]
    assert f"{accuracy} %" in text


def test_it_stands_beside_the_model_by_default(model_file, data):
    """Under a name that no other command writes to."""
    assert main(["report", model_file, "--data", data]) == 0
    assert Path(model_file).with_name("small model-report.html").is_file()


def test_what_cannot_be_is_refused_before_any_work(model_file, data, tmp_path, capsys):
    """Another format is a wrong call, and so is a folder that is not there."""
    call = ["report", model_file, "--data", data, "--output"]
    assert main([*call, str(tmp_path / "report.pdf")]) == 2
    assert "expected a name that ends in .html or .md, got" in capsys.readouterr().err
    assert main([*call, str(tmp_path / "no" / "report.md")]) == 2
    assert "expected a folder to write into" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
