import ts from 'typescript';
import { expect, test } from 'vitest';
import { completeness, declarationOf, readQuery, readsAny } from '../../kernel/server/syntax.ts';

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

test.each([
  ['?tf', { name: 'tf', withSource: false }],
  [' tf.tidy ? ', { name: 'tf.tidy', withSource: false }],
  ['??größe', { name: 'größe', withSource: true }],
  ['x??;', { name: 'x', withSource: true }],
  ['x ? 1 : 2', null],
  ['x ?? 2', null],
  ['x?.y', null],
  ['f()?', null],
  ['?', null],
])('whether a cell asks for a page: %s', (code, query) => {
  expect(readQuery(code)).toEqual(query);
  if (query) expect(completeness(ts, code)).toEqual({ status: 'complete' });
});

test('a name’s declaration is its last statement, with the comment above it', () => {
  const code = 'let x = 1;\n// again\nlet [x2, { y }] = f();\nif (x) { let hidden = 1; }\n/** One. */ type One = 1;';
  expect(declarationOf(ts, code, 'y')).toBe('// again\nlet [x2, { y }] = f();');
  expect(declarationOf(ts, code, 'One')).toBe('/** One. */ type One = 1;');
  expect(declarationOf(ts, code, 'hidden')).toBeNull();
});
