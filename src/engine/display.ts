/** How a notebook shows what an engine tells: reports and profiles as tables. As data they stay what they are. */
import { alignColumns, escapeHtml, withDisplay } from '../display/index.ts';
import type { EngineReport, Profile, ProfileRow } from './engine.ts';

const shownRows = 20;

/** A table: columns of numbers are aligned to the right, a column of titles is set as one. */
interface Table {
  readonly head?: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly columns: readonly ('title' | 'text' | 'number')[];
}

function toText({ head, rows, columns }: Table): string {
  const isNumber = columns.map((column) => column === 'number');
  return alignColumns(head ? [head, ...rows] : rows, isNumber).join('\n');
}

function toHtml({ head, rows, columns }: Table): string {
  const row = (cells: readonly string[], isHead: boolean): string => {
    const set = cells.map((cell, column) => {
      const tag = isHead || columns[column] === 'title' ? 'th' : 'td';
      const side = columns[column] === 'number' ? 'right' : 'left';
      return `<${tag} style="text-align:${side}">${escapeHtml(cell)}</${tag}>`;
    });
    return `<tr>${set.join('')}</tr>`;
  };
  return `<table>${head ? row(head, true) : ''}${rows.map((cells) => row(cells, false)).join('')}</table>`;
}

function shownAs<T extends object>(value: T, table: () => Table): T {
  return withDisplay(value, () => ({ 'text/html': toHtml(table()), 'text/plain': toText(table()) }));
}

export function displayedReport(report: EngineReport): EngineReport {
  return shownAs(report, () => ({ rows: facts(report), columns: ['title', 'text'] }));
}

function facts(report: EngineReport): string[][] {
  const { name, device, threads, precision, versions, memoryBytes, graphs, fallbacks } = report;
  return [
    ['engine', `${name} on ${device}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${precision}`],
    ['versions', pairs(versions)],
    ['tensors held', `${(memoryBytes / 2 ** 20).toFixed(1)} MB`],
    ...(graphs
      ? [
          ['graphs', `${graphs.runs} run, ${graphs.pending} operations pending`],
          ['compiled', `${graphs.compiles} in ${(graphs.compileMs / 1000).toFixed(2)} s, ${graphs.kept} kept`],
        ]
      : []),
    ['fallbacks', pairs(fallbacks) || 'none'],
  ];
}

function pairs(record: Readonly<Record<string, string | number>>): string {
  return Object.entries(record)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
}

export function displayedProfile(profile: Profile): Profile {
  return shownAs(profile, () => ({
    head: ['operation', 'calls', 'ms', 'share'],
    rows: shares(profile),
    columns: ['text', 'number', 'number', 'number'],
  }));
}

function shares({ wallMs, operations }: Profile): string[][] {
  const inside = operations.reduce((sum, { ms }) => sum + ms, 0);
  const rest: ProfileRow = { operation: 'outside of operations', calls: 1, ms: Math.max(0, wallMs - inside) };
  return [...operations.slice(0, shownRows), rest].map(({ operation, calls, ms }) => [
    operation,
    String(calls),
    ms.toFixed(2),
    `${((100 * ms) / wallMs).toFixed(1)}%`,
  ]);
}
