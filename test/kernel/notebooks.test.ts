import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Cell, cellText, hasTag, type Output, readNotebook } from '../../kernel/notebook/document.ts';

const folder = fileURLToPath(new URL('../../notebooks', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.ipynb'));
const cellsOf = (name: string): Cell[] => readNotebook(join(folder, name)).cells;
const codeOf = (name: string): Cell[] => cellsOf(name).filter(({ cell_type: type }) => type === 'code');
const outputsOf = (name: string): Output[] => codeOf(name).flatMap(({ outputs = [] }) => outputs);

test('the walkthroughs are there', () => {
  const topics = ['00-quickstart', '20-diffusion-and-ode', '40-causal-student', '50-rewards', '60-reward-forcing'];
  expect(files).toEqual(expect.arrayContaining(topics.map((name) => `${name}.ipynb`)));
});

test.each(files)('%s opens with a question and closes with the answer', (name) => {
  const [first, last] = [cellsOf(name)[0], cellsOf(name).at(-1)] as [Cell, Cell];
  expect(cellText(first)).toMatch(/^# .*\?/);
  expect(cellText(last)).toMatch(/^## The answer/);
});

test.each(files)('%s explains: a text above every few cells, no line too long to read', (name) => {
  const kinds = cellsOf(name).map(({ cell_type: type }) => type);
  expect(kinds.join(' ')).not.toMatch(/(code ?){7}/);
  for (const cell of codeOf(name)) {
    const lines = cellText(cell).split('\n');
    expect(lines.length, cellText(cell)).toBeLessThanOrEqual(60);
  }
});

test.each(files)('%s carries the outputs of a whole run without errors', (name) => {
  const code = codeOf(name).filter((cell) => cellText(cell).trim() !== '');
  expect(code.map(({ execution_count: count }) => count)).toEqual(code.map((_, i) => i + 1));
  const kinds = outputsOf(name).map(({ output_type: type }) => type);
  expect(kinds).not.toContain('error');
  expect(outputsOf(name).some((output) => 'image/png' in ((output['data'] ?? {}) as object))).toBe(true);
  expect(code.some((cell) => hasTag(cell, 'injected-parameters'))).toBe(false);
});

test.each(files)('%s was run with the kernel of this package, and says with what', (name) => {
  expect(readNotebook(join(folder, name)).metadata).toMatchObject({
    kernelspec: { name: 'reward-forcing' },
    reward_forcing: {
      source: expect.stringMatching(/^[0-9a-f]{64}$/),
      ran: expect.stringMatching(/^\d{4}-/),
      engine: { name: 'onnx', fallbacks: {} },
      versions: { 'reward-forcing': expect.any(String), 'onnxruntime-node': expect.any(String) },
    },
  });
});

test.each(files)('%s is small, and every output has a form without scripts', (name) => {
  expect(statSync(join(folder, name)).size).toBeLessThan(2.5e6);
  for (const output of outputsOf(name).filter((each) => each['data'])) {
    const forms = Object.keys(output['data'] as object);
    expect(forms).toContain('text/plain');
    expect(forms).not.toContain('application/vnd.jupyter.widget-view+json');
    expect(JSON.stringify(output)).not.toMatch(/<script/);
  }
});

test.each(files)('%s names no folder of the machine that ran it', (name) => {
  const texts = outputsOf(name).map((output) => JSON.stringify(output).replace(/[A-Za-z0-9+/=]{200,}/g, ''));
  expect(texts.join('\n')).not.toMatch(/\/(?:home|root|work|tmp|Users)\//);
});
