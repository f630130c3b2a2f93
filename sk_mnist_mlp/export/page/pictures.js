// Pictures of numbers: cells on a canvas, and curves as SVG.

/** The page's colours as red, green, blue, in the scheme that is on. */
function readColours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => {
    const hex = style.getPropertyValue(name).trim();
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  };
  const names = ["paper", "ink", "dim", "warm", "cool", "lit"];
  return Object.fromEntries(names.map((name) => [name, colour(`--${name}`)]));
}

const mix = (from, to, share) => `rgb(${from.map((level, i) => Math.round(level + (to[i] - level) * share))})`;

const largestSize = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Fill a grid of cells; cellOf(value, i) gives [colour, share of the cell's side] or null. */
function paintCells(canvas, values, columns, background, cellOf) {
  const rows = Math.ceil(values.length / columns);
  const cell = Math.max(4, Math.round(560 / columns));
  canvas.width = columns * cell;
  canvas.height = rows * cell;
  const context = canvas.getContext("2d");
  context.fillStyle = background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  values.forEach((value, i) => {
    const found = cellOf(value, i);
    if (!found) return;
    const [colour, share] = found;
    const side = Math.max(1, Math.round((cell - 1.5) * share));
    const margin = Math.floor((cell - side) / 2);
    context.fillStyle = colour;
    context.fillRect((i % columns) * cell + margin, Math.floor(i / columns) * cell + margin, side, side);
  });
}

/** Light ink on black, as MNIST's images are. */
function paintPixels(canvas, pixels, side) {
  paintCells(canvas, pixels, side, "#000", (level) => [mix(BLACK, WHITE, level / 255), 1]);
}

/** Numbers of both signs: large warm squares above zero, small cool ones below. */
function paintSigned(canvas, values, columns, colours, ground = null) {
  const largest = largestSize(values) || 1;
  const base = ground ? BLACK : colours.dim;
  paintCells(canvas, values, columns, ground ? "#000" : mix(colours.dim, colours.ink, 0.06), (value, i) => {
    const strength = (Math.abs(value) / largest) ** 0.7;
    const from = ground ? base.map((level) => level + (90 * ground[i]) / 255) : base;
    if (strength < 0.02) return [`rgb(${from})`, 1];
    return value > 0 ? [mix(from, colours.warm, strength), 1] : [mix(from, colours.cool, strength), 0.6];
  });
}

/** Activations, lit by their size; those below zero are small and cool. */
function paintActivations(canvas, values, columns, colours, chosen) {
  const largest = largestSize(values) || 1;
  paintCells(canvas, values, columns, mix(colours.dim, colours.ink, 0.06), (value) =>
    value >= 0
      ? [mix(colours.dim, colours.lit, Math.sqrt(value / largest)), 1]
      : [mix(colours.dim, colours.cool, Math.sqrt(-value / largest)), 0.6]);
  if (chosen === null) return;
  const cell = canvas.width / columns;
  const context = canvas.getContext("2d");
  context.strokeStyle = `rgb(${colours.ink})`;
  context.lineWidth = Math.max(3, cell / 8);
  context.strokeRect((chosen % columns) * cell, Math.floor(chosen / columns) * cell, cell, cell);
}

function makeSvg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * A diagram with axes. Ticks are [place, text], places in the units of the curves' points; a curve is
 * {points: [[x, y]…], kind, sizes}: kind is a class of the style sheet, sizes are those of its dots.
 */
function makeDiagram(label, xTicks, yTicks, xName, curves) {
  const [width, height, left, right, bottom] = [440, 250, 58, 24, 44];
  const scale = (ticks, from, to) => {
    const [low, high] = [ticks[0][0], ticks[ticks.length - 1][0]];
    return (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  };
  const x = scale(xTicks, left, width - right);
  const y = scale(yTicks, height - bottom, 12);
  const write = (text, at, down, anchor) => makeSvg("text", { x: at, y: down, "text-anchor": anchor }, text);
  const svg = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "diagram" });
  for (const [place, text] of yTicks) {
    const line = { x1: left, x2: width - right, y1: y(place), y2: y(place), class: "grid" };
    svg.append(makeSvg("line", line), write(text, left - 8, y(place) + 4, "end"));
  }
  svg.append(...xTicks.map(([place, text]) => write(text, x(place), height - 24, "middle")));
  svg.append(write(xName, (left + width - right) / 2, height - 6, "middle"));
  for (const { points, kind, sizes } of curves) {
    const places = points.map(([a, b]) => [x(a), y(b)]);
    svg.append(makeSvg("polyline", { points: places.join(" "), class: kind }));
    const dots = sizes || (points.length === 1 ? [4] : []);
    dots.forEach((r, i) => svg.append(makeSvg("circle", { cx: places[i][0], cy: places[i][1], r, class: kind })));
  }
  return svg;
}
