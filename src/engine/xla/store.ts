/**
 * Compiled executables on disk, so that a program is compiled once and not once a process. An entry is named by what
 * compiled it and what it was compiled from; entries that cannot be read are compiled anew.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Bytes of all entries; beyond it those that were used longest ago go. */
const maxBytes = 4 * 2 ** 30;

/** Compilations shorter than this are not worth a file. */
const worthMs = 1000;

const ending = '.xla';

/** Where executables are kept unless the option `cache` says otherwise. */
export function storeFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'reward-forcing', 'xla');
}

export class ExecutableStore {
  readonly folder: string;
  readonly #compiler: string;
  readonly #worthMs: number;
  readonly #capacity: number;

  /** `compiler` names everything beside the program that an executable depends on. */
  constructor(folder: string, compiler: string, worth: number = worthMs, capacity: number = maxBytes) {
    this.folder = folder;
    this.#compiler = compiler;
    this.#worthMs = worth;
    this.#capacity = capacity;
  }

  #path(program: string): string {
    const hash = createHash('sha256').update(this.#compiler).update('\0').update(program);
    return join(this.folder, `${hash.digest('hex')}${ending}`);
  }

  /** What `load` makes of the stored executable; undefined where there is none that can be loaded. */
  find<T>(program: string, load: (bytes: Uint8Array) => T): T | undefined {
    const path = this.#path(program);
    try {
      const loaded = load(readFileSync(path));
      const now = new Date();
      utimesSync(path, now, now);
      return loaded;
    } catch {
      remove(path);
      return undefined;
    }
  }

  /** Stores what took long to compile. A store that cannot be written is no reason to fail. */
  keep(program: string, compileMs: number, serialize: () => Uint8Array): void {
    if (compileMs < this.#worthMs) return;
    const path = this.#path(program);
    const partial = `${path}.${process.pid}.part`;
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      writeFileSync(partial, serialize());
      renameSync(partial, path);
      this.#shrink();
    } catch {
      remove(partial);
    }
  }

  #shrink(): void {
    const entries = readdirSync(this.folder)
      .filter((name) => name.endsWith(ending))
      .map((name) => join(this.folder, name))
      .map((path) => ({ path, stats: statSync(path) }))
      .sort((a, b) => b.stats.mtimeMs - a.stats.mtimeMs);
    let total = 0;
    for (const { path, stats } of entries) {
      total += stats.size;
      if (total > this.#capacity) remove(path);
    }
  }
}

/** Removes a file if it can be removed; another process may have done so. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // a store that cannot be written is no reason to fail
  }
}
