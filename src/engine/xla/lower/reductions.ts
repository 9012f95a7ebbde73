/** Reductions, running sums, positions of extremes. */
import { sizeOf } from '../../graph/index.ts';
import { type Combiner, type Emitter, identityOf, type Term } from './emitter.ts';
import { type Lowering, positive, tableOf } from './lowering.ts';

/** The reductions by one combiner are alike but for it. */
function reduction(name: string, combiner: Combiner): Lowering<'ReduceSum'> {
  return ([x, axes], { keepdims }, _, h) =>
    h.reduce(combiner, x!, positive(tableOf(name, axes), x!.shape.length), keepdims);
}

export const reduceMax: Lowering<'ReduceMax'> = reduction('ReduceMax', 'maximum');
export const reduceMin: Lowering<'ReduceMin'> = reduction('ReduceMin', 'minimum');
export const reduceProd: Lowering<'ReduceProd'> = reduction('ReduceProd', 'multiply');
export const reduceSum: Lowering<'ReduceSum'> = reduction('ReduceSum', 'add');

export const reduceMean: Lowering<'ReduceMean'> = ([x, axes], { keepdims }, _, h) =>
  mean(x!, positive(tableOf('ReduceMean', axes), x!.shape.length), keepdims, h);

export function mean(x: Term, axes: readonly number[], keep: boolean, h: Emitter): Term {
  const count = sizeOf(axes.map((axis) => x.shape[axis]!));
  return h.binary('divide', h.reduce('add', x, axes, keep), count);
}

/** The first position of the largest or smallest element. */
function extremePosition(x: Term, given: number, combiner: 'maximum' | 'minimum', keep: boolean, h: Emitter): Term {
  const [axis = 0] = positive([given], x.shape.length);
  const extreme = h.reduce(combiner, x, [axis], true);
  const positions = h.iota('int64', x.shape, axis);
  const outside = h.constant('int64', [], [x.shape[axis]!]);
  const found = h.select(h.compare('EQ', x, extreme), positions, outside, x.shape);
  return h.reduce('minimum', found, [axis], keep);
}

export const argMax: Lowering<'ArgMax'> = ([x], { axis, keepdims }, _, h) =>
  extremePosition(x!, axis, 'maximum', keepdims, h);

export const argMin: Lowering<'ArgMin'> = ([x], { axis, keepdims }, _, h) =>
  extremePosition(x!, axis, 'minimum', keepdims, h);

/** Each position gets what stood `by` places before it, the first ones nothing. */
function shifted(x: Term, axis: number, by: number, h: Emitter): Term {
  const along = (n: number): number[] => x.shape.map((_, i) => (i === axis ? n : 0));
  return h.pad(x, h.constant(x.dtype, [], [identityOf('add', x.dtype)]), along(by), along(-by));
}

/** Running sums in log2(n) steps: each adds the sums that end 1, 2, 4, ... positions before. */
export const cumSum: Lowering<'CumSum'> = ([x, table], { exclusive, reverse }, _, h) => {
  const [axis = 0] = positive(tableOf('CumSum', table), x!.shape.length);
  const turn = (values: Term): Term => (reverse ? h.reverse(values, [axis]) : values);
  let sums = turn(x!);
  for (let by = 1; by < x!.shape[axis]!; by *= 2) sums = h.binary('add', sums, shifted(sums, axis, by, h));
  return turn(exclusive ? shifted(sums, axis, 1, h) : sums);
};

/** The k largest of the last axis in descending order, equal ones by position. */
export const topK: Lowering<'TopK'> = ([x, k], _, [values, positions], h) => {
  const count = { k: `${tableOf('TopK', k)[0]!} : i64` };
  const isBool = x!.dtype === 'bool';
  const numbers = isBool ? h.convert(x!, 'int32') : x!;
  const types = [
    { ...values!, dtype: numbers.dtype },
    { ...positions!, dtype: 'int32' as const },
  ];
  const [largest, places] = h.opMany('chlo.top_k', [numbers], types, count);
  return [h.convert(largest!, values!.dtype), h.convert(places!, positions!.dtype)];
};
