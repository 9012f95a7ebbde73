/**
 * Bundles the part of plotly.js that draws this library's curves into `dist/plotly.js`, which pages embed:
 * `tsx test/pack/plotly.ts`. It is made again only if plotly.js, or this file, is newer.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Draws every chart of the page over the picture that stands in for it. Line charts are in plotly.js's core; bars and
 * heat maps are the other traces that cells show most. A chart of another kind keeps its picture and says so.
 */
const page = `
import Plotly from 'plotly.js/lib/core';
import bar from 'plotly.js/lib/bar';
import heatmap from 'plotly.js/lib/heatmap';

Plotly.register([bar, heatmap]);
const drawn = new Set(['scatter', 'bar', 'heatmap']);

function draw(script) {
  const { data, layout = {}, config = {} } = JSON.parse(script.textContent);
  const other = data.find(({ type = 'scatter' }) => !drawn.has(type));
  const chart = document.createElement('div');
  if (other) {
    chart.textContent = 'Interactive in JupyterLab only: a chart of the kind "' + other.type + '".';
    script.after(chart);
    return;
  }
  const picture = script.previousElementSibling;
  script.after(chart);
  Plotly.newPlot(chart, data, layout, { displaylogo: false, responsive: true, ...config }).then(
    () => { if (picture) picture.style.display = 'none'; },
    (error) => { chart.textContent = String(error); },
  );
}

for (const script of document.querySelectorAll('script[type="application/vnd.plotly.v1+json"]')) draw(script);
`;

const here = fileURLToPath(import.meta.url);
const root = dirname(dirname(dirname(here)));
const out = join(root, 'dist', 'plotly.js');
const timeOf = (path: string): number => (existsSync(path) ? statSync(path).mtimeMs : 0);

if (timeOf(out) <= Math.max(timeOf(here), timeOf(join(root, 'node_modules/plotly.js/package.json')))) {
  mkdirSync(dirname(out), { recursive: true });
  await build({
    stdin: { contents: page, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2020',
    charset: 'utf8',
    legalComments: 'inline',
    define: { global: 'globalThis' },
    loader: { '.css': 'empty' }, // of maps, which are not drawn here
    logLevel: 'error',
    outfile: out,
  });
}
