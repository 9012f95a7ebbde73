/** How a notebook shows an engine's report: a table. */
import { escapeHtml, withDisplay } from '../display/index.ts';
import type { EngineReport } from './engine.ts';

/** The report with a display of its own; as data it stays what it was. */
export function displayedReport(report: EngineReport): EngineReport {
  return withDisplay(report, () => ({ 'text/html': toHtml(report), 'text/plain': toText(report) }));
}

/** What there is to say, by its title. */
function facts(report: EngineReport): [title: string, fact: string][] {
  const { name, device, threads, precision, versions, memoryBytes, compiles, compileMs, sessions, runs, pending } =
    report;
  return [
    ['engine', `${name} on ${device}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${precision}`],
    ['versions', pairs(versions)],
    ['tensors held', `${(memoryBytes / 2 ** 20).toFixed(1)} MB`],
    ['graphs', `${runs} run, ${pending} operations pending`],
    ['compiled', `${compiles} in ${(compileMs / 1000).toFixed(2)} s, ${sessions} kept`],
    ['fallbacks', pairs(report.fallbacks) || 'none'],
  ];
}

function pairs(record: Readonly<Record<string, string | number>>): string {
  return Object.entries(record)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
}

function toText(report: EngineReport): string {
  const rows = facts(report);
  const width = Math.max(...rows.map(([title]) => title.length));
  return rows.map(([title, fact]) => `${title.padEnd(width)}  ${fact}`).join('\n');
}

function toHtml(report: EngineReport): string {
  const cell = 'style="text-align:left"';
  const rows = facts(report).map(
    ([title, fact]) => `<tr><th ${cell}>${title}</th><td ${cell}>${escapeHtml(fact)}</td></tr>`,
  );
  return `<table>${rows.join('')}</table>`;
}
