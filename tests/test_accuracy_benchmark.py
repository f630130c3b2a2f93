"""The accuracy benchmark: its harder images, its scores, its tables, and the page they are on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

from sk_mnist_mlp.datasets import load_mnist

ROOT = Path(__file__).parents[1]
KINDS = ("shifted", "rotated", "scaled", "noisy", "blurred", "occluded")


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """Make the benchmarks importable."""
    monkeypatch.syspath_prepend(ROOT / "examples" / "benchmarks")


@pytest.fixture(scope="module")
def images():
    return load_mnist(return_splits=True)[1][:200]


# Harder images


@pytest.mark.parametrize("kind", KINDS)
def test_a_severity_of_zero_leaves_images_as_they_are(kind, images):
    """Each kind begins at the images themselves."""
    from _corruptions import corrupted

    np.testing.assert_array_equal(corrupted(images, kind, 0), images)


@pytest.mark.parametrize("kind", KINDS)
def test_harder_images_are_further_away_and_repeat(kind, images):
    """A larger severity changes more, the seed decides how, and dtype and shape stay."""
    from _corruptions import SEVERITIES, UNITS, corrupted

    assert UNITS.keys() == SEVERITIES.keys()
    distances = [0.0]
    for severity in SEVERITIES[kind]:
        harder = corrupted(images, kind, severity)
        assert (harder.shape, harder.dtype) == (images.shape, images.dtype)
        np.testing.assert_array_equal(harder, corrupted(images, kind, severity))
        distances.append(np.abs(harder.astype(float) - images).mean())
    assert distances == sorted(distances)
    if kind != "blurred":  # which leaves nothing to chance
        assert (corrupted(images, kind, severity, seed=1) != harder).any()


def test_shifts_are_by_whole_pixels(images):
    """Each image is moved along rows, columns or both, and comes back where it was."""
    from _corruptions import corrupted

    seen = set()
    for before, after in zip(images, corrupted(images, "shifted", 3), strict=True):
        framed = np.pad(before, 3)
        moves = [
            (y, x)
            for y in (0, 3, 6)
            for x in (0, 3, 6)
            if np.array_equal(framed[y : y + 28, x : x + 28], after)
        ]
        assert len(moves) == 1
        seen.update(moves)
    assert len(seen) == 8
    assert (3, 3) not in seen


def test_a_square_hides_a_part(images):
    """Some square of that side is black, and all else is as it was."""
    from _corruptions import corrupted

    white = np.full_like(images, 255)
    hidden = corrupted(white, "occluded", 8) == 0
    assert (hidden.sum(axis=(1, 2)) == 64).all()
    assert (hidden.any(axis=1).sum(axis=1) == 8).all()
    assert len({mask.tobytes() for mask in hidden}) > 100


# Scores


def test_scores_of_probabilities_by_their_definitions():
    """Log loss is scikit-learn's, Brier's is the squared distance from the right corner."""
    from _calibration import calibration_scores

    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), size=500)
    labels = rng.integers(4, size=500)
    scores = calibration_scores(probabilities, labels)
    assert scores["log_loss"] == pytest.approx(log_loss(labels, probabilities))
    squares = [sum((p - (k == y)) ** 2 for k, p in enumerate(row)) for row, y in zip(probabilities, labels, strict=True)]  # fmt: skip  # noqa: E501
    assert scores["brier"] == pytest.approx(np.mean(squares))
    assert scores["accuracy"] == (probabilities.argmax(1) == labels).mean()


def draws(temperature, n=200_000):
    """Return probabilities, and labels drawn from them at another temperature."""
    from _calibration import with_temperature

    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(n, 5))
    truth = with_temperature(logits, temperature)
    labels = (rng.random((n, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 4)
    return with_temperature(logits, 1.0), labels


def test_honest_probabilities_have_no_calibration_error():
    """Labels drawn from the probabilities leave no gap; overconfidence leaves its own."""
    from _calibration import expected_calibration_error

    assert expected_calibration_error(*draws(1.0)) < 0.005
    assert expected_calibration_error(*draws(3.0)) > 0.2
    sure = np.tile([0.9, 0.1], (1000, 1))
    labels = np.arange(1000) % 2
    assert expected_calibration_error(sure, labels) == pytest.approx(0.4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_best_temperature_is_found(temperature):
    """The temperature at which labels were drawn is the one of least log loss."""
    from _calibration import best_temperature

    probabilities, labels = draws(temperature, 50_000)
    found = best_temperature(np.log(probabilities), labels)
    assert found == pytest.approx(temperature, rel=0.05)


# The benchmark and its page


def test_the_benchmark_runs_and_is_shown(tmp_path, capsys):
    """At a tiny size it measures, writes JSON, and the page's tables and curves come from that."""
    import bench_accuracy
    import render_accuracy

    output = tmp_path / "results" / "accuracy.json"
    arguments = ["--quick", "--seeds", "1", "--recipes", "accurate", "--output", str(output)]
    assert bench_accuracy.main(arguments) == 0, capsys.readouterr().out
    report = json.loads(output.read_text())
    (run,) = report["measurements"]["fits"]["runs"]["accurate"]
    assert run["weights"] == 269_322
    assert len(run["curve"]) == 2
    assert run["curve"][-1][1] == run["accuracy"]
    assert 0 < run["curve"][0][0] < run["curve"][1][0] <= run["seconds"]
    assert run["robustness"].keys() == set(KINDS)

    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(f"# Title\n\n{render_accuracy.BEGIN}\n{render_accuracy.END}\nThe end.\n")
    places = ["--page", str(page), "--results", str(output.parent)]
    assert render_accuracy.main([*places, "--check"]) == 1
    assert render_accuracy.main(places) == 0
    assert render_accuracy.main([*places, "--check"]) == 0
    text = page.read_text()
    assert f"| recipe accurate | 269,322 | {100 * run['accuracy']:.2f} % |" in text
    assert "| MLPClassifier |" in text
    assert text.endswith("The end.\n")
    assert (tmp_path / "docs" / "images" / "accuracy.png").read_bytes()[:4] == b"\x89PNG"


def test_the_time_to_a_goal_is_that_of_the_first_epoch_there():
    """Seeds that never get there are counted, not averaged in."""
    from render_accuracy import seconds_to

    runs = [
        {"curve": [(1.0, 0.97), (2.0, 0.985), (3.0, 0.983), (4.0, 0.991)]},
        {"curve": [(1.0, 0.99), (2.0, 0.98)]},
    ]
    assert seconds_to(98.4, runs) == "1.5 s"
    assert seconds_to(99.05, runs) == "4.0 s (1 of 2 seeds)"
    assert seconds_to(99.3, runs) == "never"


def test_the_page_repeats_the_results():
    """The tables on the page are what the committed results give."""
    import render_accuracy

    assert render_accuracy.main(["--check"]) == 0


def test_a_page_without_markers_is_refused():
    """Tables are never put in a guessed place."""
    import render_accuracy

    sentence = (
        "render_accuracy: expected the page to have <!-- accuracy:begin --> and then "
        "<!-- accuracy:end -->, once each. Put them, on lines of their own, where the tables "
        "belong."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        render_accuracy.with_tables("nothing here", "")
