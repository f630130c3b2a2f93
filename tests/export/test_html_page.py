"""The page to draw on, in a real browser: it answers, prepares and shows as Python does."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from drawn_digits import STROKES, strokes_of
from PIL import Image, ImageDraw, ImageFilter
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier, make_digit_pipeline
from sk_mnist_mlp._network import ACTIVATIONS
from sk_mnist_mlp.datasets import find_shapes, load_image, load_mnist, prepare_digit
from sk_mnist_mlp.export import html_page, to_html

DIGITS = load_digits()
X, Y = DIGITS.data / 16, DIGITS.target
IMAGES = DIGITS.images.astype(np.uint8)
SIDE = 280  # pixels of the drawing that the page prepares


def small(**parameters):
    """A classifier that trains in milliseconds."""
    return MLPDigitClassifier(**{"hidden_units": 16, "epochs": 3, "random_state": 0} | parameters)


@pytest.fixture(scope="module")
def model():
    """The tutorial's network after a few epochs of MNIST."""
    images, _, labels, _ = load_mnist(return_splits=True)
    pipeline = make_digit_pipeline("tutorial", epochs=4, random_state=0, engine="numpy")
    return pipeline.fit(images, labels)


@pytest.fixture(scope="module")
def mnist():
    """MNIST's test images and labels."""
    _, images, _, labels = load_mnist(return_splits=True)
    return images, labels


@pytest.fixture(scope="module")
def path(model, mnist, tmp_path_factory):
    """The page of that network, with everything on it."""
    made = tmp_path_factory.mktemp("page") / "digits.html"
    to_html(model, made, X=mnist[0], y=mnist[1])
    return made


def show(browser, path, fragment="", *, width=1280, **media):
    """Open a page anew, in a window of this width and with such preferences of its reader."""
    browser.get("about:blank")
    browser.get_log("browser"), browser.get_log("performance")  # those of earlier pages
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": f"prefers-{name}", "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(path.as_uri() + fragment)
    wait(browser, "document.documentElement.dataset.ready")


def wait(browser, condition):
    """Wait until an expression is true in the page."""
    script = """
        const done = arguments[0];
        const look = () => (%s) ? done(true) : setTimeout(look, 20);
        look();
    """
    assert browser.execute_async_script(script % condition)


@pytest.fixture
def page(browser, path):
    """The browser showing that page, as first opened."""
    show(browser, path)
    return browser


def answers(browser, pixels):
    """Probabilities that the page computes for rows of bytes."""
    script = """
        const [text, size] = arguments;
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        const rows = [];
        for (let at = 0; at < bytes.length; at += size) {
            const inputs = Float64Array.from(bytes.subarray(at, at + size), (byte) => byte / 255);
            rows.push(Array.from(run(page.network, inputs).probabilities));
        }
        return rows;
    """
    rows = np.ascontiguousarray(pixels, np.uint8).reshape(len(pixels), -1)
    parts = [rows[start : start + 2000] for start in range(0, len(rows), 2000)]
    return np.concatenate(
        [
            browser.execute_script(script, base64.b64encode(part).decode(), part.shape[1])
            for part in parts
        ]
    )


def text_of(browser, name):
    """The text of an element."""
    return browser.execute_script("return byId(arguments[0]).textContent", name)


# ----------------------------------------------------------------------------------------------
# The same answers as Python's


def test_the_page_gives_the_probabilities_of_python(page, model, mnist):
    """On 1,000 test images within 2e-3, and the label on at least 9,998 of 10,000."""
    found = answers(page, mnist[0])
    np.testing.assert_allclose(
        found[:1000], model.predict_proba(mnist[0][:1000]), rtol=0, atol=2e-3
    )
    assert (found.argmax(axis=1) == model.predict(mnist[0])).sum() >= 9998


@pytest.mark.parametrize("tested", [False, True])
def test_eight_bits_give_the_same_labels(browser, model, mnist, tested, tmp_path):
    """With 8-bit weights too; rounded by X where there is one, else by MNIST's test images."""
    given = dict(zip("Xy", mnist, strict=True)) if tested else {}
    to_html(model, tmp_path / "page.html", precision="int8", **given)
    show(browser, tmp_path / "page.html")
    found = answers(browser, mnist[0])
    assert (found.argmax(axis=1) == model.predict(mnist[0])).sum() >= 9998
    np.testing.assert_allclose(found, model.predict_proba(mnist[0]), rtol=0, atol=0.1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(9,), (12, 7, 5)])
def test_every_activation_is_computed(browser, activation, widths, tmp_path):
    """For each activation and any depth; contributions of pixels add up to the logit's rise."""
    model = small(activation=activation, hidden_units=widths).fit(X, Y)
    to_html(model, tmp_path / "page.html")
    show(browser, tmp_path / "page.html")
    pixels = np.rint(X[:100] * 255).astype(np.uint8)
    expected = model.predict_proba(pixels / 255)
    np.testing.assert_allclose(answers(browser, pixels), expected, rtol=0, atol=2e-3)
    sums, rises = browser.execute_script(
        """
        const rows = arguments[0].map((row) => row.map((level) => level / 255));
        const logit = (row) => run(page.network, row).logits[3];
        return [
            rows.map((row) => attributions(page.network, row, 3, 400).reduce((a, b) => a + b)),
            rows.map((row) => logit(row) - logit(row.map(() => 0))),
        ];
        """,
        pixels[:20].tolist(),
    )
    np.testing.assert_allclose(sums, rises, rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    "steps",
    [
        [ImageFlattener(scale=16)],
        [ImageFlattener(scale=16), StandardScaler()],
        [ImageFlattener(scale=None), MinMaxScaler()],
        [ImageFlattener(scale=16), MinMaxScaler((-1, 1)), "passthrough"],
        [ImageFlattener(scale=16), RobustScaler(with_centering=False), MaxAbsScaler()],
        [ImageFlattener(scale=16), StandardScaler(with_mean=False)],
        [ImageFlattener(scale=16), StandardScaler(with_std=False)],
    ],
    ids=str,
)
def test_scalers_become_part_of_the_network(browser, steps, tmp_path):
    """A pipeline's scalers are folded into the first layer, whatever they leave out."""
    white = steps[0].scale or 255
    images = (IMAGES.astype(float) * white / 16).astype(np.uint8)
    model = make_pipeline(*steps, small()).fit(images, Y)
    to_html(model, tmp_path / "page.html")
    show(browser, tmp_path / "page.html")
    pixels = np.rint(images[:100] / white * 255)
    expected = model.predict_proba(pixels / 255 * white)
    np.testing.assert_allclose(answers(browser, pixels), expected, rtol=0, atol=2e-3)


# ----------------------------------------------------------------------------------------------
# MNIST's preparation


def random_drawings(number):
    """Drawings of digits, each moved, scaled, slanted and of another pen."""
    rng = np.random.default_rng(0)
    for index in range(number):
        scale, slant, width = rng.uniform(0.3, 1.0), rng.normal(0, 0.2), rng.integers(6, 40)
        move = rng.uniform(-25, 25, 2)
        strokes = []
        for stroke in strokes_of(str(index % 10)):
            places = (np.array(stroke) - 50) @ [[scale, 0], [slant, scale]] + 50 + move
            places += rng.normal(0, 1, places.shape)
            points = np.rint(places.clip(0, 100) * 10.23).astype(int).tolist()
            strokes.append({"tool": "pen", "width": int(width), "points": points})
        yield {"picture": None, "strokes": strokes}


def test_drawings_are_prepared_as_python_does(page):
    """Within one grey level on average over 200 drawings, and of as many shapes."""
    for drawing in random_drawings(200):
        grey, pixels, shapes = page.execute_script(
            """
            const { pixels, shapes } = readDrawing(arguments[0], 28);
            const grey = greyOf(arguments[0], 28).values;
            const letters = Array.from(grey, (level) => String.fromCharCode(level));
            return [btoa(letters.join("")), Array.from(pixels), shapes];
            """,
            drawing,
        )
        levels = np.frombuffer(base64.b64decode(grey), np.uint8).reshape(SIDE, SIDE)
        prepared = prepare_digit(levels.astype(float))
        found = np.array(pixels).reshape(28, 28)
        assert np.abs(found - prepared.astype(float)).mean() <= 1.0
        seen = find_shapes(np.where(levels < 255, 255.0 - levels, 0.0))
        assert (shapes["number"], shapes["areStrokes"]) == (seen.number, seen.are_strokes)


def photo(number, rng):
    """A digit on unevenly lit paper, plain or ruled, with grain, in ink of some colour."""
    size = (int(rng.integers(150, 400)), int(rng.integers(150, 400)))
    picture = Image.new("L", size, 0)
    for stroke in strokes_of(str(number)):
        line = [(x * size[0] / 100, y * size[1] / 100) for x, y in stroke]
        ImageDraw.Draw(picture).line(line, fill=255, width=12, joint="curve")
    ink = np.asarray(picture.filter(ImageFilter.GaussianBlur(1)), float)[..., np.newaxis] / 255
    if number % 2:  # ruled paper
        ink[:: size[1] // 6] = np.maximum(ink[:: size[1] // 6], 0.2)
    down, across = np.mgrid[0 : 1 : 1j * size[1], 0 : 1 : 1j * size[0]]
    light = 150 + 80 * down - 60 * across**2 + rng.normal(0, 2, down.shape)
    colour = np.array([[20, 30, 160], [30, 30, 30], [200, 40, 40]][number % 3])
    levels = light[..., np.newaxis] * (1 - ink * (1 - colour / 255))
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def test_photos_are_prepared_as_python_does(page, tmp_path):
    """An opened picture becomes what load_image makes of it, within one grey level on average."""
    rng = np.random.default_rng(0)
    for number in range(10):
        file = tmp_path / f"{number}.png"
        photo(number, rng).save(file)
        before = page.execute_script("return page.earlier.length")
        page.find_element("id", "file").send_keys(str(file))
        wait(page, f"page.earlier.length > {before}")
        found = page.execute_script("return Array.from(page.drawing.picture)")
        expected = load_image(file).astype(float)
        assert np.abs(np.reshape(found, (28, 28)) - expected).mean() <= 1.0


def test_pictures_with_transparency_and_light_ink_are_read(page, tmp_path):
    """White ink on nothing, dark ink on nothing, and light on dark are all found."""
    for name, ink, ground in [("a", "white", None), ("b", "black", None), ("c", "white", "black")]:
        picture = Image.new("RGBA", (200, 200), ground or (0, 0, 0, 0))
        ImageDraw.Draw(picture).line((100, 30, 90, 170), fill=ink, width=16)
        picture.save(tmp_path / f"{name}.png")
        before = page.execute_script("return page.earlier.length")
        page.find_element("id", "file").send_keys(str(tmp_path / f"{name}.png"))
        wait(page, f"page.earlier.length > {before}")
        assert text_of(page, "answer").startswith("1, ")


def test_what_is_no_picture_is_said(page, tmp_path):
    """A file that is no picture, and an empty picture, are told in a sentence."""
    (tmp_path / "text.txt").write_text("no picture")
    Image.new("L", (50, 50), 255).save(tmp_path / "empty.png")
    for name, words in [("text.txt", "cannot read text.txt"), ("empty.png", "Nothing stands out")]:
        page.find_element("id", "file").send_keys(str(tmp_path / name))
        wait(page, f"byId('notice').textContent.includes({words!r}) && !byId('notice').hidden")
    assert text_of(page, "answer") == "Draw a digit"


# ----------------------------------------------------------------------------------------------
# Drawing


def places_on(browser, stroke):
    """Where a stroke's places are in the window, with some between them."""
    box = browser.execute_script(
        "byId('pad').scrollIntoView({block: 'nearest'});"
        "const { left, top, width } = byId('pad').getBoundingClientRect();"
        "return [left, top, width]"
    )
    places = np.array(stroke)
    fine = np.linspace(0, len(places) - 1, 3 * len(places) - 2)
    for i in fine:
        x, y = (np.interp(i, range(len(places)), places[:, axis]) for axis in (0, 1))
        yield box[0] + x * box[2] / 100, box[1] + y * box[2] / 100


def draw_by_mouse(browser, stroke):
    kinds = ["mousePressed"] + ["mouseMoved"] * (3 * len(stroke) - 3)
    for kind, (x, y) in zip(kinds, places_on(browser, stroke), strict=True):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    event = {"type": "mouseReleased", "x": x, "y": y, "button": "left", "clickCount": 1}
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def draw_by_touch(browser, stroke):
    kinds = ["touchStart"] + ["touchMove"] * (3 * len(stroke) - 3)
    for kind, (x, y) in zip(kinds, places_on(browser, stroke), strict=True):
        event = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize(("draw", "width"), [(draw_by_mouse, 1280), (draw_by_touch, 360)])
def test_ten_drawings_are_read(browser, path, draw, width):
    """Each digit drawn by mouse and by finger is named."""
    show(browser, path, width=width)
    named = {}
    for digit in STROKES:
        for stroke in strokes_of(digit):
            draw(browser, stroke)
        named[digit] = browser.execute_script(
            "const { probabilities } = run(page.network, Float64Array.from("
            "readDrawing(page.drawing, 28).pixels, (byte) => byte / 255));"
            "return page.model.classes[probabilities.indexOf(Math.max(...probabilities))]"
        )
        assert digit in text_of(browser, "answer")
        browser.find_element("id", "clear").click()
        assert text_of(browser, "answer") == "Draw a digit"
    assert named == {digit: digit for digit in STROKES}


def test_the_answer_comes_while_drawing(page):
    """Bars and answer change before the mouse button is released."""
    for x, y in places_on(page, strokes_of("1")[0]):
        kind = (
            "mouseMoved" if page.execute_script("return Boolean(page.moving)") else "mousePressed"
        )
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        page.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    wait(page, "byId('answer').textContent.startsWith('1')")
    assert page.execute_script("return Boolean(page.moving)")
    assert page.execute_script("return document.querySelector('.best th').textContent") == "1"


def test_pen_eraser_width_undo_and_clear(page):
    """The eraser takes away what the pen drew; undo brings back, step by step, also after clear."""

    def ink():
        return page.execute_script("return readDrawing(page.drawing, 28).shapes.number")

    stroke = strokes_of("1")[0]
    draw_by_mouse(page, stroke)
    assert ink() == 1
    page.execute_script("byId('width').value = 44")
    page.find_element("css selector", "[value=eraser] + span").click()
    draw_by_mouse(page, stroke)
    assert ink() == 0
    assert page.execute_script("return page.drawing.strokes.map((s) => [s.tool, s.width])") == [
        ["pen", 20],
        ["eraser", 44],
    ]
    page.find_element("id", "undo").click()
    assert ink() == 1
    page.find_element("id", "clear").click()
    assert ink() == 0
    page.find_element("id", "undo").click()
    assert ink() == 1
    page.find_element("tag name", "body").send_keys("\ue009z")  # Ctrl+Z
    assert ink() == 0
    assert not page.find_element("id", "undo").is_enabled()


def test_the_address_holds_the_drawing(browser, path):
    """A link shows strokes and pictures again, exactly; a broken one shows what it can."""
    show(browser, path)
    browser.find_elements("class name", "sample")[4].click()
    draw_by_mouse(browser, strokes_of("1")[0])
    drawing = browser.execute_script("return page.drawing")
    fragment = browser.execute_script("return location.hash")
    assert len(fragment) < 2000
    show(browser, path, fragment)
    assert browser.execute_script("return page.drawing") == drawing
    for broken in ("#x", "#p", "#pAA.i12.e!!", "#pAUAA", f"{fragment[:-31]}.%3Cb%3E", "#i!99999!"):
        show(browser, path, broken)
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_samples_are_chosen_by_keyboard(page):
    """Ten buttons in the order of the classes; the answer is announced in words."""
    buttons = page.find_elements("class name", "sample")
    assert [button.accessible_name for button in buttons] == [f"Sample of {d}" for d in range(10)]
    for digit, button in enumerate(buttons):
        button.send_keys("\n")
        assert text_of(page, "answer").startswith(f"{digit}, ")
    wait(page, "byId('spoken').textContent === byId('answer').textContent")
    assert page.find_element("id", "spoken").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize(
    ("best", "shapes", "text", "doubts"),
    [
        (0.9981, (1, True), "4, 99.8 %", []),
        (0.9, (1, True), "4, 90.0 %", []),
        (0.5, (1, True), "unsure: 4 or 9", ["below 90 %"]),
        (0.99, (2, True), "unsure: 4", ["2 separate shapes; draw one digit"]),
        (0.99, (1, False), "unsure: 4", ["no strokes, but noise or a blot"]),
        (0.99, (0, False), "Draw a digit", []),
    ],
)
def test_the_answer_in_words(page, best, shapes, text, doubts):
    """Sure from 90 % on and for one shape made of strokes, as the command ``predict`` is."""
    probabilities = [0.0] * 10
    probabilities[4], probabilities[9] = best, 1 - best
    said = page.execute_script(
        "const [probabilities, number, areStrokes] = arguments;"
        "return answerInWords(probabilities, [4, 9], { number, areStrokes })",
        probabilities,
        *shapes,
    )
    assert said == {"text": text, "doubts": doubts}


def test_two_digits_are_unsure(page):
    """Two ones side by side are two shapes."""
    for shift in (-25, 25):
        draw_by_mouse(page, [(x + shift, y) for x, y in strokes_of("1")[0]])
    assert text_of(page, "answer").startswith("unsure: ")
    assert "2 separate shapes" in text_of(page, "doubts")


# ----------------------------------------------------------------------------------------------
# What is shown


def test_a_click_on_a_unit_shows_its_weights(page, model):
    """By mouse and by number; the weights are those of the classifier."""
    page.find_elements("class name", "sample")[3].click()
    canvas = page.find_element("css selector", ".units canvas")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    page.execute_script(
        "const [canvas] = arguments, box = canvas.getBoundingClientRect();"
        "canvas.dispatchEvent(new MouseEvent('click', {"
        "clientX: box.left + box.width * 2.5 / 16, clientY: box.top + box.width * 1.5 / 16}))",
        canvas,
    )
    number = page.find_element("css selector", "input[type=number]")
    assert number.get_attribute("value") == "19"  # second row, third column, of 16 a row
    number.clear()
    number.send_keys("200\n")
    assert page.execute_script("return page.units") == [199, 0]
    assert "Unit 200" in page.find_element("css selector", ".layer").text
    hidden = page.execute_script(
        "return Array.from(run(page.network, Float64Array.from(page.drawing.picture,"
        "(byte) => byte / 255)).hidden[0])"
    )
    picture = page.execute_script("return Array.from(page.drawing.picture)")
    expected = np.maximum(
        np.array(picture) / 255 @ model[-1].coefs_[0] + model[-1].intercepts_[0], 0
    )
    np.testing.assert_allclose(hidden, expected, rtol=0, atol=1e-2)


def test_the_confusion_matrix_opens_its_pictures(page, model, mnist):
    """Its numbers are scikit-learn's; a picture opens above with the answer it had."""
    predicted = model.predict(mnist[0])
    rows = page.execute_script(
        "return [...document.querySelectorAll('#confusion tbody tr')].map((row) =>"
        "[...row.querySelectorAll('td')].map((cell) => Number(cell.textContent.replace(',', ''))))"
    )
    expected = confusion_matrix(mnist[1], predicted)
    assert rows == expected.tolist()
    assert f"{100 * (predicted == mnist[1]).mean():.2f} %" in text_of(page, "accuracy")
    for truth, answer in [(4, 9), (7, 2), (5, 5)]:
        cell = page.find_element(
            "css selector",
            f"#confusion tr:nth-child({truth + 1}) td:nth-child({answer + 2}) button",
        )
        page.execute_script("arguments[0].click()", cell)
        assert f"{expected[truth, answer]:,} pictures" in text_of(page, "behind-title")
        pictures = page.find_elements("class name", "picture")
        assert pictures
        row = int(re.search(r"Row (\d+)", pictures[0].accessible_name)[1])
        assert (mnist[1][row], predicted[row]) == (truth, answer)
        page.execute_script("arguments[0].click()", pictures[0])
        found = page.execute_script("return Array.from(page.drawing.picture)")
        assert found == mnist[0][row].ravel().tolist()
        best = page.execute_script("return document.querySelector('.best th').textContent")
        assert best == str(answer)


def test_the_calibration_curve_has_the_measured_points(page, model, mnist):
    """Share of right answers in each tenth of the stated probability."""
    probabilities = model.predict_proba(mnist[0])
    stated, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == mnist[1]
    sure = stated >= 0.9
    table = page.execute_script(
        "return [...document.querySelectorAll('#calibration tbody tr')].map((row) =>"
        "[...row.cells].map((cell) => cell.textContent))"
    )
    assert table[-1] == [
        f"{100 * stated[sure].mean():.1f} %",
        f"{100 * right[sure].mean():.1f} %",
        f"{sure.sum():,}",
    ]


def test_the_page_tells_facts_and_history(page, model):
    """Weights, epochs, versions and date; curves of the loss and the accuracy."""
    facts = text_of(page, "facts")
    for words in ("269,322", "784 → 256 → 256 → 10", "4 epochs", "scikit-learn", "sk_mnist_mlp"):
        assert words in facts
    assert re.search(r"20\d\d-\d\d-\d\d", facts)
    assert page.execute_script("return document.querySelectorAll('#history polyline').length") == 2


def test_without_images_there_are_samples_and_no_scores(browser, model, tmp_path):
    """MNIST's own samples stand in, also where the network reads images of another size."""
    for name, made, sure in [("a", model, True), ("b", small().fit(X, Y), False)]:
        to_html(made, tmp_path / f"{name}.html")
        show(browser, tmp_path / f"{name}.html")
        assert not browser.find_element("id", "scores").is_displayed()
        buttons = browser.find_elements("class name", "sample")
        assert len(buttons) == 10
        buttons[6].click()
        assert not sure or text_of(browser, "answer").startswith("6")


# ----------------------------------------------------------------------------------------------
# Closed, safe, small and for everybody


def test_the_page_asks_no_network_and_logs_no_error(browser, path):
    """From opening it to drawing and opening pictures."""
    show(browser, path)
    browser.find_elements("class name", "sample")[4].click()
    draw_by_mouse(browser, strokes_of("7")[0])
    browser.execute_script("document.querySelector('#confusion .right').click()")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        event["params"]["request"]["url"].split("#")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}
    assert browser.get_log("browser") == []


def test_the_policy_forbids_everything_else(browser, path):
    """Nothing but this script, this sheet and the icon: neither requests nor other scripts."""
    text = path.read_text("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    show(browser, path)
    browser.execute_script(
        "document.body.append(Object.assign(document.createElement('script'),"
        "{ textContent: 'window.broken = true' }))"
    )
    assert browser.execute_script("return window.broken") is None
    assert "http" not in re.sub(
        r"http-equiv|http://www\.w3\.org/\w+/svg", "", text.split('model">')[0]
    )


EVIL = (
    "</script><script>window.broken = true</script><img src=x onerror=broken=1>&amp;\"'$title ${x}"
)


def test_titles_and_classes_stay_text(browser, tmp_path):
    """Markup in a title or in a class's name is shown as it is, and never run."""
    labels = np.array([EVIL, "<!--<script>", "\u2028 ü"])[Y % 3]
    model = small().fit(X, labels)
    to_html(model, tmp_path / "page.html", title=EVIL, X=X, y=labels)
    show(browser, tmp_path / "page.html")
    browser.find_elements("class name", "sample")[0].click()
    assert browser.title == EVIL
    assert browser.execute_script("return document.querySelector('h1').textContent") == EVIL
    heads = browser.execute_script(
        "return [...document.querySelectorAll('#bars tbody th')].map((head) => head.textContent)"
    )
    assert heads == model.classes_.tolist()
    assert browser.execute_script("return window.broken") is None
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_sizes(model, path, tmp_path):
    """269,322 weights: 760 kB as float16, 400 kB as int8; all the rest takes less than 60 kB."""
    for precision, limit in [("float16", 760_000), ("int8", 400_000)]:
        to_html(model, tmp_path / "page.html", precision=precision)
        page = (tmp_path / "page.html").read_bytes()
        weights = re.search(rb'"weights":"([^"]*)"', page)[1]
        assert len(page) <= limit
        assert len(page) - len(weights) < 60_000
    assert path.stat().st_size <= 760_000  # with the pictures behind the confusion matrix


@pytest.mark.parametrize("width", [1280, 390, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_can_be_read(browser, path, width, scheme):
    """No sideways scrolling, and text of a contrast of 4.5 (WCAG AA) in both colour schemes."""
    show(browser, path, width=width, **{"color-scheme": scheme})
    browser.find_elements("class name", "sample")[4].click()
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    found = browser.execute_script(
        """
        const level = (text) => {
            const numbers = text.match(/[\\d.]+/g).map(Number);
            const scale = text.startsWith("color(") ? 1 : 1 / 255;
            const [r, g, b] = numbers.slice(0, 3).map((n) => n * scale)
                .map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const groundOf = (element) => {
            const colour = getComputedStyle(element).backgroundColor;
            return /^rgba\\(.*, 0\\)$/.test(colour) ? groundOf(element.parentElement) : colour;
        };
        const poor = [];
        for (const element of document.querySelectorAll("body *")) {
            const hasText = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
            const isUnseen = /^(SCRIPT|NOSCRIPT|STYLE|text)$/.test(element.tagName);
            if (!hasText || element.disabled || isUnseen) continue;
            const [a, b] = [level(getComputedStyle(element).color), level(groundOf(element))];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) poor.push([element.outerHTML.slice(0, 80), contrast]);
        }
        return poor;
        """
    )
    assert found == []


def test_motion_is_reduced_where_asked(browser, path):
    """Bars jump instead of sliding."""
    for asked, expected in [("no-preference", "0.12s"), ("reduce", "0s")]:
        show(browser, path, **{"reduced-motion": asked})
        duration = "return getComputedStyle(document.querySelector('.bar')).transitionDuration"
        assert browser.execute_script(duration) == expected


def test_screen_readers_find_names(page):
    """Each control and picture has a name; both tables have headed rows and columns."""
    unnamed = [
        element.get_attribute("outerHTML")
        for element in page.find_elements("css selector", "button, input, [role=img]")
        if not element.accessible_name
    ]
    assert unnamed == []
    for table in ("#bars", "#confusion"):
        for scope, number in [("col", 3 if table == "#bars" else 11), ("row", 10)]:
            assert len(page.find_elements("css selector", f"{table} th[scope={scope}]")) == number
    assert page.execute_script("return document.documentElement.lang") == "en"


# ----------------------------------------------------------------------------------------------
# Errors, before anything is written


def fitted(**parameters):
    return small(**parameters).fit(X[:200], Y[:200])


@pytest.mark.parametrize(
    ("make", "arguments", "kind", "words"),
    [
        (small, {}, NotFittedError, "expected a fitted model, got one without fit"),
        (lambda: make_pipeline(ImageFlattener(), small()), {}, NotFittedError, "Call fit first"),
        (lambda: PCA(), {}, TypeError, "a Pipeline that ends in one, got PCA"),
        (
            lambda: GridSearchCV(small(), {"epochs": [1]}, cv=2).fit(X[:200], Y[:200]),
            {},
            TypeError,
            "Pass its best_estimator_",
        ),
        (
            lambda: make_pipeline(PCA(16), small()).fit(X[:200], Y[:200]),
            {},
            TypeError,
            "expected steps that scale pixels",
        ),
        (
            lambda: make_pipeline(MinMaxScaler(clip=True), small()).fit(X[:200], Y[:200]),
            {},
            TypeError,
            "without clip",
        ),
        (lambda: small().fit(X[:200, :60], Y[:200]), {}, ValueError, "expected a model of square"),
        (lambda: small().fit(X[:200, :4], Y[:200]), {}, ValueError, "8 by 8 pixels or more"),
        (
            lambda: make_pipeline(ImageFlattener(scale=16), small()).fit(
                IMAGES[:200].reshape(200, 4, 16), Y[:200]
            ),
            {},
            ValueError,
            r"got one of shape \(4, 16\)",
        ),
        (fitted, {"precision": "float8"}, ValueError, "'float16' or 'int8', got 'float8'"),
        (fitted, {"title": 3}, TypeError, "expected title to be text, got int"),
        (fitted, {"X": X}, ValueError, "expected X and y together, got X alone"),
        (fitted, {"y": Y}, ValueError, "expected X and y together, got y alone"),
        (fitted, {"X": X, "y": Y[:9]}, ValueError, "a label for each of 1797 rows, got 9"),
        (fitted, {"X": X, "y": Y + 1}, ValueError, "got the label 10"),
        (fitted, {"X": X[:, :60], "y": Y}, ValueError, "60 features"),
        (fitted, {"precision": "int8"}, ValueError, "expected X and y to check precision='int8'"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(make, arguments, kind, words, tmp_path):
    """The sentence says what was expected and what came; a file that was there stays."""
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(kind, match=words):
        to_html(make(), path, **arguments)
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text() == "old"


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    """A folder, and a file in no folder."""
    with pytest.raises(IsADirectoryError, match="to_html: expected a file's path"):
        to_html(fitted(), tmp_path)
    with pytest.raises(FileNotFoundError, match="to_html: expected a folder to write into"):
        to_html(fitted(), tmp_path / "none" / "page.html")


def test_a_diverged_training_is_refused(tmp_path):
    """Weights that are not finite have no answers."""
    with pytest.warns(UserWarning):
        model = small(learning_rate=1e30, optimizer="sgd", activation="linear").fit(X * 1e3, Y)
    with pytest.raises(ValueError, match="a training that diverged"):
        to_html(model, tmp_path / "page.html")


def test_eight_bits_are_refused_where_they_change_answers(tmp_path, monkeypatch):
    """One sentence says for how many images, and nothing is written."""
    model = fitted()
    monkeypatch.setattr(
        "sk_mnist_mlp.export.pixel_network._round_well", lambda kernel, _: np.rint(kernel * 2) / 2
    )
    with pytest.raises(ValueError, match=r"got other ones for \d+ of 1797 images \(X\)"):
        to_html(model, tmp_path / "page.html", X=X, y=Y, precision="int8")
    assert list(tmp_path.iterdir()) == []


def test_eight_bit_rounding_takes_its_errors_into_account():
    """Products with the inputs change less than by rounding each weight alone."""
    from sk_mnist_mlp.export.pixel_network import _round_well

    kernel = np.random.default_rng(0).uniform(-1, 1, (64, 20))
    rounded = _round_well(kernel, X)
    plain = np.rint(kernel * 127) / 127
    assert np.allclose(rounded * 127, np.rint(rounded * 127))
    assert np.square(X @ (rounded - kernel)).sum() < 0.5 * np.square(X @ (plain - kernel)).sum()


def test_the_pages_files_are_readable_and_complete():
    """Each file of the page is used and says in its first line what it is for."""
    folder = Path(html_page.__file__).parent / "page"
    scripts = {path.stem for path in folder.glob("*.js")}
    assert scripts == set(html_page._SCRIPTS)
    assert {path.suffix for path in folder.iterdir()} == {".js", ".css", ".html"}
    for path in folder.glob("*.js"):
        assert path.read_text("utf-8").startswith("// ")
