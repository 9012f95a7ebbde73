import type { HostTensor } from './host-tensor.ts';

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
  switch (dtype) {
    case 'float32':
      return data as Float32Array;
    case 'bfloat16':
      return widenBfloat16(data as Uint16Array, target(data.length, into));
    case 'float16':
      return widenByTable(data as Uint16Array, halfTable(), target(data.length, into));
    case 'float8_e4m3':
      return widenByTable(data as Uint8Array, float8Table(4, 3), target(data.length, into));
    case 'float8_e5m2':
      return widenByTable(data as Uint8Array, float8Table(5, 2), target(data.length, into));
    case 'float8_e8m0':
      return widenByTable(data as Uint8Array, scaleTable(), target(data.length));
    case 'complex64':
    case 'complex128':
      throw new TypeError(`dtype: ${dtype} has no float32 form; its data holds real and imaginary parts in turn`);
    case 'int64':
    case 'uint64':
      return Float32Array.from(data as BigInt64Array, Number);
    default:
      return Float32Array.from(data as Int32Array);
  }
}

function target(length: number, into?: Float32Array): Float32Array {
  return into !== undefined && into.length >= length ? into.subarray(0, length) : new Float32Array(length);
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

/** Values of all 65,536 half-precision patterns, made at first use. */
function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => smallFloat(bits, 5, 10, true));
  return halves;
}

/** Values of all 256 patterns of an 8-bit float; E4M3 has no infinities (the "FN" form of the ML formats). */
function float8Table(exponentBits: number, mantissaBits: number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, bits) =>
    smallFloat(bits, exponentBits, mantissaBits, exponentBits === 5),
  );
}

/** Values of the 256 powers of two that scales of the OCP MX formats take, 2^-127 to 2^127; the last is NaN. */
function scaleTable(): Float32Array {
  return Float32Array.from({ length: 256 }, (_, bits) => (bits === 255 ? Number.NaN : 2 ** (bits - 127)));
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
