/**
 * A pickle machine that builds data and never runs code: opcodes come from a fixed table, and every class or function
 * that a pickle names must be one that the caller knows. Anything else is refused. Each opcode takes at least one
 * byte and allocates no more than its bytes announce, so time and memory are bounded by the input.
 * Format: CPython's Lib/pickletools.py.
 */
import { opcodes } from './pickle-opcodes.ts';
import { PickleReader } from './pickle-reader.ts';
import { PickleError, type PickleHost, type PickleValue } from './pickle-value.ts';

/** What one pickle held, and where the bytes after it begin. */
export interface Unpickled {
  readonly value: PickleValue;
  readonly end: number;
}

/**
 * Reads the pickle that starts at byte `begin`.
 *
 * @param host resolves the names and persistent ids in the pickle, or refuses them
 * @throws PickleError if the bytes are not a pickle, end too early, or name something that the host refuses.
 */
export function unpickle(bytes: Uint8Array, host: PickleHost, begin: number = 0): Unpickled {
  const machine = new PickleMachine(new PickleReader(bytes, begin), host);
  return { value: machine.run(), end: machine.reader.position };
}

/** Stack, marks and memo of one run. */
export class PickleMachine {
  readonly reader: PickleReader;
  readonly host: PickleHost;
  readonly memo: Map<number, PickleValue> = new Map();
  #stack: PickleValue[] = [];
  readonly #outer: PickleValue[][] = [];

  constructor(reader: PickleReader, host: PickleHost) {
    this.reader = reader;
    this.host = host;
  }

  run(): PickleValue {
    for (;;) {
      const at = this.reader.position;
      const code = this.reader.byte();
      if (code === stop) return this.pop();
      const operation = opcodes[code];
      if (operation === undefined) {
        throw new PickleError(
          `opcode 0x${code.toString(16).padStart(2, '0')} at byte ${at} is not one that tensors need`,
        );
      }
      operation(this);
    }
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    if (this.#stack.length === 0) throw new PickleError(`the stack is empty before byte ${this.reader.position}`);
    return this.#stack.pop()!;
  }

  /** The value on top, which stays. */
  top(): PickleValue {
    const value = this.pop();
    this.push(value);
    return value;
  }

  mark(): void {
    this.#outer.push(this.#stack);
    this.#stack = [];
  }

  /** Everything above the last mark, which goes too. */
  popMark(): PickleValue[] {
    const above = this.#stack;
    const below = this.#outer.pop();
    if (below === undefined) throw new PickleError(`no mark is set before byte ${this.reader.position}`);
    this.#stack = below;
    return above;
  }
}

const stop = '.'.charCodeAt(0);
