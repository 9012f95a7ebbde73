import { beforeAll, expect, test } from 'vitest';
import { report, use } from '../../src/engine/index.ts';
import { type StageName, stages } from './small.ts';

beforeAll(async () => {
  await use('onnx');
});

/** Kinds of steps: the average of `distil` starts late; the gradient of `reward` leaves at one of two denoising steps. */
const cases: { name: StageName; graphs: number }[] = [
  { name: 'vae', graphs: 1 },
  { name: 'teacher', graphs: 1 },
  { name: 'ode', graphs: 1 },
  { name: 'distil', graphs: 2 },
  { name: 'reward', graphs: 2 },
];

test.each(cases)('stage $name compiles once for each of its $graphs kinds of step', async ({ name, graphs }) => {
  const prepared = stages[name]();
  const compiles: number[] = [];
  for await (const _ of prepared.run({ steps: 6, seed: 1 })) compiles.push(report().graphs!.compiles);
  prepared.dispose();
  expect(new Set(compiles).size).toBe(graphs);
});
