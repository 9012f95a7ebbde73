/**
 * The notebooks under Jupyter's own tools, nbclient and nbconvert, where a Python has them. They run with few prompts
 * and steps; REWARD_FORCING_NOTEBOOKS=whole runs them as they are, for minutes each.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { installKernel } from '../../kernel/install.ts';
import { readNotebook, writeNotebookText } from '../../kernel/notebook/document.ts';
import { injectParameters, type ParameterValue } from '../../kernel/notebook/parameters.ts';
import { findPython, runPython } from './python.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = readdirSync(join(root, 'notebooks')).filter((name) => name.endsWith('.ipynb'));
const isWhole = process.env['REWARD_FORCING_NOTEBOOKS'] === 'whole';

/** Sizes at which a notebook still shows every kind of output. */
const SMALL: Readonly<Record<string, Record<string, ParameterValue>>> = {
  '00-quickstart.ipynb': {
    ...{ prompts: 2, seeds: 1, shown: 2, trajectories: 4, phase1Steps: 2, phase2Steps: 2, batch: 2 },
  },
  '40-causal-student.ipynb': { prompts: 3, longFrames: 3, longBlocks: 4 },
  '50-rewards.ipynb': { pictures: 16, climbSteps: 10 },
  '60-reward-forcing.ipynb': { prompts: 3, phase1Steps: 2, phase2Steps: 2, batch: 2, trajectories: 4 },
};

const { python, why } = findPython('nbclient, nbconvert');

describe.skipIf(!python)(`nbclient and nbconvert${why ? ` (skipped: ${why})` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'nbclient-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  if (python) installKernel(join(root, 'dist', 'kernel', 'main.js'), { prefix: folder });

  test.each(files)(
    '%s runs and renders',
    async (name) => {
      const file = join(folder, name);
      const parameters = {
        ...(isWhole ? {} : SMALL[name]),
        ...(name.startsWith('00') && { out: join(folder, 'out') }),
      };
      writeFileSync(file, writeNotebookText(injectParameters(readNotebook(join(root, 'notebooks', name)), parameters)));
      const { code, said } = await runPython(python!, 'notebooks.py', ['reward-forcing', file], folder);
      expect(code, said).toBe(0);
      const outputs = readNotebook(file).cells.flatMap((cell) => cell.outputs ?? []);
      expect(outputs.map(({ output_type: type }) => type)).not.toContain('error');
      const page = readFileSync(file.replace(/ipynb$/, 'html'), 'utf8');
      const pictures = outputs.filter(({ data }) => 'image/png' in ((data ?? {}) as object));
      expect(pictures.length).toBeGreaterThan(3);
      expect(page.match(/src="data:(image|video)\/|<svg|<table|widget-view\+json/g)?.length).toBeGreaterThanOrEqual(
        pictures.length,
      );
    },
    isWhole ? 1_800_000 : 600_000,
  );
});
