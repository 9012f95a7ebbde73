import { type Tensor, tf } from '../../engine/tf.ts';

/** Rows of ids as one tensor int32 [rows, length], filled up with `padding`; longer rows are cut. */
export function tokenBatch(rows: readonly (readonly number[])[], length: number, padding: number): Tensor {
  const data = rows.flatMap((row) => Array.from({ length }, (_, i) => row[i] ?? padding));
  return tf.tensor2d(Int32Array.from(data), [rows.length, length], 'int32');
}
