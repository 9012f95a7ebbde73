/**
 * Equal operations and equal constants get one small number each, so that the structure of a recorded graph is a
 * row of integers that is hashed and compared quickly.
 */
import type { Attributes } from './proto.ts';
import { type Constant, type ElementType, sizeOf } from './value.ts';

/** An operation with its attributes. `domain` is empty for the standard operators. */
export interface Operation {
  readonly id: number;
  readonly name: string;
  readonly domain: string;
  readonly attributes: Attributes | null;
  /** Random operators give a new result at each node: they are never merged. */
  readonly pure: boolean;
}

const domains: Readonly<Record<string, string>> = { microsoft: 'com.microsoft', nchwc: 'com.microsoft.nchwc' };

/** Splits `microsoft:FusedMatMul` into domain and operator. */
function parseName(name: string): [domain: string, op: string] {
  const colon = name.indexOf(':');
  if (colon < 0) return ['', name];
  const domain = domains[name.slice(0, colon)];
  if (domain === undefined) throw new Error(`node '${name}': the domain must be one of ${Object.keys(domains)}`);
  return [domain, name.slice(colon + 1)];
}

/** Operations by name and attributes. */
export class Operations {
  private readonly byKey = new Map<string, number>();
  private readonly list: Operation[] = [];

  intern(name: string, attributes: Attributes | null): number {
    let key = name;
    for (const attribute in attributes) key += `;${attribute}=${attributes[attribute]}`;
    const known = this.byKey.get(key);
    return known ?? this.add(key, name, attributes);
  }

  private add(key: string, name: string, attributes: Attributes | null): number {
    const id = this.list.length;
    const [domain, op] = parseName(name);
    this.list.push({ id, name: op, domain, attributes, pure: !op.startsWith('Random') });
    this.byKey.set(key, id);
    return id;
  }

  get(id: number): Operation {
    return this.list[id]!;
  }
}

/** Forgetting old constants costs at most a compile: their numbers are not used again. */
const maxConstants = 20_000;

/** Constants by content. */
export class Constants {
  private readonly byKey = new Map<string, Constant>();
  private next = 0;

  intern(dtype: ElementType, shape: number[], data: ArrayLike<number>): Constant {
    const key = `${dtype}[${shape.join()}]${Array.prototype.join.call(data, ',')}`;
    return this.byKey.get(key) ?? this.add(key, dtype, shape, data);
  }

  /** A constant of equal elements, known by its value alone. */
  filled(dtype: ElementType, shape: number[], value: number): Constant {
    const key = `${dtype}[${shape.join()}]*${Object.is(value, -0) ? '-0' : value}`;
    const known = this.byKey.get(key);
    return known ?? this.add(key, dtype, shape, new Array<number>(sizeOf(shape)).fill(value));
  }

  private add(key: string, dtype: ElementType, shape: number[], data: ArrayLike<number>): Constant {
    if (this.byKey.size >= maxConstants) this.byKey.clear();
    const made: Constant = { kind: 'constant', id: this.next++, dtype, shape: shape.slice(), data };
    this.byKey.set(key, made);
    return made;
  }
}
