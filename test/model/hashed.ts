/** Pseudo-random tensors that any implementation can repeat: FNV-1a of the name, then an integer hash of the index. */
export function hashed(name: string, shape: readonly number[]): Float32Array {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const seed = fnv(name);
  return Float32Array.from({ length: size }, (_, i) => {
    let h = (Math.imul(i + 1, 0x9e3779b1) + seed) | 0;
    h = Math.imul(h ^ (h >>> 15), 0x85ebca77);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae3d);
    return ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  });
}

/** A weight by the rule of its name: gains around 1, matrices of unit variance, small biases. */
export function hashedWeight(name: string, shape: readonly number[]): Float32Array {
  const u = hashed(name, shape);
  if (/(norm_[qk]|norm[123]?)\.weight$|gamma$/.test(name)) return u.map((x) => 1 + 0.1 * x);
  if (/modulation$|embedding\.embedding\.weight$/.test(name)) return u.map((x) => 0.5 * x);
  const fan = shape.slice(1).reduce((product, extent) => product * extent, 1);
  return u.map((x) => (shape.length >= 2 ? x * Math.sqrt(3 / fan) : 0.1 * x));
}

function fnv(text: string): number {
  return new TextEncoder().encode(text).reduce((h, byte) => Math.imul(h ^ byte, 0x01000193), 0x811c9dc5) >>> 0;
}
