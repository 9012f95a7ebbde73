/** Adding up a profile. */
import { displayedProfile } from './display.ts';
import type { Profile, ProfileRow, ProfileStack } from './engine.ts';

/** Times of chains of calls, added up as they come. */
export class ProfileStacks {
  readonly #stacks = new Map<string, { path: string[]; calls: number; ms: number }>();

  add(path: string[], ms: number): void {
    const key = path.join('/');
    const stack = this.#stacks.get(key) ?? { path, calls: 0, ms: 0 };
    this.#stacks.set(key, { path, calls: stack.calls + 1, ms: stack.ms + ms });
  }

  /** The profile, longest first, with a display of its own. */
  toProfile(wallMs: number): Profile {
    const stacks = [...this.#stacks.values()].sort((a, b) => b.ms - a.ms);
    return displayedProfile({ wallMs, operations: byOperation(stacks), stacks });
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
