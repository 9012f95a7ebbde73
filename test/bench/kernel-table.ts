/** The results of `bench kernel` as a Markdown table: a line for each measure, a column for each kernel. */

type Row = Readonly<Record<string, unknown>>;

/** What `bench kernel --json` writes. */
export interface KernelResults {
  readonly rows: readonly Row[];
}

/** Kernels that were not there are named below the table. */
export function kernelTable({ rows }: KernelResults): string {
  const measured = rows.filter(({ skipped }) => skipped === undefined);
  const measures = Object.keys(measured[0] ?? {}).filter((key) => key !== 'kernel');
  const lines = [
    ['', ...measured.map(({ kernel }) => String(kernel))],
    ['---', ...measured.map(() => '---:')],
    ...measures.map((measure) => [measure, ...measured.map((row) => text(row[measure]))]),
  ];
  const skipped = rows.flatMap(({ kernel, skipped: why }) => (why === undefined ? [] : [`${kernel}: ${why}.`]));
  return [...lines.map((cells) => `| ${cells.join(' | ')} |`), ...skipped].join('\n');
}

function text(value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en') : '-';
}
