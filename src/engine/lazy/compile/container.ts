/** Arguments and results of compiled functions: tensors in arrays and plain objects, beside plain values. */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../tf.ts';

/** Stands for the tensor number `index` in a template. */
class Slot {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const identities = new WeakMap<object, number>();
let nextIdentity = 0;

/** Things that are neither tensors nor plain data are told apart by identity. */
function identityOf(value: object): number {
  const known = identities.get(value);
  if (known !== undefined) return known;
  identities.set(value, nextIdentity);
  return nextIdentity++;
}

function keyOf(value: unknown, tensors: Tensor[]): string {
  if (value instanceof tf.Variable) return `variable ${value.id}`;
  if (value instanceof tf.Tensor) {
    tensors.push(value);
    return `${value.dtype}[${value.shape}]`;
  }
  if (Array.isArray(value)) return `(${value.map((item) => keyOf(item, tensors)).join(';')})`;
  if (isPlainObject(value)) {
    return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${keyOf(item, tensors)}`)}}`;
  }
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') return `#${identityOf(value)}`;
  return Object.is(value, -0) ? '-0' : `${typeof value} ${JSON.stringify(String(value))}`;
}

/** Arguments by kind and shape; `tensors` are those that may change from call to call. */
export function describeArguments(args: readonly unknown[]): { key: string; tensors: Tensor[] } {
  const tensors: Tensor[] = [];
  return { key: keyOf(args, tensors), tensors };
}

/** The container with `leaf` of all that is neither a list nor a plain object. */
function mapLeaves(value: unknown, leaf: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapLeaves(item, leaf));
  if (!isPlainObject(value)) return leaf(value);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapLeaves(item, leaf)]));
}

/** The container with slots in place of its tensors, which are returned in order. */
export function toTemplate(result: unknown): { template: unknown; tensors: Tensor[] } {
  const tensors: Tensor[] = [];
  const template = mapLeaves(result, (leaf) => (leaf instanceof tf.Tensor ? new Slot(tensors.push(leaf) - 1) : leaf));
  return { template, tensors };
}

/** The container that a template describes, with these tensors. */
export function fromTemplate(template: unknown, tensors: readonly Tensor[]): unknown {
  return mapLeaves(template, (leaf) => (leaf instanceof Slot ? tensors[leaf.index] : leaf));
}
