/** Adding up a profile, and how a notebook shows it: a table. */
import { withDisplay } from '../display/index.ts';
import type { Profile, ProfileRow, ProfileStack } from './engine.ts';

/** Rows shown in a table. */
const shownRows = 20;

/** Times of chains of calls, added up as they come. */
export class ProfileStacks {
  private readonly stacks = new Map<string, { path: string[]; calls: number; ms: number }>();

  add(path: string[], ms: number): void {
    const key = path.join('/');
    const stack = this.stacks.get(key) ?? { path, calls: 0, ms: 0 };
    this.stacks.set(key, { path, calls: stack.calls + 1, ms: stack.ms + ms });
  }

  /** The profile, longest first, with a display of its own. */
  toProfile(wallMs: number): Profile {
    const stacks = [...this.stacks.values()].sort((a, b) => b.ms - a.ms);
    const profile: Profile = { wallMs, operations: byOperation(stacks), stacks };
    return withDisplay(profile, () => ({ 'text/html': toHtml(profile), 'text/plain': toText(profile) }));
  }
}

function byOperation(stacks: readonly ProfileStack[]): ProfileRow[] {
  const rows = new Map<string, ProfileRow>();
  for (const { path, calls, ms } of stacks) {
    const operation = path.at(-1) ?? '';
    const row = rows.get(operation) ?? { operation, calls: 0, ms: 0 };
    rows.set(operation, { operation, calls: row.calls + calls, ms: row.ms + ms });
  }
  return [...rows.values()].sort((a, b) => b.ms - a.ms);
}

/** Cells of the table, a header row first. */
function tableOf({ wallMs, operations }: Profile): string[][] {
  const line = ({ operation, calls, ms }: ProfileRow): string[] => [
    operation,
    String(calls),
    ms.toFixed(2),
    `${((100 * ms) / wallMs).toFixed(1)}%`,
  ];
  const inside = operations.reduce((sum, { ms }) => sum + ms, 0);
  const rest: ProfileRow = { operation: 'outside of operations', calls: 1, ms: Math.max(0, wallMs - inside) };
  return [['operation', 'calls', 'ms', 'share'], ...[...operations.slice(0, shownRows), rest].map(line)];
}

function toText(profile: Profile): string {
  const rows = tableOf(profile);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return rows.map((row) => row.map(pad).join('  ')).join('\n');
}

function toHtml(profile: Profile): string {
  const cells = (row: string[], tag: 'th' | 'td'): string =>
    row.map((cell, i) => `<${tag} style="text-align:${i === 0 ? 'left' : 'right'}">${cell}</${tag}>`).join('');
  const [head, ...rows] = tableOf(profile);
  return `<table><tr>${cells(head!, 'th')}</tr>${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('')}</table>`;
}
