/**
 * Undoing one common accident: UTF-8 bytes that were read as Windows-1252, so that "schön" became "schÃ¶n". Only
 * unmistakable sequences are undone; text in other wrong encodings stays as it is.
 */

/** Characters that Windows-1252 has for the bytes 0x80 to 0x9f; five bytes have none and keep their control code. */
const windows1252 =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

const byteOf = new Map([...windows1252].map((character, i) => [character, 0x80 + i]));

/** Continuation bytes 0x80 to 0xbf, read as Windows-1252 or as Latin-1. */
const tail = `[\\x80-\\xbf${windows1252}]`;
/** The same without quotes, dashes and marks, which honest text has after a letter. */
const quietTail = `(?![\\u2013-\\u203a\\u2122])${tail}`;
/** After Â and Ã anything is accepted: together they are never honest. */
const sequence = new RegExp(
  `[\\xc2\\xc3]${tail}|[\\xc4-\\xdf]${quietTail}|[\\xe0-\\xef]${tail}{2}|[\\xf0-\\xf4]${tail}{3}`,
  'g',
);
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text with misread UTF-8 sequences replaced by the characters they were, repeatedly if misread repeatedly. */
export function fixMojibake(text: string): string {
  for (let before = text; ; ) {
    const after = wholly(before) ?? before.replace(sequence, (match) => decoded(match) ?? match);
    if (after === before) return after;
    before = after;
  }
}

/** The text decoded as one, if it can be and two of its sequences say so. */
function wholly(text: string): string | undefined {
  const fits = [...text].every((character) => byteOf.has(character) || character.charCodeAt(0) < 0x100);
  const whole = fits ? decoded(text) : undefined;
  return whole !== undefined && text.length - whole.length >= 2 ? whole : undefined;
}

/** C1 control codes as the Windows-1252 characters that were meant. */
export function fixControls(text: string): string {
  return text.replace(/[\x80-\x9f]/g, (character) => windows1252[character.charCodeAt(0) - 0x80]!);
}

function decoded(misread: string): string | undefined {
  const bytes = Uint8Array.from([...misread], (character) => byteOf.get(character) ?? character.charCodeAt(0));
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
