"""A report says what scikit-learn says of the same answers, in one file."""

import base64
import html.parser
import io
import re
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, classification_report
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.inspection import MistakesDisplay, write_report
from sk_mnist_mlp.inspection.report import _distortions

DIGITS = load_digits()
IMAGES, Y = DIGITS.images, DIGITS.target


def small():
    """A classifier that trains in milliseconds and makes mistakes."""
    return MLPDigitClassifier(hidden_units=8, epochs=40, learning_rate=0.01, random_state=0)


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(ImageFlattener(scale=16), small()).fit(IMAGES[:400], Y[:400])


class Page(html.parser.HTMLParser):
    """The tables, pictures, tags and text of a page."""

    def __init__(self, path):
        super().__init__()
        self.tables, self.pictures, self.tags, self.text = [], [], [], ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag == "img":
            self.pictures.append(picture(dict(attributes)["src"]))

    def handle_data(self, data):
        self.text += data
        if self.tables and self.tables[-1] and self.lasttag in ("td", "th"):
            self.tables[-1][-1][-1] += data.rstrip("\n")

    def table(self, column):
        """The rows under the head that has this column."""
        (found,) = [table for table in self.tables if table and column in table[0]]
        return found[1:]


def picture(uri):
    """The pixels behind a data URI."""
    kind, data = uri.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.fixture(scope="module")
def page(pipeline, tmp_path_factory):
    """The report of that pipeline on all digits."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(pipeline, path, IMAGES, Y, title="Our digits", data="all of load_digits")
    return Page(path)


def test_the_numbers_are_scikit_learns(page, pipeline):
    """Accuracy with its interval, and precision, recall, F1 and n of each class."""
    answers = pipeline.predict(IMAGES)
    right = int((answers == Y).sum())
    interval = binomtest(right, len(Y)).proportion_ci(method="wilson")
    said = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert f"{100 * accuracy_score(Y, answers):.2f} %" in said
    assert f"95 % interval {100 * interval.low:.2f} to {100 * interval.high:.2f} %" in said
    expected = classification_report(Y, answers, output_dict=True)
    rows = page.table("Precision")
    assert [row[0] for row in rows] == [str(digit) for digit in range(10)]
    for name, *numbers, n, _ in rows:
        of = expected[name]
        assert numbers == [f"{of[kind]:.4f}" for kind in ("precision", "recall", "f1-score")]
        assert int(n) == of["support"]
    assert "all of load_digits" in said


def test_calibration_is_that_of_the_answers(page, pipeline):
    """Mean probability, accuracy and number of each tenth; the error is their weighted gap."""
    probability = pipeline.predict_proba(IMAGES).max(axis=1)
    right, error = pipeline.predict(IMAGES) == Y, 0.0
    expected = []
    for low in range(10):
        inside = (probability * 10 >= low) & (probability * 10 < low + 1 + (low == 9))
        if inside.any():
            mean, share = probability[inside].mean(), right[inside].mean()
            expected.append([f"{100 * mean:.1f} %", f"{100 * share:.1f} %", f"{inside.sum():,}"])
            error += inside.mean() * abs(mean - share)
    rows = [[cell.replace("\xa0", " ") for cell in row] for row in page.table("Answers")]
    assert rows == expected
    assert f"error is {100 * error:.2f} %" in page.text.replace("\xa0", " ")
    assert len([tag for tag, _ in page.tags if tag == "circle"]) == len(expected)


def test_the_mistakes_are_those_of_the_display(page, pipeline):
    """The same images, the most confident first, as ink on paper."""
    display = MistakesDisplay.from_estimator(pipeline, IMAGES, Y)
    assert len(page.pictures) == 24
    for i, shown in enumerate(page.pictures):
        levels = 255 - np.rint(display.images[i] * (255 / 16))
        assert np.array_equal(shown, levels.repeat(14, 0).repeat(14, 1))
        assert f"{display.truth[i]}, taken for {display.answer[i]}" in page.text


def test_robustness_is_the_accuracy_on_changed_images(page, pipeline):
    """Two strengths of each change; a shift moves whole pixels to the four sides in turn."""
    rows = page.table("Strength")
    assert [row[0] for row in rows[1:]] == ["Shift"] * 2 + ["Rotation"] * 2 + ["Noise"] * 2
    changes = list(_distortions(IMAGES))
    for row, (_, _, changed) in zip(rows[1:], changes, strict=True):
        accuracy = (pipeline.predict(changed) == Y).mean()
        assert row[2].replace("\xa0", " ") == f"{100 * accuracy:.2f} %"
    shifted = changes[0][2]
    for image, axis, way in zip(range(4), (0, 1, 0, 1), (1, 1, -1, -1), strict=True):
        inner = np.roll(IMAGES[image], way, axis)[1:-1, 1:-1]
        assert np.array_equal(shifted[image][1:-1, 1:-1], inner)
    assert float(rows[2][2].split()[0]) < float(rows[1][2].split()[0])


def test_the_page_asks_the_network_for_nothing(page):
    """There is no script, and no address but pictures in the page itself."""
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "base", "form"}
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset"):
            assert attributes.get(name, "data:").startswith("data:")
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "url(" not in page.text
    assert "@import" not in page.text


def test_markdown_says_the_same(page, pipeline, tmp_path):
    """Each cell of the page's tables stands in the Markdown, and so do the pictures."""
    path = tmp_path / "report.md"
    write_report(pipeline, path, IMAGES, Y, title="Our digits", data="all of load_digits")
    text = path.read_text("utf-8")
    assert text.startswith("# Our digits\n\n## In short\n")
    plain = text.replace("\\", "")
    for table in page.tables:
        for row in table:
            assert f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" in plain
    pictures = [picture(uri) for uri in re.findall(r"\((data:.*?)\)", text)]
    assert np.array_equal(pictures, page.pictures)
    headings = re.findall("^## (.*)$", text, re.M)
    assert headings == [
        *("In short", "The model", "Class by class", "Calibration", "Mistakes"),
        *("Robustness", "Limits", "How to load it"),
    ]


def test_titles_and_names_of_classes_stay_text(tmp_path):
    """Markup in them is shown, neither done in HTML nor in Markdown."""
    names = np.array(["</style><script>alert(1)</script>", "<i>|*a*|`b`", "a\nb"])
    X, y = IMAGES[Y < 3], names[Y[Y < 3]]
    model = make_pipeline(ImageFlattener(scale=16), small()).fit(X, y)
    title = '<i title="x">&amp;'
    write_report(
        model, tmp_path / "r.html", X, y, title=title, data="<i>", model_file='a"<i>.skmlp'
    )
    page = Page(tmp_path / "r.html")
    assert not {"script", "i"} & {tag for tag, _ in page.tags}
    assert [row[0] for row in page.table("Precision")] == sorted(names)
    assert title in page.text
    assert 'load_model("a\\"<i>.skmlp")' in page.text
    write_report(model, tmp_path / "r.md", X, y, title=title)
    text = (tmp_path / "r.md").read_text("utf-8").split("```")[0]
    assert not re.search("<(i|script|/style)", text)
    assert text.startswith('# &lt;i title="x"&gt;&amp;amp;\n')
    assert r"| &lt;i&gt;\|\*a\*\|\`b\` |" in text
    assert "| a b |" in text


def test_searches_and_rows_can_be_reported(tmp_path):
    """Rows that make no square have no robustness, and a model without mistakes says so."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.random((60, 7)) * 0.1 + y[:, np.newaxis]
    search = GridSearchCV(small(), {"hidden_units": [8]}, cv=2)
    write_report(search.fit(X, y), tmp_path / "r.MD", X, y)
    text = (tmp_path / "r.MD").read_text("utf-8")
    assert "## Robustness" not in text
    assert "Robustness was not measured" in text
    assert "The model made no mistake on these images." in text
    assert "hidden\\_units=8" in text


@pytest.mark.filterwarnings("error")
def test_tables_keep_the_names_of_their_columns(tmp_path):
    """A model that was fitted on a table is asked with tables, also of changed images."""
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(DIGITS.data / 16).rename(columns=str)
    model = small().fit(X[:200], Y[:200])
    write_report(model, tmp_path / "table.md", X, Y)
    model = small().fit(X[:200].to_numpy(), Y[:200])
    write_report(model, tmp_path / "rows.md", X.to_numpy(), Y)
    table, rows = ((tmp_path / name).read_text("utf-8") for name in ("table.md", "rows.md"))
    assert table == rows


def test_it_needs_no_matplotlib(pipeline, tmp_path, monkeypatch):
    """Nothing is drawn by it."""
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    write_report(pipeline, tmp_path / "r.html", IMAGES[:50], Y[:50])
    assert (tmp_path / "r.html").stat().st_size < 60_000


@pytest.mark.parametrize(
    ("changed", "kind", "reason"),
    [
        ({"path": "r.pdf"}, ValueError, r"expected path to end in \.html or \.md, got '.*r\.pdf'"),
        ({"path": "no/r.md"}, OSError, "expected a folder to write into"),
        ({"title": 3}, TypeError, "expected title to be text, got int"),
        ({"data": "a\nb"}, ValueError, "expected data to be one line of printable text"),
        ({"estimator": LogisticRegression()}, TypeError, "expected a fitted MLPDigitClassifier"),
        ({"y": Y[:9]}, ValueError, "expected a label for each of 1797 rows, got 9"),
        ({"y": Y + 1}, ValueError, "expected y of the classes that the model knows, got .* 10"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    changed, kind, reason, pipeline, tmp_path, monkeypatch
):
    """In one sentence of the function's name; nothing is predicted, and no file is touched."""

    def refuse(*_):
        raise AssertionError("predicted")

    monkeypatch.setattr(MLPDigitClassifier, "predict_proba", refuse)
    old = tmp_path / "r.html"
    old.write_text("old")
    given = {"estimator": pipeline, "path": "r.html", "X": IMAGES, "y": Y} | changed
    with pytest.raises(kind, match=f"write_report: {reason}"):
        write_report(**given | {"path": tmp_path / given["path"]})
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert old.read_text() == "old"


def test_an_unfitted_model_is_refused(tmp_path):
    """As by scikit-learn."""
    with pytest.raises(NotFittedError):
        write_report(MLPDigitClassifier(), tmp_path / "r.md", IMAGES, Y)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_every_width(pipeline, browser, tmp_path, width, scheme):
    """Nothing is wider than the window, the style is applied, and no request is made."""
    write_report(pipeline, tmp_path / "r.html", IMAGES, Y)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get("about:blank")
    browser.get_log("browser"), browser.get_log("performance")  # those of earlier pages
    browser.get((tmp_path / "r.html").as_uri())
    wide, colour, table = browser.execute_script(
        "return [document.documentElement.scrollWidth, getComputedStyle(document.body)"
        ".backgroundColor, [...document.querySelectorAll('.scroll')].every("
        "box => box.scrollWidth <= box.clientWidth)]"
    )
    assert wide <= width
    assert table
    assert colour == {"light": "rgb(246, 243, 236)", "dark": "rgb(19, 20, 25)"}[scheme]
    assert browser.get_log("browser") == []
    assert not [e for e in browser.get_log("performance") if '"url":"http' in e["message"]]
