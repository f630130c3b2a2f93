// From a picture to what the network reads, as sk_mnist_mlp.datasets.prepare_digit does it: the
// ink scaled into a box of 20 by 20, antialiased, its centre of mass at the middle of 28 by 28.
// A picture is {values, width, height}, row by row.

const MIN_CONTRAST = 16;  // grey levels of 255
const FAINT = 0.1;  // share of the strongest ink below which a pixel is paper
const NOISE = 4;  // deviations of the paper's grain below which a pixel is paper
const RULED = 1.25;  // times what rules show at the border, below which ink is one of them
const BARE = 0.5;  // share of the strongest ink above which ink at the border is the digit's
const SPECK = 0.04;  // share of the heaviest piece's ink below which a piece is dust
const SAMPLES = 64;  // rows and columns that the paper's brightness is told from
const BENDING = [2, 2, 2, 3, 3, 4, 4, 4];  // degrees of the paper's surface, fit after fit

function roundHalfEven(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Standard deviation of noise that some of the values, not most, do not belong to. */
const deviation = (misfits) => 1.4826 * median(misfits.map(Math.abs));

/** Solve a small system of linear equations by elimination. */
function solve(matrix, right) {
  const n = right.length;
  const rows = matrix.map((row, i) => [...row, right[i]]);
  for (let i = 0; i < n; i++) {
    let pivot = i;
    for (let k = i; k < n; k++) if (Math.abs(rows[k][i]) > Math.abs(rows[pivot][i])) pivot = k;
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let k = 0; k < n; k++) {
      if (k === i) continue;
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= n; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}

/** Coefficients by weighted least squares. */
function leastSquares(terms, levels, weights, nTerms) {
  const matrix = Array.from({ length: nTerms }, () => new Float64Array(nTerms));
  const right = new Float64Array(nTerms);
  terms.forEach((term, at) => {
    for (let i = 0; i < nTerms; i++) {
      const weighted = term[i] * weights[at];
      right[i] += weighted * levels[at];
      for (let j = 0; j <= i; j++) matrix[i][j] += weighted * term[j];
    }
  });
  for (let i = 0; i < nTerms; i++) {
    for (let j = 0; j < i; j++) matrix[j][i] = matrix[i][j];
    matrix[i][i] += 1e-9 * levels.length;  // of few rows and columns some terms are not told apart
  }
  return solve(matrix, right);
}

const countTerms = (degree) => ((degree + 1) * (degree + 2)) / 2;

/** Terms of a polynomial at a place, by degree. */
function termsAt(row, column, { width, height }) {
  const down = row / height - 0.5;
  const across = column / width - 0.5;
  const terms = [];
  for (let degree = 0; degree <= 4; degree++) {
    for (let j = 0; j <= degree; j++) terms.push(down ** (degree - j) * across ** j);
  }
  return terms;
}

function surfaceAt(surface, terms) {
  let level = 0;
  for (let i = 0; i < surface.length; i++) level += surface[i] * terms[i];
  return level;
}

/**
 * Brightness that the paper has or would have at each pixel, and the deviation of its grain: a
 * smooth surface through the border, then, bending more and more, through all that is as bright.
 */
function findPaper(picture) {
  const { values, width, height } = picture;
  const places = (side) => [
    ...new Set(Array.from({ length: SAMPLES }, (_, i) => roundHalfEven((i * (side - 1)) / (SAMPLES - 1)))),
  ];
  const terms = [];
  const seen = [];
  const border = [];
  for (const row of places(height)) {
    for (const column of places(width)) {
      if (row === 0 || column === 0 || row === height - 1 || column === width - 1) border.push(seen.length);
      terms.push(termsAt(row, column, picture));
      seen.push(values[row * width + column]);
    }
  }
  // The border alone, by least absolute differences, which ink at the edge bears on less.
  const edge = border.map((at) => terms[at]);
  const levels = border.map((at) => seen[at]);
  const middle = median(levels);
  let misfits = levels.map((level) => level - middle);
  let surface;
  for (let round = 0; round < 5; round++) {
    const weights = misfits.map((misfit) => 1 / Math.max(Math.abs(misfit), 1));
    surface = leastSquares(edge, levels, weights, countTerms(2));
    misfits = levels.map((level, at) => level - surfaceAt(surface, edge[at]));
  }
  let grain = deviation(misfits);
  for (const degree of BENDING) {
    const limit = Math.max(MIN_CONTRAST / 2, NOISE * grain);
    const weights = seen.map((level, at) => (Math.abs(level - surfaceAt(surface, terms[at])) <= limit ? 1 : 0));
    if (!weights.includes(1)) break;
    surface = leastSquares(terms, seen, weights, countTerms(degree));
    grain = deviation(
      seen.map((level, at) => level - surfaceAt(surface, terms[at])).filter((_, at) => weights[at]),
    );
  }
  const levelsOfAll = Float32Array.from(values, (_, at) =>
    surfaceAt(surface, termsAt(Math.floor(at / width), at % width, picture)));
  return { levels: levelsOfAll, grain };
}

/** Pieces of what is not 0: the number of each pixel's piece, 0 for none, and how many there are. */
function labelPieces(values, width, height, cornersJoin) {
  const pieces = new Int32Array(values.length);
  const waiting = new Int32Array(values.length);
  let count = 0;
  for (let start = 0; start < values.length; start++) {
    if (!values[start] || pieces[start]) continue;
    pieces[start] = ++count;
    waiting[0] = start;
    for (let n = 1; n > 0;) {
      const at = waiting[--n];
      const row = Math.floor(at / width);
      const column = at - row * width;
      for (let y = Math.max(row - 1, 0); y <= row + 1 && y < height; y++) {
        for (let x = Math.max(column - 1, 0); x <= column + 1 && x < width; x++) {
          const next = y * width + x;
          if (!values[next] || pieces[next] || (!cornersJoin && x !== column && y !== row)) continue;
          pieces[next] = count;
          waiting[n++] = next;
        }
      }
    }
  }
  return { pieces, count };
}

/** Take away the pieces that are too light to be a part of the digit. */
function withoutSpecks({ values, width, height }) {
  const { pieces, count } = labelPieces(values, width, height, true);
  const masses = new Float64Array(count + 1);
  for (let at = 0; at < values.length; at++) masses[pieces[at]] += values[at];
  masses[0] = 0;
  const least = SPECK * masses.reduce((a, b) => Math.max(a, b));
  return { values: values.map((value, at) => (masses[pieces[at]] >= least ? value : 0)), width, height };
}

/** The rectangle around all that is not 0. */
function crop({ values, width, height }) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  values.forEach((value, at) => {
    if (!value) return;
    const row = Math.floor(at / width);
    const column = at % width;
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
    left = Math.min(left, column);
    right = Math.max(right, column);
  });
  const size = { width: right - left + 1, height: bottom - top + 1 };
  const kept = new Float32Array(size.width * size.height);
  for (let row = 0; row < size.height; row++) {
    const from = (top + row) * width + left;
    kept.set(values.subarray(from, from + size.width), row * size.width);
  }
  return { values: kept, ...size };
}

/** Strongest ink of what is thin and reaches the border: rules and squares of paper. */
function findRules(ink, width, height) {
  // Of a side: its length, the steps along it and inwards, and where it begins.
  const sides = [
    [width, 1, width, 0],
    [width, 1, -width, (height - 1) * width],
    [height, width, 1, 0],
    [height, width, -1, width - 1],
  ];
  return Math.max(...sides.flatMap(([length, along, inwards, first]) => {
    const levels = Array.from({ length }, (_, i) => Math.max(0, Math.min(
      ...[0, 1, 2, 3, 4].map((k) => ink[first + i * along + k * inwards] ?? Infinity))));
    const half = length >> 4;
    return levels.map((level, i) => level - median(Array.from({ length: 2 * half + 1 },
      (_, k) => levels[Math.min(Math.max(i - half + k, 0), length - 1)])));
  }));
}

/**
 * Strength of the ink at each pixel, in [0, 1], cropped, or null where nothing stands out.
 * Of a drawing the paper is known to be white; of a photo it is looked for.
 */
function findInk(picture, paperIsWhite) {
  const { values: grey, width, height } = picture;
  const paper = paperIsWhite
    ? { levels: new Float32Array(grey.length).fill(255), grain: 0 }
    : findPaper(picture);
  // Ink lies on one side of the paper's brightness: the one with more of it.
  let balance = 0;
  const differences = grey.map((level, i) => paper.levels[i] - level);
  for (const difference of differences) balance += difference * Math.abs(difference);
  // Ink takes a share of the light that there is, less of it in the shade.
  const brightness = paperIsWhite ? 255 : median(paper.levels);
  const ink = differences.map((difference, i) =>
    (balance < 0 ? -difference : (difference * brightness) / Math.max(paper.levels[i], MIN_CONTRAST)));
  const strongest = ink.reduce((a, b) => Math.max(a, b));
  const rules = paperIsWhite ? 0 : findRules(ink, width, height);
  const least = Math.max(FAINT * strongest, NOISE * paper.grain, rules > BARE * strongest ? 0 : RULED * rules);
  if (strongest < MIN_CONTRAST || strongest < least) return null;
  const shares = ink.map((strength) => (strength < least ? 0 : strength / strongest));
  return crop(withoutSpecks({ values: shares, width, height }));
}

/** Keys' bicubic filter. */
function bicubic(x) {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/** For each new pixel, where its old ones begin and how much each counts; wider as it shrinks. */
function filterWeights(from, to) {
  const scale = Math.max(from / to, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = ((i + 0.5) * from) / to;
    const start = Math.max(Math.floor(centre - 2 * scale + 0.5), 0);
    const end = Math.min(Math.floor(centre + 2 * scale + 0.5), from);
    const weights = Array.from({ length: end - start }, (_, k) => bicubic((start + k - centre + 0.5) / scale));
    const total = weights.reduce((a, b) => a + b);
    return { start, weights: weights.map((weight) => weight / total) };
  });
}

/** Scale a picture's rows, antialiased, and make columns of them: twice scales it both ways. */
function resizeRows({ values, width, height }, newWidth) {
  const turned = new Float32Array(newWidth * height);
  filterWeights(width, newWidth).forEach(({ start, weights }, x) => {
    for (let y = 0; y < height; y++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * values[y * width + start + k];
      turned[x * height + y] = sum;
    }
  });
  return { values: turned, width: height, height: newWidth };
}

/** Where a side goes so that the centre of mass is in the middle, by whole pixels, and inside. */
function placeOf({ values, width, height }, side, alongRows) {
  let mass = 0;
  let moment = 0;
  values.forEach((value, at) => {
    mass += value;
    moment += value * (alongRows ? at % width : Math.floor(at / width));
  });
  const place = Math.max(roundHalfEven(side / 2 - moment / mass), 0);
  return Math.min(place, side - (alongRows ? width : height));
}

/** Scale and centre cropped ink as MNIST's makers describe; bytes of side by side pixels. */
function fitField(ink, side) {
  const scale = roundHalfEven((20 * side) / 28) / Math.max(ink.width, ink.height);
  const [width, height] = [ink.width, ink.height].map((length) => Math.max(1, roundHalfEven(length * scale)));
  const scaled = resizeRows(resizeRows(ink, width), height);
  const strongest = scaled.values.reduce((a, b) => Math.max(a, b));
  scaled.values = scaled.values.map((value) => Math.min(Math.max(value / strongest, 0), 1));
  const left = placeOf(scaled, side, true);
  const top = placeOf(scaled, side, false);
  const field = new Uint8Array(side * side);
  scaled.values.forEach((value, at) => {
    const row = top + Math.floor(at / width);
    field[row * side + left + (at % width)] = roundHalfEven(value * 255);
  });
  return field;
}
