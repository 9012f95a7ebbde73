/** Text as Wan2.1 cleans it before tokenising. Source: wan/modules/tokenizers.py (`basic_clean`, `whitespace_clean`). */
import { decodeHTML } from 'entities';
import { fixControls, fixMojibake } from './mojibake.ts';

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
      return untilStable(line, (part) => repair(resolves ? resolveEntities(part) : part));
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

function resolveEntities(text: string): string {
  return text.replace(/&#?[0-9A-Za-z]{1,24};/g, (entity) => decodeHTML(entity));
}

const ligatures: Readonly<Record<string, string>> = {
  Ĳ: 'IJ',
  ĳ: 'ij',
  ŉ: 'ʼn',
  Ǳ: 'DZ',
  ǲ: 'Dz',
  ǳ: 'dz',
  Ǆ: 'DŽ',
  ǅ: 'Dž',
  ǆ: 'dž',
  Ǉ: 'LJ',
  ǈ: 'Lj',
  ǉ: 'lj',
  Ǌ: 'NJ',
  ǋ: 'Nj',
  ǌ: 'nj',
  ﬀ: 'ff',
  ﬁ: 'fi',
  ﬂ: 'fl',
  ﬃ: 'ffi',
  ﬄ: 'ffl',
  ﬅ: 'ſt',
  ﬆ: 'st',
};

/** One pass of the repairs, in ftfy's order. */
function repair(text: string): string {
  return (
    fixControls(fixMojibake(text))
      .replace(/[Ĳĳŉ\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g, (character) => ligatures[character] ?? character)
      .replace(/[\u3000\uff01-\uffef]/g, (character) => character.normalize('NFKC'))
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
