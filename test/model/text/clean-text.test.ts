/** Repairs of text, judged by what ftfy and Python's html module make of the same text. */
import { expect, test } from 'vitest';
import { cleanPrompt } from '../../../src/model/text/clean-text.ts';

test.each([
  ['“A  cat”\n&amp;amp; dog’s ﬁsh　Ａ', '"A cat" & dog\'s fish A'],
  ['ï½ˆi　ｆｕｌｌ，ｗｉｄｔｈ！', 'hi full,width!'],
  ['schÃ¶n cafÃ©', 'schön café'],
  ['ÐŸÑ€Ð¸Ð²ÐµÑ‚', 'Привет'],
  ['â€œquotedâ€\u009d lâ€™amour', '"quoted" l\'amour'],
  ['ÃƒÂ¶ twice', 'ö twice'],
  ['CAFÉ” RÉSUMÉ™ É…', 'CAFÉ" RÉSUMÉ™ É…'],
  ['«À propos» ¿Qué? São 10 µm ± 5 °C', '«À propos» ¿Qué? São 10 µm ± 5 °C'],
  ['e\u0301 A\u030a', 'é Å'],
  ['a\u0000b\u0007c\u001b[31mred\u001b[0m\ufeff', 'abcred'],
  ['x\u0085y\u2028z\r\nend', 'x…y z end'],
  ['<b>&eacute;</b> &amp;lt;', '<b>é</b> <'],
  ['lone \ud83d surrogate', 'lone \ufffd surrogate'],
  ['zero\u200bwidth', 'zero\u200bwidth'],
  [' \t ', ''],
])('%j', (text, cleaned) => {
  expect(cleanPrompt(text)).toBe(cleaned);
});
