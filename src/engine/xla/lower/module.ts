/** A program of the recorded graph as a StableHLO module. */
import type { Precision } from '../../engine.ts';
import { type Operand, type Program, type ProgramNode, sameShape, type Value } from '../../graph/index.ts';
import { Emitter, type Term, typeText } from './emitter.ts';
import type { Lowering } from './lowering.ts';
import { lowerings } from './operators.ts';

export interface LoweredProgram {
  readonly text: string;
  /** Inputs whose data an output takes over, where the caller has no more use for it. */
  readonly donors: readonly number[];
  /** Whether a truth follows the outputs: a position lay outside. */
  readonly hasAlarm: boolean;
}

/** Lowers a program. Throws the name of an operator or attribute that this engine cannot do. */
export function lowerProgram(program: Program, compute: Precision): LoweredProgram {
  const h = new Emitter(compute);
  const terms = new Map<Operand, Term>();
  program.inputs.forEach((value, i) => {
    terms.set(value, { name: `%a${i}`, dtype: value.dtype, shape: value.shape });
  });
  for (const constant of program.constants) {
    const { id, dtype, shape, data } = constant;
    terms.set(constant, { name: `%c${id}`, dtype, shape, data });
  }
  for (const node of program.nodes) lowerNode(node, terms, h);
  const results = program.outputs.map((value) => terms.get(value)!);
  const [alarm] = h.alarms.length > 0 ? [h.alarms.reduce((a, b) => h.binary('or', a, b))] : [];
  const returned = alarm ? [...results, alarm] : results;
  // a failing run must leave its inputs as they were, so that the operation at fault can be found
  const donations = alarm ? [] : donationsOf(program);
  const names = returned.map((term) => h.ref(term)).join(', ');
  const types = returned.map(typeText).join(', ');
  const takers = new Map(donations.map(({ input, output }) => [input, output]));
  const parameters = program.inputs.map((value, i) => parameterText(value, i, takers.get(i))).join(', ');
  const text = [
    `module @recorded { func.func public @main(${parameters}) -> (${types}) {`,
    h.text,
    `"func.return"(${names}) : (${types}) -> ()`,
    '}}',
  ].join('\n');
  return { text, donors: donations.map(({ input }) => input), hasAlarm: alarm !== undefined };
}

function lowerNode({ operation, inputs, outputs }: ProgramNode, terms: Map<Operand, Term>, h: Emitter): void {
  const { name, attributes } = operation;
  const lowering = (lowerings as Readonly<Record<string, Lowering<never> | undefined>>)[name];
  if (!lowering) throw new Error(`engine xla: no lowering of ${name}`);
  const given = inputs.map((input) => terms.get(input)) as Term[];
  const made = [lowering(given, (attributes ?? {}) as never, outputs, h)].flat();
  outputs.forEach((value, i) => {
    const term = made[i];
    if (term?.dtype !== value.dtype || !sameShape(term.shape, value.shape)) {
      const [got, wanted] = [term ? typeText(term) : 'nothing', typeText(value)];
      throw new Error(`engine xla: ${name} was lowered to ${got}, recorded as ${wanted}; report this`);
    }
    terms.set(value, term);
  });
}

interface Donation {
  readonly input: number;
  readonly output: number;
}

/** Pairs each spent input with the first free output of its type, which then lies in the same memory. */
function donationsOf({ inputs, outputs, spent }: Program): Donation[] {
  const free = new Map<string, number[]>();
  outputs.forEach((value, i) => {
    const type = typeText(value);
    free.set(type, [...(free.get(type) ?? []), i]);
  });
  return inputs.flatMap((value, input) => {
    const output = spent[input] ? free.get(typeText(value))?.shift() : undefined;
    return output === undefined ? [] : [{ input, output }];
  });
}

/** `taker` is the output that takes the input's memory over. */
function parameterText(value: Value, index: number, taker: number | undefined): string {
  const attribute = taker === undefined ? '' : ` {tf.aliasing_output = ${taker} : i32}`;
  return `%a${index}: ${typeText(value)}${attribute}`;
}
