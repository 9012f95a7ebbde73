/** Charts of a page: each stands in it as a picture and as a description, from which one script draws them all. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../io/internal.ts';

/** MIME type of a chart's description. Source: plotly.py, "Displaying figures". */
export const chartType = 'application/vnd.plotly.v1+json';

/** One element, the picture, with the description of its chart, which takes its place where scripts run. */
export function withChart(picture: string, chart: unknown): string {
  const description = JSON.stringify(chart).replaceAll('<', '\\u003c'); // none ends the element
  return `${picture}<script type="${chartType}">${description}</script>`;
}

/**
 * The script that draws the charts in the body, and what a content security policy calls it. Both are empty where there
 * are none, and where the package is not built: pictures stay then.
 */
export function chartScript(body: string): { script: string; source: string } {
  const file = join(packageRoot(), 'dist', 'plotly.js');
  if (!body.includes(`<script type="${chartType}">`) || !existsSync(file)) return { script: '', source: '' };
  const code = readFileSync(file, 'utf8');
  const hash = createHash('sha256').update(code).digest('base64');
  return { script: `<script>${code}</script>`, source: `; script-src 'sha256-${hash}'` };
}
