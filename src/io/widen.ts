import type { HostDType, HostTensor } from './host-tensor.ts';

/**
 * The elements of a host tensor as float32.
 *
 * Half precisions, 8-bit floats, booleans and small integers widen exactly; float64 and 64-bit integers round to
 * nearest. float32 data is returned as it is, not copied. Half precisions are widened into the start of `into`, if
 * it is given and large enough.
 *
 * @throws TypeError for complex numbers, which have no such form.
 * @example toFloat32(await file.read('head.head.weight'))
 */
export function toFloat32(host: HostTensor, into?: Float32Array): Float32Array {
  const { dtype, data } = host;
  if (dtype === 'float32') return data as Float32Array;
  const wide = (): Float32Array =>
    into && into.length >= data.length ? into.subarray(0, data.length) : new Float32Array(data.length);
  if (dtype === 'bfloat16') return widenBfloat16(data as Uint16Array, wide());
  const table = tables[dtype];
  if (table) return widenByTable(data as Uint16Array | Uint8Array, table(), wide());
  if (dtype.startsWith('complex')) {
    throw new TypeError(`dtype: ${dtype} has no float32 form; its data holds real and imaginary parts in turn`);
  }
  return Float32Array.from(data as Int32Array, Number);
}

function widenBfloat16(bits: Uint16Array, wide: Float32Array): Float32Array {
  const words = new Uint32Array(wide.buffer, wide.byteOffset, wide.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return wide;
}

function widenByTable(bits: Uint16Array | Uint8Array, table: Float32Array, wide: Float32Array): Float32Array {
  for (let i = 0; i < bits.length; i++) wide[i] = table[bits[i]!]!;
  return wide;
}

let halves: Float32Array | undefined;

/** The values of all patterns of a small float, those of halves made at first use and kept. */
const tables: Partial<Record<HostDType, () => Float32Array>> = {
  float16: () => {
    halves ??= tableOf(1 << 16, (bits) => smallFloat(bits, 5, 10, true));
    return halves;
  },
  float8_e4m3: () => tableOf(256, (bits) => smallFloat(bits, 4, 3, false)), // no infinities: the "FN" form
  float8_e5m2: () => tableOf(256, (bits) => smallFloat(bits, 5, 2, true)),
  // powers of two that scales of the OCP MX formats take, 2^-127 to 2^127; the last is NaN
  float8_e8m0: () => tableOf(256, (bits) => (bits === 255 ? Number.NaN : 2 ** (bits - 127))),
};

function tableOf(length: number, value: (bits: number) => number): Float32Array {
  return Float32Array.from({ length }, (_, bits) => value(bits));
}

/** Value of a sign | exponent | mantissa pattern with IEEE bias; without infinities only the last pattern is NaN. */
function smallFloat(bits: number, exponentBits: number, mantissaBits: number, hasInfinity: boolean): number {
  const steps = 2 ** mantissaBits;
  const top = 2 ** exponentBits - 1;
  const bias = (top - 1) / 2;
  const mantissa = bits % steps;
  const exponent = (bits >>> mantissaBits) & top;
  const sign = bits >>> (exponentBits + mantissaBits) === 0 ? 1 : -1;
  if (exponent === top && (hasInfinity || mantissa === steps - 1)) {
    return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  if (exponent === 0) return (sign * mantissa * 2 ** (1 - bias)) / steps;
  return sign * (1 + mantissa / steps) * 2 ** (exponent - bias);
}

/** Rounds float32 values to bfloat16 bit patterns (to nearest, ties to even; NaN stays NaN). */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer as ArrayBuffer, values.byteOffset, values.length);
  const narrow = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const nan = (word & 0x7fffffff) > 0x7f800000;
    narrow[i] = nan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return narrow;
}

/**
 * Rounds float32 values to half-precision bit patterns (to nearest, ties to even; from 65,520 on infinite; NaN stays
 * NaN). Relative error of normal values at most 2^-11.
 */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer as ArrayBuffer, values.byteOffset, values.length);
  const narrow = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    narrow[i] = ((word >>> 16) & 0x8000) | halfMagnitude(word & 0x7fffffff, Math.abs(values[i]!));
  }
  return narrow;
}

/** Pattern of a magnitude given as float32 bits and as value; below 2^-14 halves are multiples of 2^-24. */
function halfMagnitude(word: number, value: number): number {
  if (word > 0x7f800000) return 0x7e00;
  if (word >= 0x477ff000) return 0x7c00;
  if (word < 0x38800000) return roundToEven(value * 2 ** 24);
  return (word - 0x38000000 + 0xfff + ((word >>> 13) & 1)) >>> 13;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return floor + Number(rest > 0.5 || (rest === 0.5 && floor % 2 === 1));
}
