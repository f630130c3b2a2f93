// The drawing: strokes over a picture, how they are painted, undone, and kept in the address.
// A drawing is {picture, strokes}: picture is null or the bytes of side by side pixels, taken as
// they are while nothing is drawn on them; a stroke is {tool, width, points}, points in 0 to 1023.

const GRID = 1023;
const READ_SIDE = 280;  // pixels of the drawing as it is prepared
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const [WHITE, BLACK] = [[255, 255, 255], [20, 20, 24]];
const EMPTY = { picture: null, strokes: [] };

const isEmpty = (drawing) => !drawing.picture && !drawing.strokes.length;

/** A picture of side by side pixels as a small canvas. */
function canvasOf(picture, side, ink, paper) {
  const canvas = make("canvas", { width: side, height: side });
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  picture.forEach((level, at) => {
    const colour = paper.map((from, c) => from + ((ink[c] - from) * level) / 255);
    image.data.set([...colour, 255], 4 * at);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Paint a drawing, smooth, over a whole canvas, in these two colours. */
function paintDrawing(context, drawing, side, ink, paper) {
  const size = context.canvas.width;
  context.fillStyle = `rgb(${paper})`;
  context.fillRect(0, 0, size, size);
  if (drawing.picture) {
    context.imageSmoothingQuality = "high";
    context.drawImage(canvasOf(drawing.picture, side, ink, paper), 0, 0, size, size);
  }
  context.lineCap = context.lineJoin = "round";
  for (const { tool, width, points } of drawing.strokes) {
    const [first, ...others] = points.map(([x, y]) => [(x * size) / GRID, (y * size) / GRID]);
    context.strokeStyle = `rgb(${tool === "pen" ? ink : paper})`;
    context.lineWidth = (width * size) / READ_SIDE;
    context.beginPath();
    context.moveTo(...first);
    others.forEach(([x, y], i) => {
      const [nextX, nextY] = others[i + 1] || [x, y];
      context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
    });
    if (!others.length) context.lineTo(...first);
    context.stroke();
  }
}

const reader = make("canvas", { width: READ_SIDE, height: READ_SIDE }).getContext("2d", { willReadFrequently: true });

/** Brightness of a drawing, black on white, as what is prepared. */
function greyOf(drawing, side) {
  paintDrawing(reader, drawing, side, [0, 0, 0], WHITE);
  const { data } = reader.getImageData(0, 0, READ_SIDE, READ_SIDE);
  const values = new Float32Array(READ_SIDE ** 2);
  for (let at = 0; at < values.length; at++) values[at] = data[4 * at];
  return { values, width: READ_SIDE, height: READ_SIDE };
}

/** What the network reads of a drawing: {pixels, shapes}; pixels are bytes, none of them lit if empty. */
function readDrawing(drawing, side) {
  if (drawing.picture && !drawing.strokes.length) {
    const values = Float32Array.from(drawing.picture);
    return { pixels: drawing.picture, shapes: findShapes({ values, width: side, height: side }) };
  }
  const ink = isEmpty(drawing) ? null : findInk(greyOf(drawing, side), true);
  if (!ink) return { pixels: new Uint8Array(side * side), shapes: { number: 0, areStrokes: false } };
  return { pixels: fitField(ink, side), shapes: findShapes(ink) };
}

// ---------------------------------------------------------------------------------------------
// Pictures from files

/** Brightness of a file's picture, 0 to 255: of colours, and of papers behind, the one with most contrast. */
async function greyOfFile(file) {
  const bitmap = await createImageBitmap(file);
  const read = (longest, { paper, weights }) => {
    const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    const context = make("canvas", { width, height }).getContext("2d");
    context.imageSmoothingQuality = "high";
    context.fillStyle = paper;
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const brightness = (_, at) => weights.reduce((sum, weight, c) => sum + weight * data[4 * at + c], 0);
    return { values: Float32Array.from({ length: width * height }, brightness), width, height };
  };
  const ways = ["#fff", "#000"].flatMap((paper) =>
    [[0.299, 0.587, 0.114], [1, 0, 0], [0, 1, 0], [0, 0, 1]].map((weights) => ({ paper, weights })));
  const contrasts = ways.map((way) => {
    const { values, width, height } = read(128, way);
    const isBorder = (_, at) => at < width || at >= width * (height - 1) || (at + 1) % width < 2;
    const level = median(values.filter(isBorder));
    return values.reduce((most, value) => Math.max(most, Math.abs(value - level)), 0);
  });
  const best = contrasts.indexOf(Math.max(...contrasts));
  // A colour has more noise than brightness, so it must be worth it.
  return read(1024, ways[contrasts[best] >= 1.25 * contrasts[0] ? best : 0]);
}

// ---------------------------------------------------------------------------------------------
// The address

const twoLetters = (n) => LETTERS[n >> 6] + LETTERS[n & 63];
const fromTwoLetters = (text, at) => LETTERS.indexOf(text[at]) * 64 + LETTERS.indexOf(text[at + 1]);

/** A drawing as text for an address: its parts with dots between. */
function textOf(drawing) {
  const parts = drawing.strokes.map(({ tool, width, points }) =>
    tool[0] + twoLetters(width) + points.map(([x, y]) => twoLetters(x) + twoLetters(y)).join(""));
  if (drawing.picture) {
    const letters = Array.from(drawing.picture, twoLetters).join("");
    parts.unshift(`i${letters.replace(/(AA)+/g, (zeros) => `!${zeros.length / 2}!`)}`);
  }
  return parts.join(".");
}

/** The drawing that a text tells; what is no drawing is left out. */
function drawingOf(text, side) {
  const drawing = { picture: null, strokes: [] };
  for (const part of text.split(".")) {
    const letters = part.slice(1).replace(/!(\d{1,5})!/g, (_, n) => "AA".repeat(n));
    if (!/^[\w-]+$/.test(letters)) continue;
    const numbers = Array.from({ length: letters.length >> 1 }, (_, i) => fromTwoLetters(letters, 2 * i));
    if (part[0] === "i" && numbers.length === side * side) {
      drawing.picture = Uint8Array.from(numbers, (level) => Math.min(level, 255));
    }
    if ("pe".includes(part[0]) && numbers.length >= 3) {
      const points = [];
      for (let i = 1; i + 1 < numbers.length; i += 2) {
        points.push([Math.min(numbers[i], GRID), Math.min(numbers[i + 1], GRID)]);
      }
      const width = Math.min(Math.max(numbers[0], 1), 64);
      drawing.strokes.push({ tool: part[0] === "p" ? "pen" : "eraser", width, points });
    }
  }
  return drawing;
}

// ---------------------------------------------------------------------------------------------
// Mouse, pen and finger

/**
 * Draw on a canvas by any pointer.
 * begin() gives a new stroke's tool and width; change(stroke, isDone) is told what was drawn.
 */
function listenToPointers(canvas, begin, change) {
  let stroke = null;
  const placeOfEvent = (event) => {
    const box = canvas.getBoundingClientRect();
    const place = (at, start, length) => Math.round(Math.min(Math.max((at - start) / length, 0), 1) * GRID);
    return [place(event.clientX, box.left, box.width), place(event.clientY, box.top, box.height)];
  };
  const addPoint = (event) => {
    const [x, y] = placeOfEvent(event);
    const [lastX, lastY] = stroke.points[stroke.points.length - 1] || [-99, -99];
    if (Math.hypot(x - lastX, y - lastY) >= 6) stroke.points.push([x, y]);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || (event.button !== 0 && event.button !== 5)) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    stroke = { ...begin(), points: [] };
    if (event.button === 5) stroke.tool = "eraser";  // the other end of a pen
    addPoint(event);
    change(stroke, false);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke || !event.isPrimary) return;
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    (events.length ? events : [event]).forEach(addPoint);
    change(stroke, false);
  });
  const end = (event) => {
    if (!stroke || !event.isPrimary) return;
    const done = stroke;
    stroke = null;
    change(done, true);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}
