/**
 * JSON of files that nobody vouches for, read piece by piece: a name that stands twice, text that is not UTF-8 and
 * nesting without end are refused, and what is not asked for takes no memory. Grammar: RFC 8259.
 */

/** A JSON text that breaks the grammar or holds a name twice. */
export class JsonError extends Error {
  override name = 'JsonError';
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws JsonError unless the bytes are UTF-8. */
export function utf8Text(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new JsonError('the text is not UTF-8');
  }
}

/** Text of a file as messages quote it: short, and without characters that a terminal would obey. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

const deepest = 64;
const numberToken = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const wordToken = /true|false|null/y;

/** A place in a JSON text; each method reads one value and moves behind it. */
export class JsonReader {
  readonly #text: string;
  #at: number = 0;
  #depth: number = 0;
  /** Whether the last text needs no decoding: no escapes, no control characters, no halves of characters. */
  #isPlain: boolean = true;

  constructor(text: string) {
    this.#text = text;
  }

  /** First character of the value that comes next; empty at the end. */
  peek(): string {
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return this.#text[this.#at]!;
    }
    return '';
  }

  /** An object: `entry` is called with each name and reads its value. */
  object(entry: (name: string) => void): void {
    const names = new Set<string>();
    this.#sequence('{', '}', () => {
      const name = this.string();
      if (names.has(name)) throw new JsonError(`the name ${quoted(name)} stands twice`);
      names.add(name);
      this.#take(':');
      entry(name);
    });
  }

  /** A list: `item` reads each of its values. */
  array(item: () => void): void {
    this.#sequence('[', ']', item);
  }

  string(): string {
    const begin = this.#stringEnd();
    const token = this.#text.slice(begin, this.#at);
    if (this.#isPlain) return token.slice(1, -1);
    try {
      const text = JSON.parse(token) as string;
      if (!/\p{Surrogate}/u.test(text)) return text;
    } catch {
      // refused below
    }
    return this.#refuse(`a text that is broken (${quoted(token)})`, begin);
  }

  number(): number {
    this.peek();
    return Number(this.#token(numberToken) ?? this.#refuse('a value that is no number'));
  }

  /** A text, number, true, false or null as text; undefined for an object or list, which is skipped. */
  scalar(): string | undefined {
    const next = this.peek();
    if (next === '"') return this.string();
    if (next !== '{' && next !== '[') {
      return this.#token(numberToken) ?? this.#token(wordToken) ?? this.#refuse('no value');
    }
    this.skip();
    return undefined;
  }

  /** Any value, kept nowhere. */
  skip(): void {
    const next = this.peek();
    if (next === '{') {
      this.#sequence('{', '}', () => {
        this.#stringEnd();
        this.#take(':');
        this.skip();
      });
    } else if (next === '[') this.array(() => this.skip());
    else if (next === '"') this.#stringEnd();
    else this.scalar();
  }

  /** @throws JsonError if anything but white space follows. */
  end(): void {
    if (this.peek() !== '') this.#refuse('more text after the end');
  }

  #sequence(open: string, close: string, item: () => void): void {
    this.#take(open);
    if (++this.#depth > deepest) this.#refuse(`nesting deeper than ${deepest}`);
    for (let isFirst = true; this.peek() !== close; isFirst = false) {
      if (!isFirst) this.#take(',');
      item();
    }
    this.#depth--;
    this.#take(close);
  }

  /** Moves behind a text and returns where it begins. */
  #stringEnd(): number {
    this.#take('"');
    const begin = this.#at - 1;
    this.#isPlain = true;
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code < 32 || code === 92 || (code >= 0xd800 && code < 0xe000)) this.#isPlain = false;
      if (code === 92) this.#at++;
      else if (code === 34) {
        this.#at++;
        return begin;
      }
    }
    return this.#refuse('a text that does not end', begin);
  }

  #take(character: string): void {
    if (this.peek() !== character) this.#refuse(`no ${character}`);
    this.#at++;
  }

  #token(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0];
    this.#at += token?.length ?? 0;
    return token;
  }

  #refuse(what: string, at: number = this.#at): never {
    throw new JsonError(`${what} at character ${at}`);
  }
}
