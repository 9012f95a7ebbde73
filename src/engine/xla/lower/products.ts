/** Matrix products and sums over letters. Precision follows `compute`; sums are float32. */
import { broadcastShape } from '../../graph/index.ts';
import type { Emitter, Term } from './emitter.ts';
import type { Lowering } from './lowering.ts';

/** Axes of a product: `batch` and `contract` pair axes of a with axes of b. */
export interface ProductAxes {
  readonly batch: readonly (readonly [a: number, b: number])[];
  readonly contract: readonly (readonly [a: number, b: number])[];
}

/** bf16 pays where there is a product to speak of: a row or column of weights keeps its bits. */
function suitsBf16(a: Term, b: Term, { batch, contract }: ProductAxes): boolean {
  const free = (term: Term, side: 0 | 1): number =>
    term.shape.reduce(
      (size, n, axis) => ([...batch, ...contract].some((pair) => pair[side] === axis) ? size : size * n),
      1,
    );
  return a.dtype === 'float32' && free(a, 0) > 1 && free(b, 1) > 1;
}

/** Products of float32 in float32: accelerators take less by default. */
export const highest = '[#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]';
const usual = '[#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]';

/** Sums of products: the result has the batch axes, then the other axes of a, then those of b. */
export function dot(a: Term, b: Term, axes: ProductAxes, h: Emitter): Term {
  const isLow = h.compute === 'bf16' && suitsBf16(a, b, axes);
  const operands = isLow ? [h.convert(a, 'bfloat16'), h.convert(b, 'bfloat16')] : [a, b];
  const side = (pairs: ProductAxes['batch'], which: 0 | 1): number[] => pairs.map((pair) => pair[which]);
  const free = (term: Term, which: 0 | 1): number[] =>
    term.shape.filter((_, axis) => ![...axes.batch, ...axes.contract].some((pair) => pair[which] === axis));
  const shape = [...side(axes.batch, 0).map((axis) => a.shape[axis]!), ...free(a, 0), ...free(b, 1)];
  const numbers = [
    `lhs_batching_dimensions = [${side(axes.batch, 0)}]`,
    `rhs_batching_dimensions = [${side(axes.batch, 1)}]`,
    `lhs_contracting_dimensions = [${side(axes.contract, 0)}]`,
    `rhs_contracting_dimensions = [${side(axes.contract, 1)}]`,
  ];
  return h.op(
    'stablehlo.dot_general',
    operands,
    { dtype: a.dtype, shape },
    {
      dot_dimension_numbers: `#stablehlo.dot<${numbers.join(', ')}>`,
      precision_config: isLow ? usual : highest,
    },
  );
}

/** op(a) op(b) over the last two axes; batch axes broadcast. */
function product(a: Term, b: Term, transA: boolean, transB: boolean, h: Emitter): Term {
  const contractOf = (rank: number, isLast: boolean): number => (isLast ? rank - 1 : rank - 2);
  const [rankA, rankB] = [a.shape.length, b.shape.length];
  if (rankB === 2) {
    const contract = [[contractOf(rankA, !transA), contractOf(2, transB)] as const];
    return dot(a, b, { batch: [], contract }, h);
  }
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const rank = batch.length + 2;
  const left = h.broadcast(a, [...batch, ...a.shape.slice(-2)]);
  const right = h.broadcast(b, [...batch, ...b.shape.slice(-2)]);
  const axes = {
    batch: batch.map((_, axis) => [axis, axis] as const),
    contract: [[contractOf(rank, !transA), contractOf(rank, transB)] as const],
  };
  return dot(left, right, axes, h);
}

function scaled(x: Term, factor: number, h: Emitter): Term {
  return factor === 1 ? x : h.binary('multiply', x, factor);
}

export const matMul: Lowering<'MatMul'> = ([a, b], _, __, h) => product(a!, b!, false, false, h);

export const fusedMatMul: Lowering<'FusedMatMul'> = ([a, b], { transA, transB, alpha }, _, h) =>
  scaled(product(a!, b!, transA, transB, h), alpha, h);

export const gemm: Lowering<'Gemm'> = ([a, b, c], { transA, transB, alpha }, [result], h) => {
  const y = scaled(product(a!, b!, transA, transB, h), alpha, h);
  return c ? h.binary('add', y, c, result!.shape) : y;
};

/** Letters of one operand of an equation. */
interface Lettered {
  readonly term: Term;
  readonly letters: string;
}

/** Sums over the letters that no other operand and no result has. */
function withoutLonely({ term, letters }: Lettered, needed: string, h: Emitter): Lettered {
  const lonely = [...letters].flatMap((letter, axis) => (needed.includes(letter) ? [] : [axis]));
  const kept = [...letters].filter((letter) => needed.includes(letter)).join('');
  return { term: h.reduce('add', term, lonely, false), letters: kept };
}

function pair(a: Lettered, b: Lettered, result: string, h: Emitter): Lettered {
  const left = withoutLonely(a, b.letters + result, h);
  const right = withoutLonely(b, a.letters + result, h);
  const shared = [...left.letters].filter((letter) => right.letters.includes(letter));
  const places = (letters: readonly string[]): [number, number][] =>
    letters.map((letter) => [left.letters.indexOf(letter), right.letters.indexOf(letter)]);
  const batch = shared.filter((letter) => result.includes(letter));
  const contract = shared.filter((letter) => !result.includes(letter));
  const alone = (letters: string): string[] => [...letters].filter((letter) => !shared.includes(letter));
  const term = dot(left.term, right.term, { batch: places(batch), contract: places(contract) }, h);
  return { term, letters: [...batch, ...alone(left.letters), ...alone(right.letters)].join('') };
}

/** One or two operands, as TensorFlow.js takes. */
export const einsum: Lowering<'Einsum'> = (terms, { equation }, _, h) => {
  const [given = '', result = ''] = equation.split('->');
  const operands = given.split(',').map((letters, i): Lettered => ({ term: terms[i]!, letters }));
  const [first, second] = operands;
  const { term, letters } = second ? pair(first!, second, result, h) : withoutLonely(first!, result, h);
  return h.transpose(
    term,
    [...result].map((letter) => letters.indexOf(letter)),
  );
};
