import { type Tensor, tf } from '../../engine/tf.ts';

/** The first tokens of a row and its last one, `length` in all; shorter rows as they are. */
export function cutKeepingEnd(row: readonly number[], length: number): readonly number[] {
  return row.length > length ? [...row.slice(0, length - 1), row.at(-1)!] : row;
}

/** Rows of ids as one tensor int32 [rows, length], filled up with `padding`; longer rows are cut. */
export function tokenBatch(rows: readonly (readonly number[])[], length: number, padding: number): Tensor {
  const data = rows.flatMap((row) => Array.from({ length }, (_, i) => row[i] ?? padding));
  return tf.tensor2d(Int32Array.from(data), [rows.length, length], 'int32');
}
