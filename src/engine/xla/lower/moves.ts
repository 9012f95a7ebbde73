/** Operators that move elements without computing. */
import type { Emitter, Term } from './emitter.ts';
import { type Lowering, positive, tableOf } from './lowering.ts';

export const reshape: Lowering<'Reshape'> = ([x], _, [result], h) => h.reshape(x!, result!.shape);

export const expand: Lowering<'Expand'> = ([x], _, [result], h) => h.broadcast(x!, result!.shape);

export const transpose: Lowering<'Transpose'> = ([x], { perm }, _, h) => h.transpose(x!, perm);

export const concat: Lowering<'Concat'> = (parts, { axis }, _, h) =>
  h.concatenate(parts, positive([axis], parts[0]!.shape.length)[0]!);

export const split: Lowering<'Split'> = ([x], { axis }, results, h) => {
  const [along = 0] = positive([axis], x!.shape.length);
  let at = 0;
  return results.map(({ shape }) => {
    const start = at;
    at += shape[along]!;
    return h.slice(
      x!,
      x!.shape.map((_, i) => (i === along ? start : 0)),
      x!.shape.map((size, i) => (i === along ? at : size)),
    );
  });
};

export const pad: Lowering<'Pad'> = ([x, pads, filler], _, __, h) => {
  const widths = tableOf('Pad', pads);
  const rank = x!.shape.length;
  const value = filler ? h.reshape(filler, []) : h.constant(x!.dtype, [], [0]);
  return h.pad(x!, value, widths.slice(0, rank), widths.slice(rank));
};

/** Repeats along each axis: [a, b] -> [1, a, 1, b] -> [r, a, s, b] -> [r a, s b]. */
export const tile: Lowering<'Tile'> = ([x, counts], _, [result], h) => {
  const repeats = tableOf('Tile', counts);
  const apart = h.reshape(
    x!,
    x!.shape.flatMap((size) => [1, size]),
  );
  const wide = h.broadcast(
    apart,
    x!.shape.flatMap((size, axis) => [repeats[axis]!, size]),
  );
  return h.reshape(wide, result!.shape);
};

/** start, start + step, ... as many as the result has. */
export const range: Lowering<'Range'> = ([start, , step], _, [result], h) => {
  const steps = h.binary('multiply', h.iota(result!.dtype, result!.shape, 0), h.reshape(step!, []));
  return h.binary('add', steps, h.reshape(start!, []));
};

/** One axis of a slice: from `start` in steps of `step` to before `end`, negative positions counted from the end. */
interface AxisSlice {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Positions within [0, size], or within [-1, size - 1] when counting down. */
function clamped({ start, end, step }: AxisSlice, size: number): AxisSlice {
  const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1];
  const inside = (position: number): number =>
    Math.min(highest, Math.max(lowest, position < 0 ? position + size : position));
  return { start: inside(start), end: inside(end), step };
}

/** The slice of the reversed axis that counts up. */
function upward({ start, end, step }: AxisSlice, size: number): AxisSlice {
  return { start: size - 1 - start, end: size - 1 - end, step: -step };
}

export const slice: Lowering<'Slice'> = ([x, starts, ends, axes, steps], _, __, h) => {
  const { shape } = x!;
  const parts: AxisSlice[] = shape.map((size) => ({ start: 0, end: size, step: 1 }));
  const [from, to] = [tableOf('Slice', starts), tableOf('Slice', ends)];
  const by = steps ? tableOf('Slice', steps) : from.map(() => 1);
  const reversed: number[] = [];
  positive(axes ? tableOf('Slice', axes) : from.map((_, i) => i), shape.length).forEach((axis, i) => {
    const size = shape[axis]!;
    const part = clamped({ start: from[i]!, end: to[i]!, step: by[i]! }, size);
    if (part.step < 0) reversed.push(axis);
    parts[axis] = part.step < 0 ? upward(part, size) : part;
  });
  return sliced(h.reverse(x!, reversed), parts, h);
};

function sliced(x: Term, parts: readonly AxisSlice[], h: Emitter): Term {
  return h.slice(
    x,
    parts.map(({ start }) => start),
    parts.map(({ start, end }) => Math.max(start, end)),
    parts.map(({ step }) => step),
  );
}
