/** Input history of the session, as history_request asks for it. */
import type { Json } from '../protocol/wire.ts';

type Entry = [session: number, line: number, input: string];
const SESSION = 1;
/** Nobody types a longer one. */
const LONGEST_PATTERN = 1000;

export class History {
  readonly #entries: Entry[] = [];

  add(line: number, input: string): void {
    this.#entries.push([SESSION, line, input]);
  }

  /** Content of a history_reply. Unknown access types get an empty history. */
  query(request: Json): Json {
    const found = this.#select(request);
    return { status: 'ok', history: request['output'] ? found.map(([s, l, input]) => [s, l, [input, null]]) : found };
  }

  #select(request: Json): Entry[] {
    const n = typeof request['n'] === 'number' ? request['n'] : undefined;
    switch (request['hist_access_type']) {
      case 'tail':
        return n === 0 ? [] : this.#entries.slice(-(n ?? this.#entries.length));
      case 'range':
        return this.#range(request);
      case 'search':
        return this.#search(String(request['pattern'] ?? '*'), Boolean(request['unique']), n);
      default:
        return [];
    }
  }

  #range(request: Json): Entry[] {
    const session = Number(request['session'] ?? 0);
    if (session !== 0 && session !== SESSION) return [];
    const start = Number(request['start'] ?? 0);
    const stop = typeof request['stop'] === 'number' ? request['stop'] : Number.POSITIVE_INFINITY;
    return this.#entries.filter(([, line]) => line >= start && line < stop);
  }

  #search(pattern: string, unique: boolean, n: number | undefined): Entry[] {
    const glob = [...pattern.slice(0, LONGEST_PATTERN)];
    let found = this.#entries.filter(([, , input]) => matchesGlob(glob, [...input]));
    if (unique) found = [...new Map(found.map((entry) => [entry[2], entry])).values()];
    return n === undefined ? found : found.slice(-n);
  }
}

/**
 * Whether the whole text is what the pattern describes: `*` any run, `?` any character, all else literal. A run is
 * lengthened only where the rest fails, and never an earlier one: many stars cost no more than few.
 */
function matchesGlob(pattern: readonly string[], text: readonly string[]): boolean {
  let [at, star, resume] = [0, -1, 0];
  for (let i = 0; i < text.length; ) {
    if (pattern[at] === '*') {
      [star, resume] = [at++, i];
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      [at, i] = [star + 1, ++resume];
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
