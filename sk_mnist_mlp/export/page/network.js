// The network: weights from the page's text, the forward pass, and what each pixel contributed.

/** Bytes of a text in base 85, as Python's b85encode writes it with "," in place of "<". */
function bytesOfBase85(text) {
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";
  const digits = new Uint8Array(128);
  for (let i = 0; i < 85; i++) digits[alphabet.charCodeAt(i)] = i;
  const nBytes = Math.floor((text.length * 4) / 5);
  const bytes = new Uint8Array(nBytes + 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0, at = 0; i < text.length; i += 5, at += 4) {
    let word = 0;
    for (let j = i; j < i + 5; j++) word = word * 85 + (j < text.length ? digits[text.charCodeAt(j)] : 84);
    view.setUint32(at, word);
  }
  return bytes.subarray(0, nBytes);
}

/** Bytes that Python compressed by zlib and wrote in base 85. */
async function unpack(text) {
  const stream = new Blob([bytesOfBase85(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The number that 16 bits hold, as IEEE 754 has it. */
function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

/**
 * Layers {kernel, bias, nIn, nOut} from the bytes: first the kernels' codes, row by row (for
 * float16 all low bytes, then all high ones), then each unit's scale and bias as float32.
 */
function readLayers(bytes, widths, precision) {
  const shapes = widths.slice(1).map((nOut, i) => [widths[i], nOut]);
  const nCodes = shapes.reduce((sum, [nIn, nOut]) => sum + nIn * nOut, 0);
  const isHalf = precision === "float16";
  const code = isHalf
    ? (i) => halfToNumber(bytes[i] | (bytes[nCodes + i] << 8))
    : (i) => ((bytes[i] << 24) >> 24) / 127;
  const numbers = new Float32Array(bytes.slice(nCodes * (isHalf ? 2 : 1)).buffer);
  let at = 0;
  let next = 0;
  return shapes.map(([nIn, nOut]) => {
    const scales = numbers.subarray(next, next + nOut);
    const bias = numbers.subarray(next + nOut, next + 2 * nOut);
    next += 2 * nOut;
    const kernel = new Float32Array(nIn * nOut);
    for (let i = 0; i < kernel.length; i++) kernel[i] = code(at++) * scales[i % nOut];
    return { kernel, bias, nIn, nOut };
  });
}

const sigmoid = (z) => 0.5 * Math.tanh(0.5 * z) + 0.5;
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/** Distribution function of the normal distribution (Abramowitz and Stegun 7.1.26). */
function gaussCdf(z) {
  const x = Math.abs(z) * Math.SQRT1_2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = 0.5 * series * Math.exp(-x * x);
  return z > 0 ? 1 - tail : tail;
}

const SELU_SCALE = 1.0507009873554805;
const SELU_TOP = SELU_SCALE * 1.6732632423543772;
const silu = {
  value: (z) => z * sigmoid(z),
  slope: (z) => sigmoid(z) * (1 + z * (1 - sigmoid(z))),
};

/** Activation functions of the hidden layers, each with its slope, as Keras defines them. */
const ACTIVATIONS = {
  elu: { value: (z) => (z > 0 ? z : Math.expm1(z)), slope: (z) => (z > 0 ? 1 : Math.exp(z)) },
  gelu: {
    value: (z) => z * gaussCdf(z),
    slope: (z) => gaussCdf(z) + (z * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI),
  },
  leaky_relu: { value: (z) => (z > 0 ? z : 0.2 * z), slope: (z) => (z > 0 ? 1 : 0.2) },
  linear: { value: (z) => z, slope: () => 1 },
  mish: {
    value: (z) => z * Math.tanh(softplus(z)),
    slope: (z) => {
      const t = Math.tanh(softplus(z));
      return t + z * (1 - t * t) * sigmoid(z);
    },
  },
  relu: { value: (z) => (z > 0 ? z : 0), slope: (z) => (z > 0 ? 1 : 0) },
  relu6: { value: (z) => Math.min(Math.max(z, 0), 6), slope: (z) => (z > 0 && z < 6 ? 1 : 0) },
  selu: {
    value: (z) => (z > 0 ? SELU_SCALE * z : SELU_TOP * Math.expm1(z)),
    slope: (z) => (z > 0 ? SELU_SCALE : SELU_TOP * Math.exp(z)),
  },
  sigmoid: { value: sigmoid, slope: (z) => sigmoid(z) * (1 - sigmoid(z)) },
  silu,
  softplus: { value: softplus, slope: sigmoid },
  softsign: { value: (z) => z / (1 + Math.abs(z)), slope: (z) => (1 + Math.abs(z)) ** -2 },
  swish: silu,
  tanh: { value: Math.tanh, slope: (z) => 1 - Math.tanh(z) ** 2 },
};

/** inputs · kernel, skipping inputs of zero, which most pixels are. */
function product(inputs, { kernel, nIn, nOut }) {
  const sums = new Float64Array(nOut);
  for (let i = 0; i < nIn; i++) {
    const input = inputs[i];
    if (input === 0) continue;
    for (let j = 0, at = i * nOut; j < nOut; j++, at++) sums[j] += input * kernel[at];
  }
  return sums;
}

/** kernel · slopes: how much each input of a layer moves what its outputs move. */
function productBack({ kernel, nIn, nOut }, slopes) {
  const sums = new Float64Array(nIn);
  for (let i = 0, at = 0; i < nIn; i++) {
    let sum = 0;
    for (let j = 0; j < nOut; j++, at++) sum += kernel[at] * slopes[j];
    sums[i] = sum;
  }
  return sums;
}

/** The network's answer to pixels in [0, 1]: activations of the hidden layers, logits, probabilities. */
function run(network, pixels) {
  const { value } = ACTIVATIONS[network.activation];
  const hidden = [];
  let values = pixels;
  network.layers.forEach((layer, depth) => {
    values = product(values, layer).map((sum, j) => sum + layer.bias[j]);
    if (depth < network.layers.length - 1) {
      values = values.map(value);
      hidden.push(values);
    }
  });
  const largest = values.reduce((a, b) => Math.max(a, b));
  const powers = values.map((logit) => Math.exp(logit - largest));
  const total = powers.reduce((a, b) => a + b);
  return { hidden, logits: values, probabilities: powers.map((power) => power / total) };
}

/**
 * What each pixel contributed to the logit of a class: integrated gradients (Sundararajan, Taly and
 * Yan 2017) on the straight way from an empty picture. They add up to the rise of the logit.
 */
function attributions(network, pixels, target, steps) {
  const { value, slope } = ACTIVATIONS[network.activation];
  const [first, ...rest] = network.layers;
  const reached = product(pixels, first);  // the first layer is linear, so once is enough
  const meanSlopes = new Float64Array(first.nOut);
  for (let step = 0; step < steps; step++) {
    const share = (step + 0.5) / steps;
    const sums = [reached.map((sum, j) => share * sum + first.bias[j])];
    for (const layer of rest) {
      const values = sums[sums.length - 1].map(value);
      sums.push(product(values, layer).map((sum, j) => sum + layer.bias[j]));
    }
    let slopes = new Float64Array(network.layers[rest.length].nOut);
    slopes[target] = 1;
    for (let depth = rest.length; depth > 0; depth--) {
      slopes = productBack(network.layers[depth], slopes).map((s, j) => s * slope(sums[depth - 1][j]));
    }
    for (let j = 0; j < slopes.length; j++) meanSlopes[j] += slopes[j] / steps;
  }
  return productBack(first, meanSlopes).map((s, i) => s * pixels[i]);
}
