/**
 * Elementary functions from additions, multiplications and divisions alone, which IEEE 754 fixes to the last bit.
 * Math.log, Math.sin and Math.cos may differ between JavaScript engines and would make noise depend on the machine.
 */

const twoPowers: Float64Array = Float64Array.from({ length: 34 }, (_, exponent) => 2 ** exponent);

/** ln((2 word + 1) / 2^33), the logarithm of a uniform number in (0, 1) given by 32 random bits; error below 1e-15. */
export function logOfWord(word: number): number {
  let exponent = 32 - Math.clz32(word);
  let mantissa = (2 * word + 1) / twoPowers[exponent]!;
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  // ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let series = 0;
  for (let odd = 21; odd >= 1; odd -= 2) series = series * square + 1 / odd;
  return 2 * s * series + (exponent - 33) * Math.LN2;
}

const sineTerms: readonly number[] = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800];
const cosineTerms: readonly number[] = [
  1,
  -1 / 2,
  1 / 24,
  -1 / 720,
  1 / 40320,
  -1 / 3628800,
  1 / 479001600,
  -1 / 87178291200,
];

function series(terms: readonly number[], square: number): number {
  let sum = 0;
  for (let i = terms.length - 1; i >= 0; i--) sum = sum * square + terms[i]!;
  return sum;
}

/** cos and sin of 2 pi word / 2^32, written into `out`; error below 1e-12 (far below float32). */
export function circleOfWord(word: number, out: Float64Array): void {
  const shifted = (word + 0x20000000) >>> 0;
  // angle in [-pi/4, pi/4) within the quadrant
  const angle = ((shifted & 0x3fffffff) - 0x20000000) * (Math.PI / 0x80000000);
  const square = angle * angle;
  const cosine = series(cosineTerms, square);
  const sine = angle * series(sineTerms, square);
  const quadrant = shifted >>> 30;
  out[0] = quadrant === 0 ? cosine : quadrant === 1 ? -sine : quadrant === 2 ? -cosine : sine;
  out[1] = quadrant === 0 ? sine : quadrant === 1 ? cosine : quadrant === 2 ? -sine : -cosine;
}
