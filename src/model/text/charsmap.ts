/**
 * SentencePiece's precompiled normalisation map: a double-array trie of UTF-8 sequences whose values point to their
 * replacements. Sources: darts-clone's unit layout; Hugging Face spm_precompiled for how text is cut.
 */

/** Returns the function that applies a map, given as in tokenizer.json (`precompiled_charsmap`, base64). */
export function charsmapNormalizer(base64: string): (text: string) => string {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length < 4 || bytes.readUInt32LE(0) % 4 !== 0 || 4 + bytes.readUInt32LE(0) > bytes.length) {
    throw new RangeError(`precompiled_charsmap of ${bytes.length} bytes is broken: its trie does not fit`);
  }
  const trieEnd = 4 + bytes.readUInt32LE(0);
  const units = Uint32Array.from({ length: (trieEnd - 4) / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
  const replacements = bytes.subarray(trieEnd);
  const replace = (part: string): string | undefined => {
    const start = firstMatch(units, Buffer.from(part));
    return start === undefined ? undefined : replacements.toString('utf8', start, replacements.indexOf(0, start));
  };
  return (text) => Array.from(graphemes.segment(text), ({ segment }) => normaliseGrapheme(segment, replace)).join('');
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Short graphemes are looked up whole first; otherwise each character is. */
function normaliseGrapheme(grapheme: string, replace: (part: string) => string | undefined): string {
  const whole = Buffer.byteLength(grapheme) < 6 ? replace(grapheme) : undefined;
  return whole ?? Array.from(grapheme, (character) => replace(character) ?? character).join('');
}

/** Value of the shortest key that begins `text`. Unit: bit 8 = has a value, bits 0 to 7 and 31 label, the rest offset. */
function firstMatch(units: Uint32Array, text: Uint8Array): number | undefined {
  let node = offset(units[0] ?? 0);
  for (const byte of text) {
    if (byte === 0) return undefined;
    node ^= byte;
    const unit = units[node] ?? 0;
    if ((unit & 0x800000ff) >>> 0 !== byte) return undefined;
    node ^= offset(unit);
    if ((unit >>> 8) & 1) return (units[node] ?? 0) & 0x7fffffff;
  }
  return undefined;
}

function offset(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
