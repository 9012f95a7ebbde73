import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { codeCell, type Notebook, type Output } from '../../kernel/notebook/document.ts';
import { notebookToHtml } from '../../kernel/notebook/html.ts';
import { formulaStyle, markdownToHtml } from '../../kernel/notebook/markdown.ts';

const formulas = (text: string): number => markdownToHtml(text).match(/<math/g)?.length ?? 0;

test('a formula in a line stays in it', () => {
  const html = markdownToHtml(String.raw`From $x_0$ to $\sigma = 1$, or **$v_i * w_i$**.`);
  expect(html).toMatch(/^<p>From <math.*<\/math> to <math.*<\/math>, or <strong><math.*<\/math><\/strong>\.<\/p>\n$/);
  expect(html).not.toMatch(/<em>|\$/);
});

test.each([
  ['between texts', 'text\n$$\na_1 * b_1 *\n- c\n$$\ntext', '<p>text</p>'],
  ['as a paragraph', String.raw`$$x = \begin{cases} 1 \\ 2 \end{cases}$$`, ''],
  ['as an environment', '\\begin{align*}\na &= b \\\\\n&= c\n\\end{align*}\n\nafter', '<p>after</p>'],
  ['within a line', 'with $$x^2$$ in it', '<p>with '],
])('a displayed formula: %s', (_, text, around) => {
  const html = markdownToHtml(text);
  expect(html).toMatch(/<math display="block"/);
  expect(html).toContain(around);
  expect(formulas(text)).toBe(1);
});

test.each(['It costs $5 or $6.', '`$x$` is code', '    $$x$$', '```\n$x$\n```', 'a \\$ sign and a \\$ sign', '$ x $'])(
  'no formula: %s',
  (text) => expect(formulas(text)).toBe(0),
);

test('a formula that is none is shown in red, not thrown', () => {
  expect(markdownToHtml('$\\frac{1$')).toMatch(/temml-error/);
});

test('only pages with formulas carry their style, and it refers to nothing outside', () => {
  const page = (source: string): string =>
    notebookToHtml(
      { nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [{ cell_type: 'markdown', source, metadata: {} }] },
      'a.ipynb',
    );
  expect(page('no formula')).not.toContain('Temml');
  expect(page('$x$')).toContain('Temml');
  expect(formulaStyle().match(/url\(["'](?!data:)/g)).toBeNull();
});

test('a page carries the script that draws its charts once, and each with the picture that stands in for it', () => {
  const chart = { 'application/vnd.plotly.v1+json': { data: [{ y: [1, 2], name: '</script>' }], layout: {} } };
  const display: Output = { output_type: 'display_data', metadata: {}, data: { ...chart, 'image/png': 'AAAA' } };
  const cell = { ...codeCell('a'), outputs: [display, display] };
  const page = (cells: Notebook['cells']): string =>
    notebookToHtml({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells }, 'a.ipynb');
  const { document } = parseHTML(page([cell]));
  const charts = [...document.querySelectorAll('script[type="application/vnd.plotly.v1+json"]')];
  expect(charts.map((script) => JSON.parse(script.textContent ?? '') as unknown)).toEqual(
    Array(2).fill(Object.values(chart)[0]),
  );
  expect(charts.map((script) => script.previousElementSibling?.querySelector('img')?.src)).toEqual(
    Array(2).fill('data:image/png;base64,AAAA'),
  );
  expect(document.querySelectorAll('script:not([type])')).toHaveLength(1);
  expect(page([codeCell('a')])).not.toContain('<script');
});
