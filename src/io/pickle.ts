/**
 * A pickle machine that builds data and never runs code: opcodes come from a fixed table, and every class or function
 * that a pickle names must be one that the caller knows. Anything else is refused. Opcodes that allocate pay from a
 * budget, a small multiple of the input, so time and memory are bounded by it; a key that a dictionary has is refused.
 * Format: CPython's Lib/pickletools.py.
 */
import { quoted } from './json.ts';
import {
  isGlobal,
  kindOf,
  PickleError,
  type PickleHost,
  type PickleKey,
  PickleReader,
  PickleRecord,
  type PickleValue,
  setNew,
} from './pickle-value.ts';

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
  const machine = new PickleMachine(new PickleReader(bytes, begin), host, 3 * bytes.length + budgetBase);
  return { value: machine.run(), end: machine.reader.position };
}

/** Bytes that any pickle may allocate: enough for the 200,000 tensors that no checkpoint has. */
const budgetBase = 160 * 2 ** 20;
/** Bytes of the values that opcodes make, as V8 holds them, rounded up. */
const cost = { value: 16, list: 48, map: 256, entry: 64 } as const;
/** Most values on the stack, and most containers under way: far more than torch.save ever leaves there. */
const maxStack = 2 ** 22;
const maxMarks = 2 ** 16;

/** Stack, marks and memo of one run. */
class PickleMachine {
  readonly reader: PickleReader;
  readonly host: PickleHost;
  readonly memo: Map<number, PickleValue> = new Map();
  #budget: number;
  #stack: PickleValue[] = [];
  #below: number = 0;
  readonly #outer: PickleValue[][] = [];

  constructor(reader: PickleReader, host: PickleHost, budget: number) {
    this.reader = reader;
    this.host = host;
    this.#budget = budget;
  }

  /** Pays for a value and pushes it. */
  made(bytes: number, make: () => PickleValue): void {
    this.spend(bytes);
    this.push(make());
  }

  /** Pays for `bytes` of memory. */
  spend(bytes: number): void {
    this.#budget -= bytes;
    if (this.#budget < 0) throw new PickleError(`the values before byte ${this.reader.position} take too much memory`);
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
    if (this.#below + this.#stack.push(value) > maxStack) throw new PickleError(`more than ${maxStack} values at once`);
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
    if (this.#outer.push(this.#stack) > maxMarks) throw new PickleError(`nested deeper than ${maxMarks}`);
    this.#below += this.#stack.length;
    this.#stack = [];
  }

  /** Everything above the last mark, which goes too. */
  popMark(): PickleValue[] {
    const above = this.#stack;
    const below = this.#outer.pop();
    if (below === undefined) throw new PickleError(`no mark is set before byte ${this.reader.position}`);
    this.#stack = below;
    this.#below -= below.length;
    this.spend(cost.list + cost.value * above.length);
    return above;
  }
}

const stop = '.'.charCodeAt(0);

type Operation = (machine: PickleMachine) => void;

/** Operation of each opcode byte; an opcode that is not here is refused. */
const opcodes: Readonly<Record<number, Operation>> = {
  128: protocol,
  149: (m) => void m.reader.uint64(), // FRAME: a hint about the bytes that follow
  [code('(')]: (m) => m.mark(),
  [code('0')]: (m) => void m.pop(),
  [code('1')]: (m) => void m.popMark(),
  [code('2')]: (m) => m.push(m.top()),

  [code('N')]: (m) => m.push(null),
  136: (m) => m.push(true),
  137: (m) => m.push(false),
  [code('J')]: (m) => m.push(m.reader.int32()),
  [code('K')]: (m) => m.push(m.reader.byte()),
  [code('M')]: (m) => m.push(m.reader.uint16()),
  138: (m) => m.push(m.reader.integer(m.reader.byte())),
  139: (m) => m.push(m.reader.integer(m.reader.uint32())),
  [code('G')]: (m) => m.push(m.reader.float64()),
  [code('X')]: (m) => text(m, m.reader.uint32()),
  140: (m) => text(m, m.reader.byte()),
  141: (m) => text(m, m.reader.uint64()),
  [code('B')]: (m) => view(m, m.reader.uint32()),
  [code('C')]: (m) => view(m, m.reader.byte()),
  142: (m) => view(m, m.reader.uint64()),

  [code(']')]: (m) => tuple(m, 0),
  [code('a')]: (m) => append(m, [m.pop()]),
  [code('e')]: (m) => append(m, m.popMark()),
  [code(')')]: (m) => tuple(m, 0),
  [code('t')]: (m) => m.push(m.popMark()),
  133: (m) => tuple(m, 1),
  134: (m) => tuple(m, 2),
  135: (m) => tuple(m, 3),
  [code('}')]: (m) => m.made(cost.map, () => new Map()),
  [code('s')]: (m) => setItems(m, [m.pop(), m.pop()].reverse()),
  [code('u')]: (m) => setItems(m, m.popMark()),

  [code('q')]: (m) => remember(m, m.reader.byte()),
  [code('r')]: (m) => remember(m, m.reader.uint32()),
  148: (m) => remember(m, m.memo.size),
  [code('h')]: (m) => recall(m, m.reader.byte()),
  [code('j')]: (m) => recall(m, m.reader.uint32()),

  [code('c')]: (m) => named(m, m.reader.line(), m.reader.line()),
  147: stackGlobal,
  [code('R')]: call,
  129: call,
  [code('b')]: build,
  [code('Q')]: (m) => m.made(cost.map, () => m.host.persistent(m.pop())),
};

function code(character: string): number {
  return character.charCodeAt(0);
}

function protocol(machine: PickleMachine): void {
  const version = machine.reader.byte();
  if (version > 5) throw new PickleError(`pickle protocol ${version} is newer than the 5 that are known`);
}

/** Text in two bytes a character, as V8 holds what is not Latin. */
function text(machine: PickleMachine, length: number): void {
  const value = machine.reader.text(length); // no longer than the bytes at hand
  machine.spend(cost.list + 2 * length);
  machine.push(value);
}

/** A view of the pickle's own bytes. */
function view(machine: PickleMachine, length: number): void {
  machine.made(cost.map, () => machine.reader.bytes(length));
}

function append(machine: PickleMachine, items: readonly PickleValue[]): void {
  const list = machine.top();
  if (!Array.isArray(list)) throw new PickleError(`items are appended to a ${kindOf(list)}`);
  machine.spend(cost.value * items.length);
  for (const item of items) list.push(item);
}

function tuple(machine: PickleMachine, length: number): void {
  machine.made(cost.list + cost.value * length, () => Array.from({ length }, () => machine.pop()).reverse());
}

/** Pairs of key and value into the dictionary on top. */
function setItems(machine: PickleMachine, items: readonly PickleValue[]): void {
  const map = machine.top();
  if (!(map instanceof Map)) throw new PickleError(`items are set in a ${kindOf(map)}`);
  if (items.length % 2 !== 0) throw new PickleError('a key has no value');
  machine.spend((cost.entry * items.length) / 2);
  for (let i = 0; i < items.length; i += 2) setNew(map, asKey(items[i]!), items[i + 1]!);
}

function asKey(value: PickleValue): PickleKey {
  if (typeof value === 'object' && value !== null) throw new PickleError(`a ${kindOf(value)} is used as a key`);
  return value;
}

function remember(machine: PickleMachine, index: number): void {
  if (!machine.memo.has(index)) machine.spend(cost.entry);
  machine.memo.set(index, machine.top());
}

function recall(machine: PickleMachine, index: number): void {
  const value = machine.memo.get(index);
  if (value === undefined) throw new PickleError(`nothing was stored under ${index}`);
  machine.push(value);
}

function stackGlobal(machine: PickleMachine): void {
  const name = machine.pop();
  const module = machine.pop();
  if (typeof name !== 'string' || typeof module !== 'string')
    throw new PickleError('the name of a class is not a text');
  named(machine, module, name);
}

function named(machine: PickleMachine, module: string, name: string): void {
  machine.made(cost.map, () => machine.host.global(module, name));
}

/** Calls a known class or function; the host decides what that makes. */
function call(machine: PickleMachine): void {
  const args = machine.pop();
  const callee = machine.pop();
  if (!isGlobal(callee) || !callee.call) throw new PickleError(`a ${kindOf(callee)} is called`);
  if (!Array.isArray(args)) throw new PickleError(`${quoted(callee.global)} is called with a ${kindOf(args)}`);
  for (const each of args) machine.spend(Array.isArray(each) ? cost.entry * each.length : cost.entry);
  machine.push(callee.call(args));
}

/** State of an object: entries of an inert record; attributes of a dictionary or a tensor carry no data. */
function build(machine: PickleMachine): void {
  const state = machine.pop();
  const target = machine.top();
  if (typeof target !== 'object' || target === null || Array.isArray(target) || isGlobal(target)) {
    throw new PickleError(`a ${kindOf(target)} is given a state`);
  }
  if (!(target instanceof PickleRecord)) return;
  if (!(state instanceof Map)) throw new PickleError(`a record is given a ${kindOf(state)} as its state`);
  machine.spend(cost.entry * state.size);
  for (const [key, value] of state) target.set(key, value);
}
