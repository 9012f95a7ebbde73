/** How an operator is lowered: from the terms of its inputs to those of its results. */
import type { AttributesOf, OperatorName } from '../../graph/index.ts';
import type { Emitter, Term, TermType } from './emitter.ts';

/** An operator of a recorded graph as StableHLO; absent inputs are undefined, `results` are the types to be made. */
export type Lowering<Name extends OperatorName> = (
  inputs: readonly Term[],
  attributes: NonNullable<AttributesOf<Name>>,
  results: readonly TermType[],
  h: Emitter,
) => Term | Term[];

/** The content of an input that must be known when a graph is compiled: axes, shapes, positions. */
export function tableOf(operator: string, term: Term | undefined): number[] {
  if (term?.data) return Array.from(term.data, Number);
  throw new Error(`engine xla: ${operator} wants a constant table here, not a computed value`);
}

/** Axes from 0 on. */
export function positive(axes: readonly number[], rank: number): number[] {
  return axes.map((axis) => (axis < 0 ? axis + rank : axis));
}
