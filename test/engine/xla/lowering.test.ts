/** Every operator of the recorded graph: lowered to what it was recorded as, and computed as the cpu engine computes it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GraphRuntime, Program } from '../../../src/engine/graph/index.ts';
import * as engine from '../../../src/engine/index.ts';
import { type LazyParts, startLazy } from '../../../src/engine/lazy/start.ts';
import { tf } from '../../../src/engine/tf.ts';
import { lowerProgram } from '../../../src/engine/xla/lower/module.ts';
import { agree } from '../agree.ts';
import { operators } from './operators.ts';

const rows = Object.entries(operators);

/** Lowers every program and runs none. */
class Lowering implements GraphRuntime {
  readonly name = 'lowering';
  readonly channelBlock = 0;
  readonly operators = new Set<string>();
  readonly texts: string[] = [];
  readonly refusals: unknown[] = [];

  compile(program: Program): never {
    for (const { operation } of program.nodes) this.operators.add(operation.name);
    try {
      this.texts.push(lowerProgram(program, 'float32').text);
    } catch (error) {
      this.refusals.push(error);
    }
    throw new Error('programs are lowered here and not run');
  }
  createValue(): number {
    return 1;
  }
  readValue(): never {
    throw new Error('there are no values here');
  }
  releaseValue(): void {}
}

describe('without a plugin', () => {
  const runtime = new Lowering();
  let parts: LazyParts;

  beforeAll(async () => {
    await engine.use('cpu');
    parts = startLazy(runtime, {});
    await tf.setBackend('lowering');
  });

  afterAll(async () => {
    await engine.use('cpu');
  });

  test.each(rows)('%s is lowered to the types that were recorded', (name, run) => {
    tf.tidy(() => {
      run();
      parts.flush();
    });
    expect(runtime.refusals).toEqual([]);
    expect(runtime.operators).toContain(name);
  });

  test('the text is one function whose parameters and results carry their types', () => {
    runtime.texts.length = 0;
    tf.tidy(() => {
      tf.add(tf.ones([2, 3]).cast('int32'), tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3], 'int32'));
      parts.flush();
    });
    expect(runtime.texts[0]).toMatch(
      /^module @recorded \{ func\.func public @main\(%a0: tensor<2x3xf32>, %a1: tensor<2x3xi32>\) -> \(tensor<2x3xi32>/,
    );
  });
});

const reason = engine.list().find(({ name }) => name === 'xla')?.reason ?? null;

describe.skipIf(reason !== null)(`against the cpu engine${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  agree(rows.map(([name, run]) => [name, run]));
});
