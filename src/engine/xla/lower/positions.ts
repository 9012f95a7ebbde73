/**
 * Reading and writing at positions given by data. XLA itself moves positions that lie outside to the edge; here they
 * raise an alarm, and the run fails as it does on the other engines. Negative positions count from the end.
 */
import { sizeOf } from '../../graph/index.ts';
import { type Emitter, ints, region, type Term } from './emitter.ts';
import type { Lowering } from './lowering.ts';

/** Positions along axes of these sizes, [..., axes], from 0 on. Those outside raise an alarm. */
function inside(positions: Term, sizes: readonly number[], h: Emitter): Term {
  const limit = h.constant(positions.dtype, [sizes.length], sizes);
  const isNegative = h.compare('LT', positions, 0);
  const counted = h.select(isNegative, h.binary('add', positions, limit), positions);
  const isOutside = h.binary('or', h.compare('LT', counted, 0), h.compare('GE', counted, limit));
  const number = h.convert(isOutside, 'int32');
  const worst = h.reduce(
    'maximum',
    number,
    positions.shape.map((_, axis) => axis),
    false,
  );
  h.alarms.push(h.compare('GT', worst, 0));
  return counted;
}

interface GatherNumbers {
  readonly offset: readonly number[];
  readonly collapsed: readonly number[];
  readonly batch: number;
  readonly indexed: readonly number[];
  /** Elements taken along each axis of the data. */
  readonly sizes: readonly number[];
}

/** Positions [..., axes] of `indexed` axes of the data. */
function gathered(x: Term, positions: Term, shape: readonly number[], numbers: GatherNumbers, h: Emitter): Term {
  const batch = Array.from({ length: numbers.batch }, (_, axis) => axis);
  const described = [
    `offset_dims = [${numbers.offset}]`,
    `collapsed_slice_dims = [${numbers.collapsed}]`,
    ...(batch.length > 0 ? [`operand_batching_dims = [${batch}]`, `start_indices_batching_dims = [${batch}]`] : []),
    `start_index_map = [${numbers.indexed}]`,
    `index_vector_dim = ${positions.shape.length - 1}`,
  ];
  return h.op(
    'stablehlo.gather',
    [x, positions],
    { dtype: x.dtype, shape },
    {
      dimension_numbers: `#stablehlo.gather<${described.join(', ')}>`,
      slice_sizes: ints(numbers.sizes),
      indices_are_sorted: 'false',
    },
  );
}

export const gather: Lowering<'Gather'> = ([x, given], { axis }, [result], h) => {
  const { shape } = x!;
  if (sizeOf(result!.shape) === 0) return h.fill(0, result!);
  const positions = inside(h.reshape(given!, [...given!.shape, 1]), [shape[axis]!], h);
  const taken = given!.shape.length;
  return gathered(
    x!,
    positions,
    result!.shape,
    {
      offset: result!.shape.map((_, i) => i).filter((i) => i < axis || i >= axis + taken),
      collapsed: [axis],
      batch: 0,
      indexed: [axis],
      sizes: shape.map((size, i) => (i === axis ? 1 : size)),
    },
    h,
  );
};

export const gatherNd: Lowering<'GatherND'> = ([x, given], { batch_dims: batch = 0 }, [result], h) => {
  const { shape } = x!;
  const depth = given!.shape.at(-1)!;
  if (sizeOf(result!.shape) === 0) return h.fill(0, result!);
  if (depth === 0) return h.broadcast(x!, result!.shape);
  const indexed = Array.from({ length: depth }, (_, i) => batch + i);
  const positions = inside(
    given!,
    indexed.map((axis) => shape[axis]!),
    h,
  );
  const before = given!.shape.length - 1;
  return gathered(
    x!,
    positions,
    result!.shape,
    {
      offset: result!.shape.map((_, i) => i).filter((i) => i >= before),
      collapsed: indexed,
      batch,
      indexed,
      sizes: shape.map((size, i) => (i < batch + depth ? 1 : size)),
    },
    h,
  );
};

/** base with updates [n, ...] written or added at positions [n, depth]. */
export const scatterNd: Lowering<'ScatterND'> = ([base, given, updates], { reduction }, [result], h) => {
  const [count = 0, depth = 0] = given!.shape;
  if (count === 0 || sizeOf(result!.shape) === 0) return base!;
  const indexed = Array.from({ length: depth }, (_, i) => i);
  const positions = inside(
    given!,
    indexed.map((axis) => base!.shape[axis]!),
    h,
  );
  const described = [
    `update_window_dims = [${updates!.shape.map((_, i) => i).slice(1)}]`,
    `inserted_window_dims = [${indexed}]`,
    `scatter_dims_to_operand_dims = [${indexed}]`,
    'index_vector_dim = 1',
  ];
  return h.op(
    'stablehlo.scatter',
    [base!, positions, updates!],
    result!,
    {
      scatter_dimension_numbers: `#stablehlo.scatter<${described.join(', ')}>`,
      indices_are_sorted: 'false',
      unique_indices: 'false',
    },
    region(reduction === 'add' ? 'add' : 'second', base!.dtype),
  );
};
