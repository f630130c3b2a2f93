// The page: it reads the model, and answers whatever is drawn.

const FINE_STEPS = 100;  // of the integrated gradients, once the pen is lifted
const QUICK_STEPS = 16;  // while it moves

const page = {
  model: null,
  network: null,
  side: 28,
  drawing: EMPTY,
  earlier: [],  // drawings to go back to
  moving: null,  // the stroke under the pen
  colours: null,
  units: [],  // chosen unit of each hidden layer
  waiting: 0,
};

async function start() {
  const model = JSON.parse(byId("model").textContent);
  const layers = readLayers(await unpack(model.weights), model.widths, model.precision);
  page.model = model;
  page.network = { layers, activation: model.activation };
  page.side = model.side;
  page.colours = readColours();
  page.units = layers.slice(1).map(() => 0);
  byId("sure").textContent = percent(model.sure, 0);
  makeBars();
  makeLayers();
  listen();
  showFacts(model);
  makeSamples(await unpack(model.samples.pixels));
  if (model.scores) {
    showScores(model.scores, model.classes, page.side, await unpack(model.scores.pictures.pixels), openPicture);
  }
  page.drawing = drawingOf(location.hash.slice(1), page.side);
  show();
  document.documentElement.dataset.ready = "yes";
}

// ---------------------------------------------------------------------------------------------
// What changes the drawing

function setDrawing(drawing) {
  page.earlier.push(page.drawing);
  page.drawing = drawing;
  finish();
}

/** Show a whole drawing, and keep it in the address. */
function finish() {
  const address = isEmpty(page.drawing) ? location.href.split("#")[0] : `#${textOf(page.drawing)}`;
  try {
    history.replaceState(null, "", address);
  } catch {
    // A browser may forbid it for a file, or for too many at a time; the drawing stays all the same.
  }
  show();
}

function openPicture(picture) {
  setDrawing({ picture, strokes: [] });
  byId("pad").scrollIntoView({ block: "nearest", behavior: prefersStill.matches ? "auto" : "smooth" });
}

async function openFile(file) {
  if (!file) return;
  const notice = byId("notice");
  notice.hidden = true;
  try {
    const ink = findInk(await greyOfFile(file), false);
    if (ink) openPicture(fitField(ink, page.side));
    else notice.textContent = "Nothing stands out from the paper in this picture. Try one with more contrast.";
    notice.hidden = Boolean(ink);
  } catch {
    notice.textContent = `This browser cannot read ${file.name || "this"} as a picture. Try a PNG or a JPEG.`;
    notice.hidden = false;
  }
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const prefersStill = matchMedia("(prefers-reduced-motion: reduce)");

function listen() {
  const begin = () => ({
    tool: document.querySelector("[name=tool]:checked").value,
    width: Number(byId("width").value),
  });
  listenToPointers(byId("pad"), begin, (stroke, isDone) => {
    page.moving = isDone ? null : stroke;
    if (isDone) setDrawing({ ...page.drawing, strokes: [...page.drawing.strokes, stroke] });
    else showSoon();
  });
  const undo = () => {
    if (!page.earlier.length) return;
    page.drawing = page.earlier.pop();
    finish();
  };
  byId("undo").addEventListener("click", undo);
  byId("clear").addEventListener("click", () => {
    if (!isEmpty(page.drawing)) setDrawing(EMPTY);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
  });
  byId("file").addEventListener("change", async (event) => {
    await openFile(event.target.files[0]);
    event.target.value = "";
  });
  document.addEventListener("paste", (event) => openFile(event.clipboardData.files[0]));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    openFile(event.dataTransfer.files[0]);
  });
  window.addEventListener("hashchange", () => setDrawing(drawingOf(location.hash.slice(1), page.side)));
  prefersDark.addEventListener("change", () => {
    page.colours = readColours();
    show();
  });
}

/** Buttons that open sample digits. */
function makeSamples(pixels) {
  const { side, labels } = page.model.samples;
  labels.forEach((label, i) => {
    const sample = pixels.slice(i * side * side, (i + 1) * side * side);
    const button = make("button", { className: "sample" }, canvasOf(sample, side, WHITE, BLACK));
    button.ariaLabel = `Sample of ${label}`;
    button.addEventListener("click", () => {
      const ink = { values: Float32Array.from(sample, (level) => level / 255), width: side, height: side };
      openPicture(side === page.side ? sample : fitField(crop(ink), page.side));
    });
    byId("samples").append(button);
  });
}

// ---------------------------------------------------------------------------------------------
// What is shown

function showSoon() {
  if (!page.waiting) page.waiting = requestAnimationFrame(show);
}

function show() {
  cancelAnimationFrame(page.waiting);
  page.waiting = 0;
  const { drawing, moving, side, network, colours } = page;
  const whole = moving ? { ...drawing, strokes: [...drawing.strokes, moving] } : drawing;
  paintDrawing(byId("pad").getContext("2d"), whole, side, colours.ink, colours.paper);
  const { pixels, shapes } = readDrawing(whole, side);
  const inputs = Float64Array.from(pixels, (level) => level / 255);
  const answer = run(network, inputs);
  const hasInk = shapes.number > 0;
  paintPixels(byId("seen"), pixels, side);
  showLayers(answer.hidden, hasInk);
  const order = Array.from(answer.probabilities.keys()).sort((a, b) => answer.probabilities[b] - answer.probabilities[a]);
  const shares = hasInk ? attributions(network, inputs, order[0], moving ? QUICK_STEPS : FINE_STEPS) : inputs.map(() => 0);
  paintSigned(byId("mattered"), shares, side, colours, pixels);
  byId("target").textContent = hasInk ? page.model.classes[order[0]] : "the answer";
  showBars(answer.probabilities, order, hasInk);
  showAnswer(answer.probabilities, order, shapes, Boolean(moving));
  byId("undo").disabled = !page.earlier.length;
  byId("clear").disabled = isEmpty(whole);
}

/** The answer in words, and why it is unsure, if it is. */
function answerInWords(probabilities, order, shapes) {
  const { classes, sure } = page.model;
  if (!shapes.number) return { text: "Draw a digit", doubts: [] };
  const [best, second] = order;
  const doubts = [];
  if (!shapes.areStrokes) doubts.push("no strokes, but noise or a blot");
  else if (shapes.number > 1) doubts.push(`${shapes.number} separate shapes; draw one digit`);
  const isClose = probabilities[best] < sure;
  if (isClose) doubts.push(`below ${percent(sure, 0)}`);
  const choices = isClose ? `${classes[best]} or ${classes[second]}` : classes[best];
  const text = doubts.length ? `unsure: ${choices}` : `${classes[best]}, ${probabilityText(probabilities[best])}`;
  return { text, doubts };
}

function showAnswer(probabilities, order, shapes, isMoving) {
  const { text, doubts } = answerInWords(probabilities, order, shapes);
  byId("answer").textContent = text;
  byId("brief").textContent = text;  // beside the drawing, where the answer is below it
  byId("answer").className = `answer${shapes.number ? "" : " none"}${doubts.length ? " unsure" : ""}`;
  byId("doubts").textContent = doubts.length ? `Because: ${doubts.join("; ")}.` : "";
  // Spoken once the pen rests, not at every move of it.
  clearTimeout(page.speaking);
  if (isMoving) return;
  page.speaking = setTimeout(() => {
    byId("spoken").textContent = [text, ...doubts].join(". ");
  }, 300);
}

function makeBars() {
  page.bars = page.model.classes.map(() => make("div", { className: "bar" }));
  const rows = page.bars.map((bar, i) => [page.model.classes[i], make("div", { className: "track" }, bar), ""]);
  byId("bars").append(makeTable({}, ["Class", "", "Probability"], rows, true));
}

function showBars(probabilities, order, hasInk) {
  page.bars.forEach((bar, i) => {
    const row = bar.closest("tr");
    bar.style.width = hasInk ? `${100 * probabilities[i]}%` : "0";
    row.lastChild.textContent = hasInk ? percent(probabilities[i]) : "–";
    row.className = hasInk && i === order[0] ? "best" : "";
  });
}

// ---------------------------------------------------------------------------------------------
// The hidden layers

/** Columns of the grid that a layer's units are shown in: a power of two, wider than high. */
const columnsOf = (nUnits) => 2 ** Math.ceil(Math.log2(Math.sqrt(nUnits)));

function makeLayers() {
  const { layers } = page.network;
  const picture = (label) => {
    const canvas = make("canvas", { role: "img" });
    canvas.ariaLabel = label;
    return canvas;
  };
  page.panels = layers.slice(0, -1).map((layer, depth) => {
    const units = picture(`Activations of layer ${depth + 1}; choose a unit by its number`);
    const weights = picture(`Weights into the chosen unit of layer ${depth + 1}`);
    const number = make("input", { type: "number", min: 1, max: layer.nOut, value: 1 });
    const said = makeLegend("");
    const choose = (unit) => {
      if (!(unit >= 0 && unit < layer.nOut)) return;
      page.units[depth] = unit;
      number.value = unit + 1;
      show();
    };
    number.addEventListener("change", () => choose(Math.round(number.value) - 1));
    units.addEventListener("click", (event) => {
      const columns = columnsOf(layer.nOut);
      const cell = units.clientWidth / columns;
      choose(Math.floor(event.offsetY / cell) * columns + Math.floor(event.offsetX / cell));
    });
    const from = depth ? `the units of layer ${depth}, in their places` : "the pixels";
    byId("layers").append(make("div", { className: "layer" },
      make("figure", { className: "units" }, make("figcaption", {}, make("b", {}, `Layer ${depth + 1}`), ` ${layer.nOut} units`), units),
      make("figure", {}, make("figcaption", {}, make("label", {}, make("b", {}, "Unit "), number)), weights),
      said,
      makeLegend(`Weights of ${from}: large orange squares make the unit more active, small blue ones less.`),
    ));
    return { units, weights, said, depth, layer };
  });
}

function showLayers(hidden, hasInk) {
  for (const { units, weights, said, depth, layer } of page.panels) {
    const unit = page.units[depth];
    const values = hidden[depth].map((value) => (hasInk ? value : 0));
    paintActivations(units, values, columnsOf(layer.nOut), page.colours, unit);
    const incoming = Float64Array.from({ length: layer.nIn }, (_, i) => layer.kernel[i * layer.nOut + unit]);
    paintSigned(weights, incoming, depth ? columnsOf(layer.nIn) : page.side, page.colours);
    said.textContent = hasInk
      ? `${values.filter((value) => value > 0).length} of ${layer.nOut} units are above zero. Unit ${unit + 1} is at ${values[unit].toFixed(2)}, the highest at ${Math.max(...values).toFixed(2)}.`
      : "Draw something to light the units.";
  }
}

start().catch((error) => {
  byId("notice").textContent = `This page needs a newer browser, of 2023 or later (${error.message}).`;
  byId("notice").hidden = false;
  throw error;
});
