/** The opcodes that tensors, containers, numbers and texts need, protocols 2 to 5. */
import type { PickleMachine } from './pickle.ts';
import { isGlobal, kindOf, PickleError, type PickleKey, PickleRecord, type PickleValue } from './pickle-value.ts';

type Operation = (machine: PickleMachine) => void;

/** Operation of each opcode byte; an opcode that is not here is refused. */
export const opcodes: Readonly<Record<number, Operation>> = {
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
  [code('X')]: (m) => m.push(m.reader.text(m.reader.uint32())),
  140: (m) => m.push(m.reader.text(m.reader.byte())),
  141: (m) => m.push(m.reader.text(m.reader.uint64())),
  [code('B')]: (m) => m.push(m.reader.bytes(m.reader.uint32())),
  [code('C')]: (m) => m.push(m.reader.bytes(m.reader.byte())),
  142: (m) => m.push(m.reader.bytes(m.reader.uint64())),

  [code(']')]: (m) => m.push([]),
  [code('a')]: (m) => append(m, [m.pop()]),
  [code('e')]: (m) => append(m, m.popMark()),
  [code(')')]: (m) => m.push([]),
  [code('t')]: (m) => m.push(m.popMark()),
  133: (m) => tuple(m, 1),
  134: (m) => tuple(m, 2),
  135: (m) => tuple(m, 3),
  [code('}')]: (m) => m.push(new Map()),
  [code('s')]: (m) => setItems(m, [m.pop(), m.pop()].reverse()),
  [code('u')]: (m) => setItems(m, m.popMark()),

  [code('q')]: (m) => remember(m, m.reader.byte()),
  [code('r')]: (m) => remember(m, m.reader.uint32()),
  148: (m) => remember(m, m.memo.size),
  [code('h')]: (m) => recall(m, m.reader.byte()),
  [code('j')]: (m) => recall(m, m.reader.uint32()),

  [code('c')]: (m) => m.push(m.host.global(m.reader.line(), m.reader.line())),
  147: stackGlobal,
  [code('R')]: call,
  129: call,
  [code('b')]: build,
  [code('Q')]: (m) => m.push(m.host.persistent(m.pop())),
};

function code(character: string): number {
  return character.charCodeAt(0);
}

function protocol(machine: PickleMachine): void {
  const version = machine.reader.byte();
  if (version > 5) throw new PickleError(`pickle protocol ${version} is newer than the 5 that are known`);
}

function append(machine: PickleMachine, items: readonly PickleValue[]): void {
  const list = machine.top();
  if (!Array.isArray(list)) throw new PickleError(`items are appended to a ${kindOf(list)}`);
  for (const item of items) list.push(item);
}

function tuple(machine: PickleMachine, length: number): void {
  machine.push(Array.from({ length }, () => machine.pop()).reverse());
}

/** Pairs of key and value into the dictionary on top. */
function setItems(machine: PickleMachine, items: readonly PickleValue[]): void {
  const map = machine.top();
  if (!(map instanceof Map)) throw new PickleError(`items are set in a ${kindOf(map)}`);
  if (items.length % 2 !== 0) throw new PickleError('a key has no value');
  for (let i = 0; i < items.length; i += 2) map.set(asKey(items[i]!), items[i + 1]!);
}

function asKey(value: PickleValue): PickleKey {
  if (typeof value === 'object' && value !== null) throw new PickleError(`a ${kindOf(value)} is used as a key`);
  return value;
}

function remember(machine: PickleMachine, index: number): void {
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
  machine.push(machine.host.global(module, name));
}

/** Calls a known class or function; the host decides what that makes. */
function call(machine: PickleMachine): void {
  const args = machine.pop();
  const callee = machine.pop();
  if (!isGlobal(callee) || !callee.call) throw new PickleError(`a ${kindOf(callee)} is called`);
  if (!Array.isArray(args)) throw new PickleError(`${callee.global} is called with a ${kindOf(args)}`);
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
  for (const [key, value] of state) target.set(key, value);
}
