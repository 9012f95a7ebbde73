/** Markdown as Jupyter's front ends read it: formulas in TeX between dollar signs, or in an environment of their own. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Marked, type TokenizerAndRendererExtension, type Tokens } from 'marked';
import temml from 'temml';

/** A dollar sign opens a formula before anything but a space, and closes it where no digit follows: `$5` is a price. */
const INLINE = /^\$(?![\s$])((?:\\[\s\S]|[^\\$\n])*?[^\s\\$]|\\\S)\$(?!\d)/;
const DISPLAY = String.raw`(?:\$\$([\s\S]+?)\$\$|(\\begin\{([a-z]+\*?)\}[\s\S]+?\\end\{\3\}))`;
const WITHIN_LINE = new RegExp(`^${DISPLAY}`);
const ON_ITS_OWN = new RegExp(`^ {0,3}${DISPLAY}[ \\t]*(?:\\n|$)`);

const markdown = new Marked({ extensions: [formula('block'), formula('inline')] });

/** HTML of a text; formulas become MathML, which browsers draw by themselves. */
export function markdownToHtml(text: string): string {
  return markdown.parse(text, { async: false });
}

/** The style of formulas, which refers to nothing outside of itself. */
export function formulaStyle(): string {
  const require = createRequire(import.meta.url);
  const font = readFileSync(require.resolve('temml/dist/Temml.woff2')).toString('base64');
  const style = readFileSync(require.resolve('temml/dist/Temml-Local.css'), 'utf8');
  return style.replace("url('Temml.woff2')", `url('data:font/woff2;base64,${font}')`);
}

function formula(level: 'block' | 'inline'): TokenizerAndRendererExtension {
  const name = `${level} formula`;
  const [start, shown] = level === 'block' ? [/\n {0,3}(?:\$\$|\\begin\{)/, ON_ITS_OWN] : [/\$|\\begin\{/, WITHIN_LINE];
  return {
    name,
    level,
    start: (text) => start.exec(text)?.index,
    tokenizer: (text) => {
      const display = shown.exec(text);
      const found = display ?? (level === 'inline' ? INLINE.exec(text) : null);
      if (!found) return undefined;
      return { type: name, raw: found[0], tex: (found[1] ?? found[2] ?? '').trim(), isDisplay: display !== null };
    },
    renderer: ({ tex, isDisplay }: Tokens.Generic) =>
      temml.renderToString(tex as string, { displayMode: isDisplay as boolean, throwOnError: false }),
  };
}
