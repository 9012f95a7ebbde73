/** From values to JSON text. What JSON would leave out or change without a word is an error that names the place. */
import { pristine } from './own.ts';

const { stringify } = JSON;
const { isArray } = Array;
const { keys } = Object;
/** Deeper than any figure, and shallow enough for every reader's stack. */
const DEEPEST = 500;

/** The text of `value`. Throws TypeError where it has no JSON. */
export function toJson(value: unknown): string {
  return pristine(() => stringify(plain(value, '', [])) ?? 'null');
}

/** A copy of plain objects, arrays and primitives. */
function plain(value: unknown, path: string, above: readonly object[]): unknown {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'undefined':
      return value;
    case 'object':
      return value === null ? null : plainObject(value, path, above);
    default: {
      const hint = typeof value === 'bigint' ? ': use Number(value) or String(value)' : '';
      throw new TypeError(`${path} is a ${typeof value}, which JSON does not have${hint}`);
    }
  }
}

function plainObject(object: object, path: string, above: readonly object[]): unknown {
  if (above.includes(object)) throw new TypeError(`${path} contains itself: JSON has no cycles`);
  if (above.length > DEEPEST) throw new TypeError(`${path} lies more than ${DEEPEST} levels deep`);
  if (object instanceof Map) throw new TypeError(`${path} is a Map, which JSON does not have: use Object.fromEntries`);
  if (object instanceof Set) throw new TypeError(`${path} is a Set, which JSON does not have: use an array`);
  const inside = [...above, object];
  const toJSON = read(object, 'toJSON', path);
  if (typeof toJSON === 'function') return plain(Reflect.apply(toJSON, object, ['']), path, inside);
  if (isArray(object) || (ArrayBuffer.isView(object) && !(object instanceof DataView))) {
    const items = object as unknown as ArrayLike<unknown>;
    return Array.from(items, (item, i) => (isSimple(item) ? item : plain(item, `${path}[${i}]`, inside)));
  }
  const copy: Record<string, unknown> = {};
  for (const key of keys(object)) {
    const item = read(object, key, path);
    const value = isSimple(item) ? item : plain(item, path === '' ? key : `${path}.${key}`, inside);
    // A key may be `__proto__`.
    Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

function isSimple(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'string';
}

function read(object: object, key: string, path: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch (error) {
    throw new TypeError(`${path}.${key} cannot be read`, { cause: error });
  }
}
