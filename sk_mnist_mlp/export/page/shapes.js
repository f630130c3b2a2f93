// What ink there is: one digit, several shapes, or a blot, as sk_mnist_mlp.datasets.find_shapes
// tells. Several shapes or a blot make an answer unsure.

/** Distance of each cell to the nearest one that is not 0 (Felzenszwalb and Huttenlocher 2012). */
function distances(values, width, height) {
  const far = (width + height) ** 2;
  const squares = Float64Array.from(values, (value) => (value ? 0 : far));
  const longest = Math.max(width, height);
  const line = new Float64Array(longest);
  const lowest = new Int32Array(longest);  // parabolas that are lowest somewhere,
  const begins = new Float64Array(longest);  // and where each begins to be
  const sweep = (start, step, length) => {
    let n = 0;
    for (let q = 0; q < length; q++) {
      line[q] = squares[start + q * step];
      let begin = -Infinity;
      while (n > 0) {
        const p = lowest[n - 1];
        begin = (line[q] + q * q - line[p] - p * p) / (2 * (q - p));
        if (begin > begins[n - 1]) break;
        begin = -Infinity;
        n--;
      }
      lowest[n] = q;
      begins[n++] = begin;
    }
    for (let i = 0, k = 0; i < length; i++) {
      while (k + 1 < n && begins[k + 1] < i) k++;
      squares[start + i * step] = (i - lowest[k]) ** 2 + line[lowest[k]];
    }
  };
  for (let x = 0; x < width; x++) sweep(x, width, height);
  for (let y = 0; y < height; y++) sweep(y * width, 1, width);
  return squares.map(Math.sqrt);
}

/** Few cells, inked where any of the pixels is that they stand for, with an empty border. */
function shrink({ values, width, height }) {
  const [stepX, stepY] = [width, height].map((side) => Math.max(1, Math.floor(side / 128)));
  const small = { width: Math.ceil(width / stepX) + 2, height: Math.ceil(height / stepY) + 2 };
  small.values = new Uint8Array(small.width * small.height);
  values.forEach((value, at) => {
    if (!value) return;
    const row = Math.floor(Math.floor(at / width) / stepY) + 1;
    const column = Math.floor((at % width) / stepX) + 1;
    small.values[row * small.width + column] = 1;
  });
  return small;
}

/** How many separate shapes there are, and whether somebody may have drawn them. */
function findShapes(picture) {
  const strongest = picture.values.reduce((a, b) => Math.max(a, b), 0);
  if (!strongest) return { number: 0, areStrokes: false };
  const strong = Float32Array.from(picture.values, (value) => (value >= FAINT * strongest ? value : 0));
  const inked = crop(withoutSpecks({ ...picture, values: strong }));
  const nPieces = labelPieces(inked.values, inked.width, inked.height, true).count;
  const { values, width, height } = shrink(inked);
  const nInked = values.reduce((a, b) => a + b);
  const fill = nInked / ((width - 2) * (height - 2));
  const sides = [width - 2, height - 2].sort((a, b) => a - b);
  const empty = values.map((value) => 1 - value);
  // Pixels of a stripe are, on average, a quarter of its width from its edge.
  const strokeWidth = (4 * distances(empty, width, height).reduce((a, b) => a + b)) / nInked;
  const gap = Math.max(1, 0.3 * strokeWidth);
  const near = distances(values, width, height).map((distance) => (distance <= gap ? 1 : 0));
  const holes = labelPieces(empty, width, height, false);
  const areas = new Uint32Array(holes.count + 1);
  holes.pieces.forEach((piece) => { areas[piece]++; });
  const nHoles = areas.subarray(1).filter((area) => area >= 0.002 * values.length).length - 1;
  const isBlot = fill > 0.85 && sides[0] > 0.4 * sides[1];
  const isNoise = nHoles > 6 || nPieces > 20;
  return { number: labelPieces(near, width, height, true).count, areStrokes: !(isBlot || isNoise) };
}
