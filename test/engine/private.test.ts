/** Computing is nobody else's business: no reports, no files, whatever the command line. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { testFolder } from '../folder.ts';

const longest = 120_000;
const home = await testFolder('home');

test('ONNX Runtime leaves no telemetry in the home folder and survives a long command line', async () => {
  const tsx = createRequire(import.meta.url).resolve('tsx/cli');
  const script = fileURLToPath(new URL('start.ts', import.meta.url));
  const { ORT_DISABLE_TELEMETRY: _, XDG_CACHE_HOME: __, ...variables } = process.env;
  const env = { ...variables, HOME: home, USERPROFILE: home };
  const { stdout } = await promisify(execFile)(process.execPath, [tsx, script, 'x'.repeat(longest)], { env });
  expect(stdout).toBe('3\n');
  expect(readdirSync(home)).toEqual([]);
});
