/** Input history of the session, as history_request asks for it. */
import type { Json } from '../protocol/wire.ts';

type Entry = [session: number, line: number, input: string];
const SESSION = 1;

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
    const matches = glob(pattern);
    let found = this.#entries.filter(([, , input]) => matches.test(input));
    if (unique) found = [...new Map(found.map((entry) => [entry[2], entry])).values()];
    return n === undefined ? found : found.slice(-n);
  }
}

/** `*` any run, `?` any character, all else literal. */
function glob(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/\?/g, '.')}$`, 's');
}
