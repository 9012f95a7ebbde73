import { escapeHtml, jupyterDisplay, type MimeBundle } from '../display/index.ts';
import { type Provenance, writeAtomic } from '../io/index.ts';
import { chartScript, type Figure, once } from './figure.ts';
import { ink, sans } from './theme.ts';

/** A figure with the words under it. */
export interface CaptionedFigure {
  figure: Figure;
  caption?: string;
}

export interface ReportSection {
  title: string;
  /** Paragraphs, split at empty lines; `backticks` set code. */
  text?: string;
  figures?: readonly (Figure | CaptionedFigure)[];
}

export interface ReportContent {
  title: string;
  /** One or two sentences with the result. */
  summary?: string;
  sections: readonly ReportSection[];
  /** How it was made: seed, commit, checkpoint, command, date. */
  provenance?: Provenance;
}

export interface Report {
  /** The whole page; it asks nothing of the network. */
  toHtml(): Promise<string>;
  /** Writes the page; the path ends in .html. */
  save(path: string): Promise<void>;
  [jupyterDisplay](): Promise<MimeBundle>;
}

/**
 * A report as one HTML file: sections of text and figures, moving clips included, all within the file.
 *
 * @example
 * const page = report({ title: 'Reward forcing', sections: [{ title: 'Reward', figures: [curve({ reward })] }] });
 * await page.save('report.html');
 */
export function report(content: ReportContent): Report {
  const toHtml = once(() => writeReport(content));
  return {
    toHtml,
    save: async (path) => {
      if (!path.toLowerCase().endsWith('.html'))
        throw new RangeError(`path: reports are saved as .html, received "${path}"`);
      await writeAtomic(path, await toHtml());
    },
    [jupyterDisplay]: async () => {
      const frame = `<iframe srcdoc="${escapeHtml(await toHtml())}" style="width:100%;height:640px;border:1px solid #d8dde2" title="${escapeHtml(content.title)}"></iframe>`;
      return { 'text/html': frame, 'text/plain': `${content.title}: ${content.sections.length} sections` };
    },
  };
}

/** Nothing but what the file itself carries may load. */
const policy = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'";

async function writeReport({ title, summary, sections, provenance = {} }: ReportContent): Promise<string> {
  const parts: string[] = [];
  for (const [index, section] of sections.entries()) parts.push(await writeSection(section, index));
  const links = sections.map((section, index) => `<li><a href="#s${index + 1}">${escapeHtml(section.title)}</a></li>`);
  const contents = sections.length > 2 ? `<nav aria-label="Contents"><ol>${links.join('')}</ol></nav>` : '';
  const { script, source } = chartScript(parts.join());
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}${source}">`,
    '<meta name="generator" content="reward-forcing">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${reportStyle}</style>`,
    '</head>',
    '<body>',
    `<header><h1>${escapeHtml(title)}</h1>${summary ? `<div class="summary">${paragraphs(summary)}</div>` : ''}</header>`,
    contents,
    `<main>${parts.join('\n')}</main>`,
    footer(provenance),
    script,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

async function writeSection({ title, text, figures = [] }: ReportSection, index: number): Promise<string> {
  const drawn: string[] = [];
  for (const entry of figures) drawn.push(await writeFigure('figure' in entry ? entry : { figure: entry }));
  const body = `${text ? paragraphs(text) : ''}${drawn.join('\n')}`;
  return `<section id="s${index + 1}"><h2>${escapeHtml(title)}</h2>${body}</section>`;
}

async function writeFigure({ figure, caption }: CaptionedFigure): Promise<string> {
  const words = caption ? `<figcaption>${inline(caption)}</figcaption>` : '';
  const label = escapeHtml(figure.toText().split('\n')[0] ?? '');
  return `<figure class="figure"><div class="scroll" role="group" aria-label="${label}">${await figure.toHtml()}</div>${words}</figure>`;
}

function paragraphs(text: string): string {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => `<p>${inline(paragraph)}</p>`)
    .join('');
}

function inline(text: string): string {
  return escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

function footer(provenance: Provenance): string {
  const entries = Object.entries(provenance);
  if (entries.length === 0) return '';
  const rows = entries.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(String(value))}</dd>`);
  return `<footer><h2>How this was made</h2><dl>${rows.join('')}</dl></footer>`;
}

/** The look of a report: a column of text, figures as wide as they need, narrow screens and print included. */
const reportStyle = `
:root{color-scheme:light;--text:${ink.text};--muted:${ink.muted};--line:${ink.faint};--surface:${ink.surface};--accent:${ink.accent}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:980px;padding:48px 24px 64px;font:16px/1.6 ${sans};color:var(--text);background:#fff}
h1{font-size:2rem;line-height:1.2;margin:0 0 12px;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:1.3rem;line-height:1.3;margin:0 0 12px}
p{margin:0 0 14px;max-width:70ch}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--surface);padding:.1em .35em;border-radius:4px}
.summary{font-size:1.1rem;color:var(--muted)}
nav{margin:24px 0 0;padding:14px 20px;background:var(--surface);border-radius:8px}
nav ol{margin:0;padding-left:1.4em;columns:2;column-gap:32px}
nav a{color:var(--accent);text-decoration:none}
nav a:hover,nav a:focus{text-decoration:underline}
section{margin-top:44px;padding-top:28px;border-top:1px solid var(--line)}
.figure{margin:20px 0 28px}
.scroll{overflow-x:auto}
.scroll>svg,.scroll>img{max-width:100%;height:auto;display:block}
figcaption{margin-top:8px;font-size:.9rem;color:var(--muted);max-width:70ch}
footer{margin-top:56px;padding-top:24px;border-top:1px solid var(--line);font-size:.85rem;color:var(--muted)}
footer h2{font-size:1rem;color:var(--text)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;margin:0}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media (max-width:600px){body{padding:24px 16px 40px}h1{font-size:1.6rem}nav ol{columns:1}}
@media print{body{max-width:none;padding:0}section,.figure{break-inside:avoid}}
`.trim();
