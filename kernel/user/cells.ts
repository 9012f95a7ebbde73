/**
 * Runs the JavaScript of cells, as tslab's converter writes it: all cells share one object of declarations, and a name
 * that a cell declares is `exports.name` in every other.
 */
import { Script } from 'node:vm';
import { CellState, type ConvertedCode } from '../bridge.ts';
import { KeyboardInterrupt } from './errors.ts';
import { bare, pristine, restoreForNode } from './own.ts';

const { defineProperty } = Reflect;
const { load: loadCell } = Atomics;

/** What a cell came to: its value is that of its last expression, which may be a promise. */
export type Outcome = { ok: true; value: unknown } | { ok: false; error: unknown };

/** What a cell reads beside its declarations. */
export interface CellScope {
  require(id: string): unknown;
  /** In the place of `import(…)`. */
  load(specifier: unknown): Promise<unknown>;
}

/** Through this name a script reaches the scope of its cell: a call from outside would not end by SIGINT. */
const SCOPE = '__cell__';
const PARAMETERS = 'function(exports, require, __load) { ';
const ARGUMENTS = `(${SCOPE}.exports, ${SCOPE}.require, ${SCOPE}.load)`;

export class Cells {
  /** The declarations of all cells. */
  readonly declarations: Record<string, unknown>;
  readonly #state: Int32Array;

  readonly #onSigint: () => void;

  /**
   * `state` is shared with the server thread; names that no cell declares are looked up in `builtIns`. `onSigint` hears
   * of an interrupt while a cell waits.
   */
  constructor(state: Int32Array, builtIns: object, onSigint: () => void) {
    this.#state = state;
    this.#onSigint = onSigint;
    process.on('SIGINT', onSigint);
    this.declarations = rewritable(builtIns);
  }

  /** Columns before a cell's code on its first line. */
  prefixOf({ hasToplevelAwait }: ConvertedCode): number {
    return opening(hasToplevelAwait).length;
  }

  /** Runs a cell to the end of its own code. */
  async run(name: string, converted: ConvertedCode, { require, load }: CellScope): Promise<Outcome> {
    const { output, lastExpressionVar, hasToplevelAwait } = converted;
    if (output === undefined) return bare({ ok: true, value: undefined });
    try {
      const code = `${opening(hasToplevelAwait)}${output}\n})${ARGUMENTS}`;
      const script = new Script(code, bare({ filename: name }));
      const scope = bare({ exports: this.declarations, require, load });
      defineProperty(globalThis, SCOPE, bare({ value: scope, configurable: true }));
      const ended = this.#untilFirstWait(script);
      if (hasToplevelAwait) await ended;
      return bare({ ok: true, value: this.#take(lastExpressionVar) });
    } catch (error) {
      return bare({ ok: false, error: this.#asInterrupt(error) });
    }
  }

  /** SIGINT ends the script itself; other handlers of it would be taken away and put back around each cell. */
  #untilFirstWait(script: Script): unknown {
    pristine(() => process.off('SIGINT', this.#onSigint));
    try {
      return script.runInThisContext(bare({ breakOnSigint: true }));
    } finally {
      restoreForNode();
      pristine(() => process.on('SIGINT', this.#onSigint));
    }
  }

  #take(name: string | undefined): unknown {
    if (name === undefined) return undefined;
    const value = this.declarations[name];
    delete this.declarations[name];
    return value ?? undefined;
  }

  /** SIGINT and V8's termination end synchronous code with an error of Node's own, or with none. */
  #asInterrupt(error: unknown): unknown {
    const isTerminated = error === null && loadCell(this.#state, CellState.isTerminated) === 1;
    return isTerminated || codeOf(error) === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' ? new KeyboardInterrupt() : error;
  }
}

function opening(isAsync: boolean | undefined): string {
  return `(${isAsync ? 'async ' : ''}${PARAMETERS}`;
}

/** Node's code of an error; what was thrown may be anything. */
function codeOf(error: unknown): unknown {
  try {
    return (error as NodeJS.ErrnoException | null | undefined)?.code;
  } catch {
    return undefined;
  }
}

/**
 * An object whose every property can be declared again. What TypeScript defines with a getter, an imported name, stays
 * what the module says, until a cell declares the name anew.
 */
function rewritable(builtIns: object): Record<string, unknown> {
  const names = Object.create(builtIns) as Record<PropertyKey, unknown>;
  const assign = (key: PropertyKey, value: unknown): boolean =>
    defineProperty(names, key, bare({ value, writable: true, enumerable: true, configurable: true }));
  // A cell may add to what all objects inherit, and so do the traps of a proxy.
  const traps: ProxyHandler<Record<PropertyKey, unknown>> = {
    defineProperty: (_, key, { get, value }) => {
      if (key === '__esModule') return true;
      if (!get) return assign(key, value);
      const set = (next: unknown): void => void assign(key, next);
      return defineProperty(names, key, bare({ get, set, enumerable: true, configurable: true }));
    },
    set: (_, key, value) => {
      names[key] = value;
      return true;
    },
  };
  return new Proxy(names, bare(traps)) as Record<string, unknown>;
}
