/** Text as Wan2.1 cleans it before tokenising. Source: wan/modules/tokenizers.py (`basic_clean`, `whitespace_clean`). */
import { decodeHTML } from 'entities';

/**
 * Cleans a prompt: repairs characters as ftfy's defaults do (misread UTF-8, full-width forms, curly quotes, ligatures,
 * control characters, NFC), resolves HTML entities twice, and makes every run of white space one blank.
 * Of ftfy's repairs of misread text only UTF-8 read as Windows-1252 is undone.
 *
 * @example cleanPrompt('“A  cat”\n&amp;amp; dog’s ﬁsh　Ａ') // '"A cat" & dog\'s fish A'
 */
export function cleanPrompt(text: string): string {
  const plain = decodeHTML(decodeHTML(fixText(text)));
  return plain.replace(whitespace, ' ').replace(/^ | $/g, '');
}

/** What Python's `\s` matches. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: white space in Python
const whitespace = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;

/** Repairs line by line; from the first line with a "<" on, entities may be markup and are left alone. */
function fixText(text: string): string {
  let resolves = true;
  const wellFormed = Buffer.from(text).toString(); // lone surrogates become U+FFFD
  return wellFormed
    .split(/(?<=\n)/)
    .map((line) => {
      resolves &&= !line.includes('<');
      return untilStable(line, (part) =>
        repair(resolves ? part.replace(entities, (entity) => decodeHTML(entity)) : part),
      );
    })
    .join('');
}

function untilStable(text: string, step: (text: string) => string): string {
  for (let before = text; ; ) {
    const after = step(before);
    if (after === before) return after;
    before = after;
  }
}

const entities = /&#?[0-9A-Za-z]{1,24};/g;

/** One pass of the repairs, in ftfy's order. */
function repair(text: string): string {
  return (
    fixControls(fixMojibake(text))
      .replace(/ﬅ/g, 'ſt')
      .replace(/[Ĳĳŉ\u01c4-\u01cc\u01f1-\u01f3\u3000\ufb00-\ufb06\uff01-\uffef]/g, (part) => part.normalize('NFKC'))
      .replace(/[\u02bc\u2018-\u201b]/g, "'")
      .replace(/[\u201c-\u201f]/g, '"')
      .replace(/\r\n|[\r\u0085\u2028\u2029]/g, '\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal escapes begin with one
      .replace(/\x1b\[[\d;]*[a-zA-Z]/g, '')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are removed
      .replace(/[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g, '')
      .normalize('NFC')
  );
}

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
function fixMojibake(text: string): string {
  return untilStable(text, (part) => wholly(part) ?? part.replace(sequence, (match) => decoded(match) ?? match));
}

/** The text decoded as one, if it can be and two of its sequences say so. */
function wholly(text: string): string | undefined {
  const fits = [...text].every((character) => byteOf.has(character) || character.charCodeAt(0) < 0x100);
  const whole = fits ? decoded(text) : undefined;
  return whole !== undefined && text.length - whole.length >= 2 ? whole : undefined;
}

/** C1 control codes as the Windows-1252 characters that were meant. */
function fixControls(text: string): string {
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
