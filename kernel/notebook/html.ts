/** A notebook as one self-contained HTML page: pictures that need no script, and charts that take their place. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import hljs from 'highlight.js';
import { escapeHtml } from '../escape-html.ts';
import { packageRoot } from '../install.ts';
import type { Json } from '../protocol/wire.ts';
import { type Cell, cellText, type Notebook, type Output } from './document.ts';
import { formulaStyle, markdownToHtml } from './markdown.ts';

/** Forms of an output in the order of preference. */
const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];
const CHART_TYPE = 'application/vnd.plotly.v1+json';

const STYLE = `
:root { color-scheme: light; --ink: #1f2328; --muted: #59636e; --line: #d1d9e0; --paper: #ffffff; --code: #f6f8fa; --accent: #0b62c4; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .75rem; }
a { color: var(--accent); }
pre { overflow-x: auto; margin: 0; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .9em; }
.cell { margin: 1rem 0; }
.input { background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: .75rem 1rem; }
.output { margin: .6rem 0 0; overflow-x: auto; }
.output pre { color: var(--ink); padding: .25rem 1rem; white-space: pre-wrap; }
.output img, .output video { max-width: 100%; height: auto; }
.error pre { background: #fff1f0; border-left: 3px solid #cf222e; }
.stderr pre { background: #fff8e5; }
table { border-collapse: collapse; margin: .5rem 0; } th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.hljs-keyword, .hljs-built_in { color: #cf222e; } .hljs-string { color: #0a3069; } .hljs-number, .hljs-literal { color: #0550ae; }
.hljs-comment { color: var(--muted); font-style: italic; } .hljs-title, .hljs-property { color: #6639ba; }
`;

/** The whole page, titled by the notebook's first heading, or else by the file's name. */
export function notebookToHtml(notebook: Notebook, file: string): string {
  const [, heading] =
    notebook.cells
      .map(cellText)
      .join('\n')
      .match(/^# (.*)$/m) ?? [];
  const title = heading ?? basename(file, '.ipynb');
  const cells = notebook.cells.map(renderCell).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}${cells.includes('<math') ? formulaStyle() : ''}</style>
</head>
<body>
<main>
${cells}
</main>
${cells.includes(chartStart) ? chartScript() : ''}
</body>
</html>
`;
}

function renderCell(cell: Cell): string {
  const source = cellText(cell);
  if (cell.cell_type === 'markdown') return `<div class="cell">${markdownToHtml(source)}</div>`;
  if (cell.cell_type === 'raw') return '';
  const code = hljs.highlight(source, { language: 'typescript' }).value;
  const outputs = (cell.outputs ?? []).map(renderOutput).join('\n');
  return `<div class="cell"><div class="input"><pre><code>${code}</code></pre></div>${outputs}</div>`;
}

function renderOutput(output: Output): string {
  if (output.output_type === 'stream') {
    return block(output['name'] === 'stderr' ? 'output stderr' : 'output', pre(joined(output['text'])));
  }
  if (output.output_type === 'error') return block('output error', pre(joined(output['traceback'], '\n')));
  return block('output', renderData((output['data'] ?? {}) as Json, (output['metadata'] ?? {}) as Json));
}

/** A chart stands in the page as a picture and as a description, from which the page's script draws it. */
function renderData(data: Json, metadata: Json): string {
  const picture = renderStill(data, metadata);
  const chart = data[CHART_TYPE];
  if (chart === undefined) return picture;
  const description = JSON.stringify(chart).replaceAll('<', '\\u003c'); // none ends the element
  return `<div>${picture}</div>${chartStart}${description}</script>`;
}

const chartStart = `<script type="${CHART_TYPE}">`;

/** The bundled part of plotly.js; nothing where the package is not built, so that pictures stay. */
function chartScript(): string {
  const file = join(packageRoot(dirname(fileURLToPath(import.meta.url))), 'dist', 'plotly.js');
  return existsSync(file) ? `<script>${readFileSync(file, 'utf8')}</script>` : '';
}

function renderStill(data: Json, metadata: Json): string {
  if (data['text/html'] !== undefined) return joined(data['text/html']);
  if (data['image/svg+xml'] !== undefined) return joined(data['image/svg+xml']);
  const image = IMAGE_TYPES.find((type) => data[type] !== undefined);
  const alt = escapeHtml(joined(data['text/plain'] ?? ''));
  if (image)
    return `<img alt="${alt}"${width(metadata[image])} src="data:${image};base64,${joined(data[image]).replace(/\s/g, '')}">`;
  if (data['text/markdown'] !== undefined) return markdownToHtml(joined(data['text/markdown']));
  return pre(joined(data['text/plain'] ?? ''));
}

/** Front ends are told the size on the page of pictures drawn for fine screens. */
function width(shown: unknown): string {
  const { width: pixels } = (shown ?? {}) as { width?: unknown };
  return typeof pixels === 'number' ? ` width="${pixels}"` : '';
}

/** nbformat allows text as one string or as lines. */
function joined(text: unknown, separator = ''): string {
  return Array.isArray(text) ? text.join(separator) : String(text);
}

function block(name: string, content: string): string {
  return `<div class="${name}">${content}</div>`;
}

function pre(text: string): string {
  return `<pre>${escapeHtml(text)}</pre>`;
}
