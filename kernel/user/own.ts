/**
 * The kernel's own built-ins. Cells share this thread's globals and may replace `Promise`, `JSON.stringify` or
 * `Function.prototype.call`, or add to `Object.prototype`. What the kernel does for a cell runs with all of them as they
 * were before the first cell; afterwards the cell's own changes are back.
 */

const { defineProperty, getOwnPropertyDescriptor, setPrototypeOf, getPrototypeOf, is } = Object;
const { ownKeys, deleteProperty, has } = Reflect;

interface Place {
  object: object;
  key: PropertyKey;
  descriptor: PropertyDescriptor;
}

/** Global names of the language that the kernel, or what it uses, reads. */
const NAMES = [
  ...['Object', 'Function', 'Array', 'String', 'Number', 'Boolean', 'Symbol', 'BigInt', 'Math', 'JSON', 'Reflect'],
  ...['Promise', 'Proxy', 'Map', 'Set', 'WeakMap', 'WeakSet', 'WeakRef', 'FinalizationRegistry', 'RegExp', 'Date'],
  ...['Error', 'TypeError', 'RangeError', 'SyntaxError', 'ReferenceError', 'EvalError', 'URIError', 'AggregateError'],
  ...['ArrayBuffer', 'SharedArrayBuffer', 'DataView', 'Atomics', 'Uint8Array', 'Int32Array', 'Float32Array'],
  ...['AbortController', 'AbortSignal', 'EventTarget', 'Event'],
] as const;

/** Objects to which cells might add what every other object then seems to have. */
const SHARED: readonly object[] = [Object.prototype, Array.prototype, Function.prototype, Promise.prototype];

const places: Place[] = [];
/** How many properties each of the shared objects had. */
const counts: number[] = [];
remember();

let depth = 0;

/** Runs the kernel's own work with its own built-ins. */
export function pristine<T>(work: () => T): T {
  if (depth > 0) return work();
  const changes = findChanges();
  for (let i = 0; i < changes.length; i++) restore(changes[i] as Change);
  depth++;
  try {
    return work();
  } finally {
    depth--;
    for (let i = changes.length - 1; i >= 0; i--) putBack(changes[i] as Change);
  }
}

/** Gives back what Node's own events cannot do without, for good. Called when a cell's code has returned. */
export function restoreForNode(): void {
  for (let i = 0; i < places.length; i++) {
    const { object, key, descriptor } = places[i] as Place;
    const isNeeded = object === Function.prototype && (key === 'call' || key === 'apply' || key === 'bind');
    if (isNeeded && !isUnchanged(object, key, descriptor))
      restore({ object, key, original: descriptor, changed: undefined });
  }
}

/** The object without a prototype: nothing that a cell adds to `Object.prototype` shows in it. */
export function bare<T extends object>(value: T): T {
  return setPrototypeOf(value, null) as T;
}

/** A property that is not as it was: `original` is undefined for one that was not there, `changed` for one that is gone. */
interface Change {
  object: object;
  key: PropertyKey;
  original: PropertyDescriptor | undefined;
  changed: PropertyDescriptor | undefined;
}

function findChanges(): Change[] {
  const changes: Change[] = [];
  for (let i = 0; i < places.length; i++) {
    const { object, key, descriptor } = places[i] as Place;
    if (isUnchanged(object, key, descriptor)) continue;
    const changed = bareDescriptor(object, key);
    add(changes, { object, key, original: descriptor, changed });
  }
  for (let i = 0; i < SHARED.length; i++) {
    const object = SHARED[i] as object;
    const keys = ownKeys(object);
    if (keys.length === counts[i]) continue;
    for (let k = 0; k < keys.length; k++) {
      const key = keys[k] as PropertyKey;
      if (!isKnown(object, key))
        add(changes, { object, key, original: undefined, changed: bareDescriptor(object, key) });
    }
  }
  return changes;
}

/** `Array.prototype.push` may be anything by now. */
function add(changes: Change[], change: Change): void {
  defineProperty(
    changes,
    changes.length,
    bare({ value: change, writable: true, enumerable: true, configurable: true }),
  );
}

function isUnchanged(object: object, key: PropertyKey, { value, get }: PropertyDescriptor): boolean {
  if (get === undefined) {
    try {
      return is((object as Record<PropertyKey, unknown>)[key], value);
    } catch {
      return false;
    }
  }
  return getOwnPropertyDescriptor(object, key)?.get === get;
}

function isKnown(object: object, key: PropertyKey): boolean {
  for (let i = 0; i < places.length; i++) {
    const place = places[i] as Place;
    if (place.object === object && place.key === key) return true;
  }
  return false;
}

function restore({ object, key, original }: Change): void {
  try {
    if (original) defineProperty(object, key, original);
    else deleteProperty(object, key);
  } catch {
    // Fixed by the cell for good: the kernel does without it.
  }
}

function putBack({ object, key, changed }: Change): void {
  try {
    if (changed) defineProperty(object, key, changed);
    else deleteProperty(object, key);
  } catch {
    // As above.
  }
}

function bareDescriptor(object: object, key: PropertyKey): PropertyDescriptor | undefined {
  const descriptor = getOwnPropertyDescriptor(object, key);
  return descriptor && bare(descriptor);
}

function remember(): void {
  const objects = new Set<object>();
  const globals = globalThis as unknown as Record<string, unknown>;
  for (const name of NAMES) {
    const value = globals[name];
    const descriptor = bareDescriptor(globalThis, name);
    if (descriptor) places.push({ object: globalThis, key: name, descriptor });
    for (const object of [value, (value as { prototype?: unknown } | undefined)?.prototype]) {
      if ((typeof object === 'object' || typeof object === 'function') && object !== null) objects.add(object);
    }
  }
  for (const object of iterators()) objects.add(object);
  for (const object of SHARED) counts.push(ownKeys(object).length);
  for (const object of objects) {
    const keys = ownKeys(object).filter((key) => !isOurs(object, key));
    for (const key of keys) places.push({ object, key, descriptor: bareDescriptor(object, key) as PropertyDescriptor });
  }
}

/** Set by cells and libraries for their own ends, and read by V8 alone. */
function isOurs(object: object, key: PropertyKey): boolean {
  return object === Error && (key === 'prepareStackTrace' || key === 'stackTraceLimit');
}

/** What loops and spreads go through; no global name leads there. */
function iterators(): object[] {
  const array = getPrototypeOf([][Symbol.iterator]()) as object;
  const typed = getPrototypeOf(Uint8Array) as { prototype: object };
  const generator = function* () {};
  const later = async function* () {};
  const found = [
    array,
    getPrototypeOf(array) as object,
    getPrototypeOf(new Map()[Symbol.iterator]()) as object,
    getPrototypeOf(new Set()[Symbol.iterator]()) as object,
    getPrototypeOf(''[Symbol.iterator]()) as object,
    typed,
    typed.prototype,
    (getPrototypeOf(generator) as { prototype: object }).prototype,
    (getPrototypeOf(later) as { prototype: object }).prototype,
  ];
  return found.filter((object) => has(object, Symbol.iterator) || has(object, 'next') || object === typed);
}
