/**
 * Equal operations and equal constants get one small number each, so that the structure of a recorded graph is a
 * row of integers that is hashed and compared quickly.
 */
import type { Attributes, OperatorName } from './operators.ts';
import { type Constant, type ElementType, sizeOf } from './value.ts';

/** An operator with its attributes. */
export interface Operation {
  readonly id: number;
  readonly name: OperatorName;
  readonly attributes: Attributes | null;
}

/** Operations by operator and attributes. */
export class Operations {
  readonly #byKey = new Map<string, number>();
  readonly #list: Operation[] = [];

  intern(name: OperatorName, attributes: Attributes | null): number {
    let key: string = name;
    for (const attribute in attributes) key += `;${attribute}=${attributes[attribute]}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const id = this.#list.push({ id: this.#list.length, name, attributes }) - 1;
    this.#byKey.set(key, id);
    return id;
  }

  get(id: number): Operation {
    return this.#list[id]!;
  }
}

/** Forgetting old constants costs at most a compile: their numbers are not used again. */
const maxConstants = 20_000;

/** Constants by content. */
export class Constants {
  readonly #byKey = new Map<string, Constant>();
  #next = 0;

  intern(dtype: ElementType, shape: number[], data: ArrayLike<number>): Constant {
    const key = `${dtype}[${shape.join()}]${Array.prototype.join.call(data, ',')}`;
    return this.#byKey.get(key) ?? this.#add(key, dtype, shape, data);
  }

  /** A constant of equal elements, known by its value alone. */
  filled(dtype: ElementType, shape: number[], value: number): Constant {
    const key = `${dtype}[${shape.join()}]*${Object.is(value, -0) ? '-0' : value}`;
    const known = this.#byKey.get(key);
    return known ?? this.#add(key, dtype, shape, new Array<number>(sizeOf(shape)).fill(value));
  }

  #add(key: string, dtype: ElementType, shape: number[], data: ArrayLike<number>): Constant {
    if (this.#byKey.size >= maxConstants) this.#byKey.clear();
    const made: Constant = { kind: 'constant', id: this.#next++, dtype, shape: shape.slice(), data };
    this.#byKey.set(key, made);
    return made;
  }
}
