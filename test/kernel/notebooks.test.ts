import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Cell, cellText, hasTag, readNotebook } from '../../kernel/notebook/document.ts';

const folder = fileURLToPath(new URL('../../notebooks', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.ipynb'));

test.each(files)('%s opens with a question, closes with the answer and carries its outputs', (name) => {
  const { cells, metadata } = readNotebook(join(folder, name));
  const [first, last] = [cells[0], cells.at(-1)] as [Cell, Cell];
  expect(cellText(first)).toMatch(/^# .*\?/);
  expect(cellText(last)).toMatch(/^## The answer/);
  const ran = cells.filter((cell) => cell.cell_type === 'code' && !hasTag(cell, 'parameters'));
  expect(ran.every((cell) => typeof cell.execution_count === 'number')).toBe(true);
  expect(ran.flatMap((cell) => cell.outputs ?? []).some(({ output_type: type }) => type === 'error')).toBe(false);
  expect(metadata).toMatchObject({
    kernelspec: { name: 'reward-forcing' },
    reward_forcing: { source: expect.any(String) },
  });
});
