import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { readsAny, type TypeScript } from '../../kernel/server/syntax.ts';

const require = createRequire(import.meta.url);
const fromTslab = createRequire(require.resolve('tslab/dist/converter.js'));
const ts = fromTslab('@tslab/typescript-for-tslab') as TypeScript;

test.each([
  ['sampler.euler', true],
  ['const all = Object.keys(sampler);', true],
  ['const both = { sampler };', true],
  ['const named = { reward: reward.small() };', true],
  ['step.reward + 1', false],
  ['interface Step { reward: number }', false],
  ['{ const reward = 1; push({ reward }); }', false],
  ['import { train } from "./mine"; train();', false],
  ['// the sampler', false],
  ['"train"', false],
])('whether a cell needs the library: %s is %s', (code, needed) => {
  expect(readsAny(ts, code, ['sampler', 'reward', 'train'])).toBe(needed);
});
