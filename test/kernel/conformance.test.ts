import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { installKernel } from '../../kernel/install.ts';
import { findPython, runPython } from './python.ts';

const main = fileURLToPath(new URL('../../dist/kernel/main.js', import.meta.url));
const { python, why } = findPython('jupyter_kernel_test');

test.skipIf(python === null)(
  `every check of jupyter_kernel_test passes${why ? ` (skipped: ${why})` : ''}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
    installKernel(main, { prefix: folder });
    const { said } = await runPython(python!, 'conformance.py', [], folder);
    rmSync(folder, { recursive: true });
    const outcomes = [...said.matchAll(/^(test_\w+) .* \.\.\. (.*)$/gm)].map(([, name, outcome]) => [name, outcome]);
    expect(outcomes.length, said).toBe(13);
    expect(outcomes.filter(([, outcome]) => outcome !== 'ok')).toEqual([]);
  },
  180_000,
);
