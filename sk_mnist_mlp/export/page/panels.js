// The panels below the drawing: how good the network is, and facts about it.

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

const counted = (n) => n.toLocaleString("en");

/** A probability as people read it: never quite 1. */
const probabilityText = (share) => (share >= 0.9995 && share < 1 ? "over 99.9 %" : percent(share));

const makeLegend = (text) => make("p", { className: "legend", textContent: text });

/** Fill in accuracy, confusion matrix and calibration; open(picture) puts one into the drawing. */
function showScores(scores, classes, side, pixels, open) {
  const { accuracy, interval, n, confusion } = scores;
  byId("scores").hidden = false;
  byId("accuracy").append(
    make("strong", { textContent: percent(accuracy, 2) }),
    ` of ${counted(n)} pictures are named rightly (95 % interval: ${interval.map((share) => percent(share, 2)).join(" to ")}).`,
  );
  const choose = (truth, answer) => showBehind(scores, classes, side, pixels, open, truth, answer);
  const mistakes = confusion.flatMap((row, truth) => row.map((count, answer) => (truth === answer ? 0 : count)));
  const most = Math.max(1, ...mistakes);
  const rows = confusion.map((row, truth) => [classes[truth], ...row.map((count, answer) => {
    if (!count) return "";
    const button = make("button", { textContent: counted(count), className: truth === answer ? "right" : "" });
    button.ariaLabel = `${count} of ${classes[truth]} answered as ${classes[answer]}: show pictures`;
    if (truth !== answer) button.style.setProperty("--share", `${10 + (35 * count) / most}%`);
    button.addEventListener("click", () => choose(truth, answer));
    return button;
  })]);
  byId("confusion").append(makeTable({}, ["truth ↓ answer →", ...classes], rows, true));
  const worst = Math.max(0, mistakes.indexOf(most));
  choose(Math.floor(worst / classes.length), worst % classes.length);
  byId("calibration").append(...makeCalibration(scores));
}

/** The pictures behind a cell of the confusion matrix. */
function showBehind({ confusion, pictures }, classes, side, pixels, open, truth, answer) {
  const size = side * side;
  const isBehind = (i) => pictures.truth[i] === truth && pictures.answer[i] === answer;
  const buttons = [...pictures.truth.keys()].filter(isBehind).map((i) => {
    const picture = pixels.slice(i * size, (i + 1) * size);
    const said = probabilityText(pictures.probability[i]);
    const button = make("button", { className: "picture" }, canvasOf(picture, side, WHITE, BLACK), said);
    button.ariaLabel = `Row ${pictures.row[i]} of X, answered as ${classes[answer]} with ${said}: open it above`;
    button.addEventListener("click", () => open(picture));
    return button;
  });
  const count = confusion[truth][answer];
  const isRight = truth === answer;
  const kind = isRight ? `${classes[truth]}, named rightly` : `${classes[truth]} taken for ${classes[answer]}`;
  byId("behind-title").textContent = `${kind}: ${counted(count)} pictures`;
  const text = `${buttons.length === count ? "All" : buttons.length} of them, the ${isRight ? "least sure" : "surest"} first, with the probability stated. Choose one to open it above.`;
  byId("behind").replaceChildren(
    make("div", { className: "pictures" }, ...buttons),
    makeLegend(buttons.length ? text : "None of them are in this page, to keep it small."),
  );
}

function makeCalibration({ calibration, calibration_error: error, n }) {
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((share) => [share, percent(share, 0)]);
  const diagram = makeDiagram("Share of right answers by stated probability", ticks, ticks, "stated probability", [
    { points: [[0, 0], [1, 1]], kind: "ideal" },
    {
      points: calibration.map((bin) => [bin.probability, bin.accuracy]),
      sizes: calibration.map((bin) => 3 + 6 * Math.sqrt(bin.n / n)),
      kind: "first",
    },
  ]);
  const rows = calibration.map((bin) => [percent(bin.probability), percent(bin.accuracy), counted(bin.n)]);
  const table = makeTable({ className: "numbers" }, ["Stated", "Right", "Pictures"], rows);
  return [
    diagram,
    makeLegend(`Up: share of right answers. Of answers stated at 80 %, 8 in 10 should be right: then the dots, larger for more pictures, lie on the dashed line. Below it the network is too sure of itself. On average the two differ by ${percent(error, 2)}.`),
    make("details", {}, make("summary", { textContent: "The same in numbers" }), table),
  ];
}

/** Facts as a table, and the history of the training as diagrams. */
function showFacts({ facts, history }) {
  byId("facts").append(makeTable({}, ["What", "Value"], facts, true));
  for (const name of ["loss", "accuracy"]) {
    const curves = [[name, "first"], [`val_${name}`, "second"]].map(([column, kind]) => ({
      points: (history[column] || []).map((value, i) => [i + 1, value]).filter(([, value]) => value !== null),
      kind,
    })).filter(({ points }) => points.length);
    if (!curves.length) continue;
    const points = curves.flatMap((curve) => curve.points);
    const values = points.map(([, value]) => value);
    const [low, high] = name === "loss" ? [0, Math.max(...values)] : [Math.min(...values), 1];
    const text = (value) => (name === "loss" ? value.toFixed(2) : percent(value));
    const last = Math.max(...points.map(([epoch]) => epoch));
    const yTicks = [0, 0.25, 0.5, 0.75, 1].map((share) => low + share * (high - low));
    const xTicks = [...new Set([0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(1 + share * (last - 1))))];
    const title = `${name[0].toUpperCase()}${name.slice(1)} over the training`;
    byId("history").append(
      make("h3", { textContent: title }),
      makeDiagram(title, xTicks.map((epoch) => [epoch, epoch]), yTicks.map((value) => [value, text(value)]), "epoch", curves),
    );
    if (curves.length > 1) byId("history").append(makeLegend("Solid: in training. Dashed: on rows held out."));
  }
}
