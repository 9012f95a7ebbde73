/** Convolutions and pooling over data with channels first, [B, C, ...space]. */
import { sizeOf } from '../../graph/index.ts';
import { type Combiner, type Emitter, identityOf, ints, matrix, region, type Term, type TermType } from './emitter.ts';
import type { Lowering } from './lowering.ts';
import { highest } from './products.ts';

/** Zeros before and after each axis, from ONNX's list of all before, then all after. */
function pairs(pads: readonly number[]): [number, number][] {
  const rank = pads.length / 2;
  return Array.from({ length: rank }, (_, i) => [pads[i]!, pads[rank + i]!]);
}

interface Convolution {
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  /** Distance of neighbours in the data: zeros lie between them. */
  readonly spread: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
}

/** x [B, In, ...] by weights [Out, In/groups, ...]. */
function convolved(x: Term, weight: Term, result: TermType, convolution: Convolution, h: Emitter): Term {
  const { strides, padding, spread, dilations, groups } = convolution;
  const isLow = h.compute === 'bf16';
  const operands = isLow ? [h.convert(x, 'bfloat16'), h.convert(weight, 'bfloat16')] : [x, weight];
  const space = strides.map((_, axis) => axis);
  return h.op('stablehlo.convolution', operands, result, {
    batch_group_count: '1 : i64',
    feature_group_count: `${groups} : i64`,
    dimension_numbers: `#stablehlo.conv<[b, f, ${space}]x[o, i, ${space}]->[b, f, ${space}]>`,
    window_strides: ints(strides),
    padding: matrix(padding),
    lhs_dilation: ints(spread),
    rhs_dilation: ints(dilations),
    ...(isLow ? {} : { precision_config: highest }),
  });
}

/** [C] along the second axis. */
function perChannel(bias: Term, result: TermType, h: Emitter): Term {
  return h.broadcastAlong(bias, [1], result.shape);
}

export const conv: Lowering<'Conv'> = ([x, weight, bias], { strides, dilations, pads, group }, [result], h) => {
  const spread = strides.map(() => 1);
  const convolution = { strides, dilations, padding: pairs(pads), spread, groups: group };
  const y = convolved(x!, weight!, result!, convolution, h);
  return bias ? h.binary('add', y, perChannel(bias, result!, h)) : y;
};

/** [In, Out/groups, ...] -> [Out, In/groups, ...], mirrored in space. */
function turned(weight: Term, groups: number, h: Emitter): Term {
  const [inputs, outputs, ...kernel] = weight.shape as [number, number, ...number[]];
  const space = kernel.map((_, i) => i);
  const apart = h.reshape(weight, [groups, inputs / groups, outputs, ...kernel]);
  const swapped = h.transpose(apart, [0, 2, 1, ...space.map((i) => i + 3)]);
  const whole = h.reshape(swapped, [groups * outputs, inputs / groups, ...kernel]);
  return h.reverse(
    whole,
    space.map((i) => i + 2),
  );
}

/** The gradient of a convolution by its data: zeros between the elements, then a convolution in steps of 1. */
export const convTranspose: Lowering<'ConvTranspose'> = ([x, weight], attributes, [result], h) => {
  const { strides, dilations, pads, group, output_padding: rest } = attributes;
  const kernel = weight!.shape.slice(2);
  const padding = pairs(pads).map(([before, after], i): [number, number] => {
    const reach = dilations[i]! * (kernel[i]! - 1);
    return [reach - before, reach - after + rest[i]!];
  });
  const convolution = { strides: strides.map(() => 1), dilations, padding, spread: strides, groups: group };
  return convolved(x!, turned(weight!, group, h), result!, convolution, h);
};

interface Pooling {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
}

function pooled(
  combiner: Combiner,
  x: Term,
  result: TermType,
  { kernel_shape, strides, pads }: Pooling,
  h: Emitter,
): Term {
  const start = h.constant(x.dtype, [], [identityOf(combiner, x.dtype)]);
  return h.op(
    'stablehlo.reduce_window',
    [x, start],
    result,
    {
      window_dimensions: ints([1, 1, ...kernel_shape]),
      window_strides: ints([1, 1, ...strides]),
      padding: matrix([[0, 0], [0, 0], ...pairs(pads)]),
    },
    region(combiner, x.dtype),
  );
}

export const maxPool: Lowering<'MaxPool'> = ([x], attributes, [result], h) =>
  pooled('maximum', x!, result!, attributes, h);

/** 1 / cells of the window that are no padding, [...space of the result]. */
function shares(x: Term, result: TermType, { kernel_shape, strides, pads }: Pooling): number[] {
  const [sizes, wanted] = [x.shape.slice(2), result.shape.slice(2)];
  const cells = wanted.map((count, axis) =>
    Array.from({ length: count }, (_, at) => {
      const start = at * strides[axis]! - pads[axis]!;
      return Math.max(0, Math.min(start + kernel_shape[axis]!, sizes[axis]!) - Math.max(start, 0));
    }),
  );
  return Array.from({ length: sizeOf(wanted) }, (_, i) => {
    let rest = i;
    let count = 1;
    for (let axis = wanted.length - 1; axis >= 0; axis--) {
      count *= cells[axis]![rest % wanted[axis]!]!;
      rest = Math.floor(rest / wanted[axis]!);
    }
    return 1 / Math.max(1, count);
  });
}

export const averagePool: Lowering<'AveragePool'> = ([x], attributes, [result], h) => {
  const sums = pooled('add', x!, result!, attributes, h);
  const table = h.constant('float32', result!.shape.slice(2), shares(x!, result!, attributes));
  return h.binary('multiply', sums, table);
};
